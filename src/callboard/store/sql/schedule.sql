-- name: request
-- A request for an entity that is being worked on replaces its ticket, so that it stays due when the work is settled.
with requested as (
    insert into schedule (ref, priority, due_at, ticket, because, asked_by)
    select ref, :priority, :due_at, nextval('tickets'), because, asked_by
    from unnest(:refs::text[], :reasons::text[], :askers::text[]) as entity (ref, because, asked_by)
    order by ref collate "C"
    on conflict (ref) do update set
        priority = least(schedule.priority, excluded.priority), due_at = least(schedule.due_at, excluded.due_at),
        ticket = excluded.ticket, attempts = 0, because = excluded.because, asked_by = excluded.asked_by
    returning ref
)
select pg_notify('callboard_schedule', '') where exists (select from requested);

-- name: claim
with due as materialized (
    select ref from schedule
    where due_at <= :now and due_at < 'infinity' and (leased_until is null or leased_until <= :now)
    order by priority, due_at limit :batch for update skip locked
), taken as (
    update schedule s set lease = (select nextval('leases_taken')), leased_until = :until
    from due where s.ref = due.ref
    returning s.ref, s.ticket, s.lease, s.attempts, s.priority, s.due_at, s.because, s.asked_by
)
select taken.*, coalesce(c.content, e.kept) as content, e.result_hash, e.state, e.source, c.line
from taken
join entities e on e.ref = taken.ref
left join claims c
    on c.source = e.source and c.target_ref = e.ref and c.location_key = e.location_key;

-- name: holding
-- Which of these are still held under the lease that the worker took.
select s.ref, s.lease, s.ticket from schedule s
join unnest(:refs::text[], :leases::bigint[]) as work (ref, lease) on work.ref = s.ref and work.lease = s.lease;

-- name: lock_holding
select s.ref, s.lease, s.ticket from schedule s
join unnest(:refs::text[], :leases::bigint[]) as work (ref, lease) on work.ref = s.ref and work.lease = s.lease
order by s.ref for update of s;

-- name: extend
-- Whoever has no lock on the entities waits for no row of the schedule: what somebody else is busy with is passed over.
-- The lease is renewed often enough to do without one time.
with held as materialized (
    select s.ref from schedule s
    join unnest(:refs::text[], :leases::bigint[]) as work (ref, lease) on work.ref = s.ref and work.lease = s.lease
    for update of s skip locked
)
update schedule s set leased_until = :until from held where s.ref = held.ref;

-- name: release
with held as materialized (
    select s.ref from schedule s
    join unnest(:refs::text[], :leases::bigint[]) as work (ref, lease) on work.ref = s.ref and work.lease = s.lease
    for update of s skip locked
)
update schedule s set lease = null, leased_until = null from held where s.ref = held.ref;

-- name: settle
-- Due again when the worker says so, never when it does not, and at once when somebody asked again meanwhile. What is
-- never due keeps its row, with what the run came to: nothing else says that there was one, if it changed nothing.
with work as (
    select * from unnest(
        :refs::text[], :tickets::bigint[], :dues::timestamptz[], :attempts::integer[], :reasons::text[], :outcomes::text[]
    ) as work (ref, ticket, due_at, attempts, because, outcome)
)
update schedule s set
    lease = null, leased_until = null,
    due_at = case when s.ticket = work.ticket then coalesce(work.due_at, 'infinity') else :now end,
    priority = case when s.ticket = work.ticket then 2 else s.priority end,
    attempts = case when s.ticket = work.ticket then work.attempts else 0 end,
    because = case when s.ticket = work.ticket then 'interval' else s.because end,
    asked_by = case when s.ticket = work.ticket then null else s.asked_by end,
    ran_at = :now, ran_because = work.because, outcome = work.outcome
from work where s.ref = work.ref;

-- name: remove
delete from schedule where ref = any(:refs::text[]);

-- name: next_due
select min(due_at) from schedule where leased_until is null and due_at < 'infinity';
