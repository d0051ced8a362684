-- name: replace
with emitted as (
    select * from unnest(:refs::text[], :keys::text[]) as emitted (ref, key)
), gone as (
    delete from refresh_keys k where k.ref = any(:owners::text[])
    and not exists (select from emitted e where e.ref = k.ref and e.key = k.key)
)
insert into refresh_keys (ref, key) select ref, key from emitted on conflict do nothing;

-- name: add
insert into refresh_keys (ref, key)
select ref, key from unnest(:refs::text[], :keys::text[]) as emitted (ref, key) on conflict do nothing;

-- name: holders
select distinct ref from refresh_keys where key = any(:keys::text[]) order by ref;

-- name: below
-- Ranges instead of patterns: they are found in the index, since it orders by code point.
select distinct k.ref, k.key from unnest(:firsts::text[], :beyonds::text[]) as range (first, beyond)
join refresh_keys k on k.key >= range.first and k.key < range.beyond
order by ref, key;

-- name: remove
delete from refresh_keys where ref = any(:refs::text[]);
