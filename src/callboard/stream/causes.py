"""Causes, as far as a reader may know them who does not see every entity."""

from collections.abc import Callable

from callboard.model import json
from callboard.model.json import JsonObject
from callboard.store import claims

Named = Callable[[str], bool]
"""Whether the reader may be told of the entity with this ref."""


def nobody(_: str) -> bool:
    """For a reader who may be told of no other entity."""
    return False


def reduced(cause: str, named: Named) -> str:
    """*cause* without people, places and rivals, and without entities that may not be *named*."""
    told = json.decode(cause)
    assert isinstance(told, dict)
    kept: JsonObject = {}
    source, neighbour = told.get("source"), told.get("neighbour")
    if isinstance(source, str) and ((parent := claims.parent_in(source)) is None or named(parent)):
        kept["source"] = source
    if "because" in told:
        kept["because"] = told["because"]
    if isinstance(neighbour, str) and named(neighbour):
        kept["neighbour"] = neighbour
    return json.encode(kept).decode()
