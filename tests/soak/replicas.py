"""Replicas: what a reader makes of the stream, and what it must never be told.

Some of what a reader is told can be judged at once. Whether an offset may be missing, or an entity be `updated` that
the reader never had, depends on what had been forgotten when the server looked, which no event says. That is a doubt,
and settled by the floor of the history a moment later: floors only rise, so a reader that had been above it then has
been above it before, and was owed every change.
"""

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from tests.soak.wishes import Wish

_ENOUGH = 20
"""Of what is wrong with one reader nobody wants to hear more."""
_REMEMBERED = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event."""

    offset: int
    type: str
    ref: str
    uid: str
    entity: JsonObject | None = None
    reason: str | None = None

    @classmethod
    def read(cls, event: JsonObject) -> "Told":
        """The event as it was received."""
        entity, reason, offset = event.get("entity"), event.get("reason"), event["offset"]
        assert isinstance(offset, int)
        assert entity is None or isinstance(entity, dict)
        return cls(
            offset=offset,
            type=str(event["type"]),
            ref=str(event["entityRef"]),
            uid=str(event["uid"]),
            entity=entity,
            reason=None if reason is None else str(reason),
        )


@dataclass(slots=True)
class Record:
    """What was told at each offset, by whichever process and to whomever: it must be the same for all."""

    told: dict[int, str] = field(default_factory=dict)


def described(ref: str, uid: str, entity: JsonValue) -> str:
    """A change in a short text that no other one has.

    Of a removal the uid does not count: where versions were passed over, who has a filter is told the one that it has
    got, though the entity may have come and gone once more since then.
    """
    if entity is None:
        return f"{ref} removed"
    return f"{ref} {uid} {hashlib.blake2b(json.encode_sorted(entity), digest_size=8).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Held:
    """An entity in a replica."""

    uid: str
    entity: JsonObject


@dataclass(frozen=True, slots=True)
class _Doubt:
    offset: int
    what: str


@dataclass(slots=True)
class Replica:
    """The entities that one reader has, and what was wrong with what it was told."""

    name: str
    wish: Wish
    record: Record
    entities: dict[str, Held] = field(default_factory=dict)
    offset: int = 0
    epoch: str | None = None
    began: int | None = None
    live: bool = False
    """Whether it has caught up, and is owed every change from now on."""
    events: int = 0
    left: int = 0
    """Removals of what is still there, and not in sight any more."""
    wrong: list[str] = field(default_factory=list)
    past: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    """What has happened last, for whoever has to find out why something is wrong."""
    excused: int = 0
    """Doubts about what was told from below the history floor."""
    _first_epoch: str | None = None
    _since: int = 0
    """Nothing that has not been judged was told to a position from before this offset."""
    _inexact_until: int = 0
    _doubts: list[_Doubt] = field(default_factory=list)
    _drawn: tuple[int, list[_Doubt]] | None = None

    def tell(self, told: Told) -> None:
        """Take one event."""
        self.events += 1
        self.note(f"{told.offset} {told.type} {told.ref} {told.reason or ''}".rstrip())
        self._check(told)
        if self.live:
            self._weigh(told)
        self.offset = max(self.offset, told.offset)
        if told.entity is None:
            self.left += told.reason is not None
            self.entities.pop(told.ref, None)
        else:
            self.entities[told.ref] = Held(told.uid, told.entity)

    def mark(self, offset: int, epoch: str, *, caught_up: bool, began: int | None = None) -> None:
        """Take a bookmark: everything up to *offset* has been told."""
        self.note(f"bookmark {offset}, {'' if caught_up else 'not '}caught up, began {began}")
        if offset < self.offset:
            self.complain(f"the bookmark {offset} lies before what was told, {self.offset}")
        if self.live and self.wish.query is None and offset > self.offset:
            self._doubts.append(_Doubt(offset, f"nothing told from {self.offset} to the bookmark {offset}"))
        self.offset = max(self.offset, offset)
        self.place(epoch, began)
        self.live = self.live or caught_up

    def place(self, epoch: str, began: int | None) -> None:
        """Take what a position says beside its offset."""
        self._first_epoch = self._first_epoch or epoch
        if epoch != self._first_epoch:
            self.complain(f"the epoch {self._first_epoch} has become {epoch}, and nobody has restored anything")
        self.epoch, self.began = epoch, began
        self._since = min(self._since, self._exact_from)

    @property
    def _exact_from(self) -> int:
        """Who has not caught up may hold what was obsolete at its offset, as long as it was there where it began."""
        return self.offset if self.began is None else min(self.offset, self.began)

    def begin_anew(self) -> None:
        """Forget everything, as a reader does that was away for too long."""
        self.note("begins anew")
        self.entities.clear()
        self.offset, self.epoch, self.began, self.live = 0, None, None, False
        self._since, self._inexact_until = 0, 0
        # Only who was below the floors is sent away, so there are none that would not be excused.
        self._doubts, self._drawn = [], None

    def draw_line(self) -> None:
        """From here on doubts belong to the next judgement."""
        since, doubts = self._drawn or (self._since, [])
        self._drawn = (min(since, self._since), [*doubts, *self._doubts])
        self._since, self._doubts = self._exact_from, []

    def judge(self, floor: int, head: int) -> None:
        """Settle the doubts before the line: where the history floor and the head were after it was drawn."""
        if self._drawn is None:
            return
        (since, doubts), self._drawn = self._drawn, None
        behind = floor > since
        for doubt in doubts:
            if behind or doubt.offset <= self._inexact_until:
                self.excused += 1
            else:
                self.complain(f"{doubt.what}, though it follows from {since} and the history from {floor} on is there")
        if behind:
            # What was passed over there may show until the head of that moment.
            self._inexact_until = head

    def note(self, what: str) -> None:
        """Remember that something has happened."""
        self.past.append(what)

    def complain(self, what: str) -> None:
        """Remember that something is wrong."""
        self.note(f"WRONG: {what}")
        if len(self.wrong) < _ENOUGH:
            self.wrong.append(f"{self.name} [{self.wish}] at {self.offset}: {what}")

    def compare(self, listed: Mapping[str, JsonObject], where: str) -> None:
        """Complain about all that the replica has other than what was *listed*."""
        for ref in sorted(listed.keys() - self.entities.keys()):
            self.complain(f"{ref} is in {where}, and missing here")
        for ref in sorted(self.entities.keys() - listed.keys()):
            self.complain(f"{ref} is here, and not in {where}")
        for ref in sorted(listed.keys() & self.entities.keys()):
            if self.entities[ref].entity != listed[ref]:
                self.complain(f"{ref} is {self.entities[ref].entity} here, and in {where} {listed[ref]}")

    def _check(self, told: Told) -> None:
        """What holds for every event, whatever has been forgotten."""
        if told.offset <= self.offset:
            self.complain(f"{told.type} {told.ref} at {told.offset} comes late, or once more")
        if (told.type == "removed") != (told.entity is None):
            self.complain(
                f"{told.type} {told.ref} at {told.offset} with{'out' if told.entity is None else ''} an entity"
            )
        if told.reason is not None and (told.reason != "left-filter" or self.wish.query is None or told.entity):
            self.complain(f"{told.type} {told.ref} at {told.offset} because of {told.reason!r}")
        if told.reason is not None or self.wish.fields:
            return
        if told.entity is not None and _identity(told.entity) != (told.ref, told.uid):
            self.complain(f"{told.ref} ({told.uid}) at {told.offset} comes with {_identity(told.entity)}")
        if told.entity is not None and not self.wish.holds(told.entity):
            self.complain(f"{told.type} {told.ref} at {told.offset} is not what was asked for: {told.entity}")
        said = described(told.ref, told.uid, told.entity)
        if (others := self.record.told.setdefault(told.offset, said)) != said:
            self.complain(f"{told.type} at {told.offset} is {said}, and others were told {others}")

    def _weigh(self, told: Told) -> None:
        """What holds where every change is told."""
        if self.wish.query is None and told.offset > self.offset + 1:
            self._doubts.append(_Doubt(told.offset, f"nothing told from {self.offset} to {told.offset}"))
        held = self.entities.get(told.ref)
        if (told.type == "added") is (held is not None):
            there = "which is not here" if held is None else "which is here"
            self._doubts.append(_Doubt(told.offset, f"{told.type} {told.ref} at {told.offset}, {there}"))
        elif held is not None and held.uid != told.uid:
            self._doubts.append(_Doubt(told.offset, f"{told.ref} at {told.offset} was {held.uid}, and is {told.uid}"))


def _identity(entity: JsonObject) -> tuple[str, str]:
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    return ref_of(entity), str(metadata["uid"])


def ref_of(entity: JsonObject) -> str:
    """The ref of an entity."""
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    return f"{entity['kind']}:{metadata.get('namespace', 'default')}/{metadata['name']}".lower()
