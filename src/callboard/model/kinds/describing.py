"""Describing: kinds that an installation brings in data, put together with those that are there."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources

import msgspec
import yaml

from callboard.errors import InvalidConfiguration
from callboard.model.json import JsonValue
from callboard.model.kinds import KindDefinition, KindFile, Kinds, RelationField

_PACKS = "packs"


@dataclass(frozen=True, slots=True)
class Description:
    """A kind as somebody has described it, and where."""

    where: str
    """For messages: a file, or a key of the configuration."""
    content: JsonValue


def pack(name: str) -> list[Description]:
    """The kinds of a pack that comes with Callboard. Raises InvalidConfiguration when there is none of that name."""
    folder = resources.files("callboard.model.kinds") / _PACKS
    file = folder / f"{name}.yaml"
    if name not in packs():
        raise InvalidConfiguration(f"there is no pack of kinds '{name}'; there are: {', '.join(packs())}")
    documents = yaml.load_all(file.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return [Description(f"pack {name}", document) for document in documents]


def packs() -> list[str]:
    """The names of the packs."""
    folder = resources.files("callboard.model.kinds") / _PACKS
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def together(base: Kinds, descriptions: Iterable[Description]) -> Kinds:
    """The kinds of *base*, extended by *descriptions* in their order.

    Raises InvalidConfiguration that names the place and what is wrong there: a field that is missing or unknown, a
    schema that is none, a kind that is there already or is not, a relation with another inverse than elsewhere.
    """
    definitions = {each.kind: each for each in base.definitions}
    for description in descriptions:
        file = _parsed(description)
        known = definitions.get(file.kind)
        made = _definition(file, known, description.where)
        definitions[file.kind] = made if known is None else _extended(known, made, description.where)
    _check_inverses(definitions.values())
    return Kinds(definitions.values())


def _parsed(description: Description) -> KindFile:
    try:
        return msgspec.convert(description.content, KindFile)
    except msgspec.ValidationError as error:
        raise InvalidConfiguration(f"{description.where}: this is not the description of a kind: {error}") from error


def _definition(file: KindFile, known: KindDefinition | None, where: str) -> KindDefinition:
    if file.extend and known is None:
        raise InvalidConfiguration(f"{where}: there is no kind {file.kind} to extend; leave out `extend` to make one")
    if not file.extend and known is not None:
        raise InvalidConfiguration(f"{where}: there is a kind {file.kind} already; say `extend: true` to add to it")
    if not file.extend and not file.api_versions:
        raise InvalidConfiguration(f"{where}: the kind {file.kind} has no apiVersions; a new kind needs one at least")
    try:
        return file.definition()
    except ValueError as error:
        raise InvalidConfiguration(f"{where}: a schema of {file.kind} is no JSON Schema: {error}") from error


def _extended(known: KindDefinition, more: KindDefinition, where: str) -> KindDefinition:
    twice = sorted(known.types.keys() & more.types.keys())
    if twice:
        raise InvalidConfiguration(f"{where}: {known.kind} has been told before what its type {twice[0]} is like")
    fields = {each.field for each in known.relation_fields} & {each.field for each in more.relation_fields}
    if fields:
        raise InvalidConfiguration(f"{where}: spec.{min(fields)} of {known.kind} makes a relation already")
    return dataclasses.replace(
        known,
        api_versions=tuple(dict.fromkeys((*known.api_versions, *more.api_versions))),
        description=more.description or known.description,
        relation_fields=(*known.relation_fields, *more.relation_fields),
        schemas=(*known.schemas, *more.schemas),
        types={**known.types, **more.types},
        described=(*known.described, *more.described),
    )


def _check_inverses(definitions: Iterable[KindDefinition]) -> None:
    seen: dict[str, tuple[str, str]] = {}
    for definition, each in ((one, each) for one in definitions for each in _fields(one)):
        for relation, inverse in ((each.relation, each.inverse), (each.inverse, each.relation)):
            there, by = seen.setdefault(relation, (inverse, definition.kind))
            if there != inverse:
                raise InvalidConfiguration(
                    f"spec.{each.field} of {definition.kind}: the inverse of {relation} is {there}, as {by} says,"
                    f" and not {inverse}"
                )


def _fields(definition: KindDefinition) -> Iterator[RelationField]:
    yield from definition.relation_fields
    for each in definition.types.values():
        yield from each.relation_fields
