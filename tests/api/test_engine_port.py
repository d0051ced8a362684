"""The port of an engine that runs alone."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from callboard.api.engine_port import EnginePort, answering
from callboard.errors import Unavailable
from callboard.extend import Full
from callboard.server import listening
from callboard.settings import Listen
from tests.api.conftest import client_of
from tests.api.test_health import LIVENESS, READINESS, samples
from tests.harness import Catalog, component, offered


@pytest.fixture
async def port(catalog: Catalog) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the engine."""
    async with client_of(EnginePort(catalog.engine).application()) as client:
        yield client


async def test_an_engine_alone_tells_what_it_has_done_and_what_there_is_to_do(
    catalog: Catalog, port: httpx2.AsyncClient
) -> None:
    await catalog.provide("p", Full(offered(component("a"))))
    await catalog.process()
    await catalog.engine._count()

    found = samples((await port.get("/metrics")).text)

    assert found["catalog_processed_entities_total", "changed"] == 1
    assert found["catalog_stitching_queue_length", ""] == 1
    assert found["callboard_database_up", ""] == 1
    assert ("callboard_view_lag", "") not in found


async def test_an_engine_is_ready_as_long_as_postgresql_answers(catalog: Catalog, port: httpx2.AsyncClient) -> None:
    ready = await port.get(READINESS)
    await catalog.database.close()
    unready = await port.get(READINESS)
    alive = await port.get(LIVENESS)

    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "head": 0})
    assert (unready.status_code, unready.json()["status"]) == (503, "error")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})


async def test_an_engine_answers_on_a_socket_of_its_own(catalog: Catalog) -> None:
    with listening(Listen(port=0)) as listener:
        host, number = listener.getsockname()
        async with answering(catalog.engine, listener), httpx2.AsyncClient() as client:
            answer = await client.get(f"http://{host}:{number}{LIVENESS}")

            assert answer.json() == {"status": "ok"}


def test_a_port_that_is_taken_is_named() -> None:
    with listening(Listen(port=0)) as listener:
        taken = Listen(port=listener.getsockname()[1])

        with pytest.raises(Unavailable, match=f"can't listen on {taken}"):
            listening(taken)
