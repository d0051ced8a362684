-- name: below
-- These entities and all that hangs below them.
with recursive below (ref) as (
    select unnest(:refs::text[]) collate "C"
    union
    select c.target_ref from below b join claims c on c.source = 'entity:' || b.ref
)
select ref from below;

-- name: unreachable
-- Of these entities and all below them, those that no chain of claims connects to a provider any more, or to an entity
-- outside of the set. Cycles have no such chain, so they go as well.
with recursive candidates (ref) as (
    select unnest(:refs::text[]) collate "C"
    union
    select c.target_ref from candidates k join claims c on c.source = 'entity:' || k.ref
), anchored (ref) as (
    select distinct c.target_ref from candidates k join claims c on c.target_ref = k.ref
    where c.source like 'provider:%'
    or c.source like 'entity:%' and not exists (select from candidates p where 'entity:' || p.ref = c.source)
), reached (ref) as (
    select ref from anchored
    union
    select c.target_ref from reached r join claims c on c.source = 'entity:' || r.ref
)
select ref from candidates except select ref from reached order by ref;

-- name: claims_of_removed
delete from claims where target_ref = any(:refs::text[]) returning source, target_ref, location_key;

-- name: claims_by_removed
-- Not `<> all`: once PostgreSQL plans without looking at the values, it compares each with each (15,000 in 20,000: 18 s).
select c.source, c.target_ref, c.location_key
from unnest(:sources::text[]) as removed (source) join claims c on c.source = removed.source
where not exists (select from unnest(:refs::text[]) as gone (ref) where gone.ref = c.target_ref)
order by c.target_ref;
