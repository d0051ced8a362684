"""Gauges: what is looked up in the database when somebody asks for the metrics."""

import asyncio
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from callboard.clock import Clock
from callboard.errors import CallboardError
from callboard.store import backlog, changes, conflicts, entities, locations, providers, rates, subscriptions
from callboard.store.backlog import Waiting
from callboard.store.database import Database, Transaction
from callboard.stream.subscriptions import Known

_SHARE = 20
"""Looking takes at most one part in so many of the time, however often somebody asks."""
_LONGEST = 10.0
_MINUTE = dt.timedelta(minutes=1)


@dataclass(slots=True)
class Gauges:
    """What there is in a database, looked up once for all who ask at about the same time.

    In a small catalog an answer is good for a few milliseconds, in one with a million entities for ten seconds.
    """

    database: Database
    clock: Clock
    _found: Sequence[Metric] = ()
    _good_until: float = float("-inf")
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def gauges(self) -> Sequence[Metric]:
        """The gauges as they are now, or were a moment ago."""
        async with self._looking:
            started = self.clock.monotonic()
            if started >= self._good_until:
                self._found = await self._look()
                ended = self.clock.monotonic()
                self._good_until = ended + min(_LONGEST, _SHARE * (ended - started))
            return self._found

    async def _look(self) -> Sequence[Metric]:
        try:
            async with self.database.transaction() as tx:
                found = [*await _work(tx), *await _catalog(tx), *await _stream(tx)]
        except CallboardError:
            # Without the database there is nothing to say about it, which is what `up` is for.
            return [_up(0)]
        return [_up(1), *found]


def _up(value: int) -> Metric:
    return GaugeMetricFamily("callboard_database_up", "Whether PostgreSQL answers.", value)


async def _work(tx: Transaction) -> list[Metric]:
    due, stitching, locks = await backlog.due(tx), await backlog.stitching(tx), await backlog.locks(tx)
    depth = GaugeMetricFamily(
        "callboard_schedule_depth", "Entities that are due for processing, by priority.", labels=["priority"]
    )
    oldest = GaugeMetricFamily(
        "callboard_schedule_oldest_seconds", "How long the oldest of them has been due.", labels=["priority"]
    )
    for priority, waiting in due.items():
        depth.add_metric([priority.name.lower()], waiting.count)
        oldest.add_metric([priority.name.lower()], waiting.oldest)
    return [
        GaugeMetricFamily(
            "callboard_schedule_due", "Entities that are due for processing.", sum(each.count for each in due.values())
        ),
        depth,
        oldest,
        GaugeMetricFamily("catalog_stitching_queue_length", "Entities that wait for stitching.", stitching.count),
        GaugeMetricFamily(
            "callboard_stitching_oldest_seconds", "How long the oldest of them has been due.", stitching.oldest
        ),
        *_locks(locks),
    ]


def _locks(locks: Waiting) -> list[Metric]:
    return [
        GaugeMetricFamily("callboard_database_sessions_waiting", "Sessions that wait for a lock.", locks.count),
        GaugeMetricFamily(
            "callboard_database_longest_wait_seconds", "How long the one that waits longest has waited.", locks.oldest
        ),
    ]


async def _catalog(tx: Transaction) -> list[Metric]:
    failing = (await entities.ailing(tx)).failing
    registered = len(await locations.every(tx))
    return [
        GaugeMetricFamily("callboard_entities_failing", "Entities whose last processing failed.", failing),
        GaugeMetricFamily("catalog_conflicts_count", "Entities that several sources claim.", await conflicts.count(tx)),
        GaugeMetricFamily("catalog_registered_locations_count", "Registered locations.", registered),
        GaugeMetricFamily(
            "catalog_relations_count", "Relations, as PostgreSQL estimates them.", await backlog.relations(tx)
        ),
        _refusals(await providers.refused(tx)),
    ]


async def _stream(tx: Transaction) -> list[Metric]:
    position, size = await changes.position(tx), await rates.size(tx)
    minute = await rates.since(tx, tx.now - _MINUTE)
    return [
        _lags([Known(each, position) for each in await subscriptions.every(tx)]),
        GaugeMetricFamily("callboard_stream_head", "The last offset of the stream.", position.head),
        GaugeMetricFamily(
            "callboard_stream_changes_per_second",
            "Changes in the last minute, as a rate.",
            minute / _MINUTE.total_seconds(),
        ),
        GaugeMetricFamily(
            "callboard_stream_history_floor", "Single changes above it are kept.", position.history_floor
        ),
        GaugeMetricFamily("callboard_stream_tombstone_floor", "Removals above it are kept.", position.tombstone_floor),
        GaugeMetricFamily("callboard_stream_history_changes", "Single changes that are kept.", size.changes),
        GaugeMetricFamily("callboard_stream_history_bytes", "Room that the history takes on the disk.", size.bytes),
    ]


def _lags(subscribed: list[Known]) -> Metric:
    lags = GaugeMetricFamily(
        "callboard_subscription_lag", "Changes that a subscription is behind.", labels=["name", "state"]
    )
    for known in subscribed:
        lags.add_metric([known.subscription.name, known.subscription.state.value], known.lag)
    return lags


def _refusals(names: Iterable[str]) -> Metric:
    refusals = GaugeMetricFamily(
        "callboard_removals_refused", "1 for a provider whose last mutation was refused.", labels=["provider"]
    )
    for name in names:
        refusals.add_metric([name], 1)
    return refusals
