-- Each run that reads stored reports again. `position` is the last report done and `goal` the last one to do, so that
-- a run that was cut short goes on where it was. Without `outcome` it is unfinished; else 'done' or 'abandoned'.
CREATE TABLE rebuilds (
    number       BIGINT   NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    extractor    BIGINT   NOT NULL,
    distribution TEXT,
    version      TEXT,
    since        TIMESTAMPTZ,
    until        TIMESTAMPTZ,
    cleared      BOOLEAN  NOT NULL,
    goal         BIGINT   NOT NULL,
    position     BIGINT   NOT NULL,
    reports      BIGINT   NOT NULL DEFAULT 0,
    changes      BIGINT   NOT NULL DEFAULT 0,
    started_at   TIMESTAMPTZ NOT NULL,
    ended_at     TIMESTAMPTZ,
    outcome      TEXT
);
CREATE INDEX rebuilds_unfinished ON rebuilds (number) WHERE outcome IS NULL;
