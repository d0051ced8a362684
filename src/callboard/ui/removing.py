"""Removing: unregistering a location or deleting an entity, each after a look at what that would lead to.

What is shown is the server's own dry run. The form carries its digest, and when a dry run at that moment says
anything else, the page asks again: nothing goes that nobody has been shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.responses import Response

from callboard.model.annotations import MANAGED_BY_ORIGIN_LOCATION
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef
from callboard.ui import subjects
from callboard.ui.asking import entity_path, path_of
from callboard.ui.presenting import number, with_query
from callboard.ui.shapes import mapping, mappings
from callboard.ui.subjects import Subject
from callboard.ui.visits import Visit

_LISTS = ("removed", "kept", "orphans", "returns")

_SHOWN = 50
"""Entities in one part of a list; all of them are counted."""

_MANY = 20
"""Whoever removes more entities than these types their number."""

_RETURNS = "callboard-returns"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An entity that stays, or comes back, and the sources that have it."""

    ref: str
    sources: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a removal would lead to: all of it counted, and a part of each list."""

    removed: list[str]
    kept: list[Held]
    orphans: list[str]
    returns: list[Held]
    hidden: int
    counts: Mapping[str, int]
    """How long each list is, by its name."""
    digest: str
    """What tells this plan from another one."""
    start: int
    """Where the parts begin."""

    @property
    def size(self) -> int:
        """How many entities may go."""
        return self.counts["removed"] + self.hidden

    @property
    def longest(self) -> int:
        """How many entities the longest list has."""
        return max(self.counts.values())

    @property
    def must_type(self) -> bool:
        """Whether these are too many for a click."""
        return self.size > _MANY

    @property
    def sentences(self) -> list[str]:
        """The plan in words."""
        removed, kept, orphans, returns = (self.counts[name] for name in _LISTS)
        told = [_counted(removed, "entity goes", "entities go") if removed else "Nothing goes that you can see."]
        if kept:
            told.append(_counted(kept, "stays", "stay", ", because something else has ", "it", "them"))
        if orphans:
            told.append(_counted(orphans, "stays", "stay", " without a source: ", "an orphan", "orphans"))
        if returns:
            told.append(_counted(returns, "comes", "come", " back, because a source still has ", "it", "them"))
        if self.hidden:
            told.append(
                _counted(self.hidden, "more that you may not see is", "more that you may not see are", " affected")
            )
        return told


def _counted(count: int, one: str, many: str, rest: str = "", last: str = "", lasts: str = "") -> str:
    """A sentence about so many entities."""
    return f"{number(count)} {one if count == 1 else many}{rest}{last if count == 1 else lasts}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Something that can be removed."""

    subject: Subject
    path: str
    """Of the API."""
    location: JsonObject | None = None
    """The registered location that goes; None when it is the entity alone."""
    refusal: str = ""
    """Why it can only be looked at."""


async def unregister(visit: Visit) -> Response:
    """Ask whether the location behind an entity is to go; or do it."""
    subject = await subjects.find(visit)
    location = await _location_of(visit, subject)
    if location is None:
        sources = await _providers(visit, subject)
        origin = subject.annotations.get(MANAGED_BY_ORIGIN_LOCATION)
        return visit.page("removal/not_registered.html", subject=subject, sources=sources, origin=origin)
    readonly = visit.context.settings.catalog.readonly
    refusal = "The catalog is read-only (catalog.readonly): locations can't be unregistered." if readonly else ""
    path = path_of("locations", str(location["id"]))
    return await _remove(visit, Removal(subject=subject, path=path, location=location, refusal=refusal))


async def delete(visit: Visit) -> Response:
    """Ask whether one entity is to go; or do it."""
    subject = await subjects.find(visit)
    return await _remove(visit, Removal(subject=subject, path=path_of("entities", "by-uid", subject.uid)))


async def _location_of(visit: Visit, subject: Subject) -> JsonObject | None:
    ref = EntityRef.parse(subject.ref)
    found = await visit.catalog.find(path_of("locations", "by-entity", ref.kind, ref.namespace, ref.name))
    return found if isinstance(found, dict) else None


async def _providers(visit: Visit, subject: Subject) -> list[str]:
    """The providers at the beginning of the chains to an entity."""
    explained = await visit.catalog.find(entity_path(subject.ref, "explain"))
    nodes = mappings(mapping(mapping(explained).get("chains")).get("nodes"))
    return [source for node in nodes if (source := str(node["source"])).startswith("provider:")]


async def _remove(visit: Visit, removal: Removal) -> Response:
    """Show what would go, or let it go if that is what was shown."""
    plan = await _look(visit, removal.path, _start(visit))
    if plan.start >= plan.longest and plan.start:
        plan = await _look(visit, removal.path, 0)
    problem = ""
    if visit.request.method == "POST":
        problem = removal.refusal or _objection(visit, plan)
        if not problem:
            answer = await visit.catalog.ask("DELETE", removal.path)
            back = _sources_in(answer.headers.get(_RETURNS, ""))
            address = with_query("/catalog", {"kind": removal.subject.kind})
            return visit.go(address, _said(removal, plan, back))
    status = 409 if problem else 200
    return visit.page(
        "removal/ask.html",
        status,
        removal=removal,
        subject=removal.subject,
        # Only such locations can be registered.
        from_url=str(removal.subject.annotations.get(MANAGED_BY_ORIGIN_LOCATION)).startswith("url:"),
        plan=plan,
        problem=problem,
        cut=_SHOWN,
    )


def _objection(visit: Visit, plan: Plan) -> str:
    """What is against doing it now."""
    if visit.form.get("shown") != plan.digest:
        return "What would go is not what you have been shown: it has changed meanwhile. Nothing was removed."
    typed = "".join(filter(str.isdigit, visit.form.get("count", "")))
    if plan.must_type and typed != str(plan.size):
        return f"Type the number {number(plan.size)} to remove so many entities. Nothing was removed."
    return ""


def _said(removal: Removal, plan: Plan, back: list[str]) -> str:
    if removal.location is not None:
        done = f"{removal.location['target']} is unregistered."
    else:
        done = f"{removal.subject.ref} is deleted."
    if back:
        return f"{done} It comes back: {', '.join(map(in_words, back))}."
    return " ".join([done, *(sentence for sentence in _past(plan) if removal.location is not None or plan.size != 1)])


def _past(plan: Plan) -> list[str]:
    told = [_counted(plan.size, "entity has gone", "entities have gone")]
    stay = plan.counts["kept"] + plan.counts["orphans"]
    return [*told, _counted(stay, "has stayed", "have stayed")] if stay else told


def in_words(source: str) -> str:
    """Who brings an entity, and when.

    >>> in_words("provider:config"), in_words("provider:ci")
    ('the configuration brings it at the next start', 'the provider ci brings it with its next run')
    """
    kind, _, name = source.partition(":")
    if kind == "entity":
        return f"{name} still has it, and brings it at once"
    if name == "config":
        return "the configuration brings it at the next start"
    if name == "locations":
        return "its registered location brings it at the next start"
    return f"the provider {name} brings it with its next run"


def _sources_in(header: str) -> list[str]:
    return [unquote(source) for source in header.split(", ") if source]


def _start(visit: Visit) -> int:
    """Where the part of the lists begins that is looked at."""
    text = visit.text("from")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0


async def _look(visit: Visit, path: str, start: int) -> Plan:
    """What the removal at *path* would lead to now."""
    answer = await visit.catalog.ask("DELETE", path, dryRun="true", limit=_SHOWN, offset=start)
    told = mapping(answer.body)
    kept, counts = mappings(told.get("kept")), mapping(told.get("counts"))
    return Plan(
        removed=[str(each["entityRef"]) for each in mappings(told.get("removed"))],
        kept=[_held(each) for each in kept if each.get("orphan") is not True],
        orphans=[str(each["entityRef"]) for each in kept if each.get("orphan") is True],
        returns=[_held(each) for each in mappings(told.get("returns"))],
        hidden=_count(told.get("hidden")),
        counts={name: _count(counts.get(name)) for name in _LISTS},
        digest=str(told.get("digest")),
        start=start,
    )


def _count(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0


def _held(told: JsonObject) -> Held:
    sources = list(dict.fromkeys(str(each["source"]) for each in mappings(told.get("because"))))
    return Held(ref=str(told["entityRef"]), sources=sources)
