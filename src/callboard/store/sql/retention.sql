-- name: next_history_floor
-- Where the history floor may go in one step: up to the first change that is young, and over so many at most.
with piece as materialized (
    select h."offset", h.at from history h
    where h."offset" > (select history_floor from stream) order by h."offset" limit :limit
)
select max("offset") as floor from piece
where "offset" < coalesce((select min("offset") from piece where at >= :older_than), 9223372036854775807);

-- name: drop_versions
-- Of each entity that changed between the old floor and the new one: what the last of these changes made obsolete. That
-- change itself stays, unless it was a removal: whoever follows from the floor on must know what was there.
with latest as materialized (
    select h.ref, max(h."offset") as "offset" from history h
    where h."offset" > (select history_floor from stream) and h."offset" <= :floor group by h.ref
)
delete from history h using latest
where h.ref = latest.ref and h."offset" <= latest."offset" and (h."offset" < latest."offset" or h.type = 'removed');

-- name: raise_history_floor
update stream set history_floor = :floor where history_floor < :floor;

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
