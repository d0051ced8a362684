"""Kinds: what entities of each kind must be like, and how their fields relate them to others.

Each built-in kind is one JSON file beside this module. `packs` has further ones, for installations that ask for them;
and an installation may describe kinds of its own in the same notation.
"""

import copy
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import msgspec

from callboard.errors import InvalidEntity, InvalidRef
from callboard.model import json
from callboard.model.hashing import digest
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef
from callboard.model.schemas import Schema, Violation, pointer_of

Edge = tuple[str, str, str]
"""Source, type and target of a relation, both ends as canonical refs."""


class RelationField(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A field of `spec` that holds one ref, or a list of refs."""

    field: str
    """Its name; what lies deeper is written with dots, `deployment.target`."""
    relation: str
    """From the entity that has the field to the one it names."""
    inverse: str
    default_kind: str | None = None
    """The kind of a ref that names none; without it, the ref must."""
    allowed_kinds: tuple[str, ...] | None = None
    """The kinds that a ref may have; without them, any."""

    @property
    def path(self) -> tuple[str, ...]:
        """The names that lead to it within `spec`."""
        return tuple(self.field.split("."))


@dataclass(frozen=True, slots=True)
class TypeDefinition:
    """What entities of one `spec.type` have beside all of their kind."""

    schema: Schema | None
    relation_fields: tuple[RelationField, ...]
    optional: tuple[str, ...] = ()
    """Fields of `spec` that the kind requires, and this type does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindDefinition:
    """What is known about one kind."""

    kind: str
    api_versions: tuple[str, ...]
    description: str = ""
    relation_fields: tuple[RelationField, ...]
    schemas: tuple[Schema, ...]
    """All of them must hold."""
    types: Mapping[str, TypeDefinition] = field(default_factory=dict)
    described: Sequence[JsonObject] = ()
    """The descriptions that it was made of, for people and tools."""
    _by_type: Mapping[str, tuple[Schema, ...]] = field(init=False)

    def __post_init__(self) -> None:
        by_type = {name: self._schemas_of(each) for name, each in self.types.items()}
        object.__setattr__(self, "_by_type", by_type)

    def check(self, entity: JsonObject) -> None:
        """Raise InvalidEntity, naming everything that is wrong, unless *entity* is a valid one of this kind."""
        if all(schema.is_valid(entity) for schema in self._schemas_for(entity)):
            return
        violations = self.violations(entity)
        raise InvalidEntity("; ".join(map(str, violations)), pointer=violations[0].pointer)

    def violations(self, entity: JsonObject) -> list[Violation]:
        """Everything in which *entity* breaks the schemas of its kind and its type."""
        found = [each for schema in self._schemas_for(entity) for each in schema.violations(entity)]
        return list(dict.fromkeys(found))

    def fields_of(self, entity: JsonObject) -> Sequence[RelationField]:
        """The fields of *entity* that may hold refs."""
        own = self.types.get(_type_of(entity)) if self.types else None
        return self.relation_fields if own is None else (*self.relation_fields, *own.relation_fields)

    def _schemas_for(self, entity: JsonObject) -> Sequence[Schema]:
        return self._by_type.get(_type_of(entity), self.schemas) if self.types else self.schemas

    def _schemas_of(self, own: TypeDefinition) -> tuple[Schema, ...]:
        base = self.schemas
        if own.optional:
            base = tuple(Schema(_relaxed(each["schema"], own.optional)) for each in self.described if "schema" in each)
        return base if own.schema is None else (*base, own.schema)


def _type_of(entity: JsonObject) -> str:
    spec = entity.get("spec")
    name = spec.get("type") if isinstance(spec, dict) else None
    return name if isinstance(name, str) else ""


def _relaxed(schema: JsonValue, optional: Sequence[str]) -> JsonObject:
    """*schema* of an entity, without the demand for those fields of its spec."""
    assert isinstance(schema, dict)
    relaxed = copy.deepcopy(schema)
    properties = relaxed.get("properties")
    spec = properties.get("spec") if isinstance(properties, dict) else None
    if isinstance(spec, dict) and isinstance(required := spec.get("required"), list):
        spec["required"] = [name for name in required if name not in optional]
    return relaxed


class Kinds:
    """The kinds that an installation knows."""

    def __init__(self, definitions: Iterable[KindDefinition]) -> None:
        self.definitions = tuple(definitions)
        self._by_name: dict[tuple[object, object], KindDefinition] = {
            (version, each.kind): each for each in self.definitions for version in each.api_versions
        }
        described = [[*each.described] for each in self.definitions]
        self.version = digest(json.encode_sorted(described)).hex()[:12]
        """Other kinds, or other rules for them, have another one."""

    def find(self, entity: JsonObject) -> KindDefinition | None:
        """The kind of *entity*, None for a foreign kind or API version. The case must be exact."""
        return self._by_name.get((entity.get("apiVersion"), entity.get("kind")))

    def relations_of(self, entity: JsonObject, ref: EntityRef) -> set[Edge]:
        """The relations that the fields of a valid entity declare, in both directions.

        A ref without a namespace means that of *ref*. Raises InvalidEntity for a text that is not a ref, or one to a
        kind that is not allowed there.
        """
        definition = self.find(entity)
        edges: set[Edge] = set()
        if definition is None:
            return edges
        source = str(ref)
        for named in definition.fields_of(entity):
            for target in targets(entity, named, ref.namespace):
                edges.add((source, named.relation, target))
                edges.add((target, named.inverse, source))
        return edges

    def sort_relation_fields(self, entity: JsonObject) -> None:
        """Sort the lists of refs of a known kind in place, so that their order can never be a change."""
        definition = self.find(entity)
        if definition is None:
            return
        for named in definition.fields_of(entity):
            value = _value_at(entity, named)
            if isinstance(value, list) and len(value) > 1 and set(map(type, value)) == {str}:
                value.sort(key=str)


def _value_at(entity: JsonObject, named: RelationField) -> JsonValue:
    value: JsonValue = entity.get("spec")
    for name in named.path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def targets(entity: JsonObject, named: RelationField, namespace: str) -> Iterator[str]:
    """The canonical refs that one field of an entity holds. Raises InvalidEntity for what does not belong there."""
    value = _value_at(entity, named)
    texts = value if isinstance(value, list) else [] if value is None else [value]
    for index, text in enumerate(texts):
        try:
            if not isinstance(text, str):
                raise InvalidRef(f"{json.encode(text).decode()} is not an entity ref, but stands where one belongs")
            target = _canonical(text, named.default_kind, namespace)
            _check_kind(target, named)
        except InvalidRef as error:
            position = [index] if texts is value else []
            raise InvalidEntity(str(error), pointer=pointer_of(["spec", *named.path, *position])) from error
        yield target


def _check_kind(target: str, named: RelationField) -> None:
    if named.allowed_kinds is not None:
        kind = target.partition(":")[0]
        if kind not in (allowed.lower() for allowed in named.allowed_kinds):
            expected = ", ".join(named.allowed_kinds)
            raise InvalidRef(f"'{target}' can't stand in spec.{named.field}; expected one of the kind {expected}")


@functools.lru_cache(maxsize=16_384)
def _canonical(text: str, default_kind: str | None, namespace: str) -> str:
    # Thousands of entities name the same few owners and systems.
    return str(EntityRef.parse(text, default_kind=default_kind, default_namespace=namespace))


class TypeFile(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """The notation for one `spec.type`."""

    description: str = ""
    schema: dict[str, Any] | None = None
    """Of the whole entity; it must hold beside that of the kind."""
    optional: tuple[str, ...] = ()
    """Fields of `spec` that the kind requires, and this type does not."""
    relations: tuple[RelationField, ...] = ()


class KindFile(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """The notation for a kind."""

    kind: str
    description: str = ""
    api_versions: tuple[str, ...] = ()
    """Needed for a new kind; one that is extended has them already."""
    extend: bool = False
    """Whether this adds to a kind that is there."""
    relations: tuple[RelationField, ...] = ()
    schema: dict[str, Any] | None = None
    """Of the whole entity, as JSON Schema (draft 7)."""
    types: dict[str, TypeFile] = {}

    def definition(self) -> KindDefinition:
        """The kind by itself. Raises ValueError when a schema is none."""
        return KindDefinition(
            kind=self.kind,
            api_versions=self.api_versions,
            description=self.description,
            relation_fields=self.relations,
            schemas=() if self.schema is None else (Schema(self.schema),),
            types={
                name: TypeDefinition(
                    None if each.schema is None else Schema(each.schema), each.relations, each.optional
                )
                for name, each in self.types.items()
            },
            described=(msgspec.to_builtins(self),),
        )


@functools.cache
def builtin() -> Kinds:
    """The kinds that every installation has."""
    files = sorted(resources.files(__name__).iterdir(), key=lambda file: file.name)
    return Kinds(
        msgspec.json.decode(file.read_bytes(), type=KindFile).definition()
        for file in files
        if file.name.endswith(".json")
    )
