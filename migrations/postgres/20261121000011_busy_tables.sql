-- Each row of these is written in one transaction with, or after, the rows it refers to, none of which is ever deleted
-- while it stands. To look for them, and lock them, takes as long as to write the row; `assay fsck` looks for them all.
ALTER TABLE reports
    DROP CONSTRAINT reports_tester_fkey,
    DROP CONSTRAINT reports_group_number_fkey;
ALTER TABLE bodies
    DROP CONSTRAINT bodies_number_fkey;
ALTER TABLE extracts
    DROP CONSTRAINT extracts_number_fkey,
    DROP CONSTRAINT extracts_release_fkey,
    DROP CONSTRAINT extracts_tester_fkey;

-- A report's state changes once, as a rule, from accepted to processed. No index tells by it, and its page has room: so
-- none has to be written for it.
DROP INDEX reports_unsettled, reports_parked;
CREATE INDEX reports_parked ON reports (group_number) WHERE reason IS NOT NULL;
ALTER TABLE reports SET (fillfactor = 50);

-- Counts change all the time.
ALTER TABLE summaries SET (fillfactor = 80);
ALTER TABLE matrix_cells SET (fillfactor = 80);
ALTER TABLE testers SET (fillfactor = 50);
ALTER TABLE counters SET (fillfactor = 10);
