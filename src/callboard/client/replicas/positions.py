"""Positions: how far a copy of the catalog has come, and who may move it on."""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

import msgspec

from callboard.client.changes import EventSelection
from callboard.client.filters import texts
from callboard.model import json


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far a copy has come. It is stored in one transaction with what it stands for."""

    selection: str
    """A fingerprint of what the copy is of. Under another one it is made anew."""
    generation: int
    """Another number each time that everything is read from the beginning. What is of another one is out of date."""
    offset: int = 0
    epoch: str | None = None
    began: int | None = None
    """Goes with the offset until the reader has caught up."""
    whole: bool = False
    """Whether everything has been read once, and what was of an earlier generation is gone."""
    caught_up: bool = False
    """Whether the copy was equal to the catalog when this was stored."""

    @classmethod
    def first(cls, selection: str) -> Self:
        """The beginning of everything."""
        # By chance, so that no store needs to know which ones there have been.
        return cls(selection=selection, generation=secrets.randbits(62))


def position_of(text: str | None) -> Position | None:
    """The position in a text that `text_of` has made; None for any other text, which can't be gone on from."""
    try:
        return msgspec.json.decode(text or "", type=Position)
    except msgspec.DecodeError:
        return None


def text_of(position: Position) -> str:
    """A position as a text, for stores that have no columns."""
    return msgspec.json.encode(position).decode()


def fingerprint(selection: EventSelection, version: str) -> str:
    """What tells one selection from another, and one *version* of what is made of it."""
    said = {
        "filters": sorted(texts(selection.get("filters", ()))),
        "query": selection.get("query"),
        "fields": sorted(selection.get("fields", ())),
        "version": version,
    }
    return sha256(json.encode_sorted(said)).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a store knows: how far its copy has come, and who has it."""

    position: Position | None = None
    """None before the first batch, and when the table of the copy has been dropped."""
    token: int = 0
    """Rises with each consumer that takes over. Nothing can be stored under one that is over."""
    beats: int = 0
    """Rises with each sign of life of whoever has it."""
    held_for: float = 0.0
    """So many seconds after the last sign of life nobody else should take over; 0 when nobody has it."""

    @property
    def sign(self) -> tuple[int, int]:
        """Something that is another one after each sign of life."""
        return self.token, self.beats


@dataclass(slots=True)
class Patience:
    """How long to wait before taking over from somebody who may be dead.

    No two clocks are compared: who waits looks for signs of life, and measures the silence by its own clock.
    """

    _sign: tuple[int, int] | None = None
    _since: float = 0.0

    def left(self, stored: Stored, now: float) -> float:
        """Seconds for which whoever has it may still be alive; 0 when it can be taken over."""
        if stored.sign != self._sign:
            self._sign, self._since = stored.sign, now
        return max(0.0, self._since + stored.held_for - now) if stored.held_for > 0 else 0.0
