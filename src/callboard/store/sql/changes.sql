-- name: position
select head, epoch, history_floor, tombstone_floor from stream;

-- name: history
select "offset", type, ref, uid::text as uid, body, cause, at from history
where "offset" > :after order by "offset" limit :limit;

-- name: following
-- Where the stream stands, and what comes next there. One statement sees one moment, as a transaction around two would.
select s.head, s.epoch, s.history_floor, s.tombstone_floor,
    h."offset", h.type, h.ref, h.uid, h.body, h.cause, h.at
from stream s left join lateral (
    select "offset", type, ref, uid::text as uid, body, cause, at from history
    where "offset" > :after and s.epoch = :epoch order by "offset" limit :limit
) h on true order by h."offset";

-- name: compacted
-- Each entity and tombstone once, at its last offset. A change moves an entity forward, never behind a reader.
select last_offset as "offset", case when removed_at is not null then 'removed' when first_offset > :after then 'added' else 'updated' end as type,
    ref, uid::text as uid, body, cause, changed_at as at
from final_entities where last_offset > :after and last_offset <= :until order by last_offset limit :limit;

-- name: visible
select ref, uid::text as uid, body from final_entities where removed_at is null;

-- name: earlier
-- What was there of some entities at an offset: the last version at or below it, or all of them where `whole` says so,
-- from the one that was there at `since` on. `known` is false where there may have been others, which the history has
-- forgotten. It keeps what was visible at its floor; so from there on it knows everything.
select wanted.ref, before.uid, before.body,
    case when :since::bigint is not null then :since::bigint >= stream.history_floor
        when wanted.whole then coalesce(oldest.is_first, false)
        else :until >= stream.history_floor or before."offset" is not null or coalesce(oldest.is_first, false)
    end as known
from stream cross join unnest(:refs::text[], :whole::boolean[]) as wanted (ref, whole)
left join lateral (
    select h.previous_offset is null as is_first from versions_of(wanted.ref) h order by h."offset" limit 1
) oldest on true
left join lateral (
    select max(h."offset") as "offset" from versions_of(wanted.ref) h where h."offset" <= :since::bigint
) from_there on true
left join lateral (
    select h."offset", h.uid::text as uid, h.body from versions_of(wanted.ref) h
    where h."offset" <= :until and h."offset" >= coalesce(from_there."offset", 0)
    order by h."offset" desc limit case when wanted.whole then null else 1 end
) before on true;

-- name: versions
-- The changes of one entity, newest first. One that has not changed for longer than the history is kept is still there
-- as it is now.
select * from (
    (select "offset", type, ref, uid::text as uid, body, cause, at from versions_of(:ref)
        where "offset" < :before order by "offset" desc limit :limit)
    union all
    select f.last_offset, case when f.removed_at is not null then 'removed' when f.first_offset = f.last_offset
            then 'added' else 'updated' end, f.ref, f.uid::text, f.body, f.cause, f.changed_at
        from final_entities f
        where f.ref = :ref and f.last_offset < :before
            and not exists (select from versions_of(f.ref) h where h."offset" = f.last_offset)
) found order by "offset" desc limit :limit;
