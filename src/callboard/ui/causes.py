"""Causes: what led to a change, in words and with links."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from callboard.errors import InvalidRef
from callboard.model.json import JsonValue
from callboard.model.refs import EntityRef
from callboard.ui import addresses
from callboard.ui.presenting import page_of, short
from callboard.ui.shapes import mappings
from callboard.ui.shapes import text as text_of

WORDS: Final = {
    "changed": "New, or changed at its source",
    "refresh": "Read again, since somebody asked for it",
    "interval": "Read again, since it was time for that",
    "deploy": "Processors, policies or rules are others than before",
    "moved": "Its location has followed its file",
    "retargeted": "Its location points elsewhere now",
    "removed": "Something was deleted, and sources were asked whether they still have it",
    "conflict": "Another source has come to offer it as well, or does so no more",
    "orphaned": "Its parent emits it no more, or is gone",
    "reclaimed": "It was an orphan, and is none any more",
    "relations": "A relation of a neighbour came or went",
    "withdrawn": "Its provider has it no more",
    "forgotten": "The provider is no more",
    "unregistered": "The location that it came from was unregistered",
    "deleted": "Somebody deleted this one entity",
}
"""Reasons that are known. Others are shown as they are: more may come, and some are free texts."""


@dataclass(frozen=True, slots=True)
class Named:
    """Something that a cause names, and where to read more of it: nowhere, if *address* is empty."""

    text: str
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What led to a change, as far as who looks may know."""

    because: str
    """In words."""
    source: Named | None = None
    location: Named | None = None
    location_id: str = ""
    by: Named | None = None
    neighbour: Named | None = None
    rivals: tuple[Named, ...] = ()
    """Who else offers the entity."""


def read(told: JsonValue) -> Cause | None:
    """The cause that an event has, if it has one."""
    if not isinstance(told, dict):
        return None
    because = text_of(told.get("because"))
    location_id = text_of(told.get("locationId"))
    return Cause(
        because=WORDS.get(because, because[:1].upper() + because[1:]),
        source=_named(told.get("source"), source),
        # What a provider offers under no other key says its name twice.
        location=None if told.get("location") == told.get("source") else _named(told.get("location"), location),
        location_id=location_id,
        by=_named(told.get("by"), person),
        neighbour=_named(told.get("neighbour"), neighbour),
        rivals=tuple(_rivals(told.get("conflict"))),
    )


def source(text: str) -> Named:
    """Who has an entity, as claims and causes name it.

    >>> source("provider:ci"), source("entity:location:default/shop").address
    (Named(text='provider ci', address='/operations/providers/ci'), '/catalog/default/location/shop')
    """
    what, _, which = text.partition(":")
    match what:
        case "provider" if which:
            return Named(f"provider {which}", f"/operations/providers/{quote(which, safe='')}")
        case "entity":
            return neighbour(which)
        case _:
            return Named(text)


def location(text: str) -> Named:
    """A location key: a link where a browser can open it."""
    found = addresses.place(text)
    return Named(found.words, found.address)


def person(text: str) -> Named:
    """Who has asked for something: users and groups have pages, services have none."""
    return neighbour(text) if text.startswith(("user:", "group:")) else Named(text)


def neighbour(text: str) -> Named:
    """An entity by its ref."""
    try:
        ref = str(EntityRef.parse(text))
    except InvalidRef:
        return Named(text)
    return Named(short(ref), page_of(ref))


def _named(value: JsonValue, read_one: Callable[[str], Named]) -> Named | None:
    text = text_of(value)
    return read_one(text) if text else None


def _rivals(value: JsonValue) -> list[Named]:
    found = [_named(each.get("source"), source) for each in mappings(value)]
    return [each for each in found if each is not None]
