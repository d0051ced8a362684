"""JSON values: the type, and the one way to write them down."""

from collections.abc import Iterable
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


def is_deeper(value: JsonValue, levels: int) -> bool:
    """Whether there is anything below *levels* levels of objects and lists."""
    pending = [value]
    for _ in range(levels):
        inner = (_members(each) for each in pending)
        pending = [member for members in inner for member in members if isinstance(member, dict | list)]
        if not pending:
            return False
    return True


def _members(value: JsonValue) -> Iterable[JsonValue]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
