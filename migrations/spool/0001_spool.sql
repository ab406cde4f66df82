-- What the doors took in while the database was away, in the order of arrival.
CREATE TABLE submissions (
    -- Never given twice, also after the spool was empty.
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    id          BLOB NOT NULL,
    door        TEXT NOT NULL,
    digest      BLOB NOT NULL,
    received_at TEXT NOT NULL,
    -- Who the sender says they are: anonymous, token or metabase.
    claim       TEXT NOT NULL,
    -- SHA-256 of the token, or the legacy profile; empty for anonymous.
    credential  BLOB NOT NULL,
    -- The secret sent with the profile, for as long as it is still to be checked.
    secret      BLOB,
    dictionary  INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    body        BLOB NOT NULL,
    -- Why it stays although the database answers.
    held        TEXT
);

CREATE INDEX submissions_by_id ON submissions (id, number);

-- Submissions that turned out not to be acceptable once the database could be asked: for their senders to read.
CREATE TABLE refusals (
    number      INTEGER PRIMARY KEY,
    id          BLOB NOT NULL,
    digest      BLOB NOT NULL,
    received_at TEXT NOT NULL,
    refused_at  TEXT NOT NULL,
    reason      TEXT NOT NULL
);

CREATE INDEX refusals_by_id ON refusals (id, number);
CREATE INDEX refusals_by_time ON refusals (refused_at);
