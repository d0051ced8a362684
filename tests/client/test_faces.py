"""What both faces promise, against the real API."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from callboard.api.routes import application
from callboard.app import ReadSide
from callboard.client import AsyncCatalogClient, Bookmark, CatalogClient, Entity, Event, Facet
from callboard.errors import Conflict, InvalidInput, NotFound, OffsetExpired, OffsetInTheFuture, Unavailable
from callboard.extend import Delta, Full
from callboard.metrics import Metrics
from callboard.model.changes import ChangeType
from callboard.model.refs import EntityRef
from callboard.store.wakeups import WakeUps
from tests.harness import Catalog, component, component_yaml, offered

CART, ORDERS, PAYMENTS = "component:default/cart", "component:default/orders", "component:default/payments"


class Bridge(httpx2.BaseTransport):
    """Lets a client that blocks its thread talk to an application on an event loop."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return asyncio.run_coroutine_threadsafe(self._answer(request), self._loop).result()

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._transport.handle_async_request(request)
        return httpx2.Response(answer.status_code, headers=answer.headers, content=await answer.aread())


class Awaiting:
    """The asynchronous face."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self.client = AsyncCatalogClient("http://catalog", transport=transport)

    async def ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return await getattr(self.client, method)(*args, **kwargs)

    def iterate(self, method: str, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        iterator: AsyncIterator[Any] = getattr(self.client, method)(*args, **kwargs)
        return iterator

    async def close(self) -> None:
        await self.client.aclose()


class Blocking:
    """The synchronous face, in a thread."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self.client = CatalogClient("http://catalog", transport=Bridge(transport))

    async def ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(getattr(self.client, method), *args, **kwargs)

    async def iterate(self, method: str, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        iterator: Iterator[Any] = getattr(self.client, method)(*args, **kwargs)
        over = object()
        while (item := await asyncio.to_thread(next, iterator, over)) is not over:
            yield item

    async def close(self) -> None:
        self.client.close()


Face = Awaiting | Blocking


@pytest.fixture(params=[Awaiting, Blocking])
async def face(request: pytest.FixtureRequest, catalog: Catalog) -> AsyncIterator[Face]:
    """A client of a catalog with three components."""
    wakeups = WakeUps(catalog.database, catalog.clock, {})
    read_side = ReadSide(catalog.configured, catalog.database, catalog.clock, Metrics(), catalog.follower, wakeups)
    await catalog.provide("p", Full(offered(*(component(name) for name in ("payments", "cart", "orders")))))
    await catalog.settle()
    opened: Face = request.param(httpx2.ASGITransport(application(read_side)))
    yield opened
    await opened.close()


def names(entities: list[Entity]) -> list[str]:
    return [entity["metadata"]["name"] for entity in entities]


async def test_an_entity_is_found_by_its_ref_in_any_form(face: Face) -> None:
    by_text = await face.ask("get_entity_by_ref", "Component:payments")
    by_ref = await face.ask("get_entity_by_ref", EntityRef.parse(PAYMENTS))

    assert by_text["metadata"]["name"] == "payments"
    assert by_text == by_ref


async def test_an_entity_that_is_not_there_is_not_found(face: Face) -> None:
    with pytest.raises(NotFound, match="No entity named 'nobody' found"):
        await face.ask("get_entity_by_ref", "component:nobody")


async def test_entities_are_listed_in_order_and_reduced(face: Face) -> None:
    found = await face.ask(
        "get_entities", filters={"kind": "component"}, fields=["metadata.name"], order=["metadata.name,desc"], limit=2
    )

    assert found == [{"metadata": {"name": "payments"}}, {"metadata": {"name": "orders"}}]


async def test_a_query_is_paged(face: Face) -> None:
    first = await face.ask("query_entities", order=["metadata.name"], limit=2, fields=["metadata.name"])
    second = await face.ask("query_page", first.next_cursor, limit=2, fields=["metadata.name"])

    assert (names(first.items), names(second.items)) == (["cart", "orders"], ["payments"])
    assert (first.total, first.previous_cursor, second.next_cursor) == (3, None, None)
    assert first.offset == 3


async def test_all_pages_are_walked(face: Face) -> None:
    found = [entity async for entity in face.iterate("iterate_entities", order=["metadata.name"], limit=1)]

    assert names(found) == ["cart", "orders", "payments"]


async def test_a_query_that_finds_nothing_ends_at_once(face: Face) -> None:
    found = [entity async for entity in face.iterate("iterate_entities", filters={"kind": "user"})]

    assert found == []


async def test_a_text_is_searched(face: Face) -> None:
    found = await face.ask("query_entities", text="ord", text_fields=["metadata.name"])

    assert names(found.items) == ["orders"]


async def test_facets_count_values(face: Face) -> None:
    facets = await face.ask("get_facets", ["kind", "spec.nothing"], {"spec.type": "service"})

    assert facets == {"kind": [Facet("Component", 3)], "spec.nothing": []}


async def test_a_bad_query_is_invalid_input(face: Face) -> None:
    with pytest.raises(InvalidInput, match="greater than zero"):
        await face.ask("get_entities", limit=0)


async def test_a_location_is_registered_once_and_can_be_removed(face: Face, catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("till"))

    added = await face.ask("add_location", "https://host/a.yaml")
    with pytest.raises(Conflict, match="already exists"):
        await face.ask("add_location", "https://host/a.yaml")
    again = await face.ask("add_location", "https://host/a.yaml", on_conflict="refresh")
    listed = await face.ask("get_locations")
    await face.ask("remove_location", added.id)

    assert (added.type, added.target) == ("url", "https://host/a.yaml")
    assert (again, listed) == (added, [added])
    assert await face.ask("get_locations") == []


async def test_a_location_that_is_not_there_can_not_be_removed(face: Face) -> None:
    with pytest.raises(NotFound):
        await face.ask("remove_location", "7e6ff3a9-6b0b-4c59-8d3f-2d6a4f0b7b11")


async def test_a_refresh_reads_the_source_again(face: Face, catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("till"))
    await face.ask("add_location", "https://host/a.yaml")
    await catalog.settle()
    catalog.host.put("https://host/a.yaml", component_yaml("till", owner="others"))

    await face.ask("refresh_entity", "component:till")
    await catalog.settle()

    assert (await face.ask("get_entity_by_ref", "component:till"))["spec"]["owner"] == "others"


async def test_events_say_what_happened_to_whom(face: Face) -> None:
    page = await face.ask("events", 1, limit=1)

    (told,) = page.events
    assert (told.offset, told.type, told.ref) == (2, ChangeType.ADDED, ORDERS)
    assert told.entity["metadata"]["uid"] == told.uid
    assert (page.next_offset, page.last_event_offset, page.caught_up) == (2, 3, False)


async def test_an_offset_beyond_the_head_is_in_the_future(face: Face) -> None:
    with pytest.raises(OffsetInTheFuture, match="99"):
        await face.ask("events", 99)


async def test_an_offset_of_another_epoch_has_expired(face: Face) -> None:
    with pytest.raises(OffsetExpired, match="new epoch"):
        await anext(face.iterate("follow", 1, epoch="another"))


async def test_following_from_the_start_tells_each_entity_once(face: Face, catalog: Catalog) -> None:
    await catalog.provide("p", Delta(added=offered(component("cart", owner="others"))))
    await catalog.settle()

    news = [each async for each in face.iterate("follow", limit=2, until_caught_up=True)]

    assert [each.ref for each in news if isinstance(each, Event)] == [ORDERS, PAYMENTS, CART]
    assert news[-1] == Bookmark(offset=4, epoch=catalog.follower.view.epoch, caught_up=True)


async def test_following_goes_on_live(face: Face, catalog: Catalog) -> None:
    stream = face.iterate("follow", 3)
    caught_up = await anext(stream)
    live = asyncio.ensure_future(anext(stream))

    await catalog.provide("p", Delta(removed=[EntityRef.parse(CART)]))
    await catalog.settle()
    told = await live

    assert isinstance(caught_up, Bookmark)
    assert (told.offset, told.type, told.ref, told.entity) == (4, ChangeType.REMOVED, CART, None)


async def test_a_server_that_does_not_answer_is_unavailable() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("[Errno 111] Connection refused", request=request)

    with (
        CatalogClient("http://catalog:7007", transport=httpx2.MockTransport(refuse)) as client,
        pytest.raises(Unavailable, match=r"^can't reach http://catalog:7007: Connection refused$"),
    ):
        client.get_locations()


async def test_a_token_is_sent_with_every_request() -> None:
    sent: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.headers.get("authorization"))
        return httpx2.Response(200, content=b"[]")

    transport = httpx2.MockTransport(answer)
    async with AsyncCatalogClient("http://catalog", transport=transport, token="secret") as client:
        await client.get_locations()
        await client.get_entities()

    assert sent == ["Bearer secret", "Bearer secret"]
