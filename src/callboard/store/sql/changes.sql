-- name: position
select head, epoch, history_floor, tombstone_floor from stream;

-- name: history
select "offset", type, ref, uid::text as uid, body, cause, at from history
where "offset" > :after order by "offset" limit :limit;

-- name: compacted
-- Each entity and tombstone once, at its last offset. A change moves an entity forward, never behind a reader.
select last_offset as "offset", case when removed_at is not null then 'removed' when first_offset > :after then 'added' else 'updated' end as type,
    ref, uid::text as uid, body, cause, changed_at as at
from final_entities where last_offset > :after and last_offset <= :until order by last_offset limit :limit;

-- name: visible
select ref, uid::text as uid, body from final_entities where removed_at is null;
