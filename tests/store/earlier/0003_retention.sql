-- What the stream forgets: versions below the history floor, and tombstones below the tombstone floor.

create index final_entities_tombstones on final_entities (last_offset) where removed_at is not null;

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

-- What is deleted makes room for what comes, once it has been vacuumed: after a twentieth of the rows, and not a fifth.
-- Rows that are only ever added are frozen in small pieces as well.
alter table history set (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 1,
    toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 1000
);
alter table final_entities set (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 1,
    toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 1000
);
