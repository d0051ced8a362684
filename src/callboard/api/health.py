"""Health and metrics: is this process alive, is it ready, and what has it done."""

import os
from collections.abc import Iterable, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context
from callboard.api.context import Context
from callboard.errors import CallboardError
from callboard.metrics import Metrics
from callboard.store import backlog
from callboard.stream.following import Follower
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
    return answers.value(
        {
            "status": "ok",
            "offset": follower.view.offset,
            "lag": follower.lag,
            "secondsSinceStreamWasRead": round(_since_the_last_look(here), 3),
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
    await here.read_side.audience.show()
    return told(here.read_side.metrics, [*await _of_the_view(here), *await here.gauges.gauges()])


def told(kept: Metrics, gauges: Sequence[Metric]) -> Response:
    """What this process, or all of the machine that share a directory, have counted, and *gauges*."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(_Registered(kept.registry))
    registry.register(_Gauges(gauges))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Gauges(Collector):
    def __init__(self, gauges: Sequence[Metric]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        return self._gauges


class _Registered(Collector):
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        return self._registry.collect()


def _since_the_last_look(here: Context) -> float:
    return here.read_side.clock.monotonic() - here.follower.seen_at


async def _of_the_view(here: Context) -> list[Metric]:
    view = here.follower.view
    kinds = GaugeMetricFamily("catalog_entities_count", "Visible entities by kind.", labels=["kind"])
    for value in facets(view, ["kind"])["kind"]:
        assert isinstance(value, dict)
        kinds.add_metric([str(value["value"]).lower()], float(str(value["count"])))
    return [
        kinds,
        GaugeMetricFamily("callboard_view_offset", "The offset of the view.", view.offset),
        GaugeMetricFamily("callboard_view_lag", "Changes that the view is known to be behind.", here.follower.lag),
        GaugeMetricFamily(
            "callboard_view_lag_seconds", "Age of the oldest change that the view lacks.", await _lag_seconds(here)
        ),
        GaugeMetricFamily(
            "callboard_view_seconds_since_read",
            "Time since the stream was last looked at.",
            _since_the_last_look(here) if here.follower.position is not None else 0,
        ),
    ]


async def _lag_seconds(here: Context) -> float:
    # Without the database nobody knows of a change that is missing; the time since the last look tells then.
    try:
        async with here.database.transaction() as tx:
            missing = await backlog.change_at(tx, here.follower.view.offset + 1)
            return max(0.0, (tx.now - missing).total_seconds()) if missing else 0.0
    except CallboardError:
        return 0.0
