-- name: below
-- These entities and all that hangs below them. PostgreSQL can't know how many children there are: where one location has
-- emitted nearly all there is, it believes that every entity has as many, and would rather read all claims, once for each
-- of them. `offset 0` keeps it from doing that for a whole level, and `between`, of which it believes little, for each
-- step.
with recursive below (ref) as (
    select unnest(:refs::text[]) collate "C"
    union
    select c.target_ref from below b cross join lateral (
        select target_ref from claims where source between 'entity:' || b.ref and 'entity:' || b.ref offset 0
    ) c
)
select ref from below;

-- name: tree
-- The same, each with the claims on it: all that says who would be left without one.
with recursive below (ref) as (
    select unnest(:refs::text[]) collate "C"
    union
    select c.target_ref from below b cross join lateral (
        select target_ref from claims where source between 'entity:' || b.ref and 'entity:' || b.ref offset 0
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
cross join lateral (
    select source, target_ref, location_key from claims where source between removed.source and removed.source offset 0
) c
where not exists (select from unnest(:refs::text[]) as gone (ref) where gone.ref = c.target_ref)
order by c.target_ref;
