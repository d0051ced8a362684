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
delete from claims where target_ref = any(:refs::text[]);

-- name: claims_by_removed
select source, target_ref, location_key from claims where source = any(:sources::text[]) and target_ref <> all(:refs::text[])
order by target_ref;
