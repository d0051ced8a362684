"""Health and metrics: is this process alive, is it ready, and what has it done."""

import os
from collections.abc import Iterable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context
from callboard.api.context import Context
from callboard.errors import CallboardError
from callboard.store import (
    changes,
    conflicts,
    entities,
    locations,
    providers,
    rates,
    schedule,
    stitch_queue,
    subscriptions,
)
from callboard.stream.following import Follower
from callboard.stream.subscriptions import Known
from callboard.view.facets import facets


async def liveness(request: Request) -> Response:
    """The process answers."""
    return answers.value({"status": "ok"})


async def readiness(request: Request) -> Response:
    """The view is loaded, and how far it is behind the stream.

    Reads go on while PostgreSQL is away, so that alone does not make a process unready.
    """
    here = context.of(request)
    follower = here.follower
    if follower.position is None:
        return answers.value({"status": "error", "message": "Backend has not started yet"}, 503)
    age = here.read_side.clock.monotonic() - follower.seen_at
    return answers.value(
        {
            "status": "ok",
            "offset": follower.view.offset,
            "lag": follower.lag,
            "secondsSinceStreamWasRead": round(age, 3),
            **_source_of(follower),
        }
    )


def _source_of(follower: Follower) -> dict[str, str]:
    if follower.read_from.connect is None:
        return {}
    return {"readsFrom": "replica" if follower.read_from.reads_replica else "primary"}


async def metrics(request: Request) -> Response:
    """All metrics in Prometheus' text form."""
    here = context.of(request)
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(_Registered(here.read_side.metrics.registry))
    registry.register(_Gauges(await _gauges(here)))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Gauges(Collector):
    def __init__(self, gauges: list[Metric]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        return self._gauges


class _Registered(Collector):
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        return self._registry.collect()


def _lags(subscribed: list[Known]) -> Metric:
    lags = GaugeMetricFamily(
        "callboard_subscription_lag", "Changes that a subscription is behind.", labels=["name", "state"]
    )
    for known in subscribed:
        lags.add_metric([known.subscription.name, known.subscription.state.value], known.lag)
    return lags


async def _gauges(here: Context) -> list[Metric]:
    follower = here.follower
    kinds = GaugeMetricFamily("catalog_entities_count", "Visible entities by kind.", labels=["kind"])
    for value in facets(follower.view, ["kind"])["kind"]:
        assert isinstance(value, dict)
        kinds.add_metric([str(value["value"]).lower()], float(str(value["count"])))
    found: list[Metric] = [
        kinds,
        GaugeMetricFamily("callboard_view_offset", "The offset of the view.", follower.view.offset),
        GaugeMetricFamily("callboard_view_lag", "Changes that the view is known to be behind.", follower.lag),
    ]
    try:
        async with here.database.transaction() as tx:
            due, _ = await schedule.length(tx)
            _, _, failing = await entities.count(tx)
            queued = await stitch_queue.length(tx)
            registered = len(await locations.every(tx))
            contested = await conflicts.count(tx)
            refused = await providers.refused(tx)
            position = await changes.position(tx)
            subscribed = [Known(each, position) for each in await subscriptions.every(tx)]
            size = await rates.size(tx)
    except CallboardError:
        # Without the database there is nothing to say about it, which is what `up` is for.
        return [*found, GaugeMetricFamily("callboard_database_up", "Whether PostgreSQL answers.", 0)]
    return [
        *found,
        GaugeMetricFamily("callboard_database_up", "Whether PostgreSQL answers.", 1),
        _lags(subscribed),
        GaugeMetricFamily("callboard_schedule_due", "Entities that are due for processing.", due),
        GaugeMetricFamily("callboard_entities_failing", "Entities whose last processing failed.", failing),
        GaugeMetricFamily("catalog_conflicts_count", "Entities that several sources claim.", contested),
        GaugeMetricFamily("catalog_stitching_queue_length", "Entities that wait for stitching.", queued),
        GaugeMetricFamily("catalog_registered_locations_count", "Registered locations.", registered),
        _refusals(refused),
        GaugeMetricFamily("callboard_stream_head", "The last offset of the stream.", position.head),
        GaugeMetricFamily(
            "callboard_stream_history_floor", "Single changes above it are kept.", position.history_floor
        ),
        GaugeMetricFamily("callboard_stream_tombstone_floor", "Removals above it are kept.", position.tombstone_floor),
        GaugeMetricFamily("callboard_stream_history_changes", "Single changes that are kept.", size.changes),
        GaugeMetricFamily("callboard_stream_history_bytes", "Room that the history takes on the disk.", size.bytes),
    ]


def _refusals(names: Iterable[str]) -> Metric:
    refusals = GaugeMetricFamily(
        "callboard_removals_refused", "1 for a provider whose last mutation was refused.", labels=["provider"]
    )
    for name in names:
        refusals.add_metric([name], 1)
    return refusals
