"""Visits: what every page knows of who looks at it, and what a page is answered with."""

import functools
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, unquote

import structlog
from jinja2 import (
    ChainableUndefined,
    Environment,
    PackageLoader,
    Undefined,
    select_autoescape,
)
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from callboard.access.decisions import NOTHING
from callboard.access.permissions import Permission
from callboard.access.principals import Anonymous
from callboard.api import context, errors
from callboard.errors import CallboardError, InvalidInput, Unauthenticated
from callboard.ui import assets, presenting, sessions
from callboard.ui.asking import Asking, Refused

_log = structlog.get_logger(__name__)

_SAID = "callboard-said"
_FRAGMENT = "callboard-fragment"
_LARGEST_FORM = 256 * 1024
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "private, no-cache",
}


@dataclass(slots=True)
class Visit:
    """One request for a page."""

    request: Request
    catalog: Asking
    """The API, asked in the name of who looks."""
    secret: str
    """What a form on the page must repeat."""
    form: Mapping[str, str] = field(default_factory=dict[str, str])
    """What a form has sent; of repeated fields, the last."""
    repeated: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    """The same, with all of the repeated ones."""

    @property
    def context(self) -> context.Context:
        """What this process knows."""
        return context.of(self.request)

    @property
    def ref(self) -> str:
        """The entity that the path names, in any case."""
        return str(context.ref_of(self.request))

    def text(self, name: str, default: str = "") -> str:
        """A parameter of the query string; of several, the last."""
        return self.request.query_params.get(name, default)

    def texts(self, name: str) -> list[str]:
        """All values of a repeated parameter but the empty ones."""
        return [value for value in self.request.query_params.getlist(name) if value]

    async def may(self, permission: Permission) -> bool:
        """Whether who looks has *permission* at all, under whatever conditions: whether a button is worth showing."""
        return await context.visible(self.request, permission) is not NOTHING

    def page(self, template: str, status: int = 200, /, **values: object) -> Response:
        """The page that *template* makes of *values*."""
        said = self.request.cookies.get(_SAID)
        rendered = environment().get_template(template).render(**self._surroundings(), said=_unpacked(said), **values)
        response = HTMLResponse(rendered, status, headers=_HEADERS)
        sessions.keep_secret(self.request, response, self.secret)
        if said is not None:
            response.delete_cookie(_SAID, httponly=True, samesite="lax")
        return response

    def go(self, address: str, said: str = "") -> Response:
        """Send the browser to *address*, where it is told what has been done."""
        response = RedirectResponse(address, 303, headers=_HEADERS)
        if said:
            response.set_cookie(_SAID, quote(said[:500]), httponly=True, samesite="lax", max_age=30)
        return response

    def _surroundings(self) -> dict[str, object]:
        settings = self.context.settings
        principal = context.principal_of(self.request)
        now = self.context.read_side.clock.now()
        return {
            "layout": "fragment.html" if _FRAGMENT in self.request.headers else "page.html",
            "app_title": settings.app.title,
            "organization": settings.organization.name,
            "secret": self.secret,
            "here": self.request.url.path,
            "asked": self.request.query_params,
            "offset": self.context.follower.view.offset,
            "who": None if isinstance(principal, Anonymous) else context.asked_by(self.request),
            "theme": self.request.cookies.get("callboard-theme", ""),
            "when": functools.partial(presenting.moment, now=now),
        }


def _unpacked(said: str | None) -> str:
    return unquote(said or "")


Endpoint: TypeAlias = Callable[[Visit], Awaitable[Response]]
"""What makes a page, or does what a form asks for."""


def page(endpoint: Endpoint, *, open_to_all: bool = False) -> Callable[[Request], Awaitable[Response]]:
    """*endpoint* for a route: who looks is known, a form is one of ours, and an error is a page.

    A page that is *open_to_all* asks nobody who they are.
    """

    async def answer(request: Request) -> Response:
        visit = Visit(request, _asking(request), sessions.secret_of(request))
        try:
            if not open_to_all:
                await _identify(request)
            if request.method == "POST":
                await _take_form(visit)
            return await endpoint(visit)
        except Unauthenticated as error:
            return _to_login(visit, str(error))
        except Refused as refused:
            if refused.status == 401:
                return _to_login(visit, refused.message)
            return _failed(visit, refused.status, refused.message)
        except CallboardError as error:
            return _failed(visit, errors.status_of(error), str(error))
        except Exception as error:  # noqa: BLE001 - it becomes the answer; the log has the whole of it
            number = uuid.uuid4().hex[:16]
            _log.error("page.failed", log_id=number, path=request.url.path, exc_info=error)
            return _failed(visit, 500, f"Something is wrong with this page. The log has more under {number}.")

    return answer


def _asking(request: Request) -> Asking:
    return Asking(request.app.state.api, request, sessions.authorization_of(request))


async def _identify(request: Request) -> None:
    authenticator = context.of(request).read_side.authenticator
    if authenticator is not None:
        shown = sessions.authorization_of(request)
        request.scope["callboard.principal"] = await authenticator.authenticate(shown)


async def _take_form(visit: Visit) -> None:
    body = bytearray()
    async for piece in visit.request.stream():
        body += piece
        if len(body) > _LARGEST_FORM:
            raise InvalidInput(f"A form may have {_LARGEST_FORM} bytes, and this one has more")
    pairs = parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True)
    repeated: dict[str, list[str]] = {}
    for name, value in pairs:
        repeated.setdefault(name, []).append(value)
    visit.form, visit.repeated = dict(pairs), repeated
    sessions.check_form(visit.request, visit.form)


def _to_login(visit: Visit, reason: str) -> Response:
    wanted = visit.request.url.path + (f"?{visit.request.url.query}" if visit.request.url.query else "")
    back = wanted if visit.request.method == "GET" else "/catalog"
    expired = sessions.TOKEN in visit.request.cookies
    return visit.go(presenting.with_query("/login", {"next": back}), f"Log in again: {reason}" if expired else "")


_HEADINGS = {
    400: "That is not understood",
    403: "That is not allowed",
    404: "There is nothing here",
    409: "That clashes with what is there",
    410: "That is gone",
    503: "The catalog can't answer now",
}


def _failed(visit: Visit, status: int, message: str) -> Response:
    heading = _HEADINGS.get(status, "Something went wrong")
    return visit.page("error.html", status, code=status, heading=heading, message=message)


class _Absent(ChainableUndefined):
    """What JSON does not have is nothing; what a page was not given, or an object of ours lacks, is a mistake."""

    def _looked_at(self) -> None:
        if not isinstance(self._undefined_obj, dict | list | str | int | float | Undefined | None):
            self._fail_with_undefined_error()

    def __str__(self) -> str:
        self._looked_at()
        return super().__str__()

    def __bool__(self) -> bool:
        self._looked_at()
        return False

    def __iter__(self) -> Iterator[Any]:
        self._looked_at()
        return super().__iter__()

    def __len__(self) -> int:
        self._looked_at()
        return 0

    def __html__(self) -> str:
        return str(self)


@functools.cache
def environment() -> Environment:
    """What templates are rendered with: the same for all pages."""
    environment = Environment(
        loader=PackageLoader("callboard.ui"),
        autoescape=select_autoescape(default=True),
        undefined=_Absent,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "asset": assets.address,
        "page_of": presenting.page_of,
        "ref_of": presenting.ref_of,
        "title_of": presenting.title_of,
        "kind_of": presenting.kind_of,
        "kind_name": presenting.kind_name,
        "related": presenting.related,
        "with_query": presenting.with_query,
        "as_ref": presenting.as_ref,
        "levels_of": presenting.levels_of,
        "tags_of": presenting.tags_of,
        "targets_of": presenting.targets_of,
        "shown": presenting.shown,
        "FIELD": sessions.FIELD,
    }
    environment.filters |= {
        "short": presenting.short,
        "number": presenting.number,
        "duration": presenting.duration,
        "markdown": presenting.markdown,
        "first_line": presenting.first_line,
        "initials": presenting.initials,
    }
    return environment
