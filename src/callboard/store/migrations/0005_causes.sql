-- works with: 0005
-- was: 3d9774ce2ab522f0f0ebf1b2c6a47f230cf154cc716ba5584f78dc2067aeb391
-- What led to a change goes with the work to its event.

-- step: transaction
-- Who asked for an entity to be processed, if somebody did.
alter table schedule add column asked_by text;

-- step: transaction
-- Why an entity is stitched: JSON, the beginning of the cause of its event.
alter table stitch_queue add column because text;

-- step: 1000 rows at a time of history by offset
-- Events of removals said it under another name.
update history h set cause = '{"because"' || substr(h.cause, 10)
from batch b where h."offset" = b."offset" and h.cause like '{"reason":%';

-- step: 1000 rows at a time of final_entities by ref
update final_entities f set cause = '{"because"' || substr(f.cause, 10)
from batch b where f.ref = b.ref and f.cause like '{"reason":%';
