"""Removals, looked at before they happen: what would go, what would stay and because of whom, what would come back.

Whoever asks does the work of the removal in a transaction that is rolled back, and compares. So what is told can't
differ from what would be done.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from callboard.store import claims
from callboard.store.claims import ClaimKey
from callboard.store.database import Transaction

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


async def compare(
    tx: Transaction, root: str, before: Mapping[str, str], gone: Iterable[str], *, live: Claims
) -> Removal:
    """What has become of all that was at and below *root* *before*.

    *gone* was removed of it, while their sources make the claims *live* still.
    """
    went = set(gone)
    stay = [ref for ref in before if ref not in went]
    held = await claims.holders(tx, stay)
    return Removal(
        root=root,
        removed={ref: uid for ref, uid in before.items() if ref in went},
        kept={ref: held.get(ref, []) for ref in stay},
        returns=_returning(went, live),
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
