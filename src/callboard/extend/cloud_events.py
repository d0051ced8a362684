"""Events as CloudEvents 1.0 has them, in JSON: what the endpoint answers on request, and what receivers know."""

from collections.abc import Sequence

from callboard.extend.sinks import Event
from callboard.model import json

BATCH = "application/cloudevents-batch+json"
"""The media type of several of them."""

JSON = "application/json"
"""The media type of their data."""

TYPE = "io.callboard.catalog.entity"
"""What their types begin with; `.added`, `.updated` and `.removed` follow."""


def batch_of(events: Sequence[Event], source: str) -> bytes:
    """All of *events* in one text, in their order."""
    return b"[%b]" % b",".join(one(event, source) for event in events)


def one(event: Event, source: str) -> bytes:
    """One event."""
    return b'%b,"data":%b}' % (json.encode(attributes(event, source))[:-1], event.entity or b"null")


def attributes(event: Event, source: str) -> dict[str, str]:
    """All that is said of an event beside its data. Extensions are texts: a whole number has 32 bits there, and an
    object is not allowed.
    """
    extensions = {"offset": str(event.offset), "epoch": event.epoch, "uid": event.uid}
    if event.left_filter:
        extensions["reason"] = "left-filter"
    if event.cause:
        extensions["cause"] = event.cause
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": f"{TYPE}.{event.type}",
        "subject": event.ref,
        "time": event.at.isoformat(),
        **extensions,
        "datacontenttype": JSON,
    }
