-- name: oldest
select at from history where "offset" > (select history_floor from stream) order by "offset" limit 1;

-- name: since
-- Offsets are dense and times rise with them, so the first change after a moment is found by halving. Times of several
-- engines differ by as much as their clocks do.
with recursive halves (low, high) as (
    select history_floor, head from stream
    union all
    select case when h.at < :moment then middle.of_both else low end,
        case when h.at < :moment then high else middle.of_both - 1 end
    from halves cross join lateral (select (low + high + 1) / 2 as of_both) middle
    join history h on h."offset" = middle.of_both
    where low < high
)
select (select head from stream) - max(low) as changes from halves;

-- name: size
-- Nothing is counted: offsets are dense, and PostgreSQL knows how large its files are.
select head - history_floor as changes,
    (select coalesce(sum(pg_total_relation_size(relid)), 0)::bigint from pg_partition_tree('history'))
        + pg_total_relation_size('kept_versions') as bytes
from stream;
