-- name: hold_for_transaction
select pg_advisory_xact_lock(hashtextextended(:name, 0));
