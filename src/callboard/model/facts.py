"""Facts: what can be searched about an entity (reference, section 5.3).

A key is the path of a leaf, joined with dots and in lower case; lists leave no trace in it, and each text in a list is
also a key of its own: `metadata.tags: [java]` gives `metadata.tags` = java and `metadata.tags.java` = true.
`relations` and `status` are not walked: a relation becomes `relations.<type>`, and a status item `status.level` and
`status.type`, which the Backstage catalog doesn't have. Should two keys of one object differ in case only, which a
policy refuses, the values of both stand under the one key.
"""

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import TypeAlias

from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import DEFAULT_NAMESPACE

Facts: TypeAlias = dict[str, tuple[str, ...]]
"""The values of each key as they are written, no two alike in lower case.

A key without values is there, but all that it holds is null or too long.
"""

MAX_KEY_LENGTH = 200
"""Longer keys are left out."""

MAX_VALUE_LENGTH = 200
"""Of a longer value only the key is known."""

_NOT_WALKED = frozenset({"attachments", "relations", "status"})
_EXACT_INTEGERS = 2**53
_TRUE = ("true",)

_Repeated: TypeAlias = dict[str, dict[str, str]]
"""Keys with more than one value so far: lower case -> as written. Kept aside, so that long lists cost linear time."""


def facts_of(entity: JsonObject) -> Facts:
    """The facts of *entity*."""
    facts: Facts = {}
    repeated: _Repeated = {}
    for key, value in entity.items():
        if key == "metadata" and isinstance(value, dict):
            _walk("metadata.", _described(value).items(), facts, repeated)
        elif key not in _NOT_WALKED:
            _walk("", ((key, value),), facts, repeated)
    _add_relations(entity.get("relations"), facts, repeated)
    _add_status(entity.get("status"), facts, repeated)
    for key, values in repeated.items():
        facts[key] = tuple(values.values())
    return facts


def scalar_text(value: str | float) -> str:
    """How JavaScript writes a scalar: `true`, `3.14`, `1e+21`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and -_EXACT_INTEGERS <= value <= _EXACT_INTEGERS:
        return str(value)
    return _number_text(float(value))


def _described(metadata: JsonObject) -> JsonObject:
    """The metadata that counts: with the namespace that is meant, without the etag."""
    described = {**metadata, "namespace": metadata.get("namespace") or DEFAULT_NAMESPACE}
    described.pop("etag", None)
    return described


def _walk(prefix: str, items: Iterable[tuple[str, JsonValue]], facts: Facts, repeated: _Repeated) -> None:
    for key, value in items:
        path = prefix + key.lower()
        if len(path) > MAX_KEY_LENGTH:
            continue
        # Most leaves are short texts under a key of their own: this test alone decides the speed.
        if type(value) is str and path not in facts and len(value) <= MAX_VALUE_LENGTH:
            facts[path] = (value,)
        elif isinstance(value, dict):
            _walk(path + ".", value.items(), facts, repeated)
        elif isinstance(value, list):
            _walk_list(path, value, facts, repeated)
        else:
            _add(path, None if value is None else scalar_text(value), facts, repeated)


def _walk_list(path: str, elements: list[JsonValue], facts: Facts, repeated: _Repeated) -> None:
    # Lists in lists are flattened on a stack of our own, because nothing else bounds how deep they go.
    pending = elements[::-1]
    while pending:
        element = pending.pop()
        if isinstance(element, list):
            pending.extend(reversed(element))
        elif isinstance(element, dict):
            _walk(path + ".", element.items(), facts, repeated)
        elif isinstance(element, str):
            _add(path, element, facts, repeated)
            mark = f"{path}.{element.lower()}"
            if mark not in facts and len(mark) <= MAX_KEY_LENGTH:
                facts[mark] = _TRUE
            else:
                _add(mark, "true", facts, repeated)
        else:
            _add(path, None if element is None else scalar_text(element), facts, repeated)


def _add(key: str, value: str | None, facts: Facts, repeated: _Repeated) -> None:
    if len(key) > MAX_KEY_LENGTH:
        return
    if value is None or len(value) > MAX_VALUE_LENGTH:
        facts.setdefault(key, ())
        return
    known = facts.get(key)
    if not known:
        facts[key] = (value,)
        return
    values = repeated.get(key)
    if values is None:
        values = repeated[key] = {known[0].lower(): known[0]}
    values.setdefault(value.lower(), value)


def _add_relations(relations: JsonValue, facts: Facts, repeated: _Repeated) -> None:
    if not isinstance(relations, list):
        return
    for relation in relations:
        if isinstance(relation, dict):
            kind, target = relation.get("type"), relation.get("targetRef")
            if isinstance(kind, str) and isinstance(target, str):
                _add(f"relations.{kind.lower()}", target, facts, repeated)


def _add_status(status: JsonValue, facts: Facts, repeated: _Repeated) -> None:
    items = status.get("items") if isinstance(status, dict) else None
    if not isinstance(items, list):
        return
    for item in items:
        if isinstance(item, dict):
            for name in ("level", "type"):
                value = item.get(name)
                if isinstance(value, str):
                    _add(f"status.{name}", value, facts, repeated)


def _number_text(number: float) -> str:
    if not math.isfinite(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    sign, digit_tuple, exponent = Decimal(repr(number)).normalize().as_tuple()
    digits = "".join(map(str, digit_tuple))
    point = len(digits) + int(exponent)
    minus = "-" if sign else ""
    if len(digits) <= point <= 21:
        return f"{minus}{digits}{'0' * (point - len(digits))}"
    if 0 < point <= 21:
        return f"{minus}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{minus}{digits[0]}{fraction}e{point - 1:+d}"
