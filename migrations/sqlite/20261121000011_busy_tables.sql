-- As on PostgreSQL, where no index is to tell by a report's state. Parked reports have a reason, and so have rejected ones.
DROP INDEX reports_unsettled;
DROP INDEX reports_parked;
CREATE INDEX reports_parked ON reports (group_number) WHERE reason IS NOT NULL;
