-- One counter gives every change its number. It is moved last in a transaction and held until the commit, so the
-- numbers appear in commit order.
CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('changes', 0);

CREATE TABLE settings (
    name       TEXT     NOT NULL PRIMARY KEY,
    value      TEXT     NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL
);

-- Who sends reports. `door` tells how they prove it: 'metabase' by a secret, 'token' by a bearer token, and
-- 'anonymous' not at all. `identity` is the profile, the token's tester name, or the address, in that order.
CREATE TABLE testers (
    number      BIGINT   NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    id          TEXT     NOT NULL UNIQUE,
    door        TEXT     NOT NULL,
    identity    TEXT     NOT NULL,
    name        TEXT     NOT NULL,
    address     TEXT,
    secret_hash TEXT,
    pass        BIGINT   NOT NULL DEFAULT 0,
    fail        BIGINT   NOT NULL DEFAULT 0,
    na          BIGINT   NOT NULL DEFAULT 0,
    unknown     BIGINT   NOT NULL DEFAULT 0,
    created_at  TIMESTAMPTZ NOT NULL,
    UNIQUE (door, identity)
);

CREATE TABLE tokens (
    id         TEXT     NOT NULL PRIMARY KEY,
    hash       BYTEA     NOT NULL UNIQUE,
    tester     BIGINT  REFERENCES testers (number),
    scopes     TEXT     NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ
);

-- Reports that were accepted together and are processed together.
CREATE TABLE groups (
    number     BIGINT   NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    reports    BIGINT   NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    settled_at TIMESTAMPTZ
);
CREATE INDEX groups_open ON groups (number) WHERE settled_at IS NULL;

-- Each try at a group, written before the work starts, so that a worker that vanishes leaves its mark.
CREATE TABLE attempts (
    group_number BIGINT  NOT NULL REFERENCES groups (number),
    attempt      BIGINT   NOT NULL,
    worker       TEXT     NOT NULL,
    started_at   TIMESTAMPTZ NOT NULL,
    ended_at     TIMESTAMPTZ,
    outcome      TEXT,
    text         TEXT,
    PRIMARY KEY (group_number, attempt)
);

-- One row a report; narrow, because its state changes. The bytes lie in `bodies`.
CREATE TABLE reports (
    number       BIGINT   NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    id           UUID     NOT NULL UNIQUE,
    revision     BIGINT   NOT NULL DEFAULT 1,
    digest       BYTEA     NOT NULL,
    door         TEXT     NOT NULL,
    tester       BIGINT  NOT NULL REFERENCES testers (number),
    received_at  TIMESTAMPTZ NOT NULL,
    group_number BIGINT  NOT NULL REFERENCES groups (number),
    state        TEXT     NOT NULL,
    reason       TEXT
);
CREATE INDEX reports_by_group ON reports (group_number);
CREATE INDEX reports_unsettled ON reports (number) WHERE state IN ('parked', 'rejected');

-- The bytes as they came, zstd-compressed with the named dictionary (0: none).
CREATE TABLE bodies (
    number     BIGINT NOT NULL PRIMARY KEY REFERENCES reports (number),
    dictionary BIGINT  NOT NULL,
    size       BIGINT  NOT NULL,
    body       BYTEA    NOT NULL
);

-- Bytes that a correction has replaced.
CREATE TABLE superseded_bodies (
    number      BIGINT  NOT NULL REFERENCES reports (number),
    revision    BIGINT   NOT NULL,
    digest      BYTEA     NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    dictionary  BIGINT   NOT NULL,
    size        BIGINT   NOT NULL,
    body        BYTEA     NOT NULL,
    PRIMARY KEY (number, revision)
);

-- A distribution at a version. `change_number` is that of the newest change to its counts.
CREATE TABLE releases (
    number        BIGINT   NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    language      TEXT     NOT NULL,
    distribution  TEXT     NOT NULL,
    version       TEXT     NOT NULL,
    author        TEXT,
    archive       TEXT,
    developer     BOOLEAN  NOT NULL,
    on_cpan       BOOLEAN  NOT NULL DEFAULT TRUE,
    released_at   TIMESTAMPTZ,
    change_number BIGINT   NOT NULL DEFAULT 0,
    changed_at    TIMESTAMPTZ NOT NULL,
    UNIQUE (language, distribution, version)
);
CREATE INDEX releases_by_change ON releases (change_number);
CREATE INDEX releases_by_author ON releases (author, distribution);
CREATE INDEX releases_by_name ON releases (lower(distribution));

-- Counts of a release, by maturity and patch state of the language version (contract §4.3).
CREATE TABLE summaries (
    release     BIGINT NOT NULL REFERENCES releases (number),
    development BOOLEAN NOT NULL,
    patched     BOOLEAN NOT NULL,
    pass        BIGINT  NOT NULL,
    fail        BIGINT  NOT NULL,
    na          BIGINT  NOT NULL,
    unknown     BIGINT  NOT NULL,
    PRIMARY KEY (release, development, patched)
);

-- Counts of a release by platform.
CREATE TABLE matrix_cells (
    release          BIGINT NOT NULL REFERENCES releases (number),
    language_version TEXT    NOT NULL,
    os               TEXT    NOT NULL,
    architecture     TEXT    NOT NULL,
    pass             BIGINT  NOT NULL,
    fail             BIGINT  NOT NULL,
    na               BIGINT  NOT NULL,
    unknown          BIGINT  NOT NULL,
    PRIMARY KEY (release, language_version, os, architecture)
);

-- What was read out of each report. `document` is the row as readers get it; the columns are what lists select by
-- and counts are made of. A removed row stays as a tombstone with an empty document.
CREATE TABLE extracts (
    number           BIGINT  NOT NULL PRIMARY KEY REFERENCES reports (number),
    change_number    BIGINT   NOT NULL,
    changed_at       TIMESTAMPTZ NOT NULL,
    extractor        BIGINT   NOT NULL,
    removed          BOOLEAN  NOT NULL DEFAULT FALSE,
    release          BIGINT  NOT NULL REFERENCES releases (number),
    tester           BIGINT  NOT NULL REFERENCES testers (number),
    grade            TEXT     NOT NULL,
    language_version TEXT     NOT NULL,
    development      BOOLEAN  NOT NULL,
    patched          BOOLEAN  NOT NULL,
    os               TEXT     NOT NULL,
    architecture     TEXT     NOT NULL,
    received_at      TIMESTAMPTZ NOT NULL,
    document         TEXT     NOT NULL
);
CREATE UNIQUE INDEX extracts_by_change ON extracts (change_number);
CREATE INDEX extracts_by_release ON extracts (release, number);
CREATE INDEX extracts_by_grade ON extracts (release, removed, grade, tester);
CREATE INDEX extracts_by_tester ON extracts (tester, number);
