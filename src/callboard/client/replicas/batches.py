"""Batches: what is to be stored in one transaction, and what has been."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from callboard.client.replicas.positions import Position
from callboard.client.results import Event

# After an even number of backslashes; otherwise it is a backslash that is written out, and a u.
_NUL = re.compile(r"((?<!\\)(?:\\\\)*)\\u0000")


class _Told(msgspec.Struct):
    entity: msgspec.Raw


def entity_text(event: Event) -> str:
    """The entity as the server sent it, digit by digit: JSON in one line."""
    return bytes(msgspec.json.decode(event.source, type=_Told).entity).decode()


def without_nul(text: str) -> str:
    """JSON with another sign in the place of the character NUL, which PostgreSQL can't hold."""
    return _NUL.sub(r"\1\\ufffd", text) if r"\u0000" in text else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a batch means to a store that has some of its entities."""

    dropped: Sequence[str]
    """The refs of what is in the store and goes: it was removed, or is another entity by now, with another uid."""
    put: Sequence[Event]
    """What is to be there afterwards: one event for each ref, the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A page of events, and the position after it: to be stored together, or not at all."""

    events: Sequence[Event]
    """In the order of their offsets."""
    position: Position
    sweep: bool = False
    """Whether all has been told by now, so that what is of another generation than the position is to go."""

    @property
    def refs(self) -> Sequence[str]:
        """Of whom something is told."""
        return list(self._last())

    def plan(self, known: Mapping[str, str]) -> Plan:
        """What is to be done in a store with the uids *known* by their refs, as far as they are among `refs`."""
        last = self._last()
        return Plan(
            dropped=[
                ref for ref, uid in known.items() if ref in last and (last[ref].entity is None or last[ref].uid != uid)
            ],
            put=[event for event in last.values() if event.entity is not None],
        )

    def _last(self) -> Mapping[str, Event]:
        return {event.ref: event for event in self.events}


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a transaction has done to a copy. First some went, then others were put."""

    put: Sequence[Event]
    """The events of what is there now, one for each ref."""
    removed: Sequence[str]
    """The refs of what was there: it is gone, has left the filter, or was another entity of that name."""
    events: Sequence[Event]
    """All that was told, each change that is kept, in the order of the offsets."""
    position: Position
