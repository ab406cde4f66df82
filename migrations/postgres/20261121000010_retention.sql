-- Months of receipt whose bytes were dropped, of the table that `place` names: 'bodies' or 'superseded_bodies'. Source,
-- like the reports: it tells bytes that were dropped from bytes that are lost. Without `ended_at` some may be left: it was
-- cut short, or more bytes of the month have come since.
CREATE TABLE dropped_months (
    place     TEXT     NOT NULL,
    month     TEXT     NOT NULL,
    begins_at TIMESTAMPTZ NOT NULL,
    ends_at   TIMESTAMPTZ NOT NULL,
    bodies    BIGINT   NOT NULL DEFAULT 0,
    bytes     BIGINT   NOT NULL DEFAULT 0,
    begun_at  TIMESTAMPTZ NOT NULL,
    ended_at  TIMESTAMPTZ,
    PRIMARY KEY (place, month)
);

-- Reports that a rebuild could not read because their bytes are gone.
ALTER TABLE rebuilds ADD COLUMN skipped BIGINT NOT NULL DEFAULT 0;
