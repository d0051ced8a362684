"""Schemas: JSON Schema, as OpenAPI and AsyncAPI have it, as trees of properties."""

import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from callboard.model.json import JsonObject, JsonValue
from callboard.ui.definitions.parts import LONGEST_REMARK, MOST_LISTED, Anchors, Node, Page, Schema
from callboard.ui.shapes import mapping, sequence, text

_MOST_LEVELS: Final = 10
_MOST_VALUES: Final = 40
_LONGEST_NOTE: Final = 200
_LARGEST_EXAMPLE: Final = 2_000

_CHOICES: Final = {"allOf": "all of", "oneOf": "one of", "anyOf": "any of"}
_LIMITS: Final = {
    "minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<", "multipleOf": "multiple of",
    "minLength": "length ≥", "maxLength": "length ≤", "minItems": "items ≥", "maxItems": "items ≤",
    "minProperties": "properties ≥", "maxProperties": "properties ≤", "pattern": "pattern", "const": "always",
    "default": "default", "contentMediaType": "holds",
}  # fmt: skip
_FLAGS: Final = {
    "deprecated": "deprecated", "readOnly": "read only", "writeOnly": "write only", "nullable": "or null",
    "uniqueItems": "without duplicates",
}  # fmt: skip


def tree(schema: JsonValue, page: Page, places: Anchors, name: str = "", *, required: bool = False) -> Node:
    """*schema* as a tree. References are links: they are not followed, so that no circle is endless."""
    return _node(schema, page, places, name, required, 0)


def anchors(named: JsonObject, prefix: str, page: Page) -> Anchors:
    """Where the schemas with names are on *page*; references to them begin with *prefix*."""
    return {f"{prefix}{_escaped(name)}": page.anchor("schema", name) for name in named}


def listed(named: JsonObject, prefix: str, page: Page, places: Anchors) -> list[Schema]:
    """The schemas that have a name, each as a tree as long as there is room."""
    found = []
    for name, schema in list(named.items())[:MOST_LISTED]:
        anchor = places[f"{prefix}{_escaped(name)}"]
        node = tree(schema, page, places) if page.has_room(anchor) else None
        found.append(Schema(anchor, name, node))
    return found


def example(value: JsonValue, page: Page) -> str:
    """An example as JSON, or nothing if there is none, or no room for it."""
    if value is None or page.rows <= 0:
        return ""
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    if len(shown) > _LARGEST_EXAMPLE:
        return ""
    page.take(len(shown) // 80)
    return shown


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _node(schema: JsonValue, page: Page, places: Anchors, name: str, required: bool, level: int) -> Node:
    if isinstance(schema, bool):
        page.take()
        return Node(name=name, type="anything" if schema else "nothing", required=required)
    said = mapping(schema)
    type_, target, inner = _typed(said)
    description, notes = text(said.get("description"))[:LONGEST_REMARK], list(_notes(said))
    page.take(1 + (len(description) + sum(map(len, notes))) // 100)
    children, cut = _below(inner, page, places, level)
    return Node(
        name=name,
        type=type_,
        target=target.rpartition("/")[2].replace("~1", "/").replace("~0", "~"),
        anchor=places.get(target, ""),
        required=required,
        description=description,
        notes=notes,
        children=children,
        cut=cut,
    )


def _typed(schema: JsonObject) -> tuple[str, str, JsonObject]:
    """The type in words, the reference that ends them, and the schema whose properties are below."""
    words: list[str] = []
    for _ in range(_MOST_LEVELS):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return " ".join(words), unquote(reference), {}
        if not _is_list(schema):
            break
        words.append("array of")
        schema = mapping(schema.get("items"))
    return " ".join([*words, _own_type(schema)]), "", schema


def _is_list(schema: JsonObject) -> bool:
    return "array" in sequence(schema.get("type")) or ("items" in schema and "type" not in schema)


def _own_type(schema: JsonObject) -> str:
    named = " or ".join(text(each) for each in sequence(schema.get("type")) if text(each))
    choice = next((words for key, words in _CHOICES.items() if key in schema), "")
    implied = "object" if "properties" in schema else choice or "anything"
    format_ = text(schema.get("format"))
    return (named or implied) + (f" ({format_})" if format_ else "")


def _below(schema: JsonObject, page: Page, places: Anchors, level: int) -> tuple[list[Node], bool]:
    children: list[Node] = []
    for name, child, required in _members(schema):
        if level >= _MOST_LEVELS or page.rows <= 0:
            return children, True
        children.append(_node(child, page, places, name, required, level + 1))
    return children, False


def _members(schema: JsonObject) -> Iterator[tuple[str, JsonValue, bool]]:
    required = {text(each) for each in sequence(schema.get("required"))}
    for name, child in mapping(schema.get("properties")).items():
        yield name, child, name in required
    for pattern, child in mapping(schema.get("patternProperties")).items():
        yield f"/{pattern}/", child, False
    others = schema.get("additionalProperties")
    if isinstance(others, dict) and others:
        yield "any other name", others, False
    for key, words in _CHOICES.items():
        for variant in sequence(schema.get(key)):
            yield words, variant, False


def _notes(schema: JsonObject) -> Iterator[str]:
    for _ in range(_MOST_LEVELS):
        if not _is_list(schema) or "$ref" in schema:
            break
        yield from _own_notes(schema)
        schema = mapping(schema.get("items"))
    yield from _own_notes(schema)


def _own_notes(schema: JsonObject) -> Iterator[str]:
    if _is_list(schema):
        yield from (f"or {text(each)}" for each in sequence(schema.get("type")) if each != "array")
    for key, words in _FLAGS.items():
        if schema.get(key) is True:
            yield words
    values = sequence(schema.get("enum"))
    if values:
        listed = " | ".join(_value(each) for each in values[:_MOST_VALUES])
        yield f"{listed} | …" if len(values) > _MOST_VALUES else listed
    for key, words in _LIMITS.items():
        value = schema.get(key)
        # An older `exclusiveMinimum: true` says something of another limit, and none itself.
        if value is not None and (key in ("default", "const") or not isinstance(value, bool)):
            yield f"{words} {_value(value)}"


def _value(value: JsonValue) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST_NOTE else shown[: _LONGEST_NOTE - 1] + "…"
