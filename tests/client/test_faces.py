"""What both faces promise, against the real API."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import httpx2
import pytest

from callboard.api.routes import application
from callboard.app import ReadSide
from callboard.client import AsyncCatalogClient, Bookmark, CatalogClient, Entity, Event, Facet, Validation
from callboard.errors import (
    Conflict,
    InvalidInput,
    InvalidRows,
    KeyReused,
    NotFound,
    OffsetExpired,
    OffsetInTheFuture,
    PreconditionFailed,
    Unavailable,
)
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
        # A body that is made while it is sent can be iterated in one way only.
        request.read()
        return asyncio.run_coroutine_threadsafe(self._answer(request), self._loop).result()

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._transport.handle_async_request(request)
        content = b"".join([chunk async for chunk in answer.aiter_raw()])
        return httpx2.Response(answer.status_code, headers=answer.headers, content=content)


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
    read_side = ReadSide(
        settings=catalog.configured,
        database=catalog.database,
        clock=catalog.clock,
        metrics=Metrics(),
        follower=catalog.follower,
        wakeups=wakeups,
        pipeline=catalog.engine.pipeline,
    )
    await catalog.provide("p", Full(offered(*(component(name) for name in ("payments", "cart", "orders")))))
    await catalog.settle()
    opened: Face = request.param(httpx2.ASGITransport(application(read_side)))
    yield opened
    await opened.close()


async def following(catalog: Catalog, call: Coroutine[Any, Any, Any]) -> Any:
    """Await a call whose answer is held back until the view has seen what it did."""
    task = asyncio.create_task(call)
    while not task.done():
        await catalog.look()
    return await task


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
    found = [entity async for entity in face.iterate("iterate_entities", order=["metadata.name"], page_size=1)]

    assert names(found) == ["cart", "orders", "payments"]


async def test_pages_are_walked_as_they_come(face: Face) -> None:
    pages = [
        page
        async for page in face.iterate(
            "stream_entities", query={"kind": "component"}, order=["metadata.name"], fields=["metadata"], page_size=2
        )
    ]

    assert [names(page.items) for page in pages] == [["cart", "orders"], ["payments"]]
    assert {(page.total, page.offset) for page in pages} == {(3, 3)}
    assert all(entity.keys() == {"metadata"} for page in pages for entity in page.items)


async def test_a_query_that_finds_nothing_ends_at_once(face: Face) -> None:
    found = [entity async for entity in face.iterate("iterate_entities", filters={"kind": "user"})]

    pages = [page async for page in face.iterate("stream_entities", filters={"kind": "user"})]

    assert found == []
    assert [list(page.items) for page in pages] == [[]]


async def test_a_query_may_have_filters_and_a_predicate(face: Face) -> None:
    page = await face.ask(
        "query_entities",
        filters={"kind": "component"},
        query={"$not": {"metadata.name": "cart"}},
        order=["metadata.name,desc"],
        total="exclude",
    )

    assert names(page.items) == ["payments", "orders"]
    assert page.total == 0


async def test_pages_are_walked_back(face: Face) -> None:
    first = await face.ask("query_entities", query={}, order=["metadata.name"], limit=2)
    second = await face.ask("query_page", first.next_cursor, limit=2)
    back = await face.ask("query_page", second.previous_cursor, limit=2)

    assert names(back.items) == names(first.items) == ["cart", "orders"]


async def test_what_is_only_counted_has_no_items(face: Face) -> None:
    page = await face.ask("query_entities", limit=0)

    assert (list(page.items), page.total, page.next_cursor) == ([], 3, None)


async def test_an_entity_is_looked_for(face: Face) -> None:
    found = await face.ask("find_entity_by_ref", PAYMENTS)
    missing = await face.ask("find_entity_by_ref", "component:nobody")

    assert found["metadata"]["name"] == "payments"
    assert missing is None


async def test_entities_come_in_the_order_of_their_refs(face: Face) -> None:
    found = await face.ask("get_entities_by_refs", ["component:cart", "component:nobody", EntityRef.parse(PAYMENTS)])

    assert [entity and entity["metadata"]["name"] for entity in found] == ["cart", None, "payments"]
    assert found.offset == 3


async def test_a_batch_leaves_out_what_is_not_wanted(face: Face) -> None:
    found = await face.ask(
        "get_entities_by_refs", [CART, ORDERS], query={"metadata.name": "cart"}, fields=["metadata.name"]
    )

    assert found == [{"metadata": {"name": "cart"}}, None]


async def test_many_refs_are_put_together_again(face: Face) -> None:
    refs = [f"component:c{number}" for number in range(1_500)] + [CART]

    found = await face.ask("get_entities_by_refs", refs)

    assert len(found) == 1_501
    assert [entity["metadata"]["name"] for entity in found if entity] == ["cart"]


async def test_a_list_says_at_which_offset_it_was_read(face: Face) -> None:
    listed = await face.ask("get_entities")

    assert (len(listed), listed.offset) == (3, 3)


async def test_the_ancestry_of_an_entity_begins_with_itself(face: Face, catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("till"))
    await face.ask("add_location", "https://host/a.yaml")
    await catalog.settle()

    ancestry = await face.ask("get_entity_ancestors", "component:till")

    entity, location = ancestry.items
    assert ancestry.root_ref == "component:default/till"
    assert entity.entity["metadata"]["name"] == "till"
    assert entity.parent_refs == [f"location:default/{location.entity['metadata']['name']}"]
    assert location.parent_refs == []


async def test_a_removed_entity_is_gone_at_the_offset_that_is_said(face: Face, catalog: Catalog) -> None:
    uid = (await face.ask("get_entity_by_ref", CART))["metadata"]["uid"]

    offset = await following(catalog, face.ask("remove_entity_by_uid", uid))

    (told,) = (await face.ask("events", 3)).events
    assert (told.type, told.ref, told.offset) == (ChangeType.REMOVED, CART, offset)


async def test_a_removal_is_looked_at_before_it_is_done(face: Face, catalog: Catalog) -> None:
    uid = (await face.ask("get_entity_by_ref", CART))["metadata"]["uid"]
    catalog.host.put("https://host/a.yaml", component_yaml("till"))
    location = await catalog.register("https://host/a.yaml")
    await catalog.settle()

    entity = await face.ask("preview_entity_removal", uid)
    unregistering = await face.ask("preview_location_removal", location.id)

    assert [(removed.entity_ref, removed.uid) for removed in entity.removed] == [(CART, uid)]
    assert [holder.source for holder in entity.returns[0].because] == ["provider:p"]
    assert [removed.entity_ref for removed in unregistering.removed] == [
        "component:default/till",
        location.entity_ref,
    ]
    assert (await face.ask("get_entity_by_ref", CART))["metadata"]["uid"] == uid


async def test_what_is_not_there_can_not_be_looked_at(face: Face) -> None:
    for method in ("preview_entity_removal", "preview_location_removal"):
        with pytest.raises(NotFound):
            await face.ask(method, "7e6ff3a9-6b0b-4c59-8d3f-2d6a4f0b7b11")


async def test_conflicts_are_found(face: Face, catalog: Catalog) -> None:
    both = component("cart", owner="others"), component("orders")
    await catalog.provide("q", Full(offered(*both, key="q")))
    await catalog.settle()

    first = await face.ask("get_conflicts", limit=1)
    second = await face.ask("get_conflicts", cursor=first.next_cursor)
    of_cart = await face.ask("get_conflicts", ref="component:cart")

    assert [item.entity_ref for page in (first, second) for item in page.items] == [CART, ORDERS]
    assert (first.total, second.next_cursor) == (2, None)
    assert of_cart.items == first.items
    assert first.items[0].winner.source == "provider:q"
    assert first.items[0].rivals[0].patch == [{"op": "replace", "path": "/spec/owner", "value": "team"}]


async def test_an_entity_is_handed_over_to_another_source(face: Face, catalog: Catalog) -> None:
    await catalog.provide("q", Full(offered(component("cart", owner="others"), key="q")))
    await catalog.provide("r", Full(offered(component("cart", owner="third"), key="r")))
    await catalog.settle()

    handed = await face.ask("hand_over", CART, "r")

    assert (handed.ref, handed.winner.source, handed.winner.location_key) == (CART, "provider:r", "r")
    assert handed.status.entities == 1
    assert (await face.ask("get_conflicts", ref=CART)).items[0].winner == handed.winner


async def test_an_entity_is_explained(face: Face, catalog: Catalog) -> None:
    await catalog.provide("q", Full(offered(component("broken", lifecycle=None))))
    await catalog.settle()

    cart = await face.ask("explain_entity", CART)
    broken = await face.ask("explain_entity", "component:broken")

    assert (cart.state, cart.offsets.first, cart.conflict) == ("visible", 1, None)
    assert [(claim.source, claim.role) for claim in cart.claims] == [("provider:p", "winner")]
    assert [node.source for node in cart.chains.nodes] == [f"entity:{CART}", "provider:p"]
    assert [(edge.source, edge.entity_ref) for edge in cart.chains.edges] == [("provider:p", CART)]
    assert cart.processing.last.outcome == "changed"
    assert (broken.state, broken.offsets, len(broken.errors)) == ("failed", None, 1)


async def test_a_text_is_searched(face: Face) -> None:
    found = await face.ask("query_entities", text="ord", text_fields=["metadata.name"])

    assert names(found.items) == ["orders"]


async def test_facets_count_values(face: Face) -> None:
    facets = await face.ask("get_entity_facets", ["kind", "spec.nothing"], filters={"spec.type": "service"})

    assert facets == {"kind": [Facet("Component", 3)], "spec.nothing": []}


async def test_facets_of_a_predicate_count_only_what_it_means(face: Face) -> None:
    facets = await face.ask("get_entity_facets", ["metadata.name"], query={"metadata.name": {"$hasPrefix": "c"}})

    assert facets == {"metadata.name": [Facet("cart", 1)]}


async def test_a_bad_query_is_invalid_input(face: Face) -> None:
    with pytest.raises(InvalidInput, match="greater than zero"):
        await face.ask("get_entities", limit=0)


async def test_a_location_is_registered_once_and_can_be_removed(face: Face, catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("till"))

    added = (await face.ask("add_location", "https://host/a.yaml")).location
    with pytest.raises(Conflict, match="already exists"):
        await face.ask("add_location", "https://host/a.yaml")
    again = (await face.ask("add_location", "https://host/a.yaml", on_conflict="refresh")).location
    listed = await face.ask("get_locations")
    await face.ask("remove_location", added.id)

    assert (added.type, added.target) == ("url", "https://host/a.yaml")
    assert (again, listed) == (added, [added])
    assert await face.ask("get_locations") == []


async def test_a_location_is_found_by_its_id_its_ref_and_what_came_from_it(face: Face, catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("till"))
    added = (await face.ask("add_location", "https://host/a.yaml")).location
    await catalog.settle()

    found = [
        await face.ask("get_location_by_id", added.id),
        await face.ask("get_location_by_ref", "url:https://host/a.yaml"),
        await face.ask("get_location_by_entity", "component:till"),
    ]

    assert found == [added] * 3


@pytest.mark.parametrize(
    ("method", "what"),
    [
        ("get_location_by_id", "7e6ff3a9-6b0b-4c59-8d3f-2d6a4f0b7b11"),
        ("get_location_by_ref", "url:https://host/b.yaml"),
        ("get_location_by_entity", CART),
    ],
)
async def test_a_location_that_is_not_there_is_not_found(face: Face, method: str, what: str) -> None:
    with pytest.raises(NotFound):
        await face.ask(method, what)


async def test_locations_are_queried_page_by_page(face: Face) -> None:
    for name in ("a", "b", "c", "other"):
        await face.ask("add_location", f"https://host/{name}.yaml")
    query = {"$not": {"target": {"$hasPrefix": "https://host/o"}}}

    first = await face.ask("query_locations", query=query, limit=2)
    second = await face.ask("query_locations", cursor=first.next_cursor)
    pages = [page async for page in face.iterate("stream_locations", query=query, page_size=1)]

    targets = {location.target for page in pages for location in page.items}
    assert targets == {f"https://host/{name}.yaml" for name in "abc"}
    assert [*first.items, *second.items] == [location for page in pages for location in page.items]
    assert (first.total, second.next_cursor, [len(page.items) for page in pages]) == (3, None, [1, 1, 1])


async def test_a_dry_run_registers_nothing(face: Face, catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("till"))

    tried = await face.ask("add_location", "https://host/a.yaml", dry_run=True)

    assert {entity["kind"] for entity in tried.entities} == {"Location", "Component"}
    assert (tried.location.target, tried.exists) == ("https://host/a.yaml", False)
    assert await face.ask("get_locations") == []


async def test_a_location_can_point_elsewhere(face: Face, catalog: Catalog) -> None:
    added = (await face.ask("add_location", "https://host/a.yaml")).location

    changed = await following(catalog, face.ask("update_location", added.id, "https://host/b.yaml"))

    assert (changed.id, changed.target) == (added.id, "https://host/b.yaml")
    assert await face.ask("get_locations") == [changed]


async def test_an_entity_is_tried_before_it_is_written(face: Face) -> None:
    entity = component("till")

    good = await face.ask("validate_entity", entity, "url:https://host/a.yaml")
    bad = await face.ask("validate_entity", entity | {"spec": {}}, "url:https://host/a.yaml")

    assert good == Validation(True)
    assert not bad.valid
    assert "spec" in bad.errors[0].message


async def test_a_repository_without_entities_gets_a_draft(face: Face) -> None:
    analysis = await face.ask("analyze_location", "https://github.com/acme/till")

    (draft,) = analysis.drafted
    assert (list(analysis.found), draft.entity["metadata"]["name"]) == ([], "till")


async def test_a_repository_with_entities_shows_them(face: Face, catalog: Catalog) -> None:
    catalog.host.put("https://host/repo/a.yaml", component_yaml("till"))
    await face.ask("add_location", "https://host/repo/a.yaml")
    await catalog.settle()

    analysis = await face.ask("analyze_location", "https://host/repo")

    (found,) = analysis.found
    assert (found.target, found.is_registered) == ("https://host/repo/a.yaml", True)
    assert found.entity["metadata"]["name"] == "till"


async def test_a_read_waits_for_the_offset_that_it_wants(face: Face, catalog: Catalog) -> None:
    await catalog.provide("p", Delta(added=offered(component("cart", owner="others"))))
    while await catalog.process():
        pass
    await catalog.stitch()

    found = await following(catalog, face.ask("get_entity_by_ref", CART, min_offset=4))

    assert found["spec"]["owner"] == "others"


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get_entity_by_ref", [CART]),
        ("find_entity_by_ref", [CART]),
        ("get_entity_ancestors", [CART]),
        ("get_entities", []),
        ("get_entities_by_refs", [[CART]]),
        ("query_entities", []),
        ("get_entity_facets", [["kind"]]),
    ],
)
async def test_every_read_knows_what_it_must_not_be_older_than(face: Face, method: str, arguments: list[Any]) -> None:
    with pytest.raises(OffsetInTheFuture, match="99"):
        await face.ask(method, *arguments, min_offset=99)


async def test_the_history_of_an_entity_is_told_from_its_end(face: Face, catalog: Catalog) -> None:
    await catalog.provide("p", Delta(added=offered(component("cart", owner="others"))))
    await catalog.settle()

    newest = await face.ask("get_entity_history", CART, limit=1, include="patch")
    oldest = await face.ask("get_entity_history", CART, before=newest.next_before, include="entity")

    assert [(item.type, item.offset) for item in newest.items] == [(ChangeType.UPDATED, 4)]
    assert {"op": "replace", "path": "/spec/owner", "value": "others"} in newest.items[0].patch
    assert [(item.type, item.entity["spec"]["owner"]) for item in oldest.items] == [(ChangeType.ADDED, "team")]
    assert oldest.next_before is None


async def test_an_entity_is_seen_as_it_was(face: Face, catalog: Catalog) -> None:
    await catalog.provide("p", Delta(added=offered(component("cart", owner="others"))))
    await catalog.settle()

    past = await face.ask("get_entity_at", CART, 3)

    assert past["spec"]["owner"] == "team"
    with pytest.raises(OffsetInTheFuture):
        await face.ask("get_entity_at", CART, 99)


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


async def test_only_what_is_selected_is_told(face: Face, catalog: Catalog) -> None:
    await catalog.provide("p", Delta(added=offered(component("cart", owner="others"))))
    await catalog.settle()

    news = [
        each
        async for each in face.iterate(
            "follow", 3, query={"spec.owner": "team"}, fields=["metadata.name"], mode="log", until_caught_up=True
        )
    ]

    (told,) = (each for each in news if isinstance(each, Event))
    assert (told.type, told.ref, told.reason) == (ChangeType.REMOVED, CART, "left-filter")


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
        CatalogClient("http://catalog:7007", transport=httpx2.MockTransport(refuse), retries=0) as client,
        pytest.raises(Unavailable, match=r"^can't reach http://catalog:7007: Connection refused$"),
    ):
        client.get_locations()


async def test_a_password_in_the_url_of_a_server_is_not_told() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("Connection refused", request=request)

    with (
        CatalogClient("http://me:s3cret@catalog", transport=httpx2.MockTransport(refuse), retries=0) as client,
        pytest.raises(Unavailable, match=r"^can't reach http://catalog: Connection refused$"),
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


def entity(name: str, owner: str = "team") -> dict[str, Any]:
    """A component that says nothing of where it comes from."""
    written: dict[str, Any] = component(name, owner=owner)
    del written["metadata"]["annotations"]
    return written


async def refs_of(face: Face, provider: str) -> list[str]:
    return [found["metadata"]["name"] async for found in face.iterate("iterate_provider_entities", provider)]


async def test_what_is_pushed_takes_the_place_of_what_was_there(face: Face, catalog: Catalog) -> None:
    await following(catalog, face.ask("push_entities", "ci", [entity("a"), entity("b")]))

    pushed = await following(catalog, face.ask("push_entities", "ci", (entity(name) for name in "bc")))
    await catalog.settle()

    assert (pushed.added, pushed.unchanged, pushed.removed, pushed.entities) == (1, 1, 1, 2)
    assert await refs_of(face, "ci") == ["b", "c"]
    assert (await face.ask("get_entity_by_ref", "component:c"))["metadata"]["name"] == "c"


async def test_a_dry_run_of_a_push_tells_the_difference_and_writes_nothing(face: Face, catalog: Catalog) -> None:
    await following(catalog, face.ask("push_entities", "ci", [entity("a")]))

    tried = await face.ask("push_entities", "ci", [entity("a", "other"), entity("b")], dry_run=True)

    assert [(each.ref, each.change) for each in tried.difference] == [
        ("component:default/a", "changed"),
        ("component:default/b", "added"),
    ]
    assert await refs_of(face, "ci") == ["a"]


async def test_malformed_rows_are_named_and_may_be_left_out(face: Face, catalog: Catalog) -> None:
    rows = [entity("a"), {"kind": "Component"}]

    with pytest.raises(InvalidRows) as caught:
        await face.ask("push_entities", "ci", rows)
    pushed = await following(catalog, face.ask("push_entities", "ci", rows, partial=True))

    assert [row["row"] for row in caught.value.rejected] == [2]
    assert (pushed.added, pushed.rejected_count, pushed.rejected[0].row) == (1, 1, 2)


async def test_a_delta_is_pushed(face: Face, catalog: Catalog) -> None:
    await following(catalog, face.ask("push_entities", "ci", [entity("a"), entity("b")]))

    pushed = await following(catalog, face.ask("push_delta", "ci", [entity("c")], ["Component:a"]))

    assert (pushed.added, pushed.removed) == (1, 1)
    assert await refs_of(face, "ci") == ["b", "c"]


async def test_of_two_who_change_one_version_the_second_one_is_told(face: Face, catalog: Catalog) -> None:
    first = await following(catalog, face.ask("put_provider_entity", "ci", entity("a"), if_absent=True))
    read = await face.ask("get_provider_entity", "ci", "component:a")
    await following(catalog, face.ask("put_provider_entity", "ci", entity("a", "x"), if_match=read.etag))

    with pytest.raises(PreconditionFailed):
        await face.ask("put_provider_entity", "ci", entity("a", "y"), if_match=read.etag)
    with pytest.raises(PreconditionFailed):
        await face.ask("delete_provider_entity", "ci", "component:a", if_match=read.etag)

    assert first.etag == read.etag
    assert read.entity["metadata"]["name"] == "a"
    assert (await face.ask("get_provider_entity", "ci", "component:a")).entity["spec"]["owner"] == "x"


async def test_an_entity_of_a_provider_is_withdrawn_once(face: Face, catalog: Catalog) -> None:
    await following(catalog, face.ask("push_entities", "ci", [entity("a")]))

    removed = await following(catalog, face.ask("delete_provider_entity", "ci", "component:a"))

    assert removed.removed == 1
    with pytest.raises(NotFound):
        await face.ask("delete_provider_entity", "ci", "component:a")


async def test_the_same_request_under_its_key_is_answered_as_before(face: Face, catalog: Catalog) -> None:
    call = {"idempotency_key": "build-1"}
    first = await following(catalog, face.ask("push_delta", "ci", [entity("a")], **call))
    again = await following(catalog, face.ask("push_delta", "ci", [entity("a")], **call))

    with pytest.raises(KeyReused):
        await face.ask("push_delta", "ci", [entity("b")], **call)

    assert (first.added, first.replayed) == (1, False)
    assert (again.added, again.replayed) == (1, True)


async def test_the_status_of_a_provider_tells_what_failed(face: Face, catalog: Catalog) -> None:
    waiting = await following(
        catalog, face.ask("push_entities", "ci", [entity("a"), entity("b") | {"spec": {}}], wait=0.0)
    )
    await catalog.settle()
    settled = await face.ask("provider_status", "ci", wait=1)

    assert (waiting.status.state, waiting.status.pending) == ("pending", 2)
    assert (settled.state, settled.settled, settled.failed) == ("settled", 1, 1)
    assert settled.failures[0].ref == "component:default/b"
    assert "spec" in settled.failures[0].errors[0].message


async def test_the_status_of_a_location_tells_how_far_it_has_come(face: Face, catalog: Catalog) -> None:
    catalog.host.put("https://host/a.yaml", component_yaml("till"))
    added = (await face.ask("add_location", "https://host/a.yaml")).location
    pending = await face.ask("location_status", added.id)
    await catalog.settle()

    settled = await face.ask("location_status", added.id)

    assert (pending.state, settled.state, settled.entities) == ("pending", "settled", 2)


async def test_a_refresh_may_wait_for_what_comes_of_it(face: Face, catalog: Catalog) -> None:
    assert await face.ask("refresh_entity", CART) is None
    await catalog.settle()

    refreshed = await face.ask("refresh_entity", CART, wait=0)

    assert (refreshed.ref, refreshed.refreshed, refreshed.status.state) == (CART, [CART], "pending")


async def test_providers_are_listed_and_forgotten(face: Face, catalog: Catalog) -> None:
    await following(catalog, face.ask("push_entities", "ci", [entity("a")]))

    listed = await face.ask("get_providers")
    allowed = await face.ask("let_removal_through", "ci")
    forgotten = await following(catalog, face.ask("forget_provider", "ci"))

    assert {provider.name: provider.kind for provider in listed} == {"ci": "http", "p": "engine"}
    assert (allowed.let_through, allowed.entities) == (True, 1)
    assert forgotten.removed == 1
    for method in ("get_provider", "let_removal_through", "forget_provider", "provider_status"):
        with pytest.raises(NotFound):
            await face.ask(method, "ci")


async def test_the_entities_of_a_provider_that_nobody_knows_are_not_found(face: Face) -> None:
    with pytest.raises(NotFound):
        await refs_of(face, "nobody")
