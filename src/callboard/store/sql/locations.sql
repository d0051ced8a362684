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

-- name: retarget
update locations set type = :type, target = :target where id = :id;

-- name: remove
delete from locations where id = :id returning entity_ref;
