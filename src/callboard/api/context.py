"""What the endpoints of one process share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from starlette.requests import Request

from callboard.access.decisions import NOTHING, Allowed, Conditional, Denied
from callboard.access.permissions import ENTITY_READ, Permission
from callboard.access.principals import Anonymous, Principal, Service, User
from callboard.api.gauges import Gauges
from callboard.api.parameters import Known, Number, Parameters, Text
from callboard.api.sparing import Sparing
from callboard.app import ReadSide
from callboard.errors import NotAllowed, OffsetInTheFuture, Unavailable
from callboard.model.json import JsonObject
from callboard.model.predicates import Predicate
from callboard.model.refs import EntityRef
from callboard.settings import Settings
from callboard.store import changes
from callboard.store.database import Database
from callboard.stream.following import Follower
from callboard.view.views import View

MOUNT = "/api/catalog"

READ: Known = {"minOffset": Number()}
"""What every read of the view understands."""

LIST: Known = {**READ, "lastEventOffset": Text(choices=("include", "exclude"))}
"""What reads understand whose answers are objects around a list."""

PATIENCE = 5.0
"""Seconds that an answer is held back, so that the caller's next read sees what the call has done."""


@dataclass(frozen=True, slots=True)
class Context:
    """The read side, as endpoints see it."""

    read_side: ReadSide
    gauges: Gauges
    """What the metrics look up in the database."""
    write_side: Sparing[JsonObject]
    """What waits to be done, and what is wrong."""
    url: str
    """The address of the installation, as its events tell it."""

    @property
    def settings(self) -> Settings:
        """The settings of the installation."""
        return self.read_side.settings

    @property
    def database(self) -> Database:
        """For what the view can't answer: writes."""
        return self.read_side.database

    @property
    def follower(self) -> Follower:
        """The process's reader of the stream."""
        return self.read_side.follower

    @property
    def view(self) -> View:
        """The catalog as it is at this moment. Raises Unavailable until it has been loaded."""
        if self.follower.position is None:
            raise Unavailable("Backend has not started yet")
        return self.follower.view


IN_SCOPE = "callboard.context"
"""Where a request carries the context of its process."""


def of(request: Request) -> Context:
    """The context of the process that answers *request*."""
    context: Context = request.scope[IN_SCOPE]
    return context


@dataclass(frozen=True, slots=True)
class Reading:
    """What a caller reads."""

    view: View
    visible: Predicate | None
    """What must hold for all that the caller sees; None when that is everything."""
    said: Mapping[str, int]
    """The offset, for a body whose caller wants it there, where Backstage has nothing of the kind."""


async def reading(request: Request, asked: Parameters) -> Reading:
    """The view, at `minOffset` or beyond.

    Raises OffsetInTheFuture when the catalog is not there yet, and Unavailable when this process doesn't get there.
    """
    here = of(request)
    view = here.view
    wanted = asked.integer("minOffset")
    if wanted is not None and wanted > view.offset:
        head = (await changes.now(here.database)).head
        if wanted > head:
            raise OffsetInTheFuture(f"Offset {wanted} is beyond the head of the stream, {head}")
        if not await here.follower.wait_beyond(wanted - 1, PATIENCE):
            raise Unavailable(f"This process has seen the stream up to {view.offset} and not up to {wanted} yet")
    permitted = await visible(request)
    said = {"lastEventOffset": view.offset} if asked.text("lastEventOffset") == "include" else {}
    return Reading(view, permitted, said)


def principal_of(request: Request) -> Principal:
    """Who makes *request*."""
    principal: Principal = request.scope.get("callboard.principal", Anonymous())
    return principal


def asked_by(request: Request) -> str | None:
    """The name of whoever makes *request*; None where nobody has to log in."""
    principal = principal_of(request)
    match principal:
        case Anonymous():
            return None
        case User(ref=ref):
            return ref
        case Service(subject=subject):
            return subject
        case _:
            assert_never(principal)


async def visible(request: Request, permission: Permission = ENTITY_READ) -> Predicate | None:
    """What must hold for the entities for which the caller has *permission*; None when that is all of them."""
    decision = await of(request).read_side.authorizer.decide(principal_of(request), permission)
    match decision:
        case Allowed():
            return None
        case Denied():
            return NOTHING
        case Conditional(predicate):
            return predicate
        case _:
            assert_never(decision)


async def still_visible(request: Request) -> Predicate | None:
    """As `visible`, for an answer that goes on: the caller is looked at again. Raises Unauthenticated."""
    authenticator = of(request).read_side.authenticator
    if authenticator is not None:
        request.scope["callboard.principal"] = await authenticator.authenticate(request.headers.get("authorization"))
    return await visible(request)


async def permits(request: Request, permission: Permission) -> bool:
    """Whether the caller has *permission*, without conditions."""
    return await visible(request, permission) is None


async def permit(request: Request, permission: Permission) -> None:
    """Raises NotAllowed unless the caller has *permission*, without conditions."""
    if not await permits(request, permission):
        raise refusal(permission)


def refusal(permission: Permission, what: str = "") -> NotAllowed:
    """The error for a caller without *permission*, or without it for *what*."""
    return NotAllowed(f"Permission {permission.name} is not granted to the caller{f' for {what}' if what else ''}")


def ref_of(request: Request) -> EntityRef:
    """The entity that a path names in the usual three parts, in any case."""
    return EntityRef(*(request.path_params[part].lower() for part in ("kind", "namespace", "name")))


async def until_visible(here: Context, offset: int | None) -> None:
    """Hold the answer back until the view has seen *offset*, so that the caller's next read sees it as well."""
    if offset is not None:
        await here.follower.wait_beyond(offset - 1, PATIENCE)
