"""Waiting for what a change has caused, and telling how far that has come."""

import sys

from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context
from callboard.api.parameters import Known, Parameters, Text
from callboard.errors import InvalidInput
from callboard.ingestion import settledness
from callboard.ingestion.settledness import Status
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.store.progress import Failure, Part

WAIT: Known = {"wait": Text()}
"""What asks for an answer that comes when everything has settled."""

_SETTLED = 60.0
_LONGEST = 300.0


def seconds(asked: Parameters) -> float | None:
    """How long to wait; None when nobody asks for that. Raises InvalidInput."""
    text = asked.text("wait")
    if text is None:
        return None
    if text == "settled":
        return _SETTLED
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= _LONGEST:
        raise InvalidInput(f"request/query/wait must be settled, or a number of seconds from 0 to {_LONGEST:g}")
    return found


async def wait(request: Request, part: Part, patience: float | None) -> Status:
    """How far *part* has come when it has settled, or *patience* has ended; the view has seen all of that."""
    here = context.of(request)

    async def pause(seconds: float) -> None:
        # Nobody gets that far; but a process that is to end lets go of everybody who waits for it.
        await here.follower.wait_beyond(sys.maxsize, seconds)

    status = await settledness.status(here.database, here.read_side.clock, part, wait=patience or 0.0, pause=pause)
    if status.settled:
        await context.until_visible(here, status.offset)
    return status


async def status(request: Request, part: Part, patience: float | None) -> Response:
    """The answer that tells how far *part* has come."""
    return answers.value(described(await wait(request, part, patience)))


def described(status: Status) -> JsonObject:
    """How far something has come, as clients see it."""
    progress = status.progress
    return {
        "state": "settled" if status.settled else "pending",
        "entities": progress.entities,
        "pending": progress.pending,
        "failed": progress.failed,
        "settled": progress.entities - progress.pending - progress.failed,
        "conflicts": progress.conflicts,
        "offset": status.offset,
        "failures": [_failure(failure) for failure in status.failures],
    }


def _failure(failure: Failure) -> JsonObject:
    return {"entityRef": failure.ref, "visible": failure.visible, "errors": json.decode(failure.errors)}
