"""What the endpoints of one process share."""

from dataclasses import dataclass

from starlette.requests import Request

from callboard.app import ReadSide
from callboard.errors import Unavailable
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
