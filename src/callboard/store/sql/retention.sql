-- name: next_history_floor
-- Where the history floor may go in one step: up to the first change that is young, and over so many at most.
with piece as materialized (
    select h."offset", h.at from history h
    where h."offset" > (select history_floor from stream) order by h."offset" limit :limit
)
select max("offset") as floor from piece
where "offset" < coalesce((select min("offset") from piece where at >= :older_than), 9223372036854775807);

-- name: raise_history_floor
with before as (select history_floor from stream)
update stream set history_floor = :floor from before where stream.history_floor < :floor
returning :floor - before.history_floor as versions;

-- name: next_partition
-- The oldest partition that is wholly below the floor, and how far of it is kept what is to be kept.
select p.starts_at, p.kept_until, p.ends_before - 1 as ends_at from history_partitions p, stream
where p.ends_before <= stream.history_floor + 1 order by p.starts_at limit 1;

-- name: by_index
-- PostgreSQL plans for an empty table what was empty when it looked, and keeps the plan.
set local enable_seqscan = off;

-- name: keep_last_versions
-- In a piece of the partition: the changes that were an entity's last ones up to the floor. What
-- has changed again up to the floor is not wanted any more; and an older version of it, which may have been kept, is no
-- match for the later one, which is still in its own partition.
with last as materialized (
    -- A look at the index for each: a join would read all of the history, for every piece.
    select h.* from history h where h."offset" > :after and h."offset" <= :upto and h."offset" = (
        select max(later."offset") from history later
        where later.ref = h.ref and later."offset" <= (select history_floor from stream)
    )
), kept as (
    insert into kept_versions ("offset", type, ref, uid, body, previous_offset, cause, at)
    select "offset", type, ref, uid, body, previous_offset, cause, at from last
    on conflict (ref) do update set
        "offset" = excluded."offset", type = excluded.type, uid = excluded.uid, body = excluded.body,
        previous_offset = excluded.previous_offset, cause = excluded.cause, at = excluded.at
)
update history_partitions set kept_until = :upto where starts_at = :partition;

-- name: drop_removals
-- They have taken the place of what was there before. To look for that in one statement with the rest made PostgreSQL
-- compare each with each: it takes a table for empty that was so at first.
delete from kept_versions where type = 'removed';

-- name: drop_partition
select drop_history_partition(:partition) as dropped;

-- name: wait_briefly
set local lock_timeout = '200ms';

-- name: next_tombstone_floor
-- Never above the history floor: who reads single changes must not be refused because of what these tell.
with piece as materialized (
    select last_offset, removed_at from final_entities
    where removed_at is not null and last_offset > (select tombstone_floor from stream)
        and last_offset <= (select history_floor from stream)
    order by last_offset limit :limit
)
select max(last_offset) as floor from piece
where last_offset < coalesce((select min(last_offset) from piece where removed_at >= :older_than), 9223372036854775807);

-- name: raise_tombstone_floor
update stream set tombstone_floor = :floor where tombstone_floor < :floor;

-- name: drop_tombstones
-- Whoever publishes one of these entities anew holds the counter, and must not be waited for.
with old as materialized (
    select ref from final_entities
    where removed_at is not null and last_offset <= (select tombstone_floor from stream)
    order by last_offset limit :limit for update skip locked
)
delete from final_entities f using old where f.ref = old.ref;

-- name: write_down
insert into retention (singleton, started_at, ended_at, versions, tombstones, steps, longest_ms)
values (true, :started_at, :ended_at, :versions, :tombstones, :steps, :longest_ms)
on conflict (singleton) do update set
    started_at = excluded.started_at, ended_at = excluded.ended_at, versions = excluded.versions,
    tombstones = excluded.tombstones, steps = excluded.steps, longest_ms = excluded.longest_ms;

-- name: last_run
select started_at, ended_at, versions, tombstones, steps, longest_ms from retention;
