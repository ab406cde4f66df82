-- The oldest schema whose programs can work on this one: a process of the version before can be started again while the
-- others of its kind are being replaced. A migration that such a program could not live with sets this to its own number.
INSERT INTO counters (name, value) VALUES ('oldest_schema', 20261121000012);
