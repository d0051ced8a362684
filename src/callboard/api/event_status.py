"""The state of the stream over HTTP."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from callboard.access.permissions import INGESTION_READ
from callboard.api import answers, context
from callboard.api.parameters import Known, query_of
from callboard.model.json import JsonObject
from callboard.store import changes, epochs, rates, retention, subscriptions
from callboard.store.retention import Run
from callboard.store.subscriptions import State
from callboard.stream.subscriptions import Known as KnownSubscription

_KNOWN: Known = {}
_MINUTE = dt.timedelta(minutes=1)
_HOUR = dt.timedelta(hours=1)


async def status(request: Request) -> Response:
    """`GET /events/status`: where the stream stands, what of it is kept, and who reads it here."""
    query_of(request, _KNOWN)
    await context.permit(request, INGESTION_READ)
    here = context.of(request)
    async with here.database.transaction(snapshot=True) as tx:
        position = await changes.position(tx)
        epoch = await epochs.current(tx)
        oldest = await rates.oldest(tx)
        minute = await rates.since(tx, tx.now - _MINUTE)
        hour = await rates.since(tx, tx.now - _HOUR)
        run = await retention.last_run(tx)
        subscribed = [KnownSubscription(each, position) for each in await subscriptions.every(tx)]
        now = tx.now
    readers = here.follower.readers
    return answers.value(
        {
            "head": position.head,
            "epoch": epoch.epoch,
            "epochBeganAt": epoch.began_at.isoformat(),
            "epochBecause": epoch.because,
            "historyFloor": position.history_floor,
            "tombstoneFloor": position.tombstone_floor,
            "oldestChangeAt": None if oldest is None else oldest.isoformat(),
            "eventsPerSecond": {
                "minute": round(minute / _MINUTE.total_seconds(), 3),
                "hour": round(hour / _HOUR.total_seconds(), 3),
            },
            "readers": {
                "count": readers.count,
                "waiting": readers.waiting,
                "furthestLag": readers.furthest_lag(position.head),
            },
            "subscriptions": _counted(subscribed, now),
            "compaction": None if run is None else _described(run),
        }
    )


def _counted(subscribed: Sequence[KnownSubscription], now: dt.datetime) -> JsonObject:
    states = Counter(known.subscription.state for known in subscribed)
    held = [known for known in subscribed if (until := known.subscription.leased_until) is not None and until > now]
    lags = [known.lag for known in subscribed if known.subscription.state is State.ACTIVE]
    return {
        "count": len(subscribed),
        "held": len(held),
        **{state.value: states[state] for state in State},
        "furthestLag": max(lags, default=0),
    }


def _described(run: Run) -> JsonObject:
    return {
        "startedAt": run.started_at.isoformat(),
        "endedAt": run.ended_at.isoformat(),
        "versions": run.versions,
        "tombstones": run.tombstones,
        "steps": run.steps,
        "longestStepMs": round(run.longest_ms, 1),
    }
