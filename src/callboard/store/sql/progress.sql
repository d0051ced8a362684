-- name: look
-- All that hangs below some entities, and below what some sources claim, and how far it has come. One statement, so
-- that it is one moment: a run and the children that it has emitted appear together.
with recursive below (ref) as (
    (
        select unnest(:refs::text[]) collate "C"
        union
        select target_ref from claims where source = any(:sources::text[])
    )
    union
    select c.target_ref from below b join claims c on c.source = 'entity:' || b.ref
), found as (
    select coalesce(s.priority < 2 and s.due_at < 'infinity', false) as due, q.ref is not null as marked,
        e.errors is not null as failed, e.rivals is not null as contested
    from below b
    join entities e on e.ref = b.ref
    left join schedule s on s.ref = e.ref
    left join stitch_queue q on q.ref = e.ref
)
select count(*) as entities, count(*) filter (where due) as due, count(*) filter (where due or marked) as pending,
    count(*) filter (where failed and not (due or marked)) as failed, count(*) filter (where contested) as conflicts
from found;

-- name: failures
with recursive below (ref) as (
    (
        select unnest(:refs::text[]) collate "C"
        union
        select target_ref from claims where source = any(:sources::text[])
    )
    union
    select c.target_ref from below b join claims c on c.source = 'entity:' || b.ref
)
select e.ref, e.processed is not null as visible, e.errors
from below b join entities e on e.ref = b.ref
where e.errors is not null
order by e.ref limit :limit;
