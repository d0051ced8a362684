-- name: replace
-- Only the difference is written; whoever gains or loses a relation is told.
with emitted as (
    select * from unnest(:originators::text[], :sources::text[], :types::text[], :targets::text[])
        as emitted (originator, source_ref, type, target_ref)
), gone as (
    delete from relations r
    where r.originator = any(:owners::text[]) and not exists (
        select from emitted e where e.originator = r.originator and e.source_ref = r.source_ref
        and e.type = r.type and e.target_ref = r.target_ref
    )
    returning source_ref
), added as (
    insert into relations (originator, source_ref, type, target_ref)
    select originator, source_ref, type, target_ref from emitted
    on conflict do nothing
    returning source_ref
)
select source_ref from gone union select source_ref from added;

-- name: of_sources
select distinct source_ref, type, target_ref from relations where source_ref = any(:refs::text[])
order by source_ref, type, target_ref;

-- name: remove
delete from relations where originator = any(:refs::text[]) returning source_ref;
