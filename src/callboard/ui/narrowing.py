"""Narrowing: which entities somebody wants to see, as the address of a page says it and as the API is asked for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from callboard.access.principals import User
from callboard.api import context
from callboard.model.annotations import ORPHAN
from callboard.model.json import JsonObject, JsonValue
from callboard.stitching.assembly import CONFLICT
from callboard.ui.presenting import KINDS, as_ref, with_query
from callboard.ui.shapes import mappings
from callboard.ui.visits import Visit

ALL = "all"
"""In the place of a kind: all of them."""

SIZES: Final = (20, 50, 100)
TEXT_FIELDS: Final = (
    "metadata.name",
    "metadata.title",
    "metadata.description",
    "spec.profile.displayName",
    "metadata.tags",
    "spec.target",
    "spec.targets",
)
"""Where a text is looked for."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """Something by which a list can be narrowed down."""

    name: str
    """Its parameter in the address."""
    key: str
    """Where the API looks."""
    heading: str
    kind: str = ""
    """What its values are refs to, as a rule; empty where they are texts."""


DIMENSIONS: Final = (
    Dimension("type", "spec.type", "Type"),
    Dimension("owner", "relations.ownedBy", "Owner", "group"),
    Dimension("lifecycle", "spec.lifecycle", "Lifecycle"),
    Dimension("system", "relations.partOf", "Part of", "system"),
    Dimension("tag", "metadata.tags", "Tag"),
    Dimension("namespace", "metadata.namespace", "Namespace"),
)

ORPHANED: Final = f"metadata.annotations.{ORPHAN}"
"""Where the API looks for orphans."""
_STATES: Final[Mapping[str, tuple[str, str, str]]] = {
    "error": ("With errors", "status.level", "error"),
    "orphan": ("Orphans", ORPHANED, "true"),
    "conflict": ("In conflict", "status.type", CONFLICT),
}
"""By the value in the address: in words, the key, and its value."""

_BACKSTAGE: Final = {
    "filters[kind]": "kind",
    "filters[type]": "type",
    "filters[owners]": "owner",
    "filters[lifecycles]": "lifecycle",
    "filters[tags]": "tag",
    "filters[namespace]": "namespace",
    "filters[text]": "q",
}
"""The parameters of Backstage's own list, which are in bookmarks and documents everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody wants to see."""

    kind: str
    chosen: Mapping[str, Sequence[str]]
    """By dimension, one of which must hold."""
    states: Sequence[str]
    text: str
    owned: bool
    order: str
    """A column, with a minus before it for the other direction."""
    limit: int
    mine: Sequence[str] | None
    """The refs of whoever looks and of the groups that they belong to; None when that is nobody in the catalog."""

    def predicate(self, without: str = "") -> JsonObject:
        """What must hold for an entity; *without* what is said about one dimension, or about `kind` or `state`."""
        parts: list[JsonValue] = []
        if self.kind != ALL and without != "kind":
            parts.append({"kind": self.kind})
        for dimension in DIMENSIONS:
            values = self.chosen.get(dimension.name, ())
            if values and without != dimension.name:
                parts.append({dimension.key: {"$in": [*values]}})
        if self.states and without != "state":
            parts.append({"$any": [{key: value} for _, key, value in (_STATES[each] for each in self.states)]})
        if self.owned and self.mine is not None:
            parts.append({"relations.ownedBy": {"$in": [*self.mine]}})
        return {"$all": parts} if parts else {}

    def address(self, **changes: JsonValue) -> str:
        """The address of the list with *changes*: the first page."""
        said: dict[str, JsonValue] = {
            "kind": self.kind,
            "q": self.text,
            **{name: [*values] for name, values in self.chosen.items()},
            "state": [*self.states],
            "owned": "1" if self.owned else "",
            "order": "" if self.order == "name" else self.order,
            "limit": "" if self.limit == SIZES[0] else str(self.limit),
        }
        return with_query("/catalog", {**said, **changes})

    def has_chosen(self, name: str, value: str) -> bool:
        """Whether *value* is chosen: values are compared in lower case, and facets tell them as they are written."""
        return value.lower() in (each.lower() for each in self.chosen.get(name, ()))

    def elsewhere(self, path: str) -> str:
        """The same list at another *path* below its own."""
        return self.address().replace("/catalog", f"/catalog/-/{path}", 1)

    def of_kind(self, kind: str) -> str:
        """The address of the same list for another kind, whose types are others."""
        return self.without_type().address(kind=kind)

    def without_type(self) -> "Wanted":
        """The same of any type: each kind has its own."""
        return replace(self, chosen={**self.chosen, "type": ()})

    def toggled(self, name: str, value: str) -> str:
        """The address of the list with *value* chosen, or no more."""
        before = [*self.states] if name == "state" else [*self.chosen.get(name, ())]
        rest = [each for each in before if each.lower() != value.lower()]
        after = rest if len(rest) < len(before) else [*before, value]
        changed: dict[str, JsonValue] = {name: [*after]}
        return self.address(**changed)

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the kind is said."""
        return bool(self.text or self.states or self.owned or any(self.chosen.values()))


def parse(visit: Visit) -> Wanted:
    """What the address of a page says. What it says wrongly counts as not said."""
    mine = _mine(visit)
    limit = visit.text("limit")
    return Wanted(
        kind=visit.text("kind", "component").lower() or "component",
        chosen={dimension.name: _chosen(visit, dimension) for dimension in DIMENSIONS},
        states=[each for each in visit.texts("state") if each in _STATES],
        text=visit.text("q").strip()[:200],
        owned=visit.text("owned") == "1" and mine is not None,
        order=visit.text("order", "name"),
        limit=int(limit) if limit in map(str, SIZES) else SIZES[0],
        mine=mine,
    )


def text_filter(text: str) -> JsonObject | None:
    """What the API is asked for what has *text*; None for everything."""
    return {"term": text, "fields": [*TEXT_FIELDS]} if text else None


def _chosen(visit: Visit, dimension: Dimension) -> Sequence[str]:
    values = visit.texts(dimension.name)
    if dimension.kind:
        # Bookmarks of Backstage's list, and people, name an owner without what goes without saying.
        values = [as_ref(value, dimension.kind, "default") or value for value in values]
    return tuple({value.lower(): value for value in values}.values())


def translated(visit: Visit) -> str | None:
    """The address that Backstage's own parameters amount to; None when there are none."""
    asked = visit.request.query_params
    if not any(name.startswith("filters[") for name in asked):
        return None
    said: dict[str, JsonValue] = {}
    for name, value in asked.multi_items():
        plain = name.split("]")[0] + "]"
        if plain in _BACKSTAGE and value:
            said.setdefault(_BACKSTAGE[plain], [])
            values = said[_BACKSTAGE[plain]]
            assert isinstance(values, list)
            values.append(value.lower() if plain == "filters[kind]" else value)
        elif plain == "filters[user]" and value == "owned":
            said["owned"] = "1"
        elif plain in ("filters[orphan]", "filters[error]") and value in ("true", "1"):
            said.setdefault("state", [])
            states = said["state"]
            assert isinstance(states, list)
            states.append(plain[8:-1])
    return with_query("/catalog", said)


def _mine(visit: Visit) -> Sequence[str] | None:
    principal = context.principal_of(visit.request)
    return principal.ownership if isinstance(principal, User) else None


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that can be chosen."""

    value: str
    count: int | None
    """None when it is not known how many entities have it."""
    chosen: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """The values of one dimension, those that most entities have."""

    dimension: Dimension
    values: Sequence[Choice]
    more: bool
    """Whether there are others."""


MOST_CHOICES = 8


async def choices(visit: Visit, wanted: Wanted) -> list[Choices]:
    """What each dimension can be narrowed to, under all that is said about the others.

    One request for the dimensions about which nothing is said, and one for each of the others.
    """
    said = [each for each in DIMENSIONS if wanted.chosen.get(each.name)]
    unsaid = [each for each in DIMENSIONS if each not in said]
    counted: dict[str, list[JsonObject]] = {}
    if unsaid:
        keys = [each.key for each in unsaid]
        counted |= await counts(visit, keys, wanted.predicate(), text=wanted.text, limit=MOST_CHOICES + 1)
    for each in said:
        others = wanted.predicate(without=each.name)
        counted |= await counts(visit, [each.key], others, text=wanted.text, limit=MOST_CHOICES + 1)
    return [_choices(each, counted[each.key], wanted) for each in DIMENSIONS]


def _choices(dimension: Dimension, counted: Sequence[JsonObject], wanted: Wanted) -> Choices:
    found = {str(each["value"]): each["count"] for each in counted[:MOST_CHOICES]}
    values = [
        Choice(value, int(str(count)), wanted.has_chosen(dimension.name, value)) for value, count in found.items()
    ]
    known = {value.lower() for value in found}
    values += [
        Choice(value, None, True) for value in wanted.chosen.get(dimension.name, ()) if value.lower() not in known
    ]
    return Choices(dimension, values, len(counted) > MOST_CHOICES)


async def counts(
    visit: Visit,
    keys: Sequence[str],
    predicate: JsonObject,
    *,
    text: str = "",
    limit: int | None = None,
    contains: str = "",
) -> dict[str, list[JsonObject]]:
    """How many entities that have *text* have which values, by key, the most frequent first."""
    body: JsonObject = {"facets": [*keys], "query": predicate}
    if limit is not None:
        body["limit"] = limit
    if contains:
        body["contains"] = contains
    if text:
        body["fullTextFilter"] = text_filter(text)
    found = (await visit.catalog.post_object("/entity-facets", body))["facets"]
    assert isinstance(found, dict)
    return {key: mappings(values) for key, values in found.items()}


async def states(visit: Visit, wanted: Wanted) -> list[tuple[str, str, int, bool]]:
    """Value, words, count and whether it is chosen, of each state that something is in."""
    keys = list(dict.fromkeys(key for _, key, _ in _STATES.values()))
    counted = await counts(visit, keys, wanted.predicate(without="state"), text=wanted.text)
    found = []
    for name, (words, key, value) in _STATES.items():
        count = sum(int(str(each["count"])) for each in counted[key] if str(each["value"]).lower() == value)
        if count or name in wanted.states:
            found.append((name, words, count, name in wanted.states))
    return found


async def kinds(visit: Visit, wanted: Wanted) -> list[tuple[str, int]]:
    """The kinds that there are, in lower case, and how many entities of each there are under all else that is said."""
    every = dict.fromkeys((kind for kind, _ in await kinds_of(visit, {})), 0)
    meant = await kinds_of(visit, wanted.without_type().predicate(without="kind"), wanted.text)
    return sorted((every | dict(meant)).items(), key=_usual_place)


async def kinds_of(visit: Visit, predicate: JsonObject, text: str = "") -> list[tuple[str, int]]:
    """The kinds, in lower case, of the entities that are meant and have *text*, with their counts."""
    found: dict[str, int] = {}
    for each in (await counts(visit, ["kind"], predicate, text=text))["kind"]:
        kind = str(each["value"]).lower()
        found[kind] = found.get(kind, 0) + int(str(each["count"]))
    return sorted(found.items(), key=_usual_place)


def _usual_place(kind: tuple[str, int]) -> tuple[int, str]:
    name = kind[0]
    return (KINDS.index(name) if name in KINDS else len(KINDS), name)
