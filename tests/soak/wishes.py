"""Wishes: what each of many readers wants to see, as the server is asked for it, and as a reader can tell it itself.

Written without the predicates of the catalog, so that a mistake there shows as a difference here.
"""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from callboard.model import json
from callboard.model.json import JsonObject, JsonValue

NAMESPACES = ("default", "shop", "lab")
TIERS = ("1", "2", "3")
TAGS = ("java", "legacy", "web")
OWNERS = ("group:default/red", "group:default/blue", "group:shop/green")
LIFECYCLES = ("experimental", "production", "deprecated")
TYPES = ("service", "website", "library")

_WHOLE_EVERY = 20
"""One in so many wants everything, and can see by itself whether an offset is missing."""
_FIELDS_EVERY = 7

_FIELDS = (
    ("kind", "metadata.namespace", "metadata.name"),
    ("metadata.name", "spec.lifecycle", "metadata.labels"),
    ("metadata.uid", "metadata.tags", "relations"),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """Which entities, and how much of each."""

    query: JsonObject | None
    """In the server's own words; None is everything."""
    parameters: tuple[tuple[str, str], ...]
    """How the server is asked."""
    fields: tuple[str, ...] = ()

    def holds(self, entity: JsonObject) -> bool:
        """Whether an entity, all of it, is meant."""
        return self.query is None or holds(self.query, entity)

    def __str__(self) -> str:
        return "&".join(f"{name}={value}" for name, value in self.parameters) or "everything"


def wishes(count: int, seed: int) -> list[Wish]:
    """So many wishes, no two alike but those for everything; the same ones for a seed."""
    chance = random.Random(seed)
    whole, some = Wish(None, ()), itertools.islice(_some(chance), count)
    return [whole if number % _WHOLE_EVERY == 0 else wish for number, wish in enumerate(some)]


def _some(chance: random.Random) -> Iterator[Wish]:
    known: set[bytes] = set()
    number = 0
    while True:
        wish = _filtering(chance) if chance.random() < 0.5 else _querying(chance)
        said = json.encode(wish.query)
        if said in known:
            continue
        known.add(said)
        number += 1
        if number % _FIELDS_EVERY == 0:
            fields = chance.choice(_FIELDS)
            wish = Wish(wish.query, (*wish.parameters, ("fields", ",".join(fields))), fields)
        yield wish


def _filtering(chance: random.Random) -> Wish:
    """As `filter` says it: one or several of which one must hold, each with conditions that must all hold."""
    several = [_conditions(chance) for _ in range(chance.choice((1, 1, 2)))]
    texts = [",".join(key if value is None else f"{key}={value}" for key, value in each) for each in several]
    return Wish(_any([_all([_condition(*one) for one in each]) for each in several]), _named("filter", texts))


def _querying(chance: random.Random) -> Wish:
    """As `query` says it, which can say what must not hold."""
    parts: list[JsonObject] = []
    for key, value in _conditions(chance):
        condition = _condition(key, value)
        parts.append({"$not": condition} if chance.random() < 0.5 else condition)
    query = _any(parts) if chance.random() < 0.4 else _all(parts)
    return Wish(query, _named("query", [json.encode(query).decode()]))


def _named(name: str, texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, text) for text in texts)


def _conditions(chance: random.Random) -> list[tuple[str, str | None]]:
    keys = chance.sample(sorted(_VALUES), chance.choice((1, 2, 2)))
    return [(key, chance.choice(_VALUES[key]) if _VALUES[key] else None) for key in keys]


_VALUES: dict[str, Sequence[str]] = {
    "kind": ("component", "api", "resource", "group", "location"),
    "metadata.namespace": NAMESPACES,
    "metadata.name": [f"w{writer}-{number}" for writer in range(3) for number in range(0, 12, 3)],
    "metadata.labels.tier": TIERS,
    "metadata.tags": TAGS,
    "metadata.title": (),
    "spec.owner": OWNERS,
    "spec.lifecycle": LIFECYCLES,
    "spec.type": TYPES,
    "relations.ownedBy": OWNERS,
}
"""The keys that wishes are about, and what is asked of them; nothing: that they are there."""


def _condition(key: str, value: str | None) -> JsonObject:
    return {key: {"$exists": True} if value is None else value}


def _all(parts: list[JsonObject]) -> JsonObject:
    return parts[0] if len(parts) == 1 else {"$all": [*parts]}


def _any(parts: list[JsonObject]) -> JsonObject:
    return parts[0] if len(parts) == 1 else {"$any": [*parts]}


def holds(query: JsonValue, entity: JsonObject) -> bool:
    """Whether *entity* is what the *query* means, as far as wishes go."""
    assert isinstance(query, dict)
    [(key, operand)] = query.items()
    if key == "$not":
        return not holds(operand, entity)
    if key in ("$all", "$any"):
        assert isinstance(operand, list)
        several: Callable[[Iterator[bool]], bool] = all if key == "$all" else any
        return several(holds(part, entity) for part in operand)
    found = [value.lower() for value in _values(key, entity)]
    return bool(found) if isinstance(operand, dict) else str(operand).lower() in found


def _values(key: str, entity: JsonObject) -> Iterator[str]:
    first, _, rest = key.partition(".")
    value: JsonValue = entity.get(first)
    if first == "relations":
        for relation in value if isinstance(value, list) else []:
            if isinstance(relation, dict) and relation["type"] == rest:
                yield str(relation["targetRef"])
        return
    for name in rest.split(".") if rest else []:
        value = value.get(name) if isinstance(value, dict) else None
    if value is not None:
        yield from map(str, value if isinstance(value, list) else [value])
