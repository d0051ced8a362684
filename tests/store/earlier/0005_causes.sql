-- What led to a change goes with the work to its event.

-- Who asked for an entity to be processed, if somebody did.
alter table schedule add column asked_by text;

-- Why an entity is stitched: JSON, the beginning of the cause of its event.
alter table stitch_queue add column because text;

-- Events of removals said it under another name.
update history set cause = '{"because"' || substr(cause, 10) where cause like '{"reason":%';
update final_entities set cause = '{"because"' || substr(cause, 10) where cause like '{"reason":%';
