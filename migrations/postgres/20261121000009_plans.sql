-- Rows by architecture, in the order of the lists: one that is rare, or that nobody has, is found without reading every
-- row.
CREATE INDEX extracts_by_architecture ON extracts (architecture, number);
