-- works with: 0007
-- What credentials may still ask of the systems that entities are read from. All processes share them.

-- step: transaction
create table budgets (
    credential text collate "C" primary key,
    most integer,
    remaining integer,
    resets_at timestamptz,
    -- The system wants no request before that.
    blocked_until timestamptz
);
