"""The endpoint of the tools: streamable HTTP without sessions, so that any API process answers any request."""

from collections.abc import Sequence
from typing import Any

import mcp_types as types
import structlog
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from callboard import __version__
from callboard.api import context, errors
from callboard.api.paths import Route
from callboard.errors import CallboardError
from callboard.mcp.actions import Mistaken, as_text
from callboard.mcp.tools import TOOLS, Tool
from callboard.ui.asking import Asking, Refused

PATH = "/api/mcp/catalog"

_NOT_ALLOWED = {"jsonrpc": "2.0", "error": {"code": -32000, "message": "Method not allowed."}, "id": None}

_log = structlog.get_logger(__name__)

_INSTRUCTIONS = (
    "The software catalog of this organisation: components, APIs, resources, systems, domains, groups and users, with"
    " their owners and relations. An entity is named by its ref, kind:namespace/name. Look at the model first."
)


async def tools(request: Request) -> Response:
    """`POST /api/mcp/catalog`. There are no sessions that could be listened to or ended."""
    if request.method != "POST":
        return JSONResponse(_NOT_ALLOWED, status_code=405, headers={"allow": "POST"})
    here = context.of(request).read_side
    if here.authenticator is not None:
        try:
            await here.authenticator.authenticate(request.headers.get("authorization"))
        except CallboardError as error:
            return errors.answer(request, error, mount="")
    return _Answered()


class _Answered(Response):
    """What the protocol's own server makes of a request."""

    def __init__(self) -> None:
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Who may come in is for the authenticator to say; a browser of another origin has no token of ours.
        security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        manager = StreamableHTTPSessionManager(
            _server(), json_response=True, stateless=True, security_settings=security
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)


def _server() -> "Server[Any]":
    return Server(
        "callboard",
        version=__version__,
        title="Software catalog",
        instructions=_INSTRUCTIONS,
        on_list_tools=_list,
        on_call_tool=_call,
    )


async def _list(
    _context: "ServerRequestContext[Any, Any]", _params: types.PaginatedRequestParams | None
) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[_described(tool) for tool in TOOLS])


def _described(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.schema,
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.reads_only,
            destructive_hint=tool.destroys,
            idempotent_hint=tool.idempotent,
            open_world_hint=False,
        ),
    )


async def _call(asked: "ServerRequestContext[Any, Any]", params: types.CallToolRequestParams) -> types.CallToolResult:
    tool = next((each for each in TOOLS if each.name == params.name), None)
    if tool is None:
        return _failed(f"NotFoundError: there is no tool {params.name}; there are: {', '.join(t.name for t in TOOLS)}")
    arguments = tool.read(params.arguments or {})
    if wrong := tool.wrong(arguments):
        return _failed(f"InputError: {'; '.join(wrong)}")
    request = asked.request
    assert isinstance(request, Request)
    catalog = Asking(request.app.state.api, request, request.headers.get("authorization"))
    try:
        answer = await tool.call(catalog, arguments)
    except Mistaken as mistake:
        return _failed(str(mistake))
    except Refused as refused:
        return _failed(f"{refused.name}: {refused.message}")
    _log.info("mcp.called", tool=tool.action)
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=as_text(answer))], structured_content=answer
    )


def _failed(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)


ROUTES: Sequence[BaseRoute] = [Route(PATH, tools, methods=["GET", "POST", "DELETE"])]
