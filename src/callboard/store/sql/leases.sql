-- name: hold_for_transaction
select pg_advisory_xact_lock(hashtextextended(:name, 0));

-- name: take
-- The lease goes to whoever asks first, and stays with the owner who renews it in time.
insert into leases (name, owner, until) values (:name, :owner, :until)
on conflict (name) do update set owner = excluded.owner, until = excluded.until
where leases.owner = excluded.owner or leases.until <= :now
returning name;
