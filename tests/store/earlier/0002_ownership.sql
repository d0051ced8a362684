-- Who owns what, said so that it can be shown: providers, conflicts, why an entity is due, and what has become of it.

-- A source of entities, from its first mutation on.
create table providers (
    name text collate "C" primary key,
    -- `engine`: connected by the engines. `http`: its entities are written over the REST API.
    kind text collate "C" not null,
    -- Who may write, where it is known who calls. Null: everybody.
    owner text collate "C",
    created_at timestamptz not null,
    -- The last mutation that changed anything: JSON.
    mutation text,
    mutated_at timestamptz,
    -- The last mutation that the removal guard refused, if no other one came through since: JSON.
    refused text,
    refused_at timestamptz,
    -- The guard lets the next one through that it would refuse.
    let_through boolean not null default false
);

-- What was answered to a request that may be sent again.
create table idempotency (
    provider text collate "C" not null,
    key text collate "C" not null,
    request bytea not null,
    answer text not null,
    answered_at timestamptz not null,
    primary key (provider, key)
);
create index idempotency_age on idempotency (answered_at);

-- A set of entities on its way in, piece by piece. It counts for nothing until it is complete, so that a crash may lose it.
create unlogged table staged (
    upload uuid not null,
    ref text collate "C" not null,
    position integer not null,
    location_key text collate "C" not null,
    content text not null,
    content_hash bytea not null,
    origin text collate "C",
    staged_at timestamptz not null,
    primary key (upload, ref)
) with (toast_tuple_target = 8160);
create index staged_age on staged (staged_at);

-- How far an incremental provider has come in its present round, and what it has seen there.
create table ingestions (
    provider text collate "C" primary key,
    round bigint not null,
    -- JSON; null at the beginning of a round.
    cursor text,
    pages integer not null default 0,
    started_at timestamptz not null,
    -- When the last whole round ended.
    completed_at timestamptz,
    error text,
    failures integer not null default 0,
    next_at timestamptz not null
);
create table ingestion_seen (
    provider text collate "C" not null,
    ref text collate "C" not null,
    location_key text collate "C" not null,
    primary key (provider, ref, location_key)
);

-- Where in its file an entity begins. No part of the content: another line alone changes nothing.
alter table claims add column line integer;

-- The location at the root of the chain that led to a claim, as its content says. Told apart from the content, since files
-- that name one another would otherwise hand two of them on to each other for ever.
alter table claims add column origin text collate "C";
-- Found as a text: not all that JSON can say can be read by PostgreSQL's functions for it.
update claims set origin = substring(content from '"backstage\.io/managed-by-origin-location":"([^"\\]*)"');

-- Whether a chain of claims leads from a provider, with this origin, to the source of a claim.
create function comes_from(source text, origin text) returns boolean language sql stable as $$
    with recursive above (ref) as (
        select substr($1, 8) collate "C" where $1 like 'entity:%'
        union
        select substr(c.source, 8) from above a join claims c on c.target_ref = a.ref where c.source like 'entity:%'
    )
    select $1 like 'provider:%' or exists (
        select from above a join claims c on c.target_ref = a.ref
        where c.source like 'provider:%' and c.origin = $2
    )
$$;
alter table entities add column origin text collate "C";

-- The claims that did not win, as JSON, where they have another location key than the winner: a conflict.
alter table entities add column rivals text;
create index entities_contested on entities (ref) where rivals is not null;
create index entities_failing on entities (ref) where errors is not null;

-- An entity that is not due keeps its row, at infinity, with what its last run came to.
alter table schedule
    add column because text,
    add column ran_at timestamptz,
    add column ran_because text,
    add column outcome text collate "C";
drop index schedule_due;
create index schedule_due on schedule (priority, due_at) where due_at < 'infinity';

-- The ticket with which the oldest wish for a stitch began that has not been fulfilled, and the first one that came
-- while a stitcher was at it.
alter table stitch_queue
    add column since bigint not null default 0,
    add column again bigint;
