-- What was released upstream, whether anybody has tested it or not.
CREATE TABLE uploads (number BIGINT NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY, language TEXT NOT NULL, distribution TEXT NOT NULL, version TEXT NOT NULL, author TEXT NOT NULL, filename TEXT NOT NULL, released_at TIMESTAMPTZ NOT NULL, kind TEXT NOT NULL, seen_at TIMESTAMPTZ NOT NULL, UNIQUE (language, distribution, version));
CREATE INDEX uploads_by_author ON uploads (author, released_at);
CREATE INDEX uploads_by_release_time ON uploads (released_at);
