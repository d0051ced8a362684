"""Conflicts: who has an entity here that several sources claim, and who has it in the other catalog.

Backstage keeps nothing of a claim that loses, but for a line in its log. Its source can be asked again, though: once
the locations of the other catalog are read here, and its entities without a source are copied, each losing claim of
them stands here as well. What is left is to let the same one win.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from callboard.client import CatalogClient, EntityConflict
from callboard.errors import NotAllowed, NotFound
from callboard.model.annotations import MANAGED_BY_LOCATION, ORPHAN
from callboard.model.json import JsonObject
from callboard.moving.backstage import Backstage
from callboard.moving.plans import annotation, conflict_pages


class Outcome(enum.Enum):
    """What is to be said of a conflict."""

    SAME = "with the same winner as there"
    HANDED_OVER = "handed over to whom it has there"
    NOT_THERE = "without a winner there"
    """Nobody has the entity there, or only what is left of somebody who has let go."""
    UNKNOWN = "won there by a source that is not here"
    REFUSED = "refused to be handed over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A conflict, and what became of it."""

    ref: str
    outcome: Outcome
    before: str
    """Who had it here."""
    there: str | None = None
    """Where it comes from there."""
    location_key: str | None = None
    """Under which it is claimed here by whom it has there."""
    refusal: str | None = None


def settle(catalog: CatalogClient, backstage: Backstage, provider: str, *, dry_run: bool) -> Iterator[Settled]:
    """Hand each entity over to whom it has in the other catalog, or only say so.

    *provider* is the one that has what was copied. Raises NotAllowed for who may not see conflicts.
    """
    for page in conflict_pages(catalog):
        theirs = backstage.entities([each.entity_ref for each in page])
        for conflict, entity in zip(page, theirs, strict=True):
            found = _compared(conflict, entity, f"provider:{provider}")
            yield found if dry_run or found.outcome is not Outcome.HANDED_OVER else _handed_over(catalog, found)


def await_settled(catalog: CatalogClient, settled: Settled, wait: float) -> bool:
    """Whether readers see the winner of an entity that was handed over, within *wait* seconds."""
    assert settled.location_key is not None
    try:
        return catalog.hand_over(settled.ref, settled.location_key, wait=wait).status.state == "settled"
    except NotFound:
        # Its source has let go meanwhile.
        return True


def _compared(conflict: EntityConflict, entity: JsonObject | None, copies: str) -> Settled:
    winner = conflict.winner
    before = winner.location_key or str(winner.source)
    # An orphan keeps its name there although its source has let go: whoever claims it lives, and has more right to it.
    if entity is None or annotation(entity, ORPHAN) == "true":
        return Settled(ref=conflict.entity_ref, outcome=Outcome.NOT_THERE, before=before)
    there = annotation(entity, MANAGED_BY_LOCATION)
    claims = [(winner.source, winner.location_key), *((each.source, each.location_key) for each in conflict.rivals)]
    # What is read from a location is claimed under that location, in both catalogs.
    keys = [key for _, key in claims if key == there] or [key for source, key in claims if source == copies]
    key = keys[0] if keys else None
    outcome = Outcome.UNKNOWN if key is None else Outcome.SAME if key == winner.location_key else Outcome.HANDED_OVER
    return Settled(ref=conflict.entity_ref, outcome=outcome, before=before, there=there, location_key=key)


def _handed_over(catalog: CatalogClient, found: Settled) -> Settled:
    try:
        catalog.hand_over(found.ref, cast("str", found.location_key))
    except (NotAllowed, NotFound) as error:
        return replace(found, outcome=Outcome.REFUSED, refusal=str(error))
    return found
