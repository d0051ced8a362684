"""Operations: what waits, what is wrong, and what can be done about it."""

import httpx2
import pytest

from callboard.errors import RemovalRefused
from callboard.extend import Full, IncrementalEntityProvider, Page, Schedule
from callboard.ingestion.connections import Connection
from callboard.ingestion.guards import Guard
from callboard.ingestion.incremental import Rounds
from callboard.model.json import JsonObject, JsonValue
from callboard.settings.catalog import LocationSetting
from callboard.ui.routes import PAGES
from tests.api.conftest import app_of, client_of
from tests.api.test_event_status import Nobody
from tests.harness import Catalog, component, component_yaml, offered, plain
from tests.ui.conftest import Pages, words

LISTS = ("", "/locations", "/providers", "/conflicts", "/unprocessed", "/unprocessed?type=pending", "/stream")


@pytest.fixture
async def shop(pages: Pages) -> Pages:
    """A good component, one that was never good, and one that two sources claim."""
    broken: JsonObject = {**component("oven"), "spec": {"type": "service"}}
    await pages.catalog.provide("p", Full(offered(component("cart"), broken, component("till"), key="p")))
    await pages.catalog.provide("q", Full(offered(component("till", owner="others"), key="q")))
    await pages.catalog.settle()
    return pages


async def api(pages: Pages, method: str, path: str, body: JsonObject | None = None) -> httpx2.Response:
    return await pages.client.request(method, f"/api/catalog{path}", json=body)


@pytest.mark.parametrize("path", LISTS)
async def test_an_empty_catalog_has_all_pages(pages: Pages, path: str) -> None:
    page = await pages.get(f"/operations{path}")

    assert 'aria-current="page"' in page


async def test_the_overview_counts_what_needs_care(shop: Pages) -> None:
    page = words(await shop.get("/operations"))

    assert "Some entities need care" in page
    assert "2 visible" in page
    assert "1 not visible yet" in page
    assert "1 in conflict" in page
    assert "0 due: changed" in page


async def test_what_may_not_be_known_is_left_out_and_the_rest_is_there(shop: Pages) -> None:
    async with client_of(app_of(shop.catalog, authorizer=Nobody(), pages=PAGES)) as client:
        overview = await client.get("/operations")
        stream = await client.get("/operations/stream")
        providers = await client.get("/operations/providers")

    assert overview.status_code == stream.status_code == 200
    assert "Nothing that you may see is wrong" in words(overview.text)
    assert "All is well" not in words(overview.text)
    assert "catalog.ingestion.read" in words(stream.text)
    assert providers.status_code == 403
    assert "That is not allowed" in words(providers.text)


async def test_what_never_was_good_is_shown_with_its_reason_and_can_be_deleted(shop: Pages) -> None:
    page = await shop.get("/operations/unprocessed")
    identity = page.split('name="id" value="')[1].split('"')[0]

    answer = await shop.send("/operations/unprocessed/delete", id=identity, type="failed")
    after = words(await shop.get("/operations/unprocessed"))

    assert "component:default/oven" in words(page)
    assert "must have required property 'lifecycle'" in words(page)
    assert answer.status_code == 303
    assert "It is deleted, and provider:p will bring it back." in after
    assert "Nothing has failed" in after


async def test_what_failed_can_be_read_again(shop: Pages) -> None:
    answer = await shop.send("/operations/unprocessed/refresh", ref="component:default/oven", type="failed")

    assert answer.status_code == 303
    assert "It is being read again." in words(await shop.get("/operations/unprocessed"))


async def test_what_the_source_of_a_failed_entity_offers_has_a_page_of_its_own(shop: Pages) -> None:
    listed = await shop.get("/operations/unprocessed")
    address = next(
        part for part in listed.split('"') if part.startswith("/operations/unprocessed/") and "type=" in part
    )

    page = words(await shop.get(address))
    gone = await shop.client.get("/operations/unprocessed/no-such-id?type=failed")

    assert "kind : Component" in page
    assert "name : oven" in page
    assert gone.status_code == 404
    assert "it is good now, or gone" in words(gone.text)


async def test_large_entities_make_no_large_list(pages: Pages) -> None:
    large: list[JsonObject] = [
        {**component(f"c{number:03}"), "spec": {"owner": "a", "text": "x" * 50_000}} for number in range(50)
    ]
    await pages.catalog.provide("p", Full(offered(*large)))
    await pages.catalog.settle()

    page = await pages.get("/operations/unprocessed")

    assert page.count("<section") == 50
    assert len(page) < 150_000


async def test_deleting_what_has_become_good_does_not_say_that_it_is_gone(shop: Pages) -> None:
    cart = shop.catalog.entity("component:default/cart")["metadata"]
    assert isinstance(cart, dict)

    answer = await shop.send("/operations/unprocessed/delete", id=str(cart["uid"]), type="failed", owner="a b")
    page = words(await shop.get("/operations/unprocessed"))

    assert answer.headers["location"] == "/operations/unprocessed?type=failed&owner=a+b"
    assert "It is not in this list any more." in page
    assert "component:default/cart" in shop.catalog.refs()


async def test_failed_entities_are_shown_by_their_owner_and_page_by_page(pages: Pages) -> None:
    broken: list[JsonObject] = [{**component(f"c{number:03}"), "spec": {"owner": "a"}} for number in range(60)]
    await pages.catalog.provide("p", Full(offered(*broken)))
    await pages.catalog.settle()

    first, rest = await pages.get("/operations/unprocessed"), await pages.get("/operations/unprocessed?from=50")

    assert "1 to 50 of them" in words(first)
    assert "51 to 60 of them" in words(rest)
    assert "1 to 50 of them" in words(await pages.get("/operations/unprocessed?from=100"))
    assert "that belongs to nobody" in words(await pages.get("/operations/unprocessed?owner=nobody"))
    assert "1 to 50 of them" in words(await pages.get("/operations/unprocessed?from=x&type=nonsense"))


async def test_a_conflict_says_who_won_and_what_the_other_offers(shop: Pages) -> None:
    page = words(await shop.get("/operations/conflicts"))

    assert "Shown is what provider:p" in page
    assert "provider:q q offers it as well" in page
    assert "/spec/owner → others" in page


async def test_values_in_a_conflict_are_written_as_their_source_has_them(pages: Pages) -> None:
    await pages.catalog.provide("p", Full(offered(component("till", flag=True, much={"a": 1}), key="p")))
    await pages.catalog.provide("q", Full(offered(component("till", flag=False, much={"a": {"b": None}}), key="q")))
    await pages.catalog.settle()

    page = words(await pages.get("/operations/conflicts"))

    assert "/spec/flag → false" in page
    assert '/spec/much/a → {"b":null}' in page


async def test_a_removal_that_was_refused_can_be_let_through(pages: Pages) -> None:
    guarded = Connection(pages.catalog.database, "p", Guard(max_removal_percent=50.0))
    await guarded.apply(Full(offered(component("cart"), component("till"), component("oven"))))
    with pytest.raises(RemovalRefused):
        await guarded.apply(Full(offered(component("cart"))))

    listed = words(await pages.get("/operations/providers"))
    one = words(await pages.get("/operations/providers/p"))
    await pages.send("/operations/providers/p/let-through")
    after = words(await pages.get("/operations/providers/p"))
    await guarded.apply(Full(offered(component("cart"))))

    assert "removal refused" in listed
    assert "it would withdraw 2 of the 3 entities that the provider has" in one
    assert "The next removal passes, whatever the guard says." in after


class Shelf(IncrementalEntityProvider):
    """A source with one page, which is read when somebody asks."""

    name = "shelf-provider:acme"
    schedule = Schedule()

    async def next(self, cursor: JsonValue) -> Page:
        return Page(offered(component("cart")), done=True)


async def test_a_source_is_read_when_somebody_asks_and_says_when_it_was(pages: Pages) -> None:
    catalog = pages.catalog
    rounds = Rounds(database=catalog.database, clock=catalog.clock, provider=Shelf())
    await rounds.step()
    before = words(await pages.get("/operations/providers"))

    asked = await pages.send("/operations/providers/shelf-provider:acme/trigger")
    await rounds.step()
    await catalog.settle()
    listed = words(await pages.get("/operations/providers"))
    one = words(await pages.get("/operations/providers/shelf-provider:acme"))

    assert "not yet" in before
    assert asked.headers["location"] == "/operations/providers/shelf-provider%3Aacme"
    assert "next when somebody asks" in listed
    assert "Next page when somebody asks" in one


async def test_a_provider_is_forgotten_once_its_name_was_typed(pages: Pages) -> None:
    await api(pages, "PUT", "/providers/ci/entities/component/default/cart", component("cart"))
    await pages.catalog.settle()

    asked = words(await pages.get("/operations/providers/ci/forget"))
    wrong = await pages.send("/operations/providers/ci/forget", name="cd")
    right = await pages.send("/operations/providers/ci/forget", name="ci")

    assert "All 1 entities that it has are withdrawn" in asked
    assert wrong.status_code == 400
    assert "That is not its name." in words(wrong.text)
    assert right.headers["location"] == "/operations/providers"
    assert (await pages.client.get("/operations/providers/ci")).status_code == 404


async def test_a_provider_leads_to_what_comes_from_it_alone(pages: Pages) -> None:
    await api(pages, "PUT", "/providers/ci/entities/component/default/cart", plain("cart"))
    await pages.catalog.provide("others", Full(offered(component("till"))))
    await pages.catalog.settle()

    page = await pages.get("/operations/providers/ci")
    unknown = await pages.client.get("/operations/providers/ci?cursor=x")

    assert "What comes from it alone 1" in words(page)
    assert 'href="/catalog/default/component/cart"' in page
    assert "component/till" not in page
    assert unknown.headers["location"] == "/operations/providers/ci"


async def test_configured_locations_are_shown_to_those_who_may_know_of_them(catalog: Catalog) -> None:
    named = LocationSetting(type="url", target="https://host/secret.yaml")
    configured = catalog.configured.overridden({"catalog.locations": (named,)})
    seeing = app_of(catalog, settings=configured, pages=PAGES)
    strange = app_of(catalog, settings=configured, authorizer=Nobody(), pages=PAGES)
    await catalog.look()

    async with client_of(seeing) as operator, client_of(strange) as stranger:
        shown = words((await operator.get("/operations/locations")).text)
        hidden = words((await stranger.get("/operations/locations")).text)

    assert "https://host/secret.yaml not read yet" in shown
    assert "secret.yaml" not in hidden


async def test_a_registered_location_has_its_state_and_what_failed(pages: Pages) -> None:
    pages.catalog.host.put("https://host/shop.yaml", component_yaml("cart") + "---\nkind: Component\n")
    await pages.catalog.register("https://host/shop.yaml")
    await pages.catalog.settle()

    page = words(await pages.get("/operations/locations"))
    found = words(await pages.get("/operations/locations?q=https://host/sh"))
    missing = words(await pages.get("/operations/locations?q=https://elsewhere/"))

    assert "https://host/shop.yaml settled" in page
    assert "1 failed" in page
    assert "https://host/shop.yaml" in found
    assert "No registered location begins like that" in missing


async def test_a_subscription_is_paused_resumed_replayed_and_forgotten(shop: Pages) -> None:
    await api(shop, "PUT", "/subscriptions/search", {"filter": "kind=component"})

    async def state() -> JsonObject:
        found: JsonObject = (await api(shop, "GET", "/subscriptions/search")).json()
        return found

    await shop.send("/operations/stream/search/pause")
    paused = await state()
    await shop.send("/operations/stream/search/resume")
    resumed = await state()
    await shop.send("/operations/stream/search/replay", offset="1")
    replayed = await state()
    refused = await shop.send("/operations/stream/search/replay", offset="the beginning")
    beyond = await shop.send("/operations/stream/search/replay", offset="4000")
    page = words(await shop.get("/operations/stream"))
    await shop.send("/operations/stream/search/forget")

    assert (paused["state"], resumed["state"], replayed["cursor"]) == ("paused", "active", 1)
    assert refused.status_code == 400
    assert "'the beginning' is no offset" in words(refused.text)
    assert beyond.status_code == 400
    assert "the whole catalog: at most" in words(beyond.text)
    assert "search read by consumers only kind=component active" in page
    assert (await api(shop, "GET", "/subscriptions/search")).status_code == 404


async def test_subscriptions_come_in_pages(shop: Pages) -> None:
    for number in range(51):
        await api(shop, "PUT", f"/subscriptions/reader-{number:02}", {})

    first = words(await shop.get("/operations/stream"))
    second = words(await shop.get("/operations/stream?from=50"))
    beyond = words(await shop.get("/operations/stream?from=100"))

    assert "Subscriptions 51" in first
    assert "reader-49 read by consumers" in first
    assert "reader-50 read by consumers" not in first
    assert "reader-50 read by consumers" in second
    assert "reader-49 read by consumers" not in second
    assert "reader-00 read by consumers" in beyond


@pytest.mark.parametrize("path", ["/providers/ghost", "/stream/ghost/replay", "/stream/ghost/forget"])
async def test_what_does_not_exist_is_a_page_that_says_so(pages: Pages, path: str) -> None:
    assert (await pages.client.get(f"/operations{path}")).status_code == 404


@pytest.mark.parametrize("path", ["/conflicts?cursor=x", "/locations?cursor=x"])
async def test_a_page_that_is_not_known_any_more_is_the_first_one(pages: Pages, path: str) -> None:
    answer = await pages.client.get(f"/operations{path}")

    assert answer.status_code == 303
    assert answer.headers["location"] == f"/operations{path.partition('?')[0]}"
