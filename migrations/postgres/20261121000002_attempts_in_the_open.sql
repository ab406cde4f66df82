-- The group this one came out of: it was cut up, or its parked reports are tried again. Attempts at a report are those
-- at its group and at the groups before it.
ALTER TABLE groups ADD COLUMN parent BIGINT REFERENCES groups (number);
CREATE INDEX groups_by_parent ON groups (parent) WHERE parent IS NOT NULL;

-- When a group is tried again that failed for want of something; empty while it is tried, and when it has not failed.
ALTER TABLE groups ADD COLUMN retry_at TIMESTAMPTZ;

-- Why an attempt failed, as one word for programs; `text` says it for people.
ALTER TABLE attempts ADD COLUMN reason TEXT;

CREATE INDEX reports_parked ON reports (group_number) WHERE state = 'parked';
