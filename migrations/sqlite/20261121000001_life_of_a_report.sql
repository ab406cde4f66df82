-- One counter gives every change its number. It is moved last in a transaction and held until the commit, so the
-- numbers appear in commit order.
CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('changes', 0);

CREATE TABLE settings (
    name       TEXT     NOT NULL PRIMARY KEY,
    value      TEXT     NOT NULL,
    changed_at DATETIME NOT NULL
) WITHOUT ROWID;

-- Who sends reports. `door` tells how they prove it: 'metabase' by a secret, 'token' by a bearer token, and
-- 'anonymous' not at all. `identity` is the profile, the token's tester name, or the address, in that order.
CREATE TABLE testers (
    number      INTEGER  NOT NULL PRIMARY KEY,
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
    created_at  DATETIME NOT NULL,
    UNIQUE (door, identity)
);

CREATE TABLE tokens (
    id         TEXT     NOT NULL PRIMARY KEY,
    hash       BLOB     NOT NULL UNIQUE,
    tester     INTEGER  REFERENCES testers (number),
    scopes     TEXT     NOT NULL,
    created_at DATETIME NOT NULL,
    expires_at DATETIME,
    revoked_at DATETIME
) WITHOUT ROWID;

-- Reports that were accepted together and are processed together.
CREATE TABLE groups (
    number     INTEGER  NOT NULL PRIMARY KEY,
    reports    BIGINT   NOT NULL,
    created_at DATETIME NOT NULL,
    settled_at DATETIME
);
CREATE INDEX groups_open ON groups (number) WHERE settled_at IS NULL;

-- Each try at a group, written before the work starts, so that a worker that vanishes leaves its mark.
CREATE TABLE attempts (
    group_number INTEGER  NOT NULL REFERENCES groups (number),
    attempt      BIGINT   NOT NULL,
    worker       TEXT     NOT NULL,
    started_at   DATETIME NOT NULL,
    ended_at     DATETIME,
    outcome      TEXT,
    text         TEXT,
    PRIMARY KEY (group_number, attempt)
) WITHOUT ROWID;

-- One row a report; narrow, because its state changes. The bytes lie in `bodies`.
CREATE TABLE reports (
    number       INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
    id           BLOB     NOT NULL UNIQUE,
    revision     BIGINT   NOT NULL DEFAULT 1,
    digest       BLOB     NOT NULL,
    door         TEXT     NOT NULL,
    tester       INTEGER  NOT NULL REFERENCES testers (number),
    received_at  DATETIME NOT NULL,
    group_number INTEGER  NOT NULL REFERENCES groups (number),
    state        TEXT     NOT NULL,
    reason       TEXT
);
CREATE INDEX reports_by_group ON reports (group_number);
CREATE INDEX reports_unsettled ON reports (number) WHERE state IN ('parked', 'rejected');

-- The bytes as they came, zstd-compressed with the named dictionary (0: none).
CREATE TABLE bodies (
    number     INTEGER NOT NULL PRIMARY KEY REFERENCES reports (number),
    dictionary BIGINT  NOT NULL,
    size       BIGINT  NOT NULL,
    body       BLOB    NOT NULL
);

-- Bytes that a correction has replaced.
CREATE TABLE superseded_bodies (
    number      INTEGER  NOT NULL REFERENCES reports (number),
    revision    BIGINT   NOT NULL,
    digest      BLOB     NOT NULL,
    received_at DATETIME NOT NULL,
    dictionary  BIGINT   NOT NULL,
    size        BIGINT   NOT NULL,
    body        BLOB     NOT NULL,
    PRIMARY KEY (number, revision)
);

-- A distribution at a version. `change_number` is that of the newest change to its counts.
CREATE TABLE releases (
    number        INTEGER  NOT NULL PRIMARY KEY,
    language      TEXT     NOT NULL,
    distribution  TEXT     NOT NULL,
    version       TEXT     NOT NULL,
    author        TEXT,
    archive       TEXT,
    developer     BOOLEAN  NOT NULL,
    on_cpan       BOOLEAN  NOT NULL DEFAULT TRUE,
    released_at   DATETIME,
    change_number BIGINT   NOT NULL DEFAULT 0,
    changed_at    DATETIME NOT NULL,
    UNIQUE (language, distribution, version)
);
CREATE INDEX releases_by_change ON releases (change_number);
CREATE INDEX releases_by_author ON releases (author, distribution);
CREATE INDEX releases_by_name ON releases (lower(distribution));

-- Counts of a release, by maturity and patch state of the language version (contract §4.3).
CREATE TABLE summaries (
    release     INTEGER NOT NULL REFERENCES releases (number),
    development BOOLEAN NOT NULL,
    patched     BOOLEAN NOT NULL,
    pass        BIGINT  NOT NULL,
    fail        BIGINT  NOT NULL,
    na          BIGINT  NOT NULL,
    unknown     BIGINT  NOT NULL,
    PRIMARY KEY (release, development, patched)
) WITHOUT ROWID;

-- Counts of a release by platform.
CREATE TABLE matrix_cells (
    release          INTEGER NOT NULL REFERENCES releases (number),
    language_version TEXT    NOT NULL,
    os               TEXT    NOT NULL,
    architecture     TEXT    NOT NULL,
    pass             BIGINT  NOT NULL,
    fail             BIGINT  NOT NULL,
    na               BIGINT  NOT NULL,
    unknown          BIGINT  NOT NULL,
    PRIMARY KEY (release, language_version, os, architecture)
) WITHOUT ROWID;

-- What was read out of each report. `document` is the row as readers get it; the columns are what lists select by
-- and counts are made of. A removed row stays as a tombstone with an empty document.
CREATE TABLE extracts (
    number           INTEGER  NOT NULL PRIMARY KEY REFERENCES reports (number),
    change_number    BIGINT   NOT NULL,
    changed_at       DATETIME NOT NULL,
    extractor        BIGINT   NOT NULL,
    removed          BOOLEAN  NOT NULL DEFAULT FALSE,
    release          INTEGER  NOT NULL REFERENCES releases (number),
    tester           INTEGER  NOT NULL REFERENCES testers (number),
    grade            TEXT     NOT NULL,
    language_version TEXT     NOT NULL,
    development      BOOLEAN  NOT NULL,
    patched          BOOLEAN  NOT NULL,
    os               TEXT     NOT NULL,
    architecture     TEXT     NOT NULL,
    received_at      DATETIME NOT NULL,
    document         TEXT     NOT NULL
);
CREATE UNIQUE INDEX extracts_by_change ON extracts (change_number);
CREATE INDEX extracts_by_release ON extracts (release, number);
CREATE INDEX extracts_by_grade ON extracts (release, removed, grade, tester);
CREATE INDEX extracts_by_tester ON extracts (tester, number);
