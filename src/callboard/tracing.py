"""Traces: what led to what, as spans of OpenTelemetry.

Off unless the environment asks for them with the standard variables (OTEL_EXPORTER_OTLP_ENDPOINT and its like). While
they are off not even the library is imported; it comes with the extra `callboard[tracing]`.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from callboard import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

_log = structlog.get_logger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_FAREWELL = 2.0
"""Seconds in which the last spans may leave; a collector that is away must not hold up the end of a process."""

Attribute = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Tracing:
    """Makes spans."""

    tracer: "Tracer"

    def span(self, name: str, attributes: Mapping[str, Attribute]) -> AbstractContextManager[object]:
        """A span around the block, below the one that is open already. An exception marks it as failed."""
        return self.tracer.start_as_current_span(f"callboard.{name}", attributes=attributes)

    @contextlib.contextmanager
    def request(self, method: str, path: str, headers: Sequence[tuple[bytes, bytes]]) -> Iterator["Answered"]:
        """A span around the answer to a request, below the caller's own where it has sent one (`traceparent`)."""
        from opentelemetry import propagate, trace

        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        with self.tracer.start_as_current_span(
            method,
            context=propagate.extract(carrier),
            kind=trace.SpanKind.SERVER,
            attributes={"http.request.method": method, "url.path": path},
        ) as span:
            yield Answered(span, method)


@dataclass(frozen=True, slots=True)
class Answered:
    """The span of a request, to be told how it ended."""

    span: "Span"
    method: str

    def with_status(self, status: int, route: str) -> None:
        """It was answered, by this route."""
        from opentelemetry import trace

        self.span.update_name(f"{self.method} {route}")
        self.span.set_attributes({"http.route": route, "http.response.status_code": status})
        if status >= 500:
            self.span.set_status(trace.StatusCode.ERROR)


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    return exporter in ("otlp", "console") or (not exporter and any(environment.get(name) for name in _ENDPOINTS))


@contextlib.contextmanager
def started(environment: Mapping[str, str], role: str) -> Iterator[Tracing | None]:
    """What makes the spans of this process, if the environment asks for them. What is left is sent at the end."""
    provider = _provider(environment, role) if wanted(environment) else None
    if provider is None:
        yield None
        return
    from opentelemetry import trace

    # Plugins that make spans of their own find this one.
    trace.set_tracer_provider(provider)
    try:
        yield tracing_of(provider)
    finally:
        leaving = threading.Thread(target=provider.shutdown, daemon=True)
        leaving.start()
        leaving.join(_FAREWELL)


def tracing_of(provider: "TracerProvider") -> Tracing:
    """What makes spans for a provider."""
    return Tracing(provider.get_tracer("callboard", __version__))


def _provider(environment: Mapping[str, str], role: str) -> "TracerProvider | None":
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = _exporter(environment)
    except ImportError as error:
        _log.warning("tracing.not_installed", reason=str(error), needs="callboard[tracing]")
        return None
    if exporter is None:
        return None
    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before.
    named = {"service.version": __version__, "callboard.role": role}
    if not environment.get("OTEL_SERVICE_NAME") and "service.name=" not in environment.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    ):
        named["service.name"] = "callboard"
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _log.info("tracing.started", exporter=type(exporter).__name__)
    return provider


def _exporter(environment: Mapping[str, str]) -> "SpanExporter | None":
    if environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter()
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        _log.warning("tracing.unknown_protocol", protocol=protocol, expected="http/protobuf")
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
