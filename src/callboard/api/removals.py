"""Removals over HTTP: what one would lead to, and who undoes it."""

from collections.abc import Collection, Iterable, Sequence
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context, disclosure
from callboard.api.parameters import Known, Text
from callboard.ingestion.deleting import Deleted
from callboard.ingestion.removals import Removal
from callboard.model.json import JsonObject
from callboard.settings import OrphanStrategy
from callboard.store.claims import ClaimKey

DRY_RUN: Known = {"dryRun": Text()}
"""What asks for a removal to be looked at and not done."""

_RETURNS = "callboard-returns"
_LONGEST_HEADER = 4_000
"""Characters. Some clients take a header of 8 KiB at most."""


def delete_orphans(request: Request) -> bool:
    """Whether the installation has no orphans."""
    return context.of(request).settings.catalog.orphan_strategy is OrphanStrategy.DELETE


async def told(request: Request, removal: Removal) -> Response:
    """What would happen, as far as the caller may know: the rest is counted."""
    because = [claim for held in (removal.kept, removal.returns) for found in held.values() for claim in found]
    named = {*removal.removed, *removal.kept, *disclosure.parents(claim.source for claim in because)}
    shown = (await disclosure.of(request)).of(named)
    content: JsonObject = {
        "dryRun": True,
        "removed": [{"entityRef": ref, "uid": uid} for ref, uid in removal.removed.items() if ref in shown],
        "kept": [
            {"entityRef": ref, "because": [*map(_claim, _known(held, shown))], "orphan": not held}
            for ref, held in removal.kept.items()
            if ref in shown
        ],
        "returns": [
            {"entityRef": ref, "because": [{"source": source} for source in _sources(_known(held, shown))]}
            for ref, held in removal.returns.items()
            if ref in shown
        ],
        "hidden": len(named - shown),
    }
    return answers.value(content)


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
