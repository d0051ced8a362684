-- name: find
select id, type, name, external_id, ref, entity_name, shown, content, version, created_at, modified_at
from pushed_resources where provider = :provider and id = :id;

-- name: by_ref
select id, type, name, external_id, ref, entity_name, shown, content, version, created_at, modified_at
from pushed_resources where provider = :provider and ref = :ref;

-- name: page
-- In the order in which they came, so that a page stays what it was while others are added.
select id, type, name, external_id, ref, entity_name, shown, content, version, created_at, modified_at
from pushed_resources where provider = :provider and type = :type
order by created_at, id limit :limit offset :skip;

-- name: count
select count(*) as count from pushed_resources where provider = :provider and type = :type;

-- name: named
select id, type, name, external_id, ref, entity_name, shown, content, version, created_at, modified_at
from pushed_resources where provider = :provider and type = :type and name = :name
order by created_at, id;

-- name: external
select id, type, name, external_id, ref, entity_name, shown, content, version, created_at, modified_at
from pushed_resources where provider = :provider and type = :type and external_id = :external_id
order by created_at, id;

-- name: save
insert into pushed_resources
    (provider, id, type, name, external_id, ref, entity_name, shown, content, version, created_at, modified_at)
values
    (:provider, :id, :type, :name, :external_id, :ref, :entity_name, :shown, :content, 1, :now, :now)
on conflict (provider, id) do update set
    name = excluded.name, external_id = excluded.external_id, ref = excluded.ref, entity_name = excluded.entity_name,
    shown = excluded.shown, content = excluded.content, version = pushed_resources.version + 1,
    modified_at = excluded.modified_at
returning id, type, name, external_id, ref, entity_name, shown, content, version, created_at, modified_at;

-- name: remove
delete from pushed_resources where provider = :provider and id = :id;

-- name: members
select group_id, content from pushed_members
where provider = :provider and group_id = any(:ids::text[]) order by group_id, place;

-- name: inside
-- The entities of those members that have one.
select m.group_id, r.ref from pushed_members m
join pushed_resources r on r.provider = m.provider and r.id = m.member_id and r.shown
where m.provider = :provider and m.group_id = any(:ids::text[]);

-- name: around
-- The groups that these are in.
select m.member_id, g.id, g.content from pushed_members m
join pushed_resources g on g.provider = m.provider and g.id = m.group_id
where m.provider = :provider and m.member_id = any(:ids::text[]) order by g.created_at, g.id;

-- name: drop_members
delete from pushed_members where provider = :provider and group_id = :id and member_id <> all(:ids::text[]);

-- name: add_members
-- Those who are there keep their place.
insert into pushed_members (provider, group_id, member_id, content)
select :provider, :id, m.member_id, m.content
from unnest(:ids::text[], :contents::text[]) with ordinality as m (member_id, content, at) order by m.at
on conflict (provider, group_id, member_id) do update set content = excluded.content
where pushed_members.content <> excluded.content;

-- name: leave
-- Who is gone is in no group any more.
delete from pushed_members where provider = :provider and member_id = :id;
