-- name: find
select request, answer from idempotency where provider = :provider and key = :key and answered_at > :since;

-- name: save
insert into idempotency (provider, key, request, answer, answered_at)
values (:provider, :key, :request, :answer, :now)
on conflict (provider, key) do update set
    request = excluded.request, answer = excluded.answer, answered_at = excluded.answered_at;

-- name: remove
delete from idempotency where provider = :provider;

-- name: forget
-- A few at a time: whoever saves an answer takes away what is too old.
delete from idempotency where (provider, key) in (
    select provider, key from idempotency where answered_at <= :until order by answered_at limit 100 for update skip locked
);
