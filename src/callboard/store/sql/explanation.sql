-- name: of_entity
-- All that is known of one entity beside who claims it: what readers have, its runs, what waits, what it emitted.
select e.ref, e.uid::text as uid, e.errors, e.discovered_at, e.processed_at,
    e.processed is not null as good, e.source is null as orphan,
    f.body, f.first_offset, f.last_offset,
    s.priority, nullif(s.due_at, 'infinity') as due_at, s.because, s.attempts,
    case when s.leased_until > :now then s.leased_until end as processed_until,
    s.ran_at, s.ran_because, s.outcome,
    q.due_at as stitch_at, case when q.leased_until > :now then q.leased_until end as stitched_until,
    array(select distinct c.target_ref from claims c where c.source = 'entity:' || e.ref order by c.target_ref) as children,
    array(
        select array[r.source_ref, r.type, r.target_ref] from relations r
        where r.originator = e.ref order by r.source_ref, r.type, r.target_ref
    ) as relations,
    array(select k.key from refresh_keys k where k.ref = e.ref order by k.key) as refresh_keys
from entities e
left join final_entities f on f.ref = e.ref and f.removed_at is null
left join schedule s on s.ref = e.ref
left join stitch_queue q on q.ref = e.ref
where e.ref = :ref;

-- name: chains
-- The entity, all entities that claim it, all that claim those, and so on, each with every claim on it. An entity that
-- nothing claims has one row, without a source.
with recursive above (ref) as (
    select :ref::text collate "C"
    union
    select substr(c.source, 8) from above join claims c on c.target_ref = above.ref where c.source like 'entity:%'
)
select e.ref, e.processed is not null as good, e.errors is not null as failing, e.source is null as orphan,
    f.ref is not null as visible, c.source, c.location_key, c.line,
    c.source = e.source and c.location_key = e.location_key as won, c.location_key = e.location_key as equal
from above
join entities e on e.ref = above.ref
left join final_entities f on f.ref = e.ref and f.removed_at is null
left join claims c on c.target_ref = e.ref
order by e.ref, c.claimed;
