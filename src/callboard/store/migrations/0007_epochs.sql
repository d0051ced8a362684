-- works with: 0007
-- was: 541516eb25bf837b3b7130961e1c4d99840facc34de13dce9d8ee3b6cdb45a02
-- An epoch belongs to one line of a database's life: to one server, and to one of its timelines. A dump that was restored
-- is on another server; a standby that was promoted, and a server that was restored to a point in time, are on another
-- timeline. Changes that readers know may be missing there, and their offsets are given out again.

-- step: transaction
-- Where the database is. Null for what this role may not know, or what this service does not tell; and on a standby,
-- which writes nothing anyway.
create function this_line(out system_identifier bigint, out timeline integer) language plpgsql volatile as $$
begin
    if pg_is_in_recovery() then
        return;
    end if;
    if has_function_privilege(to_regprocedure('pg_control_system()'), 'execute') then
        select control.system_identifier into this_line.system_identifier from pg_control_system() as control;
    end if;
    -- The control file has the timeline of the last checkpoint, which may be from before a promotion. The log has its own.
    if has_function_privilege(to_regprocedure('pg_walfile_name(pg_lsn)'), 'execute') then
        this_line.timeline := ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer;
    end if;
end
$$;

alter table stream
    add column system_identifier bigint,
    add column timeline integer,
    add column epoch_began_at timestamptz not null default now(),
    -- `made`, `restored`, `promoted`, `lost` or `asked`.
    add column epoch_because text collate "C" not null default 'made';

update stream set (system_identifier, timeline) = (select here.system_identifier, here.timeline from this_line() as here);
