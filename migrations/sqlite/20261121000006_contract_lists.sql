-- The collector's ids of a day, an hour or a minute (contract §1.7).
CREATE INDEX reports_by_receipt ON reports (received_at, number);

-- Rows over all distributions, each list in the order of its index: pieces of a long answer are read without sorting
-- (contract §1.4).
CREATE INDEX extracts_by_changed_at ON extracts (changed_at, number);
CREATE INDEX extracts_by_language_version ON extracts (language_version, number);
CREATE INDEX extracts_by_os ON extracts (os, number);
