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
select greatest(n_live_tup, 0) as rows, greatest(n_dead_tup, 0) as dead from pg_stat_user_tables
where relid = 'history'::regclass;
