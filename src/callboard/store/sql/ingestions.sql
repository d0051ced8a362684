-- name: every
select provider, round, cursor, pages, started_at, completed_at, error, failures, next_at from ingestions;

-- name: find
select provider, round, cursor, pages, started_at, completed_at, error, failures, next_at
from ingestions where provider = :provider;

-- name: begin
insert into ingestions (provider, round, started_at, next_at) values (:provider, 1, :now, :next_at)
on conflict (provider) do nothing
returning provider, round, cursor, pages, started_at, completed_at, error, failures, next_at;

-- name: see
insert into ingestion_seen (provider, ref, location_key)
select :provider::text, ref, key from unnest(:refs::text[], :keys::text[]) as seen (ref, key)
on conflict (provider, ref, location_key) do nothing;

-- name: see_if_known
insert into ingestion_seen (provider, ref, location_key)
select :provider::text, ref, key from unnest(:refs::text[], :keys::text[]) as seen (ref, key)
where exists (select from ingestions i where i.provider = :provider)
on conflict (provider, ref, location_key) do nothing;

-- name: trigger
with due as (update ingestions set next_at = :now where provider = :provider returning provider)
select provider, pg_notify('callboard_ingestions', '') from due;

-- name: see_claimed
-- What is broken now and was fine before is not withdrawn, under whichever key it was claimed.
insert into ingestion_seen (provider, ref, location_key)
select :provider::text, c.target_ref, c.location_key from claims c
where c.source = 'provider:' || :provider::text and c.target_ref = any(:refs::text[])
on conflict (provider, ref, location_key) do nothing;

-- name: count_seen
select count(distinct ref) from ingestion_seen where provider = :provider;

-- name: unseen
select c.source, c.target_ref, c.location_key from claims c
where c.source = 'provider:' || :provider::text
and not exists (
    select from ingestion_seen s
    where s.provider = :provider and s.ref = c.target_ref and s.location_key = c.location_key
)
order by c.target_ref;

-- name: advance
update ingestions set
    cursor = :cursor, pages = pages + 1, started_at = case when pages = 0 then :now else started_at end,
    error = null, failures = 0, next_at = :next_at
where provider = :provider;

-- name: complete
update ingestions set
    round = round + 1, cursor = null, pages = 0, started_at = case when pages = 0 then :now else started_at end,
    completed_at = :now, error = null, failures = 0, next_at = :next_at
where provider = :provider;

-- name: drop_seen
delete from ingestion_seen where provider = :provider;

-- name: fail
update ingestions set error = :error, failures = :failures, next_at = :next_at where provider = :provider;

-- name: remove
delete from ingestions where provider = :provider;
