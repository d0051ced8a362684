-- works with: 0003
-- was: 0de37fce62cdba36dce485211d699790549bd6b08093a5a73ab7f2b0e96ca86b
-- What the stream forgets: versions below the history floor, and tombstones below the tombstone floor.

-- step: concurrently
create index concurrently final_entities_tombstones on final_entities (last_offset) where removed_at is not null;

-- step: transaction
-- The last time that something was forgotten.
create table retention (
    singleton boolean primary key default true check (singleton),
    started_at timestamptz not null,
    ended_at timestamptz not null,
    versions bigint not null,
    tombstones bigint not null,
    steps bigint not null,
    longest_ms double precision not null
);

-- step: transaction
-- What is deleted makes room for what comes, once it has been vacuumed: after a twentieth of the rows, and not a fifth.
-- Rows that are only ever added are frozen in small pieces as well.
alter table history set (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 1,
    toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 1000
);

-- step: transaction
alter table final_entities set (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 1,
    toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 1000
);
