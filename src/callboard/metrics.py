"""What Callboard counts about itself, in Prometheus' terms.

With several processes on one machine the counters go through files in a directory that all of them share
(PROMETHEUS_MULTIPROC_DIR, read by the Prometheus library); `callboard serve` sets that up, so that one scrape tells
about all.
"""

import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

from callboard.tracing import Attribute, Tracing

_PID = os.getpid()
if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # At each count the library asks the kernel who it is, lest it has been forked. No process of ours is, and the
    # question was a seventh of what a short answer costs.
    values.ValueClass = values.MultiProcessValue(lambda: _PID)  # type: ignore[no-untyped-call]

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_DELAYS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
_SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 10_000.0, 100_000.0)


class Stage(StrEnum):
    """A part of the way from a source to the readers."""

    MUTATE = "mutate"
    """Storing what a provider has delivered."""
    READ = "read"
    """Reading one target of a location."""
    PROCESS = "process"
    """The processors and policies, for one entity."""
    SETTLE = "settle"
    """Storing a batch of results."""
    STITCH = "stitch"
    """Assembling and publishing a batch."""
    PUBLISH = "publish"
    """The part of stitching from the wait for the stream's counter on."""
    FOLLOW = "follow"
    """Bringing a page of changes into the view."""


_NOTHING: AbstractContextManager[object] = nullcontext()


class Distribution(Histogram):
    """A histogram that takes many values at once.

    One value by itself costs 1.4 µs, and 2.5 where several processes share a directory; here it is 0.13 and 0.17.
    """

    def observe_all(self, values: Iterable[float]) -> None:
        """Take *values*."""
        counts: dict[int, int] = {}
        total = 0.0
        for value in values:
            place = bisect_left(self._upper_bounds, value)
            counts[place] = counts.get(place, 0) + 1
            total += value
        if counts:
            self._sum.inc(total)
            for place, count in counts.items():
                self._buckets[place].inc(count)


@dataclass(slots=True)
class Totals:
    """A counter by result that follows totals which somebody else keeps."""

    counter: Counter
    _shown: dict[str, int] = field(default_factory=dict)

    def show(self, totals: Mapping[str, int]) -> None:
        """Let the counter say *totals*, which never fall."""
        for result, total in totals.items():
            self.counter.labels(result).inc(total - self._shown.get(result, 0))
            self._shown[result] = total


@dataclass(slots=True)
class Metrics:
    """The counters of one process."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    tracing: Tracing | None = None
    """Makes a span of each piece of work; None where nobody asks for traces."""
    processed: Totals = field(init=False)
    stitched: Totals = field(init=False)
    processing: Distribution = field(init=False)
    processors: Distribution = field(init=False)
    processing_delay: Distribution = field(init=False)
    stitching: Distribution = field(init=False)
    stitching_delay: Distribution = field(init=False)
    stages: Distribution = field(init=False)
    batches: Histogram = field(init=False)
    view_delay: Histogram = field(init=False)
    requests: Histogram = field(init=False)
    webhooks: Counter = field(init=False)
    stream_readers: Gauge = field(init=False)
    stream_readers_closed: Counter = field(init=False)
    deliveries: Counter = field(init=False)
    budgets: Gauge = field(init=False)

    def __post_init__(self) -> None:
        by_result = ["result"]
        self.processed = Totals(
            Counter("catalog_processed_entities", "Entities processed.", by_result, registry=self.registry)
        )
        self.stitched = Totals(
            Counter("catalog_stitched_entities", "Entities stitched.", by_result, registry=self.registry)
        )
        self.processing = self._timer(
            "catalog_processing_duration",
            "Time from the start of an entity's run until its result is stored.",
            "result",
        )
        self.processors = self._timer(
            "catalog_processors_duration", "Time that the processors and policies took for an entity.", "result"
        )
        self.processing_delay = self._timer(
            "catalog_processing_queue_delay", "Time that an entity was due before an engine took it.", buckets=_DELAYS
        )
        self.stitching = self._timer("catalog_stitching_duration", "Time to assemble and publish a batch of entities.")
        self.stitching_delay = self._timer(
            "catalog_stitching_queue_delay", "Time that an entity waited for a stitcher.", buckets=_DELAYS
        )
        self.stages = self._timer("callboard_stage_duration", "Time that one piece of work of a stage took.", "stage")
        self.batches = Histogram(
            "callboard_batch_size",
            "Entities, or changes, in one piece of work of a stage.",
            ["stage"],
            buckets=_SIZES,
            registry=self.registry,
        )
        self.view_delay = Histogram(
            "callboard_view_delay_seconds",
            "How old the oldest change of a page was when the view had it.",
            buckets=_DELAYS,
            registry=self.registry,
        )
        self.requests = Histogram(
            "http_server_request_duration_seconds",
            "Time to answer a request, by route and status.",
            ["route", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.webhooks = Counter(
            "catalog_events_scm",
            "Webhooks of code hosts, by what became of them.",
            ["system", "outcome"],
            registry=self.registry,
        )
        self.stream_readers = Gauge(
            "callboard_stream_readers",
            "Open streams, held requests for the next change, and subscriptions that are being delivered.",
            ["form"],
            registry=self.registry,
            # A process that has ended has no readers any more.
            multiprocess_mode="livesum",
        )
        self.stream_readers_closed = Counter(
            "callboard_stream_readers_closed",
            "Streams that have ended, by the reason.",
            ["reason"],
            registry=self.registry,
        )
        self.deliveries = Counter(
            "callboard_subscription_deliveries",
            "Batches that were brought to the sinks of subscriptions, by what became of them.",
            by_result,
            registry=self.registry,
        )

        self.budgets = Gauge(
            "callboard_source_budget_remaining",
            "Requests that a system still takes from a credential, as it has said last.",
            ["credential"],
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )

    def _timer(self, name: str, what: str, *labels: str, buckets: tuple[float, ...] = _SECONDS) -> Distribution:
        return Distribution(f"{name}_seconds", what, labels, buckets=buckets, registry=self.registry)

    def span(self, name: str, **attributes: Attribute) -> AbstractContextManager[object]:
        """A span around the block, with attributes that begin with `callboard.`; nothing where nobody asks for it."""
        if self.tracing is None:
            return _NOTHING
        return self.tracing.span(name, {f"callboard.{key}": value for key, value in attributes.items()})

    @contextmanager
    def stage(self, stage: Stage, size: int | None = None, **attributes: Attribute) -> Iterator[None]:
        """Measure what the block does, with *size* entities if that is known, whether it goes well or not."""
        if size is not None:
            attributes["size"] = size
        started = time.monotonic()
        try:
            with self.span(stage.value, **attributes):
                yield
        finally:
            self.stages.labels(stage.value).observe(time.monotonic() - started)
            if size is not None:
                self.batches.labels(stage.value).observe(size)
