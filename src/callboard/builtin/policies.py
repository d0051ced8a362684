"""The default policies: what the envelope of every entity must look like, whatever its kind.

They run in the order of `default_policies`. Each reports everything that it finds wrong, not only the first thing.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from callboard.errors import InvalidEntity
from callboard.extend import Policy
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import DEFAULT_NAMESPACE
from callboard.model.schemas import Schema, Violation, pointer_of

_TEXT: JsonObject = {"type": "string", "minLength": 1}
_STRINGS: JsonObject = {"type": "object", "additionalProperties": {"type": "string"}}

_ENTITY = Schema(
    {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": {
            "apiVersion": _TEXT,
            "kind": _TEXT,
            "metadata": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": _TEXT,
                    "namespace": _TEXT,
                    "uid": _TEXT,
                    "etag": _TEXT,
                    "title": _TEXT,
                    "description": _TEXT,
                    "labels": _STRINGS,
                    "annotations": _STRINGS,
                    "tags": {"type": "array", "items": _TEXT},
                    "links": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["url"],
                            "properties": {"url": _TEXT, "title": _TEXT, "icon": _TEXT, "type": _TEXT},
                        },
                    },
                },
            },
            "spec": {"type": "object"},
        },
    }
)

_NAME = r"(?=.{1,63}\Z)[A-Za-z0-9]+(?:[-_.]+[A-Za-z0-9]+)*"
_DNS_LABEL = r"(?=[^./]{1,63}(?:[./]|\Z))[a-z0-9]+(?:-+[a-z0-9]+)*"
_DNS_PREFIX = rf"(?:(?=[^/]{{1,253}}/){_DNS_LABEL}(?:\.{_DNS_LABEL})*/)?"
_NAME_WORDS = "1 to 63 characters of a-z, A-Z, 0-9 and, between these, any of - _ ."
_KEY_WORDS = "a lower-case DNS name and a slash, if any, then 1 to 63 characters as in metadata.name"

_USUAL_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?:[/?#].*)?").fullmatch
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL).fullmatch
_WEB_SCHEMES = frozenset(("http", "https", "ws", "wss", "ftp"))
_WEB_REST = re.compile(
    r"[/\\]*(?:[^/\\?#]*@)?(?:\[[0-9A-Fa-f:.]+\]|[^\s/\\?#@:<>\[\]^|]+)(?::[0-9]{0,5})?(?:[/\\?#].*)?", re.DOTALL
).fullmatch


@dataclass(frozen=True, slots=True)
class Format:
    """What the text of a field must be: a test, and the words for what passes it."""

    matches: Callable[[str], object]
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFormats:
    """The formats of all fields that have one. An installation may bring its own."""

    api_version: Format
    kind: Format
    name: Format
    namespace: Format
    label_key: Format
    label_value: Format
    annotation_key: Format
    tag: Format
    url: Format


def is_url(text: str) -> bool:
    """Whether a browser would take *text* as an absolute URL."""
    if _USUAL_URL(text):
        return True
    match = _SCHEME(text)
    return match is not None and (match[1].lower() not in _WEB_SCHEMES or _WEB_REST(match[2]) is not None)


def _recurring(pattern: str, expected: str) -> Format:
    # The same keys, tags and namespaces come back with every entity; a remembered answer costs a tenth.
    fullmatch = re.compile(pattern).fullmatch
    return Format(functools.lru_cache(maxsize=4096)(lambda text: fullmatch(text) is not None), expected)


DEFAULT_FORMATS = FieldFormats(
    api_version=_recurring(
        rf"{_DNS_PREFIX}[A-Za-z0-9]{{1,63}}",
        "1 to 63 characters of a-z, A-Z and 0-9, optionally after a lower-case DNS name and a slash",
    ),
    kind=_recurring(r"[A-Za-z][A-Za-z0-9]{0,62}", "1 to 63 characters of a-z, A-Z and 0-9, the first one a letter"),
    name=Format(re.compile(_NAME).fullmatch, _NAME_WORDS),
    namespace=_recurring(_DNS_LABEL, "1 to 63 characters of a-z, 0-9 and, between these, hyphens"),
    label_key=_recurring(_DNS_PREFIX + _NAME, _KEY_WORDS),
    label_value=_recurring(f"(?:{_NAME})?", f"nothing, or {_NAME_WORDS}"),
    annotation_key=_recurring(_DNS_PREFIX + _NAME, _KEY_WORDS),
    tag=_recurring(
        r"(?=.{1,63}\Z)[a-z0-9:+#]+(?:-[a-z0-9:+#]+)*",
        "1 to 63 characters of a-z, 0-9, : + # and, between these, single hyphens",
    ),
    url=Format(is_url, "an absolute URL"),
)


@runtime_checkable
class Explains(Protocol):
    """A policy that can tell all that it has against an entity, where `enforce` has one error for it."""

    def violations(self, entity: JsonObject) -> list[Violation]:
        """Everything, each at its own place."""
        ...


class SchemaPolicy:
    """The types of all known fields."""

    name = "schema"

    def enforce(self, entity: JsonObject) -> JsonObject:
        """Raise InvalidEntity unless the schema of the envelope is kept."""
        if not _ENTITY.is_valid(entity):
            violations = self.violations(entity)
            reasons = "; ".join(violation.brief for violation in violations)
            raise InvalidEntity(f"Malformed envelope, {reasons}", pointer=violations[0].pointer)
        return entity

    def violations(self, entity: JsonObject) -> list[Violation]:
        """All that breaks the schema, each at its own place."""
        return _ENTITY.violations(entity)


class DefaultNamespacePolicy:
    """An entity without a namespace belongs to the one called default."""

    name = "default-namespace"

    def enforce(self, entity: JsonObject) -> JsonObject:
        """Add the namespace where there is none."""
        metadata = entity["metadata"]
        assert isinstance(metadata, dict)
        if "namespace" not in metadata:
            entity["metadata"] = {"namespace": DEFAULT_NAMESPACE, **metadata}
        return entity


def _refuse(violations: Sequence[Violation]) -> None:
    """Raise InvalidEntity with all of them, if there are any."""
    if violations:
        reason = "; ".join(violation.text for violation in violations)
        raise InvalidEntity(reason, pointer=violations[0].pointer)


class NoForeignRootFieldsPolicy:
    """No fields beside the four of an entity: what the catalog itself adds can't come from outside."""

    name = "no-foreign-root-fields"

    _known = frozenset(("apiVersion", "kind", "metadata", "spec"))

    def enforce(self, entity: JsonObject) -> JsonObject:
        """Raise InvalidEntity if there is any other field at the root."""
        _refuse(self.violations(entity))
        return entity

    def violations(self, entity: JsonObject) -> list[Violation]:
        """All foreign fields, each at its own place."""
        foreign = [field for field in entity if field not in self._known]
        return [Violation(pointer_of([field]), f"Unknown field {field}", "") for field in foreign]


class FieldFormatsPolicy:
    """The characters and lengths that names, keys, tags and URLs may have."""

    name = "field-formats"

    def __init__(self, formats: FieldFormats = DEFAULT_FORMATS) -> None:
        self._formats = formats

    def enforce(self, entity: JsonObject) -> JsonObject:
        """Raise InvalidEntity, naming each field, its value and what was expected. The schema must hold already."""
        _refuse(self.violations(entity))
        return entity

    def violations(self, entity: JsonObject) -> list[Violation]:
        """All fields of another format, each at its own place. The schema must hold already."""
        return [
            Violation(pointer_of(path), f'"{_dotted(path)}" is not valid; expected {expected} but found "{text}"', "")
            for path, text, expected in self._wrong(entity)
        ]

    def _wrong(self, entity: Mapping[str, Any]) -> Iterator[tuple[list[str | int], str, str]]:
        formats, metadata = self._formats, entity["metadata"]
        if not formats.api_version.matches(entity["apiVersion"]):
            yield ["apiVersion"], entity["apiVersion"], formats.api_version.expected
        if not formats.kind.matches(entity["kind"]):
            yield ["kind"], entity["kind"], formats.kind.expected
        if not formats.name.matches(metadata["name"]):
            yield ["metadata", "name"], metadata["name"], formats.name.expected
        if "namespace" in metadata and not formats.namespace.matches(metadata["namespace"]):
            yield ["metadata", "namespace"], metadata["namespace"], formats.namespace.expected
        for key, value in metadata.get("labels", {}).items():
            if not formats.label_key.matches(key):
                yield ["metadata", "labels", key], key, formats.label_key.expected
            if not formats.label_value.matches(value):
                yield ["metadata", "labels", key], value, formats.label_value.expected
        for key in metadata.get("annotations", ()):
            if not formats.annotation_key.matches(key):
                yield ["metadata", "annotations", key], key, formats.annotation_key.expected
        for index, tag in enumerate(metadata.get("tags", ())):
            if not formats.tag.matches(tag):
                yield ["metadata", "tags", index], tag, formats.tag.expected
        for index, link in enumerate(metadata.get("links", ())):
            if not formats.url.matches(link["url"]):
                yield ["metadata", "links", index, "url"], link["url"], formats.url.expected


def _dotted(path: list[str | int]) -> str:
    shown = path[1:] if path[0] == "metadata" and len(path) > 2 else path
    return ".".join(map(str, shown))


class DistinctKeysPolicy:
    """No two keys of one object that differ in case only: searching, which knows no case, could not tell them apart."""

    name = "distinct-keys"

    def enforce(self, entity: JsonObject) -> JsonObject:
        """Raise InvalidEntity, naming each pair of keys."""
        _refuse(self.violations(entity))
        return entity

    def violations(self, entity: JsonObject) -> list[Violation]:
        """All such keys, each at its own place."""
        found: list[Violation] = []
        pending: list[tuple[_Path | None, JsonValue]] = [(None, entity)]
        while pending:
            path, value = pending.pop()
            if isinstance(value, dict):
                if len({key.lower() for key in value}) < len(value):
                    found.extend(_alike(value, path))
                pending.extend(((path, key), inner) for key, inner in value.items() if isinstance(inner, dict | list))
            elif isinstance(value, list):
                pending.extend(((path, at), inner) for at, inner in enumerate(value) if isinstance(inner, dict | list))
        return found


_Path: TypeAlias = tuple["_Path | None", str | int]
"""The last step to a value, after those before it."""


def _alike(value: JsonObject, path: _Path | None) -> Iterator[Violation]:
    steps: list[str | int] = []
    while path is not None:
        path, step = path
        steps.insert(0, step)
    seen: dict[str, str] = {}
    for key in value:
        other = seen.setdefault(key.lower(), key)
        if other != key:
            where = _dotted([*steps, key])
            yield Violation(pointer_of([*steps, key]), f'"{where}" differs from the key "{other}" in case only', "")


def default_policies(formats: FieldFormats = DEFAULT_FORMATS) -> list[Policy]:
    """The policies that every installation starts with, in their order."""
    return [
        SchemaPolicy(),
        DefaultNamespacePolicy(),
        NoForeignRootFieldsPolicy(),
        FieldFormatsPolicy(formats),
    ]


def last_policies() -> list[Policy]:
    """The policies that an entity meets when everything else has gone well."""
    return [DistinctKeysPolicy()]
