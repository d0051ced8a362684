"""What Callboard counts about itself, in Prometheus' terms.

With several processes on one machine the counters go through files in a directory that all of them share
(PROMETHEUS_MULTIPROC_DIR, read by the Prometheus library); `callboard serve` sets that up, so that one scrape tells
about all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


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
    processed: Totals = field(init=False)
    stitched: Totals = field(init=False)
    requests: Histogram = field(init=False)
    webhooks: Counter = field(init=False)
    stream_readers: Gauge = field(init=False)
    stream_readers_closed: Counter = field(init=False)
    deliveries: Counter = field(init=False)

    def __post_init__(self) -> None:
        by_result = ["result"]
        self.processed = Totals(
            Counter("catalog_processed_entities", "Entities processed.", by_result, registry=self.registry)
        )
        self.stitched = Totals(
            Counter("catalog_stitched_entities", "Entities stitched.", by_result, registry=self.registry)
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
