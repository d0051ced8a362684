-- works with: 0001
-- was: 8c060c8f4a14eabecf880bbb5e43340a34d8194f3f1ca7e76e35d50442a1fd4b
-- The tables in which the stages meet. docs/explanation/consistency.md says who writes what, in which lock order.
--
-- Names collate by code point: the same order in every database, and several times cheaper to compare.
-- Contents of up to 8 kB, which is nearly all of them, stay in their rows uncompressed: compressing an entity four times on
-- its way to the readers costs more than everything else that the database does for it.

-- step: transaction
create table locations (
    id uuid primary key,
    type text collate "C" not null,
    target text collate "C" not null,
    entity_ref text collate "C" not null,
    created_at timestamptz not null,
    unique (type, target)
);

-- "This source says that this entity exists, and here is its content."
-- A source is `provider:<name>` or `entity:<ref>`; so a row is also an edge of the ownership graph.
create sequence claim_changes;
create table claims (
    source text collate "C" not null,
    target_ref text collate "C" not null,
    -- Empty for a claim without a key. One parent may claim an entity twice, when two of its files hold it.
    location_key text collate "C" not null default '',
    content text not null,
    content_hash bytea not null,
    -- The order in which claims came, and in which they last changed; the conflict rule asks for both.
    claimed bigint not null default nextval('claim_changes'),
    changed bigint not null,
    primary key (source, target_ref, location_key)
) with (toast_tuple_target = 8160);
create index claims_target on claims (target_ref);

create table entities (
    ref text collate "C" primary key,
    uid uuid not null unique,
    -- The claim that won. Null when nothing claims the entity any more: an orphan.
    source text collate "C",
    location_key text collate "C",
    -- What the winner offers, so that an unchanged offer is recognised without reading it.
    unprocessed_hash bytea,
    -- The last content of an orphan, whose claims are gone.
    kept text,
    processed text,
    result_hash bytea,
    -- JSON array; null when the last run was good.
    errors text,
    -- JSON object: what the processors remember from the last good run.
    state text,
    -- Fingerprint of the processors, policies and rules that made the result; another one makes the entity due.
    processors text,
    discovered_at timestamptz not null,
    processed_at timestamptz
) with (toast_tuple_target = 8160);

-- An entity that is due some day. Narrow, since it changes most. An entity that depends on nothing outside has no row.
create sequence leases_taken;
create table schedule (
    ref text collate "C" primary key,
    -- 0 a user asked, 1 new or changed, 2 periodic.
    priority smallint not null,
    due_at timestamptz not null,
    -- Changes with every request, so that a worker learns that its work was asked for again meanwhile.
    ticket bigint not null,
    attempts integer not null default 0,
    lease bigint,
    leased_until timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
create index schedule_due on schedule (priority, due_at);

create table relations (
    originator text collate "C" not null,
    source_ref text collate "C" not null,
    type text collate "C" not null,
    target_ref text collate "C" not null,
    primary key (originator, source_ref, type, target_ref)
);
create index relations_source on relations (source_ref);

create table refresh_keys (
    ref text collate "C" not null,
    key text collate "C" not null,
    primary key (ref, key)
);
create index refresh_keys_key on refresh_keys (key);

create sequence tickets;
create table stitch_queue (
    ref text collate "C" primary key,
    due_at timestamptz not null,
    ticket bigint not null,
    lease bigint,
    leased_until timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
create index stitch_queue_due on stitch_queue (due_at);

-- An entity as readers see it, or its tombstone (body is null). This is also the compacted stream.
create table final_entities (
    ref text collate "C" primary key,
    uid uuid not null,
    body text,
    hash bytea,
    first_offset bigint not null,
    last_offset bigint not null unique,
    cause text,
    changed_at timestamptz not null,
    removed_at timestamptz
) with (toast_tuple_target = 8160);
create index final_entities_uid on final_entities (uid);

create table history (
    "offset" bigint primary key,
    type text collate "C" not null,
    ref text collate "C" not null,
    uid uuid not null,
    body text,
    previous_offset bigint,
    cause text,
    at timestamptz not null
) with (toast_tuple_target = 8160);
create index history_ref on history (ref, "offset");

-- The one counter. Whoever publishes holds this row until commit, so offsets are dense and in commit order.
create table stream (
    singleton boolean primary key default true check (singleton),
    head bigint not null default 0,
    epoch text not null,
    history_floor bigint not null default 0,
    tombstone_floor bigint not null default 0
) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
insert into stream (epoch) values (replace(gen_random_uuid()::text, '-', ''));

create table leases (
    name text primary key,
    owner text not null,
    until timestamptz not null
);

-- lz4 is ten times cheaper to write than pglz, but not every PostgreSQL is built with it.
do $$
begin
    alter table claims alter column content set compression lz4;
    alter table entities alter column processed set compression lz4;
    alter table final_entities alter column body set compression lz4;
    alter table history alter column body set compression lz4;
exception when feature_not_supported then
    null;
end
$$;
