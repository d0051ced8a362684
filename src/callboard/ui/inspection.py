"""Inspection: all that the catalog knows of one entity, in words and tables, and as it is written."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson
from markupsafe import Markup
from starlette.responses import Response

from callboard.model.annotations import MANAGED_BY_ORIGIN_LOCATION
from callboard.model.json import JsonObject, JsonValue
from callboard.model.notation import as_yaml
from callboard.ui import causes, presence, problems, sources
from callboard.ui.asking import Refused, entity_path
from callboard.ui.causes import Named
from callboard.ui.presenting import ref_of, title_of
from callboard.ui.shapes import mapping, mappings
from callboard.ui.subjects import Subject
from callboard.ui.visits import Visit

_VIEWS: Final = (
    ("explain", "Explanation"), ("ancestry", "Ancestry"), ("yaml", "YAML"), ("json", "JSON"), ("raw", "As explained"),
)  # fmt: skip

_STATES: Final = {
    "visible": "Readers see it, and its last run was good.",
    "failing": "Readers have its last good version, since its last run has failed.",
    "failed": "Readers don't see it, since it has never been good.",
    "pending": "It waits for its first run, or for being stitched after that.",
}

_MOST_LISTED: Final = 100
_MOST_COLOCATED: Final = 60
_MOST_STEPS: Final = 150
"""Entities and claims that the chains are drawn with; a group that many parents emit has more ways than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """That a source offers an entity."""

    role: str
    source: Named
    location: Named
    line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A provider or an entity on the way from providers to an entity."""

    source: Named
    ref: str
    """Empty for a provider."""
    state: str
    orphan: bool
    below: list["Emission"] = field(default_factory=list["Emission"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """A claim, and what it is a claim on."""

    role: str
    location: Named
    line: int | None
    leads_to: Step


async def inspect(visit: Visit) -> Response:
    """The tab, in one of its views."""
    found = await presence.find(visit)
    views = [each for each in _VIEWS if isinstance(found, Subject) or each[0] in ("explain", "raw")]
    names = [name for name, _ in views]
    view = visit.text("view", "explain")
    view = view if view in names else names[0]
    values: dict[str, object] = {
        "explained": None, "ancestors": None, "source": None, "is_cut": False, "views": views, "view": view,
    }  # fmt: skip
    match view, found:
        case "ancestry", Subject():
            values |= await _ancestry(visit, found)
        case "yaml", Subject():
            values |= _written(as_yaml(found.entity), "yaml")
        case "json", Subject():
            values |= _written(_indented(found.entity), "json")
        case _:
            explained = found.explained if isinstance(found, presence.Absent) else await _explained(visit, found.ref)
            if explained is not None:
                values |= _explanation(explained) if view == "explain" else _written(_indented(explained), "json")
    return await presence.page(visit, found, "entity/inspect.html", **values)


async def _explained(visit: Visit, ref: str) -> JsonObject | None:
    told = await visit.catalog.find(entity_path(ref, "explain"))
    return told if isinstance(told, dict) else None


def _written(text: str, language: str) -> dict[str, object]:
    source: Markup = sources.highlighted(text, language)
    return {"source": source, "is_cut": sources.is_cut(text)}


def _indented(value: JsonValue) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _explanation(explained: JsonObject) -> dict[str, object]:
    """What the template shows of an answer of `explain`."""
    processing, emitted = mapping(explained["processing"]), mapping(explained["emitted"])
    ways = mapping(explained["chains"])
    roots, is_cut = chains(str(explained["entityRef"]), mappings(ways["nodes"]), mappings(ways["edges"]))
    children, relations = _texts(emitted["children"]), mappings(emitted["relations"])
    return {
        "explained": explained,
        "states": _STATES,
        "because": _because,
        "hidden": explained["hidden"],
        "last": processing["last"],
        "next": processing["next"],
        "errors": [problems.of_error(each) for each in mappings(explained["errors"])],
        "claims": [_claim(each) for each in mappings(explained["claims"])],
        "contested": explained["conflict"],
        "chains": roots,
        "chains_cut": is_cut,
        "refresh_keys": _texts(emitted["refreshKeys"])[:_MOST_LISTED],
        "children": children[:_MOST_LISTED],
        "children_count": len(children),
        "relations": relations[:_MOST_LISTED],
        "relations_count": len(relations),
    }


def _because(reason: str) -> str:
    return causes.WORDS.get(reason, reason)


def _claim(told: JsonObject) -> Claim:
    return Claim(
        role=str(told["role"]),
        source=causes.source(str(told["source"])),
        location=causes.location(str(told["locationKey"] or "no location key")),
        line=_number(told.get("line")),
    )


def chains(ref: str, nodes: Sequence[JsonObject], edges: Sequence[JsonObject]) -> tuple[list[Step], bool]:
    """The ways down to *ref*, from whatever nothing claims, and whether some of them are left out."""
    known = {str(node["source"]): node for node in nodes}
    claims: dict[str, list[JsonObject]] = {}
    for edge in edges:
        claims.setdefault(str(edge["source"]), []).append(edge)
    claimed = {f"entity:{edge['entityRef']}" for edge in edges}
    tops = [source for source in reversed(known) if source not in claimed] or [f"entity:{ref}"]
    drawing = _Drawing(known, claims)
    return [drawing.step(top, frozenset()) for top in tops], drawing.left <= 0


@dataclass(slots=True)
class _Drawing:
    """Draws chains until there are enough of them."""

    nodes: Mapping[str, JsonObject]
    claims: Mapping[str, Sequence[JsonObject]]
    left: int = _MOST_STEPS

    def step(self, source: str, above: frozenset[str]) -> Step:
        """*source*, with what it leads to but for what it comes from."""
        node = self.nodes.get(source, {})
        step = Step(
            source=causes.source(source),
            ref=source.removeprefix("entity:") if source.startswith("entity:") else "",
            state=str(node.get("state", "")),
            orphan=bool(node.get("orphan")),
        )
        for claim in self.claims.get(source, ()):
            below = f"entity:{claim['entityRef']}"
            if below in above or below == source or self.left <= 0:
                continue
            self.left -= 1
            told = _claim(claim)
            leads_to = self.step(below, above | {source})
            step.below.append(Emission(role=told.role, location=told.location, line=told.line, leads_to=leads_to))
        return step


async def _ancestry(visit: Visit, subject: Subject) -> dict[str, object]:
    """Who has emitted it, and what else has come from its origin."""
    origin = subject.annotations.get(MANAGED_BY_ORIGIN_LOCATION)
    above, (colocated, count) = await asyncio.gather(_above(visit, subject), _colocated(visit, origin))
    return {
        "ancestors": above,
        "origin": causes.location(origin) if isinstance(origin, str) else None,
        "colocated": [ref for ref in colocated if ref != subject.ref],
        "colocated_count": max(0, count - 1),
    }


async def _above(visit: Visit, subject: Subject) -> list[tuple[str, str, list[str]]]:
    try:
        told = await visit.catalog.get_object(entity_path(subject.ref, "ancestry"))
    except Refused as refused:
        # It was removed since the page was begun, in what the database has; the view will follow.
        if refused.status != 404:
            raise
        return []
    found = []
    for item in mappings(told["items"])[:_MOST_LISTED]:
        entity = mapping(item["entity"])
        found.append((ref_of(entity), title_of(entity), _texts(item["parentEntityRefs"])))
    return found


async def _colocated(visit: Visit, origin: JsonValue) -> tuple[list[str], int]:
    if not isinstance(origin, str):
        return [], 0
    body: JsonObject = {
        "query": {f"metadata.annotations.{MANAGED_BY_ORIGIN_LOCATION}": origin},
        "fields": ["kind", "metadata.namespace", "metadata.name"],
        "limit": _MOST_COLOCATED,
    }
    told = await visit.catalog.post_object("/entities/by-query", body)
    count = told.get("totalItems")
    return [ref_of(entity) for entity in mappings(told["items"])], count if isinstance(count, int) else 0


def _texts(value: JsonValue) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _number(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
