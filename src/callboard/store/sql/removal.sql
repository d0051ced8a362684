-- name: below
-- These entities and all that hangs below them. `offset 0` keeps each step a look-up in the index: PostgreSQL can't know
-- how many children there are, believes in far too many, and would rather read all claims for each level.
with recursive below (ref) as (
    select unnest(:refs::text[]) collate "C"
    union
    select c.target_ref from below b cross join lateral (
        select target_ref from claims where source = 'entity:' || b.ref offset 0
    ) c
)
select ref from below;

-- name: tree
-- The same, each with the claims on it: all that says who would be left without one.
with recursive below (ref) as (
    select unnest(:refs::text[]) collate "C"
    union
    select c.target_ref from below b cross join lateral (
        select target_ref from claims where source = 'entity:' || b.ref offset 0
    ) c
)
select b.ref, e.uid::text as uid, c.source, c.location_key
from below b
cross join lateral (select uid from entities where ref = b.ref offset 0) e
left join lateral (select source, location_key, claimed from claims where target_ref = b.ref offset 0) c on true
order by b.ref, c.claimed;

-- name: claims_of_removed
delete from claims where target_ref = any(:refs::text[]) returning source, target_ref, location_key;

-- name: claims_by_removed
-- Not `<> all`: once PostgreSQL plans without looking at the values, it compares each with each (15,000 in 20,000: 18 s).
select c.source, c.target_ref, c.location_key
from unnest(:sources::text[]) as removed (source)
cross join lateral (select source, target_ref, location_key from claims where source = removed.source offset 0) c
where not exists (select from unnest(:refs::text[]) as gone (ref) where gone.ref = c.target_ref)
order by c.target_ref;
