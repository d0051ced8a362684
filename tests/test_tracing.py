"""Traces of OpenTelemetry: off unless asked for, and complete when on."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from callboard import app, tracing
from callboard.extend import Full
from callboard.ingestion.connections import Connection
from callboard.metrics import Metrics
from callboard.stream.following import Follower
from tests.api.conftest import app_of, client_of
from tests.harness import Catalog, component_yaml, location_yaml, offered

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(spans: InMemorySpanExporter) -> Metrics:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return Metrics(tracing=tracing.tracing_of(provider))


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


async def test_each_stage_makes_spans_and_a_reading_lies_below_its_run(
    catalog: Catalog, traced: Metrics, spans: InMemorySpanExporter
) -> None:
    catalog.engine = app.assemble_engine(catalog.configured, catalog.database, catalog.clock, traced, catalog.client)
    catalog.follower = Follower(catalog.database, catalog.clock, metrics=traced)
    catalog.host.put("https://host/all.yaml", location_yaml("all", ["./a.yaml"]))
    catalog.host.put("https://host/a.yaml", component_yaml("a"))
    await catalog.look()

    await catalog.register("https://host/all.yaml")
    await catalog.settle()

    runs = {attributes(span)["callboard.entity"]: span for span in named(spans, "callboard.process")}
    assert {"location:default/all", "component:default/a"} <= set(runs)
    (reading,) = [
        span for span in named(spans, "callboard.read") if attributes(span)["callboard.target"] == "https://host/a.yaml"
    ]
    assert reading.parent is not None
    assert reading.parent.span_id == runs["location:default/all"].context.span_id
    stitches = {span.context.span_id for span in named(spans, "callboard.stitch")}
    publications = named(spans, "callboard.publish")
    assert publications
    assert {span.parent.span_id for span in publications if span.parent} <= stitches
    assert sum(int(str(attributes(span)["callboard.size"])) for span in named(spans, "callboard.settle")) == len(
        named(spans, "callboard.process")
    )
    assert named(spans, "callboard.follow")


async def test_a_mutation_that_fails_is_a_failed_span(
    catalog: Catalog, traced: Metrics, spans: InMemorySpanExporter
) -> None:
    await catalog.database.close()

    with pytest.raises(Exception, match="closed"):
        await Connection(catalog.database, "ci", metrics=traced).apply(Full(offered()))

    (span,) = named(spans, "callboard.mutate")
    assert attributes(span) == {"callboard.provider": "ci", "callboard.size": 0}
    assert span.status.status_code is StatusCode.ERROR


async def test_a_request_goes_on_with_the_trace_of_its_caller(
    catalog: Catalog, traced: Metrics, spans: InMemorySpanExporter
) -> None:
    await catalog.look()
    async with client_of(app_of(catalog, metrics=traced)) as client:
        await client.get(
            "/api/catalog/entities/by-name/component/default/a", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}
        )

    (span,) = spans.get_finished_spans()
    assert span.name == "GET /entities/by-name/{kind}/{namespace}/{name}"
    assert attributes(span)["http.response.status_code"] == 404
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == PARENT


async def test_an_error_of_the_server_marks_its_span(
    catalog: Catalog, traced: Metrics, spans: InMemorySpanExporter
) -> None:
    async with client_of(app_of(catalog, metrics=traced)) as client:
        await client.get("/api/catalog/entities")

    (span,) = spans.get_finished_spans()
    assert attributes(span)["http.response.status_code"] == 503
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({ENDPOINT: "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://c:4318"}, False),
        ({"OTEL_SDK_DISABLED": "TRUE", ENDPOINT: "http://c:4318"}, False),
    ],
)
def test_the_standard_variables_switch_traces_on_and_off(environment: dict[str, str], wanted: bool) -> None:
    assert tracing.wanted(environment) is wanted


def test_nothing_of_opentelemetry_is_loaded_where_nobody_asks_for_traces() -> None:
    program = (
        "import sys; from callboard import tracing, app; from callboard.metrics import Metrics\n"
        "with tracing.started({}, 'api') as spans:\n"
        "    with Metrics(tracing=spans).span('x', size=1): pass\n"
        "assert spans is None and not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


class _Collector(http.server.BaseHTTPRequestHandler):
    """Takes traces as OTLP over HTTP."""

    received: Queue[ExportTraceServiceRequest]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.path == "/v1/traces"
        self.received.put(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def collector() -> Iterator[tuple[str, Queue[ExportTraceServiceRequest]]]:
    """The URL of a collector, and what it gets."""
    received: Queue[ExportTraceServiceRequest] = Queue()
    handler = type("Handler", (_Collector,), {"received": received})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()


def test_a_collector_gets_the_last_spans_of_a_process_that_ends(
    collector: tuple[str, Queue[ExportTraceServiceRequest]],
) -> None:
    url, received = collector
    program = (
        "import os; from callboard import tracing; from callboard.metrics import Metrics\n"
        "with tracing.started(os.environ, 'engine') as spans:\n"
        "    with Metrics(tracing=spans).span('settle', size=3): pass\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, env={ENDPOINT: url, "PYTHONPATH": str(Path("src"))})

    (told,) = received.get(timeout=10).resource_spans
    resource = {each.key: each.value.string_value for each in told.resource.attributes}
    assert (resource["service.name"], resource["callboard.role"]) == ("callboard", "engine")
    (span,) = told.scope_spans[0].spans
    assert span.name == "callboard.settle"
    assert {each.key: each.value.int_value for each in span.attributes} == {"callboard.size": 3}
