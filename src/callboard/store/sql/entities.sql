-- name: save_processed
update entities e set
    processed = saved.processed, result_hash = saved.result_hash, state = saved.state, errors = null,
    processors = :processors, processed_at = :now
from unnest(:refs::text[], :processed::text[], :hashes::bytea[], :states::text[])
    as saved (ref, processed, result_hash, state)
where e.ref = saved.ref;

-- name: save_failed
-- The last good version stays, and is served with the errors as its status.
update entities e set errors = saved.errors, result_hash = saved.result_hash, processors = :processors,
    processed_at = :now
from unnest(:refs::text[], :errors::text[], :hashes::bytea[]) as saved (ref, errors, result_hash)
where e.ref = saved.ref;

-- name: failing
select e.ref, e.errors, e.location_key, c.line from entities e
join claims c on c.source = e.source and c.target_ref = e.ref and c.location_key = e.location_key
where e.ref = any(:refs::text[]) and e.errors is not null and c.line is not null;

-- name: correct_errors
update entities e set errors = corrected.errors
from unnest(:refs::text[], :errors::text[]) as corrected (ref, errors)
where e.ref = corrected.ref;

-- name: save_state
update entities e set state = saved.state
from unnest(:refs::text[], :states::text[]) as saved (ref, state)
where e.ref = saved.ref;

-- name: to_stitch
-- With the reason, as it is in this snapshot: a change that came after the ticket is told with its own.
select e.ref, e.uid::text as uid, e.processed, e.errors, e.source, e.location_key, e.rivals, q.because,
    f.hash as published_hash
from entities e
left join final_entities f on f.ref = e.ref and f.removed_at is null
left join stitch_queue q on q.ref = e.ref
where e.ref = any(:refs::text[]) and e.processed is not null
order by e.ref;

-- name: ancestors
-- The entity itself and every Location above it, through all parents; a cycle ends where it began.
with recursive above (ref, depth) as (
    select ref, 0 from entities where ref = :ref
    union
    select substr(c.source, 8), above.depth + 1
    from above join claims c on c.target_ref = above.ref
    where c.source like 'entity:location:%' and above.depth < 32
)
select distinct ref from above order by ref;

-- name: uids
select ref, uid::text as uid from entities where ref = any(:refs::text[]) order by ref;

-- name: by_uid
select ref from entities where uid = :uid;

-- name: unprocessed_by_uid
select ref from entities where uid = :uid and (processed is null or errors is not null);

-- name: forget_results
-- Whoever emitted this must emit it again. The state is emptied and not null, which would say that nothing was ever
-- emitted, and that no child can be missing.
update entities set result_hash = null, state = '{}' where ref = any(:refs::text[]);

-- name: without_good_result
-- Those that failed and were never good, or those that wait for their first run: these are invisible to readers, and this
-- is where they can be seen. What waits is due, so that those who don't wait need not be looked at. They are sorted
-- before more is asked of them, so that no more of them are looked into than are counted.
with never_good as materialized (
    select ref, source, location_key, kept from entities
    where :failed::boolean and errors is not null and processed is null and (:uid::uuid is null or uid = :uid)
    union all
    select e.ref, e.source, e.location_key, e.kept from schedule s join entities e on e.ref = s.ref
    where not :failed::boolean and s.due_at < 'infinity' and e.errors is null and e.processed is null
    and (:uid::uuid is null or e.uid = :uid)
),
listed as materialized (
    select e.ref from (select * from never_good order by ref) as e
    where (:owner::text is null or (
        -- Of a text that PostgreSQL can't hold, only that it is another one matters. `offset 0`: it is parsed once.
        select json_typeof(spec.owner) = 'string' and spec.owner #>> '{}' = :owner
        from coalesce((
            select c.content from claims c
            where c.source = e.source and c.target_ref = e.ref and c.location_key = e.location_key
        ), e.kept) as offered (content),
        lateral (select replace(offered.content, '\u0000', '\u0020')::json #> '{spec,owner}' offset 0) as spec (owner)
    ))
    limit :most
)
select (select count(*) from listed) as total, array(select ref from listed order by ref limit :limit offset :offset) as refs;

-- name: unprocessed
select e.ref, e.uid::text as uid, coalesce(c.content, e.kept) as content, e.errors, e.state,
    nullif(s.due_at, 'infinity') as due_at, e.discovered_at, e.location_key, e.result_hash, e.unprocessed_hash
from entities e
left join claims c
    on c.source = e.source and c.target_ref = e.ref and c.location_key = e.location_key
left join schedule s on s.ref = e.ref
where e.ref = any(:refs::text[])
order by e.ref;

-- name: remove
delete from entities where ref = any(:refs::text[]);

-- name: processed_by_others
-- After a deploy: what was processed by another set of processors is due once more.
select ref from entities where processors <> :fingerprint order by ref;

-- name: ailing
-- All of it by indexes: those that fail, and what is due at some time. What waits for its first run is due.
select
    (select count(*) from entities where errors is not null) as failing,
    (select count(*) from entities where errors is not null and processed is null) as failed,
    (select count(*) from schedule s join entities e on e.ref = s.ref
        where s.due_at < 'infinity' and e.processed is null and e.errors is null) as pending;

-- name: ancestry
-- Who emitted the entity, who emitted these, and so on, as far as the claims go that hold them now.
with recursive above (ref) as (
    select ref from entities where ref = :ref
    union
    select substr(c.source, 8) from above
    join entities e on e.ref = above.ref
    join claims c on c.target_ref = e.ref and c.location_key = e.location_key
    where c.source like 'entity:%'
)
select above.ref, array(
    select substr(c.source, 8) from entities e
    join claims c on c.target_ref = e.ref and c.location_key = e.location_key
    where e.ref = above.ref and c.source like 'entity:%' order by c.source
) as parents
from above;
