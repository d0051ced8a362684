"""Answers: JSON that is put together from the JSON that the view holds, without parsing it."""

from collections.abc import Mapping, Sequence

from starlette.responses import Response

from callboard.model import json
from callboard.model.projection import Projection


def value(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Any value as JSON."""
    return Response(json.encode(content), status, media_type="application/json", headers=headers)


def raw(body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """A body that is JSON already."""
    return Response(body, media_type="application/json", headers=headers)


def empty(status: int) -> Response:
    """Nothing but a status."""
    return Response(status_code=status)


def joined(bodies: Sequence[bytes], projection: Projection | None) -> bytes:
    """The entities as a JSON array, each reduced to what the projection asks for."""
    return b"[%b]" % b",".join(bodies if projection is None else [reduced(body, projection) for body in bodies])


def reduced(body: bytes, projection: Projection | None) -> bytes:
    """One entity, reduced to what the projection asks for, if there is one."""
    if projection is None:
        return body
    entity = json.decode(body)
    assert isinstance(entity, dict)
    return json.encode(projection.apply(entity))
