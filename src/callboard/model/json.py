"""JSON values: the type, and the one way to write them down."""

from typing import TypeAlias

import orjson

JsonValue: TypeAlias = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
"""Whatever JSON can say."""

JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON object; an entity is one."""


def encode(value: object) -> bytes:
    """Compact UTF-8 JSON, keys in the order of the value."""
    return orjson.dumps(value)


def encode_sorted(value: object) -> bytes:
    """Compact UTF-8 JSON with sorted keys: equal values give equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def decode(data: bytes | str) -> JsonValue:
    """The value that *data* says. Raises ValueError when it is not JSON."""
    value: JsonValue = orjson.loads(data)
    return value
