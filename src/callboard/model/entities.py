"""Entities: the envelope that every entity has, whatever its kind.

This is all that ingestion asks of an entity before it takes it in: that it can be named. Policies and kinds say more,
later, and one entity at a time.
"""

from collections.abc import Mapping

from callboard.errors import InvalidEntity, InvalidRef
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import DEFAULT_NAMESPACE, EntityRef, LocationRef
from callboard.model.schemas import Schema

_TEXT: JsonObject = {"type": "string", "minLength": 1}

_ENVELOPE = Schema(
    {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": {
            "apiVersion": _TEXT,
            # A kind with a separator in it would make refs that can't be read back.
            "kind": {**_TEXT, "pattern": "^[^:/\\u0000]*$"},
            "metadata": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {**_TEXT, "pattern": "^[^\\u0000]*$"},
                    "namespace": {**_TEXT, "pattern": "^[^/\\u0000]*$"},
                },
            },
        },
    }
)


def check_envelope(entity: JsonValue) -> None:
    """Raise InvalidEntity unless *entity* has what identifies an entity: apiVersion, kind and a name."""
    _ENVELOPE.check(entity)


def entity_ref(entity: JsonObject) -> EntityRef:
    """The ref of an entity whose envelope is checked."""
    kind, metadata = entity["kind"], entity["metadata"]
    assert isinstance(kind, str)
    assert isinstance(metadata, dict)
    name, namespace = metadata["name"], metadata.get("namespace", DEFAULT_NAMESPACE)
    assert isinstance(name, str)
    assert isinstance(namespace, str)
    return EntityRef(kind.lower(), namespace.lower(), name.lower())


def location_of(entity: JsonObject) -> LocationRef:
    """Where the entity was read from, as its annotation says. Raises InvalidEntity."""
    return _location(entity, MANAGED_BY_LOCATION)


def origin_of(entity: JsonObject) -> LocationRef:
    """The location at the root of the chain that led to the entity, as its annotation says. Raises InvalidEntity."""
    return _location(entity, MANAGED_BY_ORIGIN_LOCATION)


def origin_in(entity: JsonObject) -> str | None:
    """What the annotation says about the origin, be it a location or not; None without one."""
    text = _annotations(entity).get(MANAGED_BY_ORIGIN_LOCATION)
    return text if isinstance(text, str) else None


def without_origin(entity: JsonObject) -> JsonObject:
    """*entity*, but for the annotation about its origin."""
    annotations = _annotations(entity)
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    if MANAGED_BY_ORIGIN_LOCATION not in annotations:
        return entity
    others = {key: value for key, value in annotations.items() if key != MANAGED_BY_ORIGIN_LOCATION}
    return {**entity, "metadata": {**metadata, "annotations": others}}


def _annotations(entity: JsonObject) -> Mapping[str, JsonValue]:
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    annotations = metadata.get("annotations")
    return annotations if isinstance(annotations, dict) else {}


def _location(entity: JsonObject, annotation: str) -> LocationRef:
    text = _annotations(entity).get(annotation)
    if not isinstance(text, str):
        raise InvalidEntity(
            f"Entity '{entity_ref(entity)}' does not have the annotation {annotation}", pointer="/metadata/annotations"
        )
    try:
        return LocationRef.parse(text)
    except InvalidRef as error:
        raise InvalidEntity(
            f"Entity '{entity_ref(entity)}' has an invalid value for the annotation {annotation}: {error}",
            pointer=f"/metadata/annotations/{annotation.replace('/', '~1')}",
        ) from error
