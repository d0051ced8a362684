"""Refusals: errors as SCIM has them (RFC 7644, section 3.12)."""

from collections.abc import Mapping

from starlette.responses import Response

from callboard.errors import InvalidInput
from callboard.ingestion.resources import Taken
from callboard.model import json

MEDIA_TYPE = "application/scim+json"

_MESSAGE = "urn:ietf:params:scim:api:messages:2.0:Error"


class Refused(InvalidInput):
    """A request that SCIM has a word for: *kind* is `invalidFilter`, `invalidPath`, `noTarget` and so on."""

    def __init__(self, kind: str, reason: str) -> None:
        self.kind = kind
        super().__init__(reason)


def answer(error: Exception, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that tells of *error*."""
    body: dict[str, object] = {"schemas": [_MESSAGE], "status": str(status), "detail": detail}
    if (kind := _kind(error)) is not None:
        body["scimType"] = kind
    return Response(json.encode(body), status, media_type=MEDIA_TYPE, headers=headers)


def _kind(error: Exception) -> str | None:
    match error:
        case Refused(kind=kind):
            return kind
        case Taken():
            return "uniqueness"
        case InvalidInput():
            return "invalidSyntax"
        case _:
            return None
