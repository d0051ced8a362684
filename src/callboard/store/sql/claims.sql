-- name: lock_targets
-- Everybody who changes claims of one entity stands in line behind its row, so the decision below sees all of them.
select ref from entities where ref = any(:refs::text[]) order by ref for update;

-- name: create_targets
-- A claim may be the first sign of an entity, so what is missing is made. One statement makes and locks, ref by ref:
-- whoever waits here, for a row or for somebody else's new one, holds only what comes before it, and meets what was
-- committed meanwhile. Looked up first and made afterwards, a long list would be overtaken again and again by others that
-- make and remove what is on it. Nothing is written to a row that is there, but it is locked.
insert into entities (ref, uid, discovered_at)
select ref, gen_random_uuid(), :now from (
    select unnest(:create::text[])
    union
    select ref from entities where ref = any(:refs::text[])
) as target (ref) order by ref collate "C"
on conflict (ref) do update set ref = excluded.ref where false
returning ref;

-- name: uncreate_targets
-- Those that went while they were waited for, and that nobody wanted to be made.
delete from entities where ref = any(:refs::text[]);

-- name: existing
select ref from entities where ref = any(:refs::text[]);

-- name: differing
-- Which of these offers are not yet stored like this: only their content has to travel. Where just the line is another
-- one, not even that has to.
-- Another origin alone counts only if the stored one is wrong: around a cycle of parents two right ones would follow each
-- other for ever.
select offered.position, c.source is null as new,
    c.content_hash is not distinct from offered.hash and not root.is_another as moved
from unnest(:sources::text[], :refs::text[], :keys::text[], :hashes::bytea[], :origins::text[], :lines::integer[])
    with ordinality as offered (source, ref, key, hash, origin, line, position)
left join claims c on c.source = offered.source and c.target_ref = offered.ref and c.location_key = offered.key
cross join lateral (
    select case
        when c.source is null or c.origin is not distinct from offered.origin then false
        when c.source like 'provider:%' then true
        when comes_from(c.source, c.origin) then false
        else comes_from(c.source, offered.origin)
    end as is_another
) root
where c.source is null or c.content_hash <> offered.hash or c.line is distinct from offered.line or root.is_another;

-- name: offer
-- Of two claims that one parent makes at once, for one entity under two keys, the one that it named first came first.
-- What is offered again as it was, on another line perhaps, has not changed.
insert into claims (source, target_ref, location_key, content, content_hash, origin, line, changed)
select source, ref, key, content, hash, origin, line, nextval('claim_changes')
from unnest(
    :sources::text[], :refs::text[], :keys::text[], :contents::text[], :hashes::bytea[], :origins::text[],
    :lines::integer[]
) with ordinality as offered (source, ref, key, content, hash, origin, line, position)
order by ref, position
on conflict (source, target_ref, location_key) do update set
    content = excluded.content, content_hash = excluded.content_hash, origin = excluded.origin, line = excluded.line,
    changed = case claims.content_hash when excluded.content_hash then claims.changed else excluded.changed end;

-- name: move
update claims c set line = moved.line
from unnest(:sources::text[], :refs::text[], :keys::text[], :lines::integer[]) as moved (source, ref, key, line)
where c.source = moved.source and c.target_ref = moved.ref and c.location_key = moved.key;

-- name: absent
-- What this source claims and does not mention any more. A mention without a key stands for all keys.
select c.source, c.target_ref, c.location_key from claims c
where c.source = :source and not exists (
    select from unnest(:refs::text[], :keys::text[]) as mentioned (ref, key)
    where mentioned.ref = c.target_ref and (mentioned.key is null or mentioned.key = c.location_key)
)
order by c.target_ref;

-- name: superseded
-- What this source claims under these refs: all of it, but for what it offers in the same breath.
select c.source, c.target_ref, c.location_key from claims c
where c.source = :source and c.target_ref = any(:refs::text[]) and not exists (
    select from unnest(:offered_refs::text[], :offered_keys::text[]) as offered (ref, key)
    where offered.ref = c.target_ref and offered.key = c.location_key
)
order by c.target_ref;

-- name: severed
-- What these parents claimed and emit no more, but for what came from locations that were not modified.
select c.source, c.target_ref, c.location_key from claims c
where c.source = any(:parents::text[])
and not exists (
    select from unnest(:sources::text[], :refs::text[], :keys::text[]) as emitted (source, ref, key)
    where emitted.source = c.source and emitted.ref = c.target_ref and emitted.key = c.location_key
)
and not exists (
    select from unnest(:standing_sources::text[], :standing_keys::text[]) as standing (source, key)
    where standing.source = c.source and standing.key = c.location_key
)
order by c.target_ref;

-- name: withdraw
-- The winner's content is kept with the entity, in case that nobody else claims it: an orphan can still be processed.
with withdrawn as (
    delete from claims c
    using unnest(:sources::text[], :refs::text[], :keys::text[]) as gone (source, ref, key)
    where c.source = gone.source and c.target_ref = gone.ref and c.location_key = gone.key
    returning c.source, c.target_ref, c.location_key, c.content
)
update entities e set kept = withdrawn.content
from withdrawn
where e.ref = withdrawn.target_ref and e.source = withdrawn.source and e.location_key = withdrawn.location_key;

-- name: decide
-- Who wins: a claim with a key before one without; among keys the one that holds the entity now, whichever source
-- brought it, else the one that came first; among claims that share this key those that really come from where they say,
-- and of these the one that changed last. The claims under other keys are its rivals: that is a conflict, told with the
-- entity.
with considered as (
    select target_ref, source, content_hash, origin, location_key, claimed, changed,
        min(claimed) over (partition by target_ref, location_key) as key_claimed,
        min(origin) over (partition by target_ref, location_key)
            <> max(origin) over (partition by target_ref, location_key) as from_several
    from claims where target_ref = any(:refs::text[])
), ranked as (
    select distinct on (c.target_ref) c.target_ref as ref, c.source, c.location_key, c.content_hash, c.origin
    from considered c join entities e on e.ref = c.target_ref
    order by c.target_ref, c.location_key = '', coalesce(c.location_key = e.location_key, false) desc,
        c.key_claimed,
        case when c.from_several then comes_from(c.source, c.origin) end desc,
        c.changed desc
), contested as materialized (
    select c.target_ref as ref,
        json_agg(
            json_build_object('source', c.source, 'locationKey', nullif(c.location_key, '')) order by c.source, c.location_key
        )::text as rivals
    from considered c join ranked r on r.ref = c.target_ref and r.location_key <> c.location_key
    group by c.target_ref
), before as (
    select ref, source, location_key, unprocessed_hash, origin, rivals from entities where ref = any(:refs::text[])
)
update entities e set
    source = ranked.source, location_key = ranked.location_key,
    unprocessed_hash = coalesce(ranked.content_hash, e.unprocessed_hash),
    origin = case when ranked.source is null then e.origin else ranked.origin end,
    kept = case when ranked.source is null then e.kept end,
    rivals = contested.rivals
from before left join ranked on ranked.ref = before.ref left join contested on contested.ref = before.ref
where e.ref = before.ref and (
    (before.source, before.location_key, before.rivals)
        is distinct from (ranked.source, ranked.location_key, contested.rivals)
    or ranked.content_hash is not null and (before.unprocessed_hash, before.origin)
        is distinct from (ranked.content_hash, ranked.origin)
)
returning e.ref, before.unprocessed_hash is null as created,
    (before.unprocessed_hash, before.origin) is distinct from (e.unprocessed_hash, e.origin) as changed,
    e.source is null as orphaned, before.source is null as reclaimed,
    before.rivals is distinct from e.rivals as contested, before.source as source_before;

-- name: hold
-- The key under which an entity is held, which goes before all others when it is decided next.
update entities set location_key = :key
where ref = :ref and exists (select from claims where target_ref = :ref and location_key = :key)
returning ref;

-- name: find
select content, content_hash from claims where source = :source and target_ref = :ref and location_key = :key;

-- name: count
select count(distinct target_ref) from claims where source = :source;

-- name: page
-- What a source claims, in the order of the refs.
select target_ref, content from claims where source = :source and target_ref > :after order by target_ref limit :limit;

-- name: contents
select target_ref as ref, content from claims where source = :source and target_ref = any(:refs::text[]);

-- name: beaten
-- Which of these entities the source claims in vain, since a claim under another key holds them.
select c.target_ref from claims c join entities e on e.ref = c.target_ref
where c.source = :source and c.target_ref = any(:refs::text[]) and e.location_key <> c.location_key
order by c.target_ref;

-- name: holders
-- Who claims these entities.
select target_ref, source, location_key from claims where target_ref = any(:refs::text[]) order by target_ref, claimed;

-- name: uprooted
-- Which of these entities say of a child that it comes from where they don't come from any more. A look-up for each, as
-- in removal.sql.
select distinct substr(child.source, 8) as ref
from (
    select distinct c.source, c.origin from unnest(:refs::text[]) as touched (ref)
    cross join lateral (
        select source, origin from claims
        where source between 'entity:' || touched.ref and 'entity:' || touched.ref and origin is not null offset 0
    ) c
) child
where not comes_from(child.source, child.origin)
order by ref;

-- name: parents
select distinct substr(source, 8) as ref from claims where target_ref = :ref and source like 'entity:%' order by ref;

-- name: children
select distinct target_ref from claims where source = :source order by target_ref;
