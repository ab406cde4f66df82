-- Reports taken back by their tester or an operator. Source, like the reports: what is derived is made without them.
-- `kind` is 'retracted' or 'invalid', `withdrawn_by` 'tester' or 'operator', `who` the tester's or token's id, and
-- `body` 'kept' or 'purged'.
CREATE TABLE withdrawals (
    number       INTEGER  NOT NULL PRIMARY KEY REFERENCES reports (number),
    kind         TEXT     NOT NULL,
    reason       TEXT     NOT NULL,
    withdrawn_by TEXT     NOT NULL,
    who          TEXT     NOT NULL,
    withdrawn_at DATETIME NOT NULL,
    body         TEXT     NOT NULL
);
