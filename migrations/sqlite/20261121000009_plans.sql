-- Rows by architecture, in the order of the lists: one that is rare, or that nobody has, is found without reading every
-- row.
CREATE INDEX extracts_by_architecture ON extracts (architecture, number);

-- Attempts that go on: a list of jobs asks for each whether one does.
CREATE INDEX attempts_running ON attempts (group_number) WHERE ended_at IS NULL;
