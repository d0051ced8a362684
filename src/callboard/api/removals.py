"""Removals over HTTP: what one would lead to, and who undoes it."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context, disclosure
from callboard.api.parameters import Known, Number, Parameters, Text
from callboard.errors import InvalidInput
from callboard.ingestion.deleting import Deleted
from callboard.ingestion.removals import Removal
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.settings import OrphanStrategy
from callboard.store.claims import ClaimKey

DRY_RUN: Known = {"dryRun": Text(), "limit": Number(), "offset": Number()}
"""What asks for a removal to be looked at and not done, and for a part of the lists that tell of it."""

_PART = {"limit", "offset"}

_RETURNS = "callboard-returns"
_LONGEST_HEADER = 4_000
"""Characters. Some clients take a header of 8 KiB at most."""


def delete_orphans(request: Request) -> bool:
    """Whether the installation has no orphans."""
    return context.of(request).settings.catalog.orphan_strategy is OrphanStrategy.DELETE


def is_dry(asked: Parameters) -> bool:
    """Whether a removal is only to be looked at. Raises InvalidInput when a part of the answer is all that is meant."""
    dry = asked.flag("dryRun")
    if not dry and (part := _PART & asked.values.keys()):
        # It must not be taken for how much is to go.
        raise InvalidInput(f"request/query/{min(part)} is for a dry run only: a removal removes everything")
    return dry


async def told(request: Request, removal: Removal, asked: Parameters) -> Response:
    """What would happen, as far as the caller may know: the rest is counted."""
    because = [claim for held in (removal.kept, removal.returns) for found in held.values() for claim in found]
    named = {*removal.removed, *removal.kept, *disclosure.parents(claim.source for claim in because)}
    shown = (await disclosure.of(request)).of(named)
    hidden = len(named - shown)
    would = _Would(
        removed=[ref for ref in removal.removed if ref in shown],
        kept=[ref for ref in removal.kept if ref in shown],
        returns=[ref for ref in removal.returns if ref in shown],
    )
    part: JsonObject = {}
    if _PART & asked.values.keys():
        would, part = _cut(would, removal, hidden, asked)
    content: JsonObject = {
        "dryRun": True,
        "removed": [{"entityRef": ref, "uid": removal.removed[ref]} for ref in would.removed],
        "kept": [_kept(ref, removal.kept[ref], shown) for ref in would.kept],
        "returns": [_returning(ref, removal.returns[ref], shown) for ref in would.returns],
        "hidden": hidden,
        **part,
    }
    return answers.value(content)


@dataclass(frozen=True, slots=True)
class _Would:
    """The refs of those who are named."""

    removed: Sequence[str]
    kept: Sequence[str]
    returns: Sequence[str]


def _cut(would: _Would, removal: Removal, hidden: int, asked: Parameters) -> tuple[_Would, JsonObject]:
    """Of each list the part that is *asked* for; and how many there are, and what tells all of it from other plans."""
    lists = {
        "removed": would.removed,
        "kept": [ref for ref in would.kept if removal.kept[ref]],
        "orphans": [ref for ref in would.kept if not removal.kept[ref]],
        "returns": would.returns,
    }
    ordered = {name: sorted(refs, key=lambda ref: (ref != removal.root, ref)) for name, refs in lists.items()}
    start, limit = asked.integer("offset") or 0, asked.integer("limit")
    part = slice(start, None if limit is None else start + limit)
    cut = _Would(
        removed=ordered["removed"][part],
        kept=[*ordered["kept"][part], *ordered["orphans"][part]],
        returns=ordered["returns"][part],
    )
    counts: JsonObject = {name: len(refs) for name, refs in ordered.items()}
    digest = hashlib.sha256(json.encode([hidden, *ordered.values()])).hexdigest()[:32]
    return cut, {"counts": counts, "digest": digest}


def _kept(ref: str, held: Sequence[ClaimKey], shown: Collection[str]) -> JsonObject:
    return {"entityRef": ref, "because": [*map(_claim, _known(held, shown))], "orphan": not held}


def _returning(ref: str, held: Sequence[ClaimKey], shown: Collection[str]) -> JsonObject:
    return {"entityRef": ref, "because": [{"source": source} for source in _sources(_known(held, shown))]}


def _known(held: Iterable[ClaimKey], shown: Collection[str]) -> list[ClaimKey]:
    return [claim for claim in held if disclosure.is_named(claim.source, shown)]


def _claim(claim: ClaimKey) -> JsonObject:
    return {"source": claim.source, **({"locationKey": claim.location_key} if claim.location_key else {})}


def _sources(held: Iterable[ClaimKey]) -> list[str]:
    return list(dict.fromkeys(claim.source for claim in held))


async def done(request: Request, deleted: Deleted) -> Response:
    """The answer to a deletion, once the caller's next read sees it. It says who brings the entity back."""
    await context.until_visible(context.of(request), deleted.offset)
    answer = answers.empty(204)
    shown = (await disclosure.of(request)).of(disclosure.parents(deleted.offered_by))
    if named := header([source for source in deleted.offered_by if disclosure.is_named(source, shown)]):
        answer.headers[_RETURNS] = named
    return answer


def header(sources: Sequence[str]) -> str:
    """As many of *sources* as a header has room for; what it can't hold is percent-encoded."""
    joined = ""
    for source in sources:
        encoded = quote(source, safe="/:@+")
        longer = f"{joined}, {encoded}" if joined else encoded
        if len(longer) > _LONGEST_HEADER:
            break
        joined = longer
    return joined
