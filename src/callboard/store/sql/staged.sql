-- name: add
insert into staged (upload, ref, position, location_key, content, content_hash, origin, staged_at)
select :upload::uuid, ref, position, key, content, hash, origin, :now
from unnest(
    :refs::text[], :positions::integer[], :keys::text[], :contents::text[], :hashes::bytea[], :origins::text[]
) as row (ref, position, key, content, hash, origin)
on conflict (upload, ref) do nothing;

-- name: others
-- Those that were staged before under the same ref, with another content.
select wanted.position from unnest(:refs::text[], :positions::integer[], :hashes::bytea[]) as wanted (ref, position, hash)
join staged s on s.upload = :upload::uuid and s.ref = wanted.ref and s.position <> wanted.position
where s.content_hash <> wanted.hash
order by wanted.position;

-- name: differing
select s.ref, c.source is null as new from staged s
left join claims c on c.source = :source and c.target_ref = s.ref and c.location_key = s.location_key
where s.upload = :upload::uuid and (c.source is null or c.content_hash <> s.content_hash)
order by s.ref;

-- name: absent
-- What the source claims, less what is staged, and less what was named and could not be read.
select c.source, c.target_ref, c.location_key from claims c
where c.source = :source
and not exists (
    select from staged s where s.upload = :upload::uuid and s.ref = c.target_ref and s.location_key = c.location_key
)
and c.target_ref <> all(:kept::text[])
order by c.target_ref;

-- name: offer
insert into claims (source, target_ref, location_key, content, content_hash, origin, changed)
select :source, s.ref, s.location_key, s.content, s.content_hash, s.origin, nextval('claim_changes')
from staged s where s.upload = :upload::uuid and s.ref = any(:refs::text[])
order by s.ref
on conflict (source, target_ref, location_key) do update set
    content = excluded.content, content_hash = excluded.content_hash, origin = excluded.origin,
    changed = excluded.changed;

-- name: contents
select ref, content from staged where upload = :upload::uuid and ref = any(:refs::text[]);

-- name: count
select count(*) from staged where upload = :upload::uuid;

-- name: drop
delete from staged where upload = :upload::uuid;

-- name: drop_left_over
-- Whoever staged them is gone: nobody needs an hour for one request.
delete from staged where staged_at < :until;
