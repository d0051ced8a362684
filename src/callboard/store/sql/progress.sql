-- name: look
-- Parts of the catalog: for each, some entities with all that hangs below them; the first part may have all that a
-- source claims as well, and what hangs below that. One statement, so that it is one moment: a run and the children that
-- it has emitted appear together.
-- A source can claim nearly everything. So that is counted in the index, only those of it that emit anything are walked
-- from, and the entities that are not well are looked up in what there is, not the other way round. `offset 0` keeps each
-- step of the walk a look-up, whatever PostgreSQL believes of how many children there are.
with recursive parents as materialized (
    select distinct substr(source, 8) collate "C" as ref from claims where source >= 'entity:' and source < 'entity;'
), tree (part, ref) as (
    (
        select named.part, named.ref from unnest(:parts::integer[], :refs::text[]) as named (part, ref)
        where exists (select from entities e where e.ref = named.ref)
        union
        select 0, p.ref from (select where :source::text is not null offset 0) asked cross join lateral (
            select parents.ref from parents
            where exists (select from claims c where c.source = :source::text and c.target_ref = parents.ref) offset 0
        ) p
    )
    union
    select tree.part, c.target_ref from tree cross join lateral (
        select target_ref from claims where source between 'entity:' || tree.ref and 'entity:' || tree.ref offset 0
    ) c
), hanging as materialized (
    select part, ref from tree
    where not exists (select from claims c where c.source = :source::text and c.target_ref = tree.ref)
), unwell as materialized (
    select ref, bit_or(how) as how from (
        select ref, 1 as how from schedule where priority < 2 and due_at < 'infinity'
        union all select ref, 2 from stitch_queue
        union all select ref, 4 from entities where errors is not null
        union all select ref, 8 from entities where rivals is not null
    ) each group by ref
), found as materialized (
    select distinct 0 as part, u.ref, u.how
    from (select target_ref from claims where source = :source::text offset 0) c join unwell u on u.ref = c.target_ref
    union all
    select hanging.part, u.ref, u.how from hanging join unwell u using (ref)
), counted as (
    select part, count(*) as entities from hanging group by part
    union all
    select 0, count(distinct target_ref) from claims where source = :source::text
), ill as (
    select part, count(*) filter (where how & 1 > 0) as due, count(*) filter (where how & 3 > 0) as pending,
        count(*) filter (where how & 7 = 4) as failed, count(*) filter (where how & 8 > 0) as conflicts,
        array_agg(ref) filter (where how & 4 > 0) as failing
    from found group by part
)
select part, sum(counted.entities)::bigint as entities, coalesce(due, 0) as due, coalesce(pending, 0) as pending,
    coalesce(failed, 0) as failed, coalesce(conflicts, 0) as conflicts,
    array(select ref from unnest(failing) as failure (ref) order by ref collate "C" limit :named) as failing
from counted left join ill using (part)
group by part, due, pending, failed, conflicts, failing;

-- name: failures
select ref, processed is not null as visible, errors from entities
where ref = any(:refs::text[]) and errors is not null
order by ref;
