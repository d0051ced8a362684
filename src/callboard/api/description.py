"""The description of the API, for tools that generate clients, forms and tests."""

import functools
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

from callboard import __version__
from callboard.api import answers, context
from callboard.api.parameters import query_of
from callboard.model import json
from callboard.model.documents import parse_documents


async def openapi(request: Request) -> Response:
    """`GET /openapi.json`."""
    query_of(request, {})
    base_url = context.of(request).settings.backend.base_url
    return answers.raw(described(f"{base_url or ''}{context.MOUNT}"))


@functools.cache
def described(url: str) -> bytes:
    """The OpenAPI document of the catalog behind *url*, as JSON. Reading it takes 20 ms, hence once a process."""
    [document] = parse_documents(resources.files("callboard.api").joinpath("openapi.yaml").read_bytes())
    content = document.value
    assert isinstance(content, dict)
    assert isinstance(content["info"], dict)
    content["info"]["version"] = __version__
    content["servers"] = [{"url": url}]
    return json.encode(content)
