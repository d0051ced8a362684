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
-- Who has claims, and is none of those that are connected now; what is written over HTTP needs no connection.
select distinct substr(c.source, 10) as name from claims c
where c.source like 'provider:%' and substr(c.source, 10) <> all(:connected::text[])
and not exists (select from providers p where 'provider:' || p.name = c.source and p.kind = 'http')
order by name;
