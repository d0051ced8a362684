-- name: due
-- Per priority, with how long the oldest has waited. What an engine holds at the moment is still there.
select priority, count(*) as entities, extract(epoch from cast(:now as timestamptz) - min(due_at))::float8 as oldest
from schedule where due_at <= :now group by priority;

-- name: stitching
-- Also those that are put off for a moment.
select count(*) as entities,
    greatest(0, extract(epoch from cast(:now as timestamptz) - min(due_at)))::float8 as oldest from stitch_queue;

-- name: relations
-- As PostgreSQL's planner has it: counting millions of them for each look would take longer than they are worth.
-- Until the table has been analysed for the first time only the statistics know.
select greatest(c.reltuples, s.n_live_tup, 0)::float8 as relations
from pg_class c left join pg_stat_user_tables s on s.relid = c.oid where c.oid = 'relations'::regclass;

-- name: waiting
-- Sessions of this database that wait for a lock, and for how long the one that has waited longest.
select count(distinct l.pid) as sessions,
    coalesce(max(extract(epoch from clock_timestamp() - l.waitstart)), 0)::float8 as longest
from pg_locks l join pg_stat_activity a on a.pid = l.pid
where not l.granted and a.datname = current_database();

-- name: change_at
select at from history where "offset" = :offset;
