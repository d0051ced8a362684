-- works with: 0006
-- was: b6d14ccab9c66d6070eee4227e2d6a50d61806bced1c2f22499ab06b4379ad8f
-- The history in partitions by offset. What is forgotten is not deleted row by row: it ends at the floor, and a partition
-- that is wholly below is dropped, which gives its room back to the disk and leaves nothing to vacuum.

-- step: transaction
-- The last versions, at the history floor, of what has not changed for so long that their partition is gone: whoever
-- follows from there on must know what was there. The columns are those of `history`.
create table kept_versions (
    "offset" bigint not null,
    type text collate "C" not null,
    ref text collate "C" primary key,
    uid uuid not null,
    body text,
    previous_offset bigint,
    cause text,
    at timestamptz not null
) with (
    toast_tuple_target = 8160,
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 1,
    toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 1000
);

create index kept_versions_removed on kept_versions (ref) where type = 'removed';

-- From where on there is no partition yet. Whoever publishes holds this row, and makes the next partition.
alter table stream add column history_until bigint not null default 1;

create table history_partitions (
    starts_at bigint primary key,
    ends_before bigint not null,
    -- Up to here what is to be kept of it is in kept_versions.
    kept_until bigint not null
);

create function extend_history(upto bigint, size bigint) returns void language plpgsql as $$
declare
    starts_at bigint := (select history_until from stream);
begin
    if starts_at > upto then
        return;
    end if;
    while starts_at <= upto loop
        execute format('create table history_%s (like history including all) with (toast_tuple_target = 8160)', starts_at);
        -- It needs the weaker lock of the ways to make a partition: readers and writers go on.
        execute format(
            'alter table history attach partition history_%s for values from (%s) to (%s)',
            starts_at, starts_at, starts_at + size
        );
        insert into history_partitions values (starts_at, starts_at + size, starts_at - 1);
        starts_at := starts_at + size;
    end loop;
    update stream set history_until = starts_at;
end
$$;

-- Everybody who reads the history waits for this, so it doesn't wait long for them. Whether the partition has gone.
create function drop_history_partition(partition bigint) returns boolean language plpgsql as $$
begin
    execute format('drop table history_%s', partition);
    delete from history_partitions p where p.starts_at = partition;
    return true;
exception when lock_not_available then
    return false;
end
$$;

-- step: transaction
-- Changes as far as they are known become the first partition, with room for what comes meanwhile. That they all belong
-- to it is said before, and looked at while others go on, so that nobody has to wait while it is made one.
do $$
declare
    ends_before bigint := 65537 + greatest((select head from stream), (select max("offset") from history));
begin
    execute format(
        'alter table history add constraint history_first check ("offset" >= 1 and "offset" < %s) not valid', ends_before
    );
    insert into history_partitions values (1, ends_before, 0);
end
$$;

-- step: concurrently
alter table history validate constraint history_first;

-- step: transaction
-- Whoever publishes has the counter first, and then writes.
select from stream for update;
alter table history rename to history_1;
alter index history_pkey rename to history_1_pkey;
alter index history_ref rename to history_1_ref_offset_idx;
create table history (
    "offset" bigint primary key,
    type text collate "C" not null,
    ref text collate "C" not null,
    uid uuid not null,
    body text,
    previous_offset bigint,
    cause text,
    at timestamptz not null
) partition by range ("offset");
create index history_ref on history (ref, "offset");

do $$
declare
    first record;
begin
    select * into strict first from history_partitions;
    if exists (select from history_1) or (select head from stream) > 0 then
        execute format('alter table history attach partition history_1 for values from (1) to (%s)', first.ends_before);
        alter table history_1 drop constraint history_first;
        update stream set history_until = first.ends_before;
    else
        drop table history_1;
        delete from history_partitions;
    end if;
end
$$;

-- What is known of an entity: its changes above the floor, and the version that was visible at the floor.
create function versions_of(entity text) returns setof history language sql stable as $$
    select h.* from history h where h.ref = entity and h."offset" > (select history_floor from stream)
    union all
    select k.* from (
        select k.* from (
            (
                select h.* from history h where h.ref = entity and h."offset" <= (select history_floor from stream)
                order by h."offset" desc limit 1
            )
            union all
            select k.* from kept_versions k where k.ref = entity
        ) k order by k."offset" desc limit 1
    ) k where k.type <> 'removed'
$$;
