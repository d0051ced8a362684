-- name: underrated
-- The tables, of these, that PostgreSQL's planner takes for much smaller than so many rows. It multiplies the rows of a
-- page, as it found them when the table was analysed, with the pages that there are now. A table that was never
-- analysed, or that a vacuum left without a page, it judges by the width of a row, and right enough.
select c.relname as name from pg_class c
where c.oid = any(cast(:tables::text[] as regclass[])) and c.reltuples >= 0 and c.relpages > 0
    and c.reltuples / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::integer)
        < cast(:rows as integer) / 10;

-- name: overtaken
-- The tables of this schema that it takes for much smaller than what has been committed to them.
select c.relname as name from pg_class c join pg_stat_user_tables s on s.relid = c.oid
where c.relnamespace = current_schema()::regnamespace and c.reltuples >= 0 and c.relpages > 0
    and s.n_live_tup > 1000
    and c.reltuples / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::integer) < s.n_live_tup / 10;

-- name: grown
-- The tables, of these, of which a fifth is new or obsolete since PostgreSQL came by last; it looks itself once a
-- minute. Whoever does not own a table may not tidy it up.
select c.relname as name from pg_class c join pg_stat_user_tables s on s.relid = c.oid
where c.oid = any(cast(:tables::text[] as regclass[])) and pg_has_role(c.relowner, 'usage')
    and s.n_ins_since_vacuum + s.n_dead_tup > 1000 + s.n_live_tup / 5;
