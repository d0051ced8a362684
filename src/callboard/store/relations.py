"""Relations, each written by the entity that emitted it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("relations")


@dataclass(frozen=True, slots=True)
class EmittedRelation:
    """A relation and the entity whose processing emitted it."""

    originator: str
    source: str
    type: str
    target: str


async def replace(tx: Transaction, originators: Sequence[str], emitted: Sequence[EmittedRelation]) -> dict[str, str]:
    """Make *emitted* all that the *originators* emit.

    Returns the refs whose relations changed, each with an originator.
    """
    rows = await tx.rows(
        _SQL["replace"],
        owners=list(originators),
        originators=[relation.originator for relation in emitted],
        sources=[relation.source for relation in emitted],
        types=[relation.type for relation in emitted],
        targets=[relation.target for relation in emitted],
    )
    return {row["source_ref"]: row["originator"] for row in rows}


async def of_sources(tx: Transaction, refs: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """(type, target) of all relations that go out from each of *refs*, sorted, each once."""
    found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for source, kind, target in await tx.rows(_SQL["of_sources"], refs=list(refs)):
        found[source].append((kind, target))
    return found


async def remove(tx: Transaction, originators: Sequence[str]) -> dict[str, str]:
    """Delete what the *originators* emitted, which go themselves.

    Returns the refs of the others whose relations changed, each with an originator.
    """
    rows = await tx.rows(_SQL["remove"], refs=list(originators))
    return {row["source_ref"]: row["originator"] for row in rows}
