"""Assets: style sheets, scripts and pictures, under addresses that change with their content."""

import hashlib
import mimetypes
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from callboard.errors import NotFound

_FOREVER = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}
_NOT_AT_ALL = {"cache-control": "no-cache", "x-content-type-options": "nosniff"}


@cache
def _contents() -> dict[str, bytes]:
    folder = files("callboard.ui") / "static"
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


@cache
def version() -> str:
    """What tells the assets of this release from others'."""
    whole = hashlib.sha256()
    for name, content in sorted(_contents().items()):
        whole.update(name.encode() + b"\0" + content)
    return whole.hexdigest()[:12]


def address(name: str) -> str:
    """Where the asset *name* is served. Modules import one another by relative addresses, in the same folder."""
    assert name in _contents(), f"there is no asset {name}"
    return f"/assets/{version()}/{name}"


async def serve(request: Request) -> Response:
    """One asset. A page of an older release may still ask for its own version, and gets the present one uncached."""
    name = request.path_params["name"]
    content = _contents().get(name)
    if content is None:
        raise NotFound(f"There is no asset '{name}'")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = _FOREVER if request.path_params["version"] == version() else _NOT_AT_ALL
    return Response(content, media_type=kind, headers=headers)
