"""Removals, looked at before they happen: what would go, what would stay and because of whom, what would come back.

Who goes is decided by the same function as in the removal itself: it needs nothing but the claims on what hangs below.
So what is told can't differ from what would be done at that moment, and whoever looks locks nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from callboard.store import claims
from callboard.store.claims import ClaimKey
from callboard.store.removal import Tree

Claims = Mapping[str, Sequence[ClaimKey]]
"""The claims on entities, by their refs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What a removal leads to."""

    root: str
    """Whom it is about. All else hangs below that."""
    removed: Mapping[str, str]
    """What goes: uids by ref."""
    kept: Claims
    """What hangs below that and stays, with the claims that hold it. Without any it becomes an orphan."""
    returns: Claims
    """Of what goes, what comes back, with the claims that bring it."""


def of_withdrawal(tree: Tree, root: str, source: str) -> Removal:
    """What happens when *source* claims *root* no more, at and below which there is the *tree*."""
    held = tree.claims.get(root, ())
    others = [claim for claim in held if claim.source != source]
    left = Tree(tree.uids, {**tree.claims, root: others})
    gone = left.unreachable([root]) if len(others) < len(held) else set[str]()
    # Nothing of it comes back: whoever else offers something of it keeps it.
    return _told(left, root, gone, live={})


def of_deletion(tree: Tree, root: str, *, delete_orphans: bool) -> Removal:
    """What happens when *root* is deleted, at and below which there is the *tree*, whatever its sources say."""
    source = claims.of_entity(root)
    others = {ref: [claim for claim in held if claim.source != source] for ref, held in tree.claims.items()}
    children = [ref for ref, held in tree.claims.items() if len(others[ref]) < len(held)]
    left = Tree(tree.uids, {**others, root: []})
    orphans = left.unreachable(children) if delete_orphans else set[str]()
    return _told(left, root, {root, *orphans}, live=tree.claims)


def _told(left: Tree, root: str, gone: set[str], *, live: Claims) -> Removal:
    """What goes and what stays of a tree with the claims that are *left*; the *live* ones are still made."""
    sources = {claims.of_entity(ref) for ref in gone}
    return Removal(
        root=root,
        removed={ref: uid for ref, uid in left.uids.items() if ref in gone},
        kept={
            ref: [claim for claim in left.claims[ref] if claim.source not in sources]
            for ref in left.uids
            if ref not in gone
        },
        returns=_returning(gone, live),
    )


def _returning(gone: set[str], live: Claims) -> Claims:
    """What a provider offers still, or an entity that stays, or one that comes back itself."""
    back: set[str] = set()

    def lives(claim: ClaimKey) -> bool:
        parent = claims.parent_in(claim.source)
        return parent is None or parent not in gone or parent in back

    while more := {ref for ref in gone - back if any(map(lives, live.get(ref, ())))}:
        back |= more
    return {ref: [claim for claim in live[ref] if lives(claim)] for ref in sorted(back)}
