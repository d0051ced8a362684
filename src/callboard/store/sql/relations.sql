-- name: replace
-- Only the difference is written; whoever gains or loses a relation is told, and by whom: one of them will do.
with emitted as (
    select * from unnest(:originators::text[], :sources::text[], :types::text[], :targets::text[])
        as emitted (originator, source_ref, type, target_ref)
), gone as (
    delete from relations r
    where r.originator = any(:owners::text[]) and not exists (
        select from emitted e where e.originator = r.originator and e.source_ref = r.source_ref
        and e.type = r.type and e.target_ref = r.target_ref
    )
    returning source_ref, originator
), added as (
    insert into relations (originator, source_ref, type, target_ref)
    select originator, source_ref, type, target_ref from emitted
    on conflict do nothing
    returning source_ref, originator
)
select source_ref, min(originator) as originator
from (select source_ref, originator from gone union all select source_ref, originator from added) as touched
group by source_ref;

-- name: of_sources
select distinct source_ref, type, target_ref from relations where source_ref = any(:refs::text[])
order by source_ref, type, target_ref;

-- name: remove
-- Those that emitted them go as well, and are not told: there may be thousands, which share a few neighbours.
with gone as (
    delete from relations where originator = any(:refs::text[]) returning source_ref, originator
)
select distinct on (gone.source_ref) gone.source_ref, gone.originator from gone
where not exists (select from unnest(:refs::text[]) as removed (ref) where removed.ref = gone.source_ref)
order by gone.source_ref, gone.originator;
