"""The REST API in front of a catalog that a test drives by hand."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
import pytest
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from callboard.access.authentication import Authenticator
from callboard.access.decisions import Authorizer, Unrestricted
from callboard.api.routes import application
from callboard.app import ReadSide
from callboard.metrics import Metrics
from callboard.plugins import Plugins
from callboard.settings import Settings
from callboard.store.database import Database
from callboard.store.wakeups import WakeUps
from callboard.stream.following import Follower
from tests.harness import Catalog

T = TypeVar("T")


@dataclass(slots=True)
class Api:
    """A client of the API over one catalog."""

    catalog: Catalog
    client: httpx2.AsyncClient

    async def get(self, path: str, **parameters: Any) -> httpx2.Response:
        """Ask below the mount point; lists are repeated parameters."""
        return self._checked(await self.client.get(f"/api/catalog{path}", params=parameters or None))

    async def post(self, path: str, body: object, **parameters: Any) -> httpx2.Response:
        """Send a JSON body."""
        return self._checked(await self.client.post(f"/api/catalog{path}", json=body, params=parameters or None))

    async def put(self, path: str, body: object) -> httpx2.Response:
        """Send a JSON body to replace something, while the reader follows the stream."""
        return self._checked(await self.following(self.client.put(f"/api/catalog{path}", json=body)))

    async def delete(self, path: str, **parameters: Any) -> httpx2.Response:
        """Delete something, while the reader follows the stream."""
        call = self.client.delete(f"/api/catalog{path}", params=parameters or None)
        return self._checked(await self.following(call))

    async def following(self, call: Coroutine[Any, Any, T]) -> T:
        """Await a call whose answer is held back until the view has seen what it did."""
        task = asyncio.create_task(call)
        while not task.done():
            await self.catalog.look()
        return await task

    def _checked(self, answer: httpx2.Response) -> httpx2.Response:
        assert answer.headers["callboard-offset"] == str(self.catalog.follower.view.offset)
        return answer


def app_of(
    catalog: Catalog,
    *,
    settings: Settings | None = None,
    database: Database | None = None,
    follower: Follower | None = None,
    authenticator: Authenticator | None = None,
    authorizer: Authorizer | None = None,
    added: Plugins | None = None,
    metrics: Metrics | None = None,
    pages: Sequence[BaseRoute] = (),
) -> ASGIApp:
    """The application of one process, made of the parts of *catalog* where nothing else is given."""
    return application(
        ReadSide(
            settings=settings or catalog.configured,
            database=database or catalog.database,
            clock=catalog.clock,
            metrics=metrics or Metrics(),
            follower=follower or catalog.follower,
            wakeups=WakeUps(catalog.database, catalog.clock, {}),
            pipeline=catalog.engine.pipeline,
            authenticator=authenticator,
            authorizer=authorizer or Unrestricted(),
            added=added or Plugins(),
        ),
        pages,
    )


def client_of(app: ASGIApp) -> httpx2.AsyncClient:
    """A client of an application, to which an unexpected error is an answer like any other."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app, raise_app_exceptions=False), base_url="http://catalog"
    )


@pytest.fixture
async def starting(catalog: Catalog) -> AsyncIterator[Api]:
    """The API of a process that has not loaded its view yet."""
    async with client_of(app_of(catalog)) as client:
        yield Api(catalog, client)


@pytest.fixture
async def api(starting: Api) -> Api:
    """The API of a process that is ready."""
    await starting.catalog.look()
    return starting


@pytest.fixture
async def readonly(catalog: Catalog) -> AsyncIterator[Api]:
    """The API of an installation with `catalog.readonly`."""
    await catalog.look()
    settings = catalog.configured.overridden({"catalog.readonly": True})
    async with client_of(app_of(catalog, settings=settings)) as client:
        yield Api(catalog, client)
