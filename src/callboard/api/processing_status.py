"""The state of the write side over HTTP: what waits, for how long, and what is wrong."""

from starlette.requests import Request
from starlette.responses import Response

from callboard.access.permissions import INGESTION_READ
from callboard.api import answers, context
from callboard.api.parameters import query_of
from callboard.model.json import JsonObject
from callboard.store import backlog, conflicts, entities
from callboard.store.backlog import Waiting


async def status(request: Request) -> Response:
    """`GET /processing/status`."""
    query_of(request, {})
    await context.permit(request, INGESTION_READ)
    async with context.of(request).database.transaction(snapshot=True) as tx:
        due = await backlog.due(tx)
        stitching = await backlog.stitching(tx)
        locks = await backlog.locks(tx)
        ailing = await entities.ailing(tx)
        conflicting = await conflicts.count(tx)
    return answers.value(
        {
            "due": {priority.name.lower(): _waiting(each) for priority, each in due.items()},
            "stitching": _waiting(stitching),
            "locks": _waiting(locks),
            "entities": {
                "failing": ailing.failing,
                "failed": ailing.failed,
                "pending": ailing.pending,
                "conflicts": conflicting,
            },
        }
    )


def _waiting(waiting: Waiting) -> JsonObject:
    return {"count": waiting.count, "oldestSeconds": round(waiting.oldest, 3)}
