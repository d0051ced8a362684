"""The explanation of one entity over HTTP: where it comes from, what became of it, and what it waits for."""

import dataclasses
import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from callboard.access.permissions import UNPROCESSED_READ
from callboard.api import answers, context, disclosure
from callboard.api.disclosure import Disclosure
from callboard.api.parameters import query_of
from callboard.errors import NotFound
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.store import claims, explanation
from callboard.store.explanation import Explanation, Link, Node, Relation, Role


@dataclass(frozen=True, slots=True)
class _Chains:
    """What a caller may know of the ways to an entity."""

    ref: str
    nodes: Mapping[str, Node]
    shown: Collection[str]

    def links(self, ref: str) -> list[Link]:
        """The claims on one of the entities."""
        return [link for link in self.nodes[ref].claims if disclosure.is_named(link.source, self.shown)]

    def reached(self) -> Iterator[str]:
        """The entity and those above it, nearest first, as far as the caller can follow."""
        pending, met = [self.ref], {self.ref}
        for ref in pending:
            yield ref
            above = [parent for link in self.links(ref) if (parent := claims.parent_in(link.source)) is not None]
            pending += [parent for parent in dict.fromkeys(above) if parent not in met]
            met.update(above)


async def explain(request: Request) -> Response:
    """`GET /entities/by-name/{kind}/{namespace}/{name}/explain`."""
    query_of(request, {})
    ref = str(context.ref_of(request))
    told = await disclosure.of(request)
    if not told.unseen:
        told = dataclasses.replace(told, unseen=await context.permits(request, UNPROCESSED_READ))
    await _check(request, ref, told)
    async with context.of(request).database.transaction(snapshot=True) as tx:
        found, nodes, now = await explanation.find(tx, ref), await explanation.chains(tx, ref), tx.now
    if found is None:
        raise _missing(ref)
    return answers.value(_described(ref, found, nodes, told, now))


def _described(
    ref: str, found: Explanation, nodes: Mapping[str, Node], told: Disclosure, now: dt.datetime
) -> JsonObject:
    chains = _Chains(ref, nodes, told.of(nodes) | {ref})
    reached = list(chains.reached())
    children = told.of(found.children)
    # Relations stand in the entity, where those that lead nowhere can be read as well.
    unrelated = told.hidden({end for relation in found.relations for end in (relation.source_ref, relation.target_ref)})
    links = chains.links(ref)
    return {
        **_identity(ref, found, nodes[ref]),
        "claims": [_claim(link) for link in links],
        "conflict": _conflict(links),
        "chains": _ways(chains, reached),
        "processing": _processing(found, now),
        "stitching": _stitching(found, now),
        "emitted": {
            "children": [child for child in found.children if child in children],
            "relations": [_relation(relation) for relation in found.relations if unrelated.isdisjoint(relation)],
            "refreshKeys": [*found.refresh_keys],
        },
        "errors": json.decode(found.errors) if found.errors else [],
        "hidden": len((nodes.keys() - set(reached)) | (set(found.children) - children) | unrelated),
    }


async def _check(request: Request, ref: str, told: Disclosure) -> None:
    """Raise NotFound where the caller may not see the entity."""
    unprocessed = not told.view.among([ref])
    if unprocessed and not await context.permits(request, UNPROCESSED_READ):
        raise _missing(ref)
    if not told.of([ref]):
        raise _missing(ref)


def _missing(ref: str) -> NotFound:
    return NotFound(f"No such entity {ref}")


def _identity(ref: str, found: Explanation, node: Node) -> JsonObject:
    return {
        "entityRef": ref,
        "uid": found.uid,
        "etag": None if found.body is None else _etag(found.body),
        "state": node.state.value,
        "orphan": node.orphan,
        "discoveredAt": found.discovered_at.isoformat(),
        "offsets": None if found.offsets is None else {"first": found.offsets[0], "last": found.offsets[1]},
    }


def _etag(body: str) -> JsonValue:
    match json.decode(body):
        case {"metadata": {"etag": str(etag)}}:
            return etag
        case _:
            return None


def _claim(link: Link) -> JsonObject:
    line: JsonObject = {} if link.line is None else {"line": link.line}
    return {"source": link.source, "locationKey": link.location_key, "role": link.role.value, **line}


def _conflict(links: list[Link]) -> JsonObject | None:
    """Who won, and who else offers the entity under another key."""
    rivals = [link for link in links if link.role is Role.RIVAL]
    winner = next((link for link in links if link.role is Role.WINNER), None)
    if not rivals:
        return None
    return {"winner": _contender(winner), "rivals": [_contender(rival) for rival in rivals]}


def _contender(link: Link | None) -> JsonObject:
    if link is None:
        return {"source": None, "locationKey": None}
    return {"source": link.source, "locationKey": link.location_key}


def _ways(chains: _Chains, reached: Sequence[str]) -> JsonObject:
    links = [(ref, link) for ref in reached for link in chains.links(ref)]
    providers = dict.fromkeys(link.source for _, link in links if claims.parent_in(link.source) is None)
    nodes: list[JsonValue] = [_node(ref, chains.nodes[ref]) for ref in reached]
    nodes += [{"source": provider} for provider in providers]
    return {"nodes": nodes, "edges": [{**_claim(link), "entityRef": ref} for ref, link in links]}


def _node(ref: str, node: Node) -> JsonObject:
    return {"source": claims.of_entity(ref), "state": node.state.value, "orphan": node.orphan}


def _relation(relation: Relation) -> JsonObject:
    return {"sourceRef": relation.source_ref, "type": relation.type, "targetRef": relation.target_ref}


def _processing(found: Explanation, now: dt.datetime) -> JsonObject:
    ran, coming = found.ran, found.coming
    return {
        "last": None if ran is None else {"at": ran.at.isoformat(), "because": ran.because, "outcome": ran.outcome},
        "next": None
        if coming is None
        else {
            "at": coming.at.isoformat(),
            "because": coming.because,
            "priority": coming.priority.name.lower(),
            "attempts": coming.attempts,
        },
        "waiting": coming is not None and coming.at <= now and found.processed_until is None,
        "heldUntil": _time(found.processed_until),
    }


def _stitching(found: Explanation, now: dt.datetime) -> JsonObject:
    due = found.stitch_at
    return {
        "next": _time(due),
        "waiting": due is not None and due <= now and found.stitched_until is None,
        "heldUntil": _time(found.stitched_until),
    }


def _time(at: dt.datetime | None) -> str | None:
    return None if at is None else at.isoformat()
