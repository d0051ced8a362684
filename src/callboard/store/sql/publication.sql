-- name: extend_history
select extend_history(:upto, :size);

-- name: publish
-- Takes as many offsets as there are entities and writes each entity and its event at its offset. The counter row is
-- held until commit, and this runs last in its transaction: so offsets are dense and in the order of the commits.
-- What was removed since it was read is left out. A removal that has not come to its retraction yet waits for the
-- counter, and then takes back what is published here.
with published as (
    select row_number() over (order by position) as position, p.ref, p.uid, p.body, p.hash, p.cause
    from unnest(:refs::text[], :uids::uuid[], :bodies::text[], :hashes::bytea[], :causes::text[]) with ordinality
        as p (ref, uid, body, hash, cause, position)
    join entities e on e.ref = p.ref and e.uid = p.uid
), counter as (
    update stream set head = head + (select count(*) from published)
    where exists (select from published) returning head
), numbered as (
    select p.*, counter.head - (select count(*) from published) + p.position as at_offset,
        before.last_offset as previous_offset, before.ref is null or before.removed_at is not null as added
    from counter, published p left join final_entities before on before.ref = p.ref
), written as (
    insert into final_entities as f (ref, uid, body, hash, first_offset, last_offset, cause, changed_at)
    select ref, uid, body, hash, at_offset, at_offset, cause, :now from numbered
    on conflict (ref) do update set
        uid = excluded.uid, body = excluded.body, hash = excluded.hash,
        first_offset = case when f.removed_at is null then f.first_offset else excluded.first_offset end,
        last_offset = excluded.last_offset, cause = excluded.cause, changed_at = excluded.changed_at, removed_at = null
), recorded as (
    insert into history ("offset", type, ref, uid, body, previous_offset, cause, at)
    select at_offset, case when added then 'added' else 'updated' end, ref, uid, body, previous_offset, cause, :now
    from numbered
)
select head, pg_notify('callboard_stream', '') from counter;

-- name: retract
with retracted as (
    select row_number() over (order by f.ref) as position, f.ref, f.uid, f.last_offset, gone.cause
    from unnest(:refs::text[], :causes::text[]) as gone (ref, cause)
    join final_entities f on f.ref = gone.ref and f.removed_at is null
), counter as (
    update stream set head = head + (select count(*) from retracted)
    where exists (select from retracted) returning head
), numbered as (
    select r.*, counter.head - (select count(*) from retracted) + r.position as at_offset from counter, retracted r
), buried as (
    update final_entities f set
        body = null, hash = null, last_offset = n.at_offset, cause = n.cause, changed_at = :now, removed_at = :now
    from numbered n where f.ref = n.ref
), recorded as (
    insert into history ("offset", type, ref, uid, body, previous_offset, cause, at)
    select at_offset, 'removed', ref, uid, null, last_offset, cause, :now from numbered
)
select head, pg_notify('callboard_stream', '') from counter;
