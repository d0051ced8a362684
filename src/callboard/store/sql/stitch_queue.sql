-- name: mark
-- Ask for entities to be stitched. A second mark of one entity replaces its ticket, so that a stitcher which holds the
-- old one learns that its reading is out of date; the time stays, so that a busy entity is not put off for ever. While
-- nobody holds the row, nothing has been read: then it only has to stay as it is until this transaction ends, and the
-- lock that comes with the conflict sees to that. What relations point at need not exist.
-- Of several reasons the latest is kept, for the event can tell one; but no relation of somebody else's takes the place
-- of what has happened to the entity itself, until a stitcher has begun with that.
-- What has grown large waits for more relations of somebody else's, the longer the larger it is: it is assembled and
-- written as a whole each time. (For its length nothing is unpacked.)
with asked as (
    select distinct on (ref collate "C") ref, due_at, because
    from unnest(:refs::text[], :dues::timestamptz[], :reasons::text[]) as wanted (ref, due_at, because)
    where exists (select from entities e where e.ref = wanted.ref)
    order by ref collate "C", due_at
), wanted as (
    select ref, because, due_at + case
        when due_at <= :now::timestamptz then interval '0'
        else least(:longest::interval, :a_byte::interval * coalesce((
            select greatest(0, octet_length(f.body) - :small::int) from final_entities f where f.ref = asked.ref
        ), 0))
    end as due_at
    from asked
), marked as (
    insert into stitch_queue (ref, due_at, ticket, since, because)
    select ref, due_at, ticket, ticket, because from (
        select ref, due_at, nextval('tickets') as ticket, because from wanted
    ) as wanted
    on conflict (ref) do update set
        ticket = excluded.ticket, due_at = least(stitch_queue.due_at, excluded.due_at),
        again = case when stitch_queue.lease is not null then coalesce(stitch_queue.again, excluded.ticket) end,
        because = case
            when stitch_queue.lease is null and starts_with(excluded.because, '{"because":"relations"')
                then coalesce(stitch_queue.because, excluded.because)
            else excluded.because
        end
        where stitch_queue.lease is not null or stitch_queue.due_at > excluded.due_at
            or not starts_with(excluded.because, '{"because":"relations"') and excluded.because <> stitch_queue.because
    returning ref
)
select pg_notify('callboard_stitch', '') where exists (select from marked);

-- name: claim
with due as materialized (
    select ref from stitch_queue
    where due_at <= :now and (leased_until is null or leased_until <= :now)
    order by due_at limit :batch for update skip locked
)
update stitch_queue q set lease = (select nextval('leases_taken')), leased_until = :until, again = null
from due where q.ref = due.ref
returning q.ref, q.ticket, q.lease, q.due_at;

-- name: lock_holding
select q.ref from stitch_queue q
join unnest(:refs::text[], :leases::bigint[]) as work (ref, lease) on work.ref = q.ref and work.lease = q.lease
order by q.ref for update of q;

-- name: settle
with work as (
    select * from unnest(:refs::text[], :tickets::bigint[], :leases::bigint[]) as work (ref, ticket, lease)
), finished as (
    delete from stitch_queue q using work
    where q.ref = work.ref and q.ticket = work.ticket and q.lease = work.lease
)
update stitch_queue q set
    lease = null, leased_until = null, since = coalesce(q.again, q.since), again = null,
    due_at = :again_at::timestamptz + case
        when not starts_with(q.because, '{"because":"relations"') then interval '0'
        else least(:longest::interval, :a_byte::interval * coalesce((
            select greatest(0, octet_length(f.body) - :small::int) from final_entities f where f.ref = q.ref
        ), 0))
    end
from work where q.ref = work.ref and q.lease = work.lease and q.ticket <> work.ticket;

-- name: next_due
select min(due_at) from stitch_queue where leased_until is null;

-- name: watermark
-- Every wish that is committed by now has a ticket up to this one.
select last_value from tickets;

-- name: fulfilled
-- Whether nothing waits any more of what was wished for up to a ticket. A row that is marked again and again does not
-- hold this up: it tells since when there is a wish that no stitcher has begun with.
select not exists (select from stitch_queue where since <= :ticket) as fulfilled;
