"""Variants: other ways to publish, beside which the stream's own one is measured. They are for measuring only.

- `unsafe` gives out offsets from a sequence, as most change tables do: nobody waits, nobody is woken, and readers who
  ask for what is beyond their offset lose what is committed out of order.
- `none` has no stream at all: the visible entity is written, and nothing tells anybody.
"""

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import asyncpg

from callboard.cli import main
from callboard.store import publication, queries
from callboard.store.database import Transaction
from callboard.store.publication import FinalEntity


class Publish(Protocol):
    """What `publication.publish` is."""

    async def __call__(self, tx: Transaction, entities: Sequence[FinalEntity]) -> int | None:
        """Make *entities* visible; the last of their offsets, if they have any."""
        ...


class Variant(StrEnum):
    """How offsets are given out."""

    COUNTER = "counter"
    UNSAFE = "unsafe"
    NONE = "none"


_PREPARE = {
    Variant.COUNTER: "select",
    # Far from the offsets of the counter, with which it shares the tables.
    Variant.UNSAFE: """
        create sequence unsafe_offsets start 1000000000000;
        create table unsafe_history partition of history for values from (1000000000000) to (maxvalue);
    """,
    Variant.NONE: """
        alter table final_entities drop constraint final_entities_last_offset_key;
        drop index final_entities_tombstones;
    """,
}

_SQL = queries.parse("""
-- name: unsafe
with published as (
    select p.ref, p.uid, p.body, p.hash, p.cause, nextval('unsafe_offsets') as at_offset
    from unnest(:refs::text[], :uids::uuid[], :bodies::text[], :hashes::bytea[], :causes::text[])
        as p (ref, uid, body, hash, cause)
    join entities e on e.ref = p.ref and e.uid = p.uid
), numbered as (
    select p.*, before.last_offset as previous_offset, before.ref is null or before.removed_at is not null as added
    from published p left join final_entities before on before.ref = p.ref
), written as (
    insert into final_entities as f (ref, uid, body, hash, first_offset, last_offset, cause, changed_at)
    select ref, uid, body, hash, at_offset, at_offset, cause, :now from numbered
    on conflict (ref) do update set
        uid = excluded.uid, body = excluded.body, hash = excluded.hash,
        first_offset = case when f.removed_at is null then f.first_offset else excluded.first_offset end,
        last_offset = excluded.last_offset, cause = excluded.cause, changed_at = excluded.changed_at, removed_at = null
), recorded as (
    insert into history ("offset", type, ref, uid, body, previous_offset, cause, at)
    select at_offset, case when added then 'added' else 'updated' end, ref, uid, body, previous_offset, cause, :now
    from numbered
)
select max(at_offset) as head from numbered;

-- name: none
with published as (
    select p.ref, p.uid, p.body, p.hash
    from unnest(:refs::text[], :uids::uuid[], :bodies::text[], :hashes::bytea[]) as p (ref, uid, body, hash)
    join entities e on e.ref = p.ref and e.uid = p.uid
), written as (
    insert into final_entities as f (ref, uid, body, hash, first_offset, last_offset, changed_at)
    select ref, uid, body, hash, 0, 0, :now from published
    on conflict (ref) do update set
        uid = excluded.uid, body = excluded.body, hash = excluded.hash, changed_at = excluded.changed_at
)
select 0::bigint as head;
""")


async def _unsafe(tx: Transaction, entities: Sequence[FinalEntity]) -> int | None:
    if not entities:
        return None
    causes = [entity.cause for entity in entities]
    row = await tx.row(_SQL["unsafe"], **_columns(entities), causes=causes, now=tx.now)
    return int(row["head"]) if row else None


async def _none(tx: Transaction, entities: Sequence[FinalEntity]) -> int | None:
    if entities:
        await tx.row(_SQL["none"], **_columns(entities), now=tx.now)
    return None


def _columns(entities: Sequence[FinalEntity]) -> dict[str, list[str] | list[bytes]]:
    return {
        "refs": [entity.ref for entity in entities],
        "uids": [entity.uid for entity in entities],
        "bodies": [entity.body for entity in entities],
        "hashes": [entity.hash for entity in entities],
    }


PUBLISH: dict[Variant, Publish] = {
    Variant.COUNTER: publication.publish,
    Variant.UNSAFE: _unsafe,
    Variant.NONE: _none,
}


async def prepare(url: str, variant: Variant) -> None:
    """Make the tables of an empty database fit the variant."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_PREPARE[variant])
    finally:
        await connection.close()


if __name__ == "__main__":
    # `callboard`, but for how it publishes.
    publication.publish = PUBLISH[Variant(sys.argv.pop(1))]
    main()
