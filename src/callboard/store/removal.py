"""Removal: everything that nothing keeps alive any more goes in one transaction.

What keeps an entity alive is a chain of claims that begins at a provider. The relations between entities have no part
in it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from callboard.model.causes import Reason
from callboard.store import claims, entities, queries, refresh_keys, relations, schedule
from callboard.store.claims import ClaimKey
from callboard.store.database import Overtaken, Transaction

_SQL = queries.load("removal")


@dataclass(frozen=True, slots=True)
class Removed:
    """What went. The caller retracts *refs* at the end of its transaction."""

    refs: list[str]
    offered_by_others: list[str]
    """Entities that a removed parent claimed and that stay: another claim may have won."""
    neighbours: Mapping[str, str]
    """Entities that have lost a relation, each with one of *refs* that had emitted it."""
    held: Sequence[ClaimKey] = ()
    """The claims on *refs* that went with them."""

    def spread(self, roots: Mapping[str, Reason]) -> dict[str, Reason]:
        """The reasons of *refs*: those of *roots*, also for what hung below these."""
        below: defaultdict[str, list[str]] = defaultdict(list)
        for claim in self.held:
            below[claim.source].append(claim.ref)
        gone = set(self.refs)
        found = {ref: reason for ref, reason in roots.items() if ref in gone}
        pending = list(found)
        while pending:
            parent = pending.pop()
            for ref in below[claims.of_entity(parent)]:
                if ref not in found:
                    found[ref] = found[parent]
                    pending.append(ref)
        return found


@dataclass(frozen=True, slots=True)
class Tree:
    """Some entities with all that hangs below them, and who claims each of these."""

    uids: Mapping[str, str]
    """By ref, in the order of the refs."""
    claims: Mapping[str, Sequence[ClaimKey]]
    """On each of them, in the order in which they came."""

    def unreachable(self, roots: Iterable[str]) -> set[str]:
        """Those of *roots* and of all below them that no chain of claims connects to a provider, or to the outside.

        Cycles have no such chain, so they go as well.
        """
        children: defaultdict[str, list[str]] = defaultdict(list)
        for ref, held in self.claims.items():
            for claim in held:
                children[claim.source].append(ref)
        candidates = _all_below(self.uids.keys() & set(roots), children)
        within = {claims.of_entity(ref) for ref in candidates}
        anchored: set[str] = set()
        for ref in candidates:
            for claim in self.claims[ref]:
                if claim.source not in within:
                    anchored.add(ref)
                    break
        return candidates - _all_below(anchored, children)


def _all_below(roots: set[str], children: Mapping[str, Sequence[str]]) -> set[str]:
    """*roots* and what hangs below them, by the *children* of each source."""
    found, waiting = set(roots), list(roots)
    while waiting:
        for ref in children.get(claims.of_entity(waiting.pop()), ()):
            if ref not in found:
                found.add(ref)
                waiting.append(ref)
    return found


async def lock_trees(
    tx: Transaction, roots: Sequence[str], *, others: Sequence[str] = (), create: Sequence[str] = ()
) -> set[str]:
    """Lock *roots* and all below them together with *others*, creating those of *create* that don't exist.

    Returns the refs that exist.

    A removal can touch all of that, and waits in one line with everybody else only if it locks it in one go. Two
    removals that share a descendant wait for one another, so that the second one sees that nothing holds it any more.
    May raise Overtaken.
    """
    there = await below(tx, roots)
    locked = await claims.lock_targets(tx, [*others, *there], create=create)
    if not set(await below(tx, roots)).issubset(there):
        # Something came in below them before the locks were there.
        raise Overtaken("a tree to be removed has grown")
    return locked


async def below(tx: Transaction, roots: Sequence[str]) -> list[str]:
    """*roots* and all that hangs below them."""
    return await tx.refs(_SQL["below"], refs=list(roots)) if roots else []


async def tree(tx: Transaction, roots: Sequence[str]) -> Tree:
    """*roots* and all that hangs below them, as far as it exists, at one moment."""
    uids: dict[str, str] = {}
    held: dict[str, list[ClaimKey]] = {}
    for ref, uid, source, key in await tx.rows(_SQL["tree"], refs=list(roots)) if roots else ():
        if ref not in uids:
            uids[ref], held[ref] = uid, []
        if source is not None:
            held[ref].append(ClaimKey(source, ref, key))
    return Tree(uids, held)


async def unreachable(tx: Transaction, roots: Sequence[str]) -> list[str]:
    """Those of *roots* and of all below them, all locked, that no provider reaches any more."""
    return sorted((await tree(tx, roots)).unreachable(roots)) if roots else []


async def remove(tx: Transaction, refs: Sequence[str]) -> Removed:
    """Delete everything about *refs*, which must be locked with all below them, but for what readers see.

    Requests to stitch them may stay: nothing is published of an entity that is gone.
    """
    if not refs:
        return Removed([], [], {})
    rows = await tx.rows(_SQL["claims_by_removed"], sources=[claims.of_entity(ref) for ref in refs], refs=list(refs))
    keys = [ClaimKey(*row) for row in rows]
    await claims.withdraw(tx, keys)
    held = [ClaimKey(*row) for row in await tx.rows(_SQL["claims_of_removed"], refs=list(refs))]
    await tx.run(entities.REMOVE, refs=list(refs))
    await tx.run(schedule.REMOVE, refs=list(refs))
    neighbours = await relations.remove(tx, refs)
    await tx.run(refresh_keys.REMOVE, refs=list(refs))
    return Removed(list(refs), sorted({key.ref for key in keys}), neighbours, held)
