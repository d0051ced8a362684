"""Errors as HTTP answers: the one table from error to status, and the envelope that Backstage's clients expect."""

import math
import re
import uuid
from collections.abc import Mapping

import structlog
from starlette.requests import Request
from starlette.responses import Response

from callboard import errors
from callboard.api.scim import refusals
from callboard.model import json

_log = structlog.get_logger(__name__)

STATUS: dict[type[errors.CallboardError], int] = {
    errors.CallboardError: 500,
    errors.InvalidInput: 400,
    errors.Unauthenticated: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.KeyReused: 422,
    errors.Gone: 410,
    errors.Unreadable: 502,
    errors.Unavailable: 503,
}
"""The status of an error is that of its nearest ancestor in this table."""

_HEADERS = {503: {"retry-after": "1"}}
_SECRET = re.compile(rb"((?:^|&)secret=)[^&]*")
"""What the URL of a webhook proves itself with."""

_WITH_CODE = (
    errors.InvalidRows,
    errors.LeaseLost,
    errors.OffsetExpired,
    errors.OffsetInTheFuture,
    errors.RemovalRefused,
)
"""Their names are those of other errors, about which there is something else to do."""


def status_of(error: errors.CallboardError) -> int:
    """The HTTP status that tells a caller about *error*."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def answer(request: Request, error: Exception, *, mount: str, extra: dict[str, object] | None = None) -> Response:
    """The envelope for *error*. What the caller can't do anything about is told to the log alone."""
    if isinstance(error, errors.CallboardError):
        status, described, details = status_of(error), errors.describe(error), error.details
        if isinstance(error, _WITH_CODE):
            described["code"] = error.code
    else:
        status, number, details = 500, uuid.uuid4().hex[:16], {}
        described = {"name": "Error", "message": f"An internal error occurred logId={number}"}
        _log.error("request.failed", log_id=number, path=request.scope["path"], exc_info=error)
    headers = _headers(status, error)
    if request.scope["path"].startswith(f"{mount}/scim/"):
        return refusals.answer(error, status, str(described["message"]), headers)
    body = {
        "error": {**described, **details, **(extra or {})},
        "request": {"method": request.method, "url": _url(request, mount)},
        "response": {"statusCode": status},
    }
    return Response(json.encode(body), status, media_type="application/json", headers=headers)


def _headers(status: int, error: Exception) -> Mapping[str, str] | None:
    if isinstance(error, errors.Unavailable) and error.retry_after is not None:
        return {"retry-after": f"{math.ceil(error.retry_after)}"}
    if isinstance(error, errors.Unauthenticated):
        return {"www-authenticate": error.challenge}
    return _HEADERS.get(status)


def _url(request: Request, mount: str) -> str:
    """Path and query string as the caller wrote them, below *mount*; but for a secret, which no answer repeats."""
    path: bytes = request.scope["raw_path"]
    query: bytes = _SECRET.sub(rb"\1***", request.scope["query_string"])
    return (path + (b"?" + query if query else b"")).decode("latin-1").removeprefix(mount)
