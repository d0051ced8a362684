-- name: contested
-- There is an index of those that have rivals.
select ref from entities where rivals is not null and (:ref::text is null or ref = :ref) order by ref;

-- name: claims
-- The claim that won, and those under other keys. Claims of other sources under the winner's key have no part in it.
select e.ref, c.source, c.location_key, c.content, c.source = e.source and c.location_key = e.location_key as won
from entities e join claims c on c.target_ref = e.ref
where e.ref = any(:refs::text[]) and e.rivals is not null
    and (c.location_key <> e.location_key or c.source = e.source)
order by e.ref, won desc, c.source, c.location_key;

-- name: count
select count(*) from entities where rivals is not null;
