"""How far parts of the catalog have come, counted by walking what hangs below them."""

import random
from dataclasses import dataclass, field

import pytest

from callboard.store import claims, progress
from callboard.store.claims import Claim
from callboard.store.database import Database, Transaction
from callboard.store.progress import Part, Progress

_NAMES = "abcdefgh"
_ILL = ("due", "marked", "failed", "contested")


@dataclass(frozen=True, slots=True)
class Graph:
    """Claims, and who is not well in which way."""

    edges: list[tuple[str, str, str]]
    """Source, target, location key."""
    ill: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    @property
    def refs(self) -> set[str]:
        """All entities that there are."""
        return {target for _, target, _ in self.edges} | {
            parent for source, _, _ in self.edges if (parent := claims.parent_in(source))
        }

    def expected(self, part: Part) -> Progress:
        """What there is to be counted, one entity after the other."""
        found: set[str] = set()
        waiting = {ref for ref in part.refs if ref in self.refs}
        waiting |= {target for source, target, _ in self.edges if source == part.source}
        while waiting:
            found |= waiting
            sources = {claims.of_entity(ref) for ref in waiting}
            waiting = {target for source, target, _ in self.edges if source in sources} - found
        due = found & self.ill["due"]
        pending = due | found & self.ill["marked"]
        failing = found & self.ill["failed"]
        return Progress(
            entities=len(found),
            due=len(due),
            pending=len(pending),
            failed=len(failing - pending),
            conflicts=len(found & self.ill["contested"]),
            failing=tuple(sorted(failing)[:3]),
        )


def graph(seed: int) -> Graph:
    chance = random.Random(seed)
    sources = ["provider:p", "provider:q", *map(claims.of_entity, _NAMES)]
    edges = {(chance.choice(sources), chance.choice(_NAMES), chance.choice(["", "key"])) for _ in range(12)}
    return Graph(sorted(edges), {how: {*chance.sample(_NAMES, chance.randrange(5))} for how in _ILL})


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_what_is_counted_is_all_that_hangs_below(database: Database, plans: str) -> None:
    for grown in map(graph, range(40)):
        parts = [Part(source="provider:p"), Part(refs=["a"]), Part(refs=["a", "b", "none"], source="provider:q")]
        async with database.transaction() as tx:
            await tx.connection.execute(f"set local plan_cache_mode = {plans}")
            await _grow(tx, grown)

            found = [await progress.look(tx, part, named=3) for part in parts]
            each = await progress.look_at_each(tx, ["b", "none", "a"], named=3)

        assert found == [grown.expected(part) for part in parts], grown
        assert each == [grown.expected(Part(refs=[ref])) for ref in ("b", "none", "a")], grown


async def _grow(tx: Transaction, grown: Graph) -> None:
    """Replace everything by these claims."""
    for table in ("claims", "entities", "schedule", "stitch_queue"):
        await tx.connection.execute(f"delete from {table}")
    await claims.lock_targets(tx, [], create=sorted(grown.refs))
    offered = [
        Claim(source=source, ref=target, location_key=key, content="{}", content_hash=b"")
        for source, target, key in grown.edges
    ]
    await claims.offer(tx, offered)
    await tx.connection.execute(
        "insert into schedule (ref, priority, due_at, ticket) select ref, 2, now(), 0 from entities"
        " where ref <> all($1::text[]) union all select unnest($1::text[]), 1, now(), 0",
        [*grown.ill["due"]],
    )
    await tx.connection.execute(
        "insert into stitch_queue (ref, due_at, ticket) select unnest($1::text[]), now(), 0", [*grown.ill["marked"]]
    )
    await tx.connection.execute("update entities set errors = '[]' where ref = any($1)", [*grown.ill["failed"]])
    await tx.connection.execute("update entities set rivals = '[]' where ref = any($1)", [*grown.ill["contested"]])
