-- What was released, by whom and when, as CPAN's own servers tell it. An upload is authoritative over what reports say
-- of their release. `kind` is 'cpan', 'backpan' (deleted from CPAN, kept in its history) or 'unknown'; a `released_at`
-- of 1970-01-01 is one that no source has told.
CREATE TABLE uploads (
    number       BIGINT   NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    language     TEXT     NOT NULL,
    distribution TEXT     NOT NULL,
    version      TEXT     NOT NULL,
    author       TEXT     NOT NULL,
    filename     TEXT     NOT NULL,
    released_at  TIMESTAMPTZ NOT NULL,
    kind         TEXT     NOT NULL,
    seen_at      TIMESTAMPTZ NOT NULL,
    UNIQUE (language, distribution, version)
);
CREATE INDEX uploads_by_author ON uploads (author, released_at);
CREATE INDEX uploads_by_release_time ON uploads (released_at);
