-- name: every
select * from subscriptions order by name;

-- name: find
select * from subscriptions where name = :name;

-- name: lock
select * from subscriptions where name = :name for update;

-- name: add
-- Somebody else may have been quicker: then nothing is stored.
insert into subscriptions (
    name, owner, created_at, wanted, permitted, sink, secrets, state, epoch, "offset", compacted, next_at
) values (
    :name, :owner, :now, :wanted, :permitted, :sink, :secrets, 'active', :epoch, :offset, :compacted, :now
)
on conflict (name) do nothing
returning *;

-- name: change
-- What is on its way was made for what was asked for before, so that nobody holds it any more.
update subscriptions set
    wanted = :wanted, permitted = :permitted, sink = :sink, secrets = :secrets,
    generation = nextval('subscription_generations'), holder = null, leased_until = null, handed_out = null,
    next_at = :now
where name = :name
returning *;

-- name: remove
delete from subscriptions where name = :name;

-- name: pause
update subscriptions set state = 'paused', holder = null, leased_until = null, handed_out = null
where name = :name returning *;

-- name: resume
update subscriptions set state = 'active', attempts = 0, failing_since = null, error = null, next_at = :now
where name = :name returning *;

-- name: seek
update subscriptions set
    "offset" = :offset, epoch = :epoch, compacted = :compacted, began = null, generation = nextval('subscription_generations'),
    holder = null, leased_until = null, handed_out = null,
    state = case when state = 'dead' then 'active' else state end,
    attempts = 0, failing_since = null, error = null, next_at = :now
where name = :name returning *;

-- name: take
-- For a consumer. Whoever holds the lease already gets it for longer.
update subscriptions set holder = :holder, leased_until = :until, handed_out = null
where name = :name and (holder is null or holder = :holder or leased_until <= :now)
returning *;

-- name: keep
update subscriptions set leased_until = :until
where name = :name and holder = :holder and generation = :generation;

-- name: hand_out
update subscriptions set leased_until = :until, handed_out = :offset, handed_began = :began, handed_until = :until_offset, handed_caught_up = :caught_up
where name = :name and holder = :holder and generation = :generation;

-- name: advance
-- Never back: what is acknowledged stays so.
update subscriptions set
    "offset" = :offset, compacted = :compacted, began = :began, acked_at = :now, leased_until = :until,
    attempts = 0, failing_since = null, error = null
where name = :name and holder = :holder and generation = :generation and "offset" <= :offset
returning *;

-- name: release
update subscriptions set holder = null, leased_until = null, handed_out = null
where name = :name and holder = :holder;

-- name: claim
-- Sinks that are behind and that nobody delivers to. One that somebody is about to change is left for later. While a new
-- configuration is being rolled out, not every engine has every handler.
with due as materialized (
    select s.name from subscriptions s, stream
    where s.sink is not null and s.state = 'active' and s.next_at <= :now
        and (s."offset" <> stream.head or s.epoch <> stream.epoch)
        and (s.holder is null or s.leased_until <= :now)
        and (not starts_with(s.name, 'plugin:') or s.name = any(:handlers::text[]))
    order by s.next_at, s.name limit :limit for update of s skip locked
)
update subscriptions s set holder = :holder, leased_until = :until, handed_out = null
from due where s.name = due.name
returning s.*;

-- name: renew
with held as materialized (
    select name from subscriptions where holder = :holder and name = any(:names::text[]) order by name for update skip locked
)
update subscriptions s set leased_until = :until from held where s.name = held.name;

-- name: fail
update subscriptions set
    attempts = attempts + 1, failing_since = coalesce(failing_since, :now), error = :error, next_at = :next_at,
    holder = null, leased_until = null, handed_out = null
where name = :name and holder = :holder and generation = :generation;

-- name: die
update subscriptions set
    state = 'dead', attempts = attempts + 1, failing_since = coalesce(failing_since, :now), error = :error,
    holder = null, leased_until = null, handed_out = null
where name = :name and holder = :holder and generation = :generation;
