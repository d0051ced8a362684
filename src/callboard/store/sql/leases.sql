-- name: hold_for_transaction
select pg_advisory_xact_lock(hashtextextended(:name, 0));

-- name: take
-- Whoever finds the row locked waits for nobody: its owner is just now at work. Inserting would wait, so it is not tried
-- where a row is.
with free as materialized (
    select name from leases where name = :name and (owner = :owner or until <= :now) for update skip locked
), taken as (
    update leases l set owner = :owner, until = :until from free where l.name = free.name returning l.name
), added as (
    insert into leases (name, owner, until)
    select :name::text, :owner::text, :until where not exists (select from leases where name = :name)
    on conflict (name) do nothing returning name
)
select name from taken union all select name from added;

-- name: keep
-- Even if it has run out: as long as nobody else has taken it, nobody else has done anything.
update leases set until = :until where name = :name and owner = :owner;

-- name: renew
with held as materialized (
    select name from leases where name = :name and owner = :owner for update skip locked
)
update leases l set until = :until from held where l.name = held.name;

-- name: release
delete from leases where name = :name and owner = :owner;

-- name: share
insert into leases (name, owner, until)
select name, '', :until from unnest(:names::text[]) as used (name) order by name collate "C"
on conflict (name) do update set until = greatest(leases.until, excluded.until);

-- name: in_use
select name from leases where name = any(:names::text[]) and until > :now;
