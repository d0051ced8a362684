"""Failures: the error that an answer of the catalog, or the lack of one, stands for."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from callboard import errors
from callboard.errors import CallboardError

_KNOWN = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CallboardError)]
_BY_CODE: Mapping[str, type[CallboardError]] = {kind.code: kind for kind in _KNOWN}
# Several classes may go by one name; the most general of them comes first in the module.
_BY_NAME: Mapping[str, type[CallboardError]] = {kind.name: kind for kind in reversed(_KNOWN)}
_BY_STATUS: Mapping[int, type[CallboardError]] = {
    401: errors.Unauthenticated,
    403: errors.NotAllowed,
    404: errors.NotFound,
    409: errors.Conflict,
    410: errors.Gone,
    412: errors.PreconditionFailed,
    429: errors.Unavailable,
    # Without an envelope they come from something in front of the catalog.
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
}
_CREDENTIALS = re.compile(r"//[^/@\s]*@")
_NUMBER = re.compile(r"^\[Errno -?\d+\] ")


class _Described(msgspec.Struct, rename="camel"):
    name: str = ""
    message: str = ""
    code: str = ""
    held: int = 0
    removed: int = 0
    limit: float | None = None
    rejected: list[dict[str, Any]] = msgspec.field(default_factory=list)
    rejected_count: int = 0
    errors: list[dict[str, Any]] = msgspec.field(default_factory=list)
    error_count: int = 0


class _Envelope(msgspec.Struct):
    error: _Described


def of_answer(status: int, content: bytes, retry_after: float | None = None) -> CallboardError:
    """The error that an answer without success tells of: by its code, or else its name, or else its status."""
    try:
        described = msgspec.json.decode(content, type=_Envelope).error
    except msgspec.DecodeError:
        described = _Described()
    kind = _BY_CODE.get(described.code) or _BY_NAME.get(described.name) or _of_status(status)
    error = _made(kind, described, f"the server answered with the status {status} and did not say why")
    if isinstance(error, errors.Unavailable):
        error.retry_after = retry_after
    return error


def _made(kind: type[CallboardError], described: _Described, otherwise: str) -> CallboardError:
    message = described.message or otherwise
    if issubclass(kind, errors.RemovalRefused):
        return kind(message, held=described.held, removed=described.removed, limit=described.limit)
    if issubclass(kind, errors.InvalidRows):
        rows = [row for row in described.rejected if "row" in row and "reason" in row]
        # Without any row it would have nothing to say.
        return kind(rows, max(described.rejected_count, len(rows))) if rows else errors.InvalidInput(message)
    if issubclass(kind, errors.InvalidLocation):
        problems = [each for each in described.errors if "name" in each and "message" in each]
        return kind(problems, max(described.error_count, len(problems))) if problems else errors.InvalidInput(message)
    return kind(message)


def unreachable(url: str, error: Exception) -> errors.Unavailable:
    """The error for a server that gave no answer at all."""
    reason = _NUMBER.sub("", str(error)) or type(error).__name__
    # The URL may have a password in it.
    return errors.Unavailable(f"can't reach {_CREDENTIALS.sub('//', url)}: {reason}")


def _of_status(status: int) -> type[CallboardError]:
    usual = errors.InvalidInput if 400 <= status < 500 else CallboardError
    return _BY_STATUS.get(status, usual)
