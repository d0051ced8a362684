-- name: hold
-- Everybody who publishes holds the counter first, and looks at this moment where the database is. A statement of its
-- own: the next one must see what was committed while this one waited.
select stream.head, stream.epoch, stream.history_until,
    coalesce(here.system_identifier, stream.system_identifier) is distinct from stream.system_identifier as restored,
    coalesce(here.timeline, stream.timeline) is distinct from stream.timeline as promoted
from stream cross join this_line() as here for update of stream;

-- name: elsewhere
select coalesce(here.system_identifier, stream.system_identifier) is distinct from stream.system_identifier
    or coalesce(here.timeline, stream.timeline) is distinct from stream.timeline as elsewhere
from stream cross join this_line() as here;

-- name: behind
-- Not on a standby: it may be behind without anything being lost.
select head < :seen and epoch = :epoch and not pg_is_in_recovery() as behind from stream;

-- name: begin
update stream set
    epoch = replace(gen_random_uuid()::text, '-', ''), epoch_began_at = :now, epoch_because = :because,
    system_identifier = coalesce(here.system_identifier, stream.system_identifier),
    timeline = coalesce(here.timeline, stream.timeline)
from this_line() as here
returning epoch, epoch_began_at as began_at, epoch_because as because;

-- name: current
select epoch, epoch_began_at as began_at, epoch_because as because from stream;
