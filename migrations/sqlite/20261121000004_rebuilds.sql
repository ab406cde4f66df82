-- Each run that reads stored reports again. `position` is the last report done and `goal` the last one to do, so that
-- a run that was cut short goes on where it was. Without `outcome` it is unfinished; else 'done' or 'abandoned'.
CREATE TABLE rebuilds (
    number       INTEGER  NOT NULL PRIMARY KEY,
    extractor    BIGINT   NOT NULL,
    distribution TEXT,
    version      TEXT,
    since        DATETIME,
    until        DATETIME,
    cleared      BOOLEAN  NOT NULL,
    goal         BIGINT   NOT NULL,
    position     BIGINT   NOT NULL,
    reports      BIGINT   NOT NULL DEFAULT 0,
    changes      BIGINT   NOT NULL DEFAULT 0,
    started_at   DATETIME NOT NULL,
    ended_at     DATETIME,
    outcome      TEXT
);
CREATE INDEX rebuilds_unfinished ON rebuilds (number) WHERE outcome IS NULL;
