-- name: every
select p.name, p.kind, p.owner, p.created_at, p.mutation, p.mutated_at, p.refused, p.refused_at, p.let_through,
    (select count(*) from claims c where c.source = 'provider:' || p.name) as entities
from providers p order by p.name;

-- name: find
select p.name, p.kind, p.owner, p.created_at, p.mutation, p.mutated_at, p.refused, p.refused_at, p.let_through,
    (select count(*) from claims c where c.source = 'provider:' || p.name) as entities
from providers p where p.name = :name;

-- name: standing
select kind, owner from providers where name = :name;

-- name: add
insert into providers (name, kind, owner, created_at) values (:name, :kind, :owner, :now) on conflict (name) do nothing;

-- name: note_mutation
update providers set
    mutation = :mutation, mutated_at = :now,
    refused = case when not :absolve then refused end, refused_at = case when not :absolve then refused_at end
where name = :name;

-- name: absolve
-- Writes nothing where nothing was refused, as after almost every set that is like the one before.
update providers set refused = null, refused_at = null where name = :name and refused is not null;

-- name: note_refusal
update providers set refused = :refused, refused_at = :now where name = :name;

-- name: let_through
update providers set let_through = true where name = :name;

-- name: use_let_through
update providers set let_through = false where name = :name and let_through returning name;

-- name: remove
delete from providers where name = :name;

-- name: refused
select name from providers where refused is not null order by name;

-- name: forgotten
-- Who has claims, and is none of those that are connected here; what is written over HTTP needs no connection. Other
-- engines may have other providers: what they have connected is in use until they have said nothing of it for a while.
select claiming.name, l.until as in_use_until
from (select distinct substr(source, 10) as name from claims where source like 'provider:%') claiming
left join leases l on l.name = 'connected:' || claiming.name and l.until > :now
where claiming.name <> all(:connected::text[])
and not exists (select from providers p where p.name = claiming.name and p.kind = 'http')
order by claiming.name;
