"""Entities that are written over HTTP: what is asked of them, and where they say that they come from."""

from callboard.errors import InvalidEntity
from callboard.extend import Offered
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION
from callboard.model.entities import check_envelope
from callboard.model.json import JsonObject, JsonValue, is_deeper
from callboard.model.refs import LocationRef

_MANAGED = (MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION)

_DEEPEST = 100
"""Levels of nesting, as in files."""


def home(provider: str) -> LocationRef:
    """Where the entities of *provider* come from that don't say so themselves; also the key of all its claims."""
    return LocationRef("provider", provider)


def offered(provider: str, value: JsonValue) -> Offered:
    """What *provider* offers with *value*. Raises InvalidEntity for what is no entity."""
    if is_deeper(value, _DEEPEST):
        # Said first: no schema is asked about what it can't walk through.
        raise InvalidEntity(f"is nested deeper than {_DEEPEST} levels")
    check_envelope(value)
    assert isinstance(value, dict)
    return Offered(_placed(value, home(provider)), str(home(provider)))


def _placed(entity: JsonObject, at: LocationRef) -> JsonObject:
    """*entity* with the annotations that say where it comes from.

    It may name a URL, to which its relative placeholders then refer. It can't name a file: whoever may write entities
    must not read the machine's files by that.
    """
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    annotations = metadata.get("annotations")
    if annotations is None:
        annotations = {}
    if not isinstance(annotations, dict):
        raise InvalidEntity("/metadata/annotations must be an object", pointer="/metadata/annotations")
    for name in _MANAGED:
        text = annotations.get(name)
        if text is not None and text != str(at) and not (isinstance(text, str) and text.startswith("url:")):
            pointer = f"/metadata/annotations/{name.replace('/', '~1')}"
            raise InvalidEntity(f"{pointer} must be a url: location, or {at}, or be left out", pointer=pointer)
    placed = {name: annotations.get(name, annotations.get(MANAGED_BY_LOCATION, str(at))) for name in _MANAGED}
    return {**entity, "metadata": {**metadata, "annotations": {**annotations, **placed}}}
