"""Sight: what of the stream a reader is told who does not see everything.

An entity that comes into sight is added for the reader, and one that leaves it is removed, whatever has happened to it.
So each change is compared with what the reader may hold of the entity. When that is not known any more, a reader's own
filter and a permission want different things: the one that no removal is lost, the other that nothing is told about
an entity that the reader may never have seen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from callboard.model.changes import Change, ChangeType
from callboard.model.facts import Facts, facts_of
from callboard.model.json import decode
from callboard.model.predicates import Predicate, both, matches
from callboard.store import changes
from callboard.store.changes import Earlier, Version
from callboard.store.database import Transaction
from callboard.stream.causes import Named, nobody, reduced

Parse = Callable[[bytes], Facts]
"""Finds the facts of a body, or remembers them."""

NOTHING = Earlier()


def facts_in(body: bytes) -> Facts:
    """The facts of an entity that is written as JSON."""
    entity = decode(body)
    assert isinstance(entity, dict)
    return facts_of(entity)


@dataclass(frozen=True, slots=True)
class Sight:
    """Which entities a reader sees: those that it wants and is permitted to. None stands for all."""

    wanted: Predicate | None = None
    permitted: Predicate | None = None
    named: Named = nobody
    """Says which other entities a cause may name, if the reader is not permitted to see all of them."""
    _seen: Predicate | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_seen", both(self.permitted, self.wanted))

    @property
    def seen(self) -> Predicate | None:
        """What an entity has to be for the reader to see it; None: it sees all."""
        return self._seen

    @property
    def limited(self) -> bool:
        """Whether anything can be out of sight."""
        return self._seen is not None

    def shows(self, body: bytes | None, parse: Parse = facts_in) -> bool:
        """Whether the reader sees an entity that is like this; None is one that is not there."""
        return body is not None and (self._seen is None or matches(self._seen, parse(body)))

    def tell(self, change: Change, held: Earlier, parse: Parse = facts_in) -> Change | None:
        """*change* as it is told to a reader who may hold one of the versions *held*; None when nothing is told."""
        seen = next((version for version in held.versions if self.shows(version.body, parse)), None)
        if self.shows(change.body, parse):
            is_new = change.type is ChangeType.UPDATED and held.known and seen is None
            return self.disclose(replace(change, type=ChangeType.ADDED) if is_new else change)
        if seen is None and (held.known or self._is_secret(change.body, parse)):
            return None
        uid = change.uid if seen is None else seen.uid
        if change.body is None:
            return self.disclose(replace(change, uid=uid))
        # What led to a version that is out of sight is out of sight as well.
        return replace(change, type=ChangeType.REMOVED, uid=uid, body=None, cause=None, left_filter=True)

    def disclose(self, change: Change) -> Change:
        """*change* with as much of its cause as the reader may know."""
        if self.permitted is None or change.cause is None:
            return change
        return replace(change, cause=reduced(change.cause, self.named))

    def _is_secret(self, body: bytes | None, parse: Parse) -> bool:
        """Whether the reader must not learn that an entity like this is there, or was."""
        return self.permitted is not None and (body is None or not matches(self.permitted, parse(body)))


@dataclass(frozen=True, slots=True)
class Step:
    """A change, and the entity as it was before."""

    change: Change
    before: bytes | None
    """None: it was not there."""


def told_of_steps(steps: Sequence[Step], sight: Sight, parse: Parse) -> list[Change]:
    """What a reader of each single change is told of *steps*."""
    told: list[Change] = []
    for step in steps:
        held = NOTHING if step.before is None else Earlier((Version(step.change.uid, step.before),))
        change = sight.tell(step.change, held, parse)
        if change is not None:
            told.append(change)
    return told


async def told_of_changes(
    tx: Transaction, found: Sequence[Change], sight: Sight, *, after: int, compacted: bool, began: int | None = None
) -> list[Change]:
    """What a reader at offset *after* is told of *found*, the changes that come next.

    Who reads each single change holds what was there at *after*. Pages of the *compacted* stream pass over versions,
    so that their reader may hold any version from before; but none that had become obsolete by the offset *began*.
    """
    parsed: dict[bytes, Facts] = {}

    def parse(body: bytes) -> Facts:
        if (facts := parsed.get(body)) is None:
            facts = parsed[body] = facts_in(body)
        return facts

    first = {change.ref: change for change in reversed(found)}
    # At 0 a reader holds nothing, and in the log nothing was there before an entity was added.
    asked = [change for change in first.values() if after and (compacted or change.type is not ChangeType.ADDED)]
    held = await changes.earlier(
        tx,
        [change.ref for change in asked],
        [compacted and not sight.shows(change.body, parse) for change in asked],
        until=after,
        since=began,
    )
    told: list[Change] = []
    for change in found:
        shown = sight.tell(change, held.get(change.ref, NOTHING), parse)
        if shown is not None:
            told.append(shown)
        held[change.ref] = NOTHING if change.body is None else Earlier((Version(change.uid, change.body),))
    return told
