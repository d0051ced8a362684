"""Predicates, orders and pages: the schema of a query, which is Backstage's to the letter but for the words in it."""

from typing import Any, Final

_WHOLE: Final = {"$ref": "#/properties/query"}
"""A predicate within a predicate."""
_VALUE: Final = {"$ref": "#/properties/query/anyOf/0/anyOf/0/additionalProperties/anyOf/0"}
_TEXT: Final = {"type": "string"}


def _only(described: dict[str, Any], *, needs: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "object", "properties": described, "required": [*needs], "additionalProperties": False}


def _operator(name: str, takes: dict[str, Any]) -> dict[str, Any]:
    return _only({name: takes}, needs=(name,))


_FIELDS: Final = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [
            {"type": ["string", "number", "boolean"]},
            _operator("$exists", {"type": "boolean"}),
            _operator("$in", {"type": "array", "items": _VALUE}),
            _operator("$contains", _WHOLE),
            _operator("$hasPrefix", _TEXT),
        ]
    },
    "propertyNames": {"pattern": "^(?:[^$\\n\\r].*)?$"},
}
"""Paths, each with the value or the operator that it is to meet."""

_NOTHING: Final = {"type": "object", "additionalProperties": {"not": {}}, "propertyNames": {"pattern": "^\\$"}}

PREDICATE: Final = {
    "anyOf": [
        {"anyOf": [_FIELDS, _NOTHING]},
        _VALUE,
        _operator("$all", {"type": "array", "items": _WHOLE}),
        _operator("$any", {"type": "array", "items": _WHOLE}),
        _operator("$not", _WHOLE),
    ],
    "description": "The predicate; all entities without it",
}

_ORDER: Final = _only(
    {
        "field": {**_TEXT, "description": "By what, for example metadata.name"},
        "order": {**_TEXT, "enum": ["asc", "desc"], "description": "Which way"},
    },
    needs=("field", "order"),
)

_SEARCHED: Final = {
    "term": {**_TEXT, "description": "What is looked for"},
    "fields": {"type": "array", "items": _TEXT, "description": "Where, for example metadata.title"},
}

QUERY: Final[dict[str, Any]] = {
    "query": PREDICATE,
    "fields": {"type": "array", "items": _TEXT, "description": "Only these parts, for example metadata.name"},
    "limit": {"type": "integer", "exclusiveMinimum": 0, "description": "Entities in a page; 100 without it"},
    "offset": {"type": "integer", "minimum": 0, "description": "Leave out so many"},
    "orderFields": {
        "anyOf": [_ORDER, {"type": "array", "items": _ORDER}],
        "description": "By what they are sorted: the second counts where the first is the same, and so on",
    },
    "fullTextFilter": {**_only(_SEARCHED, needs=("term",)), "description": "Only those with a text in them"},
    "cursor": {**_TEXT, "description": "nextPageCursor of the page before; goes before offset"},
}
"""What the tool takes that queries entities."""
