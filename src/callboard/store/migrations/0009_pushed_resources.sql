-- works with: 0007
-- What identity providers push over SCIM, as they wrote it: more than the entities show, and for them alone.

-- step: transaction
create table pushed_resources (
    provider text collate "C" not null references providers (name) on delete cascade,
    id text collate "C" not null,
    -- `User` or `Group`.
    type text collate "C" not null,
    -- The userName or displayName, without case.
    name text collate "C" not null,
    external_id text collate "C",
    -- The entity that it stands for.
    ref text collate "C" not null,
    entity_name text collate "C" not null,
    -- Whether there is such an entity: not for a user who is not active.
    shown boolean not null,
    -- The resource as JSON, without members.
    content text not null,
    version bigint not null,
    created_at timestamptz not null,
    modified_at timestamptz not null,
    primary key (provider, id)
);
create unique index pushed_resources_ref on pushed_resources (provider, ref);
create index pushed_resources_name on pushed_resources (provider, type, name);
create index pushed_resources_external_id on pushed_resources (provider, type, external_id);

-- Who is in which group. Members may be unknown.
create table pushed_members (
    provider text collate "C" not null,
    group_id text collate "C" not null,
    member_id text collate "C" not null,
    content text not null,
    place bigint generated always as identity,
    primary key (provider, group_id, member_id),
    foreign key (provider, group_id) references pushed_resources (provider, id) on delete cascade
);
create index pushed_members_member on pushed_members (provider, member_id);
