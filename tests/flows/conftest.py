"""Servers that the stories of this folder share: each story begins with an empty catalog, and leaves one."""

from collections.abc import AsyncIterator, Iterator

import pytest

from callboard.model.json import JsonObject
from tests.conftest import Lend
from tests.flows import stories
from tests.flows.started import Server, started
from tests.flows.stories import Story


@pytest.fixture(scope="package")
def server(lend_database: Lend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the usual configuration: orphans are kept, and nothing is read but what a story asks for."""
    with lend_database() as url, started(tmp_path_factory.mktemp("server"), url) as server:
        yield server


@pytest.fixture(scope="package")
def deleting_server(lend_database: Lend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with `orphanStrategy: delete`."""
    configuration: JsonObject = {"catalog": {"orphanStrategy": "delete"}}
    with lend_database() as url, started(tmp_path_factory.mktemp("server"), url, configuration) as server:
        yield server


@pytest.fixture
async def story(server: Server) -> AsyncIterator[Story]:
    """A story on the usual server."""
    async with stories.story(server) as story:
        yield story
        await story.clear()


@pytest.fixture
async def deleting(deleting_server: Server) -> AsyncIterator[Story]:
    """A story on a server with `orphanStrategy: delete`."""
    async with stories.story(deleting_server) as story:
        yield story
        await story.clear()
