-- What must not be there, a statement each. All return the ref of what is wrong, or what names it best.

-- name: claims_of_nothing
select c.target_ref as ref from claims c left join entities e on e.ref = c.target_ref where e.ref is null;

-- name: claims_by_nobody
select c.source as ref from claims c left join entities e on 'entity:' || e.ref = c.source
where c.source like 'entity:%' and e.ref is null;

-- name: winners_without_claim
select e.ref from entities e
left join claims c on c.source = e.source and c.target_ref = e.ref and c.location_key = e.location_key
where e.source is not null and c.source is null;

-- name: claimed_without_winner
select distinct e.ref from entities e join claims c on c.target_ref = e.ref where e.source is null;

-- name: due_and_not_there
select s.ref from schedule s left join entities e on e.ref = s.ref where e.ref is null;

-- name: relations_by_nobody
select r.originator as ref from relations r left join entities e on e.ref = r.originator where e.ref is null;

-- name: keys_of_nobody
select k.ref from refresh_keys k left join entities e on e.ref = k.ref where e.ref is null;

-- name: visible_and_not_there
select f.ref from final_entities f left join entities e on e.ref = f.ref and e.uid = f.uid
where f.removed_at is null and e.ref is null;

-- name: never_processed
-- New, and nobody has it on a list: it would wait for ever.
select e.ref from entities e left join schedule s on s.ref = e.ref
where e.source is not null and e.processed is null and e.errors is null
    and (s.ref is null or s.due_at = 'infinity' and s.lease is null);

-- name: never_stitched
-- Processed well, and neither visible nor on its way there.
select e.ref from entities e
left join final_entities f on f.ref = e.ref and f.removed_at is null
left join stitch_queue q on q.ref = e.ref
where e.processed is not null and f.ref is null and q.ref is null;

-- name: half_tombstones
select ref from final_entities where (removed_at is null) <> (body is not null);

-- name: missing_offsets
-- Above the floor each offset is there once; a hole is named by the offset before it.
select "offset"::text as ref from (
    select "offset", lead("offset", 1, (select head + 1 from stream)) over (order by "offset") as following
    from (
        select "offset" from history where "offset" > (select history_floor from stream)
        union all select history_floor from stream
    ) known
) neighbours
where following <> "offset" + 1;

-- name: beyond_the_head
select ref from final_entities where last_offset > (select head from stream)
union all
select ref from history where "offset" > (select head from stream);

-- name: missing_partitions
-- A part of the history that is written down and whose table is gone, or is there and no part of it. Named by its first
-- offset. Where the next change belongs to it, nothing can be published.
select p.starts_at::text as ref from history_partitions p
where not exists (
    select from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'history'::regclass and c.relname = 'history_' || p.starts_at
)
union all
-- Nothing is written down of the one for the next change.
select coalesce((select max(p.ends_before) from history_partitions p where p.ends_before <= stream.head + 1), 1)::text
from stream where head + 1 < history_until and not exists (
    select from history_partitions p where p.starts_at <= stream.head + 1 and stream.head + 1 < p.ends_before
);

-- name: other_than_told
-- What is visible, and what the stream has told last, are not the same.
select f.ref from final_entities f
left join history h on h."offset" = f.last_offset and h.ref = f.ref
where f.last_offset > (select history_floor from stream)
    and (h.ref is null or h.body is distinct from f.body or h.uid <> f.uid);

-- name: without_event
-- What is visible and has not changed since the floor has its version in the history, or among those that are kept of it.
select f.ref from final_entities f
where f.removed_at is null and f.last_offset <= (select history_floor from stream)
    and not exists (select from history h where h."offset" = f.last_offset and h.ref = f.ref)
    and not exists (select from kept_versions k where k."offset" = f.last_offset and k.ref = f.ref);

-- name: expired_leases
select ref from (
    select ref, leased_until from schedule union all select ref, leased_until from stitch_queue
) leased
where leased_until <= clock_timestamp() - interval '10 minutes';

-- name: waiting_for_engines
select ref from schedule where due_at <= :since and coalesce(leased_until, due_at) <= :since
union all
select ref from stitch_queue where due_at <= :since and coalesce(leased_until, due_at) <= :since;

-- name: dead_subscriptions
select name as ref from subscriptions where state = 'dead';

-- name: release_due
with held as materialized (
    select s.ref from schedule s join unnest(:refs::text[]) as wanted (ref) on wanted.ref = s.ref
    where s.leased_until <= clock_timestamp() - interval '10 minutes' order by s.ref for update of s skip locked
)
update schedule s set lease = null, leased_until = null from held where s.ref = held.ref;

-- name: release_stitches
with held as materialized (
    select q.ref from stitch_queue q join unnest(:refs::text[]) as wanted (ref) on wanted.ref = q.ref
    where q.leased_until <= clock_timestamp() - interval '10 minutes' order by q.ref for update of q skip locked
)
update stitch_queue q set lease = null, leased_until = null from held where q.ref = held.ref;

-- name: advance_head
update stream set head = greatest(
    head, (select max("offset") from history), (select max(last_offset) from final_entities)
);

-- name: hole_in_the_history
-- From this offset on: how far the part goes that is missing, unless a table of its name is there.
select coalesce(
    (select p.ends_before from history_partitions p where p.starts_at = :starts_at),
    (select min(p.starts_at) from history_partitions p where p.starts_at > :starts_at), history_until
) as ends_before from stream
where to_regclass('history_' || :starts_at::bigint) is null;

-- name: forget_partition
delete from history_partitions where starts_at = :starts_at;

-- name: extend_from
update stream set history_until = :starts_at;

-- name: claims_of_these
select source, target_ref, location_key from claims where source = any(:refs::text[]);

-- name: server
select current_setting('server_version_num')::integer as version, current_setting('server_encoding') as encoding,
    current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous_commit,
    current_setting('full_page_writes') as full_page_writes, clock_timestamp() as now;

-- name: last_bodies
-- What readers should see of these, nothing of those that are removed, and since when.
-- The whole body: PostgreSQL can take nothing out of one in which any text has a NUL.
select ref, body, last_offset from final_entities where ref = any(:refs::text[]);

-- name: visible_count
select (select count(*) from final_entities where removed_at is null) as visible, head from stream;
