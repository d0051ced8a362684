-- name: add
insert into locations (id, type, target, entity_ref, created_at) values (:id, :type, :target, :entity_ref, :now)
on conflict (type, target) do nothing;

-- name: all
select id::text as id, type, target, entity_ref from locations order by id;

-- name: by_id
select id::text as id, type, target, entity_ref from locations where id = :id;

-- name: by_target
select id::text as id, type, target, entity_ref from locations where type = :type and target = :target;

-- name: page
select id::text as id, type, target, entity_ref from locations where id > :after order by id limit :limit;

-- name: count
select count(*) as count from locations;

-- name: below
-- Ranges instead of patterns: they are found in the index, since it orders by code point.
select distinct l.id::text as id, l.type, l.target, l.entity_ref
from unnest(:firsts::text[], :beyonds::text[]) as range (first, beyond)
join locations l on l.type = :type and l.target >= range.first and l.target < range.beyond
order by target;

-- name: emitted
-- A look-up for each, as in removal.sql.
select emitting.ref, c.target_ref as child from unnest(:refs::text[]) as emitting (ref)
cross join lateral (
    select target_ref from claims where source between 'entity:' || emitting.ref and 'entity:' || emitting.ref offset 0
) c;

-- name: retarget
update locations set type = :type, target = :target where id = :id;

-- name: remove
delete from locations where id = :id returning id::text as id, type, target, entity_ref;
