-- Worker processes and when each was last seen, in seconds since 1970 by the database's clock.
CREATE TABLE heartbeats (
    worker  TEXT   NOT NULL PRIMARY KEY,
    seen_at BIGINT NOT NULL
) WITHOUT ROWID;
