-- works with: 0004
-- was: cd7b45bccbeb730eca2cc6938d3aa479a8f783a0094a146355b912223c3e87d7
-- Cursors that the server keeps: for consumers that read and acknowledge, and for sinks that the engines deliver to.

-- step: transaction
create sequence subscription_generations;
create table subscriptions (
    name text collate "C" primary key,
    -- Who may read it and change it, where it is known who calls. Null: everybody.
    owner text collate "C",
    created_at timestamptz not null,
    -- What is told, as it was asked for: JSON with `filter`, `query` and `fields`.
    wanted text not null,
    -- For sinks: what the owner was permitted to see when the sink was last written, as a query (JSON). Null: everything.
    permitted text,
    -- JSON; null when somebody reads it over HTTP.
    sink text,
    -- JSON array of texts; kept apart, so that what is shown can't have them in it.
    secrets text,
    -- `active`, `paused` or `dead`.
    state text collate "C" not null,
    -- Another one after each seek, and after a name was given out anew: what was on its way then counts for nothing.
    generation bigint not null default nextval('subscription_generations'),
    epoch text not null,
    "offset" bigint not null,
    -- Each entity is told once until the consumer has caught up, and not every change.
    compacted boolean not null,
    -- The second half of the bookmark: where a way through the compacted stream began.
    began bigint,
    acked_at timestamptz,
    -- Who is at it, and until when nobody else is; how far events have been handed out to it.
    holder text,
    leased_until timestamptz,
    handed_out bigint,
    handed_began bigint,
    handed_until bigint,
    handed_caught_up boolean,
    attempts integer not null default 0,
    failing_since timestamptz,
    next_at timestamptz not null,
    error text
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
