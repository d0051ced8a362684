"""Kinds: what the built-in kinds of entities require, and how their fields relate them to others.

Each kind is one JSON file beside this module: its schema, and the fields of `spec` that hold refs.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any

import msgspec

from callboard.errors import InvalidEntity, InvalidRef
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef
from callboard.model.schemas import Schema, pointer_of

Edge = tuple[str, str, str]
"""Source, type and target of a relation, both ends as canonical refs."""


class RelationField(msgspec.Struct, frozen=True, rename="camel"):
    """A field of `spec` that holds one ref, or a list of refs."""

    field: str
    relation: str
    """From the entity that has the field to the one it names."""
    inverse: str
    default_kind: str | None = None
    """The kind of a ref that names none; without it, the ref must."""


@dataclass(frozen=True, slots=True)
class KindDefinition:
    """What is known about one kind."""

    kind: str
    api_versions: tuple[str, ...]
    relation_fields: tuple[RelationField, ...]
    schema: Schema

    def check(self, entity: JsonObject) -> None:
        """Raise InvalidEntity, naming everything that is wrong, unless *entity* is a valid one of this kind."""
        self.schema.check(entity)


def find(entity: JsonObject) -> KindDefinition | None:
    """The built-in kind of *entity*, None for a foreign kind or API version. The case must be exact."""
    return _definitions().get((entity.get("apiVersion"), entity.get("kind")))


def relations_of(entity: JsonObject, ref: EntityRef) -> set[Edge]:
    """The relations that the fields of a valid entity declare, in both directions.

    A ref without a namespace means that of *ref*. Raises InvalidEntity for a text that is not a ref.
    """
    definition = find(entity)
    spec = entity.get("spec")
    edges: set[Edge] = set()
    if definition is None or not isinstance(spec, dict):
        return edges
    source = str(ref)
    for field in definition.relation_fields:
        value = spec.get(field.field)
        if value is None:
            continue
        texts = value if isinstance(value, list) else [value]
        for index, text in enumerate(texts):
            assert isinstance(text, str)
            try:
                target = _canonical(text, field.default_kind, ref.namespace)
            except InvalidRef as error:
                position = [index] if texts is value else []
                raise InvalidEntity(str(error), pointer=pointer_of(["spec", field.field, *position])) from error
            edges.add((source, field.relation, target))
            edges.add((target, field.inverse, source))
    return edges


def sort_relation_fields(entity: JsonObject) -> None:
    """Sort the lists of refs of a built-in kind in place, so that their order can never be a change."""
    definition = find(entity)
    spec = entity.get("spec")
    if definition is None or not isinstance(spec, dict):
        return
    for field in definition.relation_fields:
        value = spec.get(field.field)
        if isinstance(value, list) and len(value) > 1 and set(map(type, value)) == {str}:
            value.sort(key=str)


@functools.lru_cache(maxsize=16_384)
def _canonical(text: str, default_kind: str | None, namespace: str) -> str:
    # Thousands of entities name the same few owners and systems.
    return str(EntityRef.parse(text, default_kind=default_kind, default_namespace=namespace))


class _KindFile(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    kind: str
    description: str
    api_versions: tuple[str, ...]
    relations: tuple[RelationField, ...]
    schema: dict[str, Any]


@functools.cache
def _definitions() -> Mapping[tuple[object, object], KindDefinition]:
    found: dict[tuple[object, object], KindDefinition] = {}
    for file in resources.files(__name__).iterdir():
        if file.name.endswith(".json"):
            kind = msgspec.json.decode(file.read_bytes(), type=_KindFile)
            definition = KindDefinition(kind.kind, kind.api_versions, kind.relations, Schema(kind.schema))
            found.update({(version, kind.kind): definition for version in kind.api_versions})
    return MappingProxyType(found)
