-- name: share
-- Of two that tell about the same time, the smaller rest is the newer one.
insert into budgets as known (credential, most, remaining, resets_at, blocked_until)
select * from unnest(
    :credentials::text[], :most::integer[], :remaining::integer[], :resets_at::timestamptz[], :blocked_until::timestamptz[]
)
on conflict (credential) do update set
    most = coalesce(excluded.most, known.most),
    remaining = case
        when excluded.remaining is null then known.remaining
        when known.resets_at is null or excluded.resets_at > known.resets_at + interval '5 seconds' then excluded.remaining
        when excluded.resets_at < known.resets_at - interval '5 seconds' then known.remaining
        else least(known.remaining, excluded.remaining)
    end,
    resets_at = greatest(known.resets_at, excluded.resets_at),
    blocked_until = greatest(known.blocked_until, excluded.blocked_until);

-- name: find
select credential, most, remaining, resets_at, blocked_until from budgets where credential = any(:credentials::text[]);
