"""What the endpoints of one process share."""

from dataclasses import dataclass
from typing import assert_never

from starlette.requests import Request

from callboard.access.decisions import NOTHING, Allowed, Conditional, Denied
from callboard.access.permissions import ENTITY_READ, Permission
from callboard.access.principals import Anonymous, Principal
from callboard.app import ReadSide
from callboard.errors import NotAllowed, Unavailable
from callboard.model.predicates import Predicate
from callboard.settings import Settings
from callboard.store.database import Database
from callboard.stream.following import Follower
from callboard.view.views import View

MOUNT = "/api/catalog"

PATIENCE = 5.0
"""Seconds that an answer is held back, so that the caller's next read sees what the call has done."""


@dataclass(frozen=True, slots=True)
class Context:
    """The read side, as endpoints see it."""

    read_side: ReadSide

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


def of(request: Request) -> Context:
    """The context of the process that answers *request*."""
    context: Context = request.app.state.context
    return context


def principal_of(request: Request) -> Principal:
    """Who makes *request*."""
    principal: Principal = request.scope.get("callboard.principal", Anonymous())
    return principal


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


async def permit(request: Request, permission: Permission) -> None:
    """Raises NotAllowed unless the caller has *permission*, without conditions."""
    if await visible(request, permission) is not None:
        raise NotAllowed(f"Permission {permission.name} is not granted to the caller")
