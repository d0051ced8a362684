"""The overview of an entity: what it is, whose, what it has to do with, and what is wrong with it."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from callboard.model.annotations import EDIT_URL, SOURCE_LOCATION, VIEW_URL
from callboard.model.json import JsonObject, JsonValue
from callboard.store.database import Database
from callboard.stream.following import Follower
from callboard.ui.routes import PAGES
from tests.api.conftest import app_of, client_of
from tests.harness import component, component_yaml, location_yaml
from tests.ui.conftest import Pages, words
from tests.ui.entities import entity, fill


def links(page: str) -> Iterator[str]:
    """The addresses of all links of a page."""
    return (each.replace("&amp;", "&") for each in re.findall(r'<a [^>]*href="([^"]*)"', page))


def part(page: str, label: str) -> str:
    """What a section of a page says, by its label or the id of its heading."""
    found = re.search(rf'<section [^>]*aria-label(?:ledby)?="{label}".*?</section>', page, flags=re.DOTALL)
    assert found is not None, f"no section {label}"
    return words(found[0])


async def test_the_about_card_says_what_an_entity_is(pages: Pages) -> None:
    await fill(
        pages.catalog,
        entity(
            "Component",
            "cart",
            {"type": "service", "lifecycle": "production", "owner": "shop-team", "system": "shop"},
            description="Keeps **what** will be bought.",
            tags=["java", "pci"],
            labels={"tier": "1"},
            links=[{"url": "https://host/dash", "title": "Dashboard", "icon": "dashboard", "type": "monitoring"}],
            annotations={
                VIEW_URL: "https://host/view",
                EDIT_URL: "https://host/edit",
                SOURCE_LOCATION: "url:https://host/code/",
            },
        ),
        entity("Group", "shop-team", {"type": "team", "children": [], "profile": {"displayName": "The shop team"}}),
        entity("System", "shop", {"owner": "shop-team"}, title="The shop"),
    )

    page = await pages.get("/catalog/default/component/cart")

    about = part(page, "about")
    assert "Keeps what will be bought." in about
    assert "<strong>what</strong>" in page
    assert "Owner The shop team System The shop Type service Lifecycle production Tags java pci" in about
    assert "Comes from https://host/a.yaml Source code https://host/code/" in about
    assert part(page, "links") == "Links Dashboard monitoring"
    assert part(page, "labels") == "Labels tier 1"
    assert {"https://host/view", "https://host/edit", "https://host/dash", "/catalog?kind=component&tag=java"} <= {
        *links(page)
    }


async def test_a_link_that_a_browser_must_not_follow_is_text(pages: Pages) -> None:
    bad = ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "ftp://host/x"]
    await fill(
        pages.catalog,
        entity(
            "Component",
            "cart",
            {"type": "service", "lifecycle": "production", "owner": "t"},
            description="[x](javascript:alert(1)) <img src=x onerror=alert(1)>",
            links=[{"url": each, "title": f"Link {count}"} for count, each in enumerate(bad)],
            annotations={VIEW_URL: bad[0], EDIT_URL: bad[1], "some": bad[0], SOURCE_LOCATION: f"url:{bad[0]}"},
        ),
    )

    page = await pages.get("/catalog/default/component/cart")

    assert part(page, "links") == "Links " + " ".join(f"Link {count}" for count in range(len(bad)))
    assert [each for each in links(page) if not each.startswith(("/", "#", "https://"))] == []
    assert "<img" not in page.replace('<img src="/assets', "")


ODD: list[JsonValue] = [
    None,
    "a text",
    {"type": ["a"], "lifecycle": {"x": 1}, "owner": 7, "profile": "no", "targets": "one", "steps": "none"},
    {"type": 1.5, "definition": ["x"], "steps": [1, {"action": {}}], "parent": {}, "profile": {"email": ["x"]}},
]


@pytest.mark.parametrize("kind", ["Robot", "Component", "API", "User", "Group", "Template", "Location"])
async def test_an_entity_of_any_kind_and_shape_has_a_page(pages: Pages, kind: str) -> None:
    # A processor of a plugin may let through what the catalog's own ones refuse.
    for spec in ODD:
        odd = entity(
            kind, "odd", spec, namespace="default", description=[1], title=12, tags="x", labels=["x"], links="x"
        )
        odd["status"] = {"items": [{"message": ["x"], "error": "x"}, {"error": {"line": "x", "cause": 7}}, 8]}
        odd["relations"] = [{"type": "oddlyRelatedTo", "targetRef": "robot:default/other"}, "x"]
        for tab in ("", "/definition"):
            answer = await shown(pages, odd, tab)

            assert answer.status_code == 200, words(answer.text)
            assert "12" in words(answer.text)


async def test_a_kind_of_ones_own_shows_its_spec(pages: Pages) -> None:
    robot = entity("Robot", "sweeper", {"wheels": 4, "rooms": ["hall", "<b>attic</b>"]}, namespace="default")

    page = (await shown(pages, robot)).text

    assert 'class="source"' in page
    assert "wheels : 4" in part(page, "spec")
    assert "<b>attic" not in page


@asynccontextmanager
async def over(pages: Pages, between: Callable[[ASGIApp], ASGIApp]) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of pages that ask what *between* makes of the API."""
    found: list[Starlette] = []

    async def find(request: Request) -> Response:
        found.append(request.app)
        return Response()

    async with client_of(app_of(pages.catalog, pages=[Route("/app", find), *PAGES])) as client:
        await client.get("/app")
        found[0].state.api = between(found[0].state.api)
        yield client


async def shown(pages: Pages, served: JsonObject, tab: str = "") -> httpx2.Response:
    """The page of an entity that the API serves, and that the catalog of the test does not have."""

    def serving(api: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            path = scope["path"]
            asks = path.startswith("/api/catalog/entities/by-name/") and not path.endswith("/ancestry")
            await (JSONResponse(served) if asks else api)(scope, receive, send)

        return answer

    async with over(pages, serving) as client:
        return await client.get(f"/catalog/default/{str(served['kind']).lower()}/odd{tab}")


async def test_what_depends_on_an_entity_is_a_card_with_what_is_known_of_each(pages: Pages) -> None:
    await fill(
        pages.catalog,
        component("cart", owner="shop-team", dependsOn=["resource:db", "component:ghost"], providesApis=["cart-api"]),
        component("till", owner="bank", dependsOn=["component:cart"]),
        entity("Resource", "db", {"type": "database", "owner": "bank"}, title="Database", description="All\nof it."),
        entity("Group", "bank", {"type": "team", "children": [], "profile": {"displayName": "The bank"}}),
    )

    page = await pages.get("/catalog/default/component/cart")

    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", page, flags=re.DOTALL)
    assert [words(each) for each in headings if "card-" in page and "count" in each][:3] == [
        "Depends on 2", "What depends on it 1", "Provided APIs 1",
    ]  # fmt: skip
    assert "Database All database – The bank" in part(page, "card-1")
    assert "component:ghost can’t be found – – –" in part(page, "card-1")
    assert "till service production The bank" in part(page, "card-2")


async def test_parts_of_a_system_have_a_card_for_each_kind(pages: Pages) -> None:
    await fill(
        pages.catalog,
        entity("System", "shop", {"owner": "t"}),
        component("cart", system="shop"),
        component("till", system="shop"),
        entity("Resource", "db", {"type": "database", "owner": "t", "system": "shop"}),
        component("drawer", system="shop", subcomponentOf="till"),
    )

    shop, till = [await pages.get(f"/catalog/default/{name}") for name in ("system/shop", "component/till")]

    assert part(shop, "card-1").startswith("Components 3")
    assert part(shop, "card-2").startswith("Resources 1")
    assert part(till, "card-1").startswith("Subcomponents 1")
    drawer = await pages.get("/catalog/default/component/drawer")
    assert "System system:shop" in part(drawer, "about").replace("System shop", "System system:shop")
    assert "Parent component till" in part(drawer, "about")


async def test_a_long_card_is_cut_and_leads_to_the_rest(pages: Pages) -> None:
    await fill(
        pages.catalog,
        component("hub", owner="t"),
        *(component(f"spoke-{count:02}", owner="t", dependsOn=["component:hub"]) for count in range(14)),
    )

    page = await pages.get("/catalog/default/component/hub")

    assert part(page, "card-1").count("spoke-") == 10
    assert "All 14 in Relations" in part(page, "card-1")
    assert "/catalog/default/component/hub/relations" in links(page)


async def test_the_number_of_questions_does_not_grow_with_what_is_shown(pages: Pages) -> None:
    spokes = [component(f"spoke-{n}", dependsOn=["component:hub"]) for n in range(8)]
    groups = [entity("Group", f"g{n}", {"type": "team", "parent": "top", "children": []}) for n in range(8)]
    top = entity("Group", "top", {"type": "team", "children": []})
    await fill(pages.catalog, component("hub"), *spokes, *groups, top)

    alone = await questions(pages, "component/spoke-1")
    crowded = await questions(pages, "component/hub")
    below = await questions(pages, "group/top?count=all")

    assert len(alone) == len(crowded) <= 7, crowded
    assert len(below) <= 12, below


async def questions(pages: Pages, path: str) -> list[str]:
    """What a page asks the API."""
    asked: list[str] = []

    def listening(api: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            asked.append(scope["path"])
            await api(scope, receive, send)

        return answer

    async with over(pages, listening) as client:
        assert (await client.get(f"/catalog/default/{path}")).status_code == 200
    return asked


def people() -> list[JsonObject]:
    """A department of two teams, three users, and what they own."""
    return [
        entity(
            "Group", "shop", {"type": "department", "children": ["north", "south"], "profile": {"email": "s@x.org"}}
        ),
        entity("Group", "north", {"type": "team", "children": []}),
        entity("Group", "south", {"type": "team", "children": []}),
        entity("User", "ada", {"memberOf": ["north"], "profile": {"displayName": "Ada Lovelace", "email": "a@x.org"}}),
        entity("User", "bob", {"memberOf": ["south"]}),
        entity("User", "eve", {"memberOf": ["shop"]}),
        component("cart", owner="shop"),
        component("till", owner="north"),
        component("page", owner="north", type="website"),
        component("mine", owner="user:ada"),
        entity("Resource", "db", {"type": "database", "owner": "south"}),
    ]


async def test_a_group_shows_its_members_and_what_it_owns(pages: Pages) -> None:
    await fill(pages.catalog, *people())

    page = await pages.get("/catalog/default/group/shop")

    assert "Email s@x.org Child groups north south Type department" in part(page, "about")
    assert part(page, "members") == "Members 1 Directly With groups below E eve"
    assert part(page, "ownership") == "Ownership Directly With groups below 1 Component service 1"
    assert "/catalog?kind=component&owner=group%3Adefault%2Fshop&type=service" in links(page)


async def test_a_group_can_count_the_groups_below_it(pages: Pages) -> None:
    await fill(pages.catalog, *people())

    page = await pages.get("/catalog/default/group/shop?count=all")

    assert part(page, "members").endswith("AL Ada Lovelace a@x.org B bob E eve")
    assert part(page, "ownership").endswith("3 Components service 2 website 1 1 Resource database 1")


async def test_groups_that_are_above_themselves_are_counted_once(pages: Pages) -> None:
    await fill(
        pages.catalog,
        entity("Group", "a", {"type": "team", "parent": "b", "children": []}),
        entity("Group", "b", {"type": "team", "parent": "a", "children": []}),
        component("cart", owner="a"),
    )

    page = await pages.get("/catalog/default/group/b?count=all")

    assert part(page, "ownership").endswith("1 Component service 1")


async def test_a_user_shows_groups_and_what_is_owned_in_their_name(pages: Pages) -> None:
    await fill(pages.catalog, *people())

    whole, own = [await pages.get(f"/catalog/default/user/ada{query}") for query in ("", "?count=direct")]

    assert "Email a@x.org Groups north" in part(whole, "about")
    assert part(whole, "ownership").endswith("3 Components service 2 website 1")
    assert part(own, "ownership").endswith("1 Component service 1")


async def test_many_members_come_a_page_at_a_time(pages: Pages) -> None:
    users = [entity("User", f"user-{count:02}", {"memberOf": ["crowd"]}) for count in range(30)]
    await fill(pages.catalog, entity("Group", "crowd", {"type": "team", "children": []}), *users)

    first = await pages.get("/catalog/default/group/crowd")
    address = next(each for each in links(first) if "members=" in each)
    second = await pages.get(address)

    assert part(first, "members").count("user-") == 24
    assert part(second, "members").count("user-") == 6
    assert "user-29" in part(second, "members")


async def test_errors_say_what_is_wrong_and_where(pages: Pages) -> None:
    catalog = pages.catalog
    catalog.host.put("https://host/a.yaml", component_yaml("cart"))
    await catalog.register("https://host/a.yaml")
    await catalog.settle()
    catalog.host.put("https://host/a.yaml", "# moved down\n" + component_yaml("cart", owner="''"))
    await catalog.refresh("component:default/cart")

    page = await pages.get("/catalog/default/component/cart")

    told = part(page, "Errors")
    assert told.startswith("An error in its last processing InputError: Processor builtin-kinds threw")
    assert "In https://host/a.yaml, line 2 , at /spec/owner" in told
    assert "https://host/a.yaml#L2" in links(page)
    assert "the last version that was good" in told


async def test_an_error_above_an_entity_is_told_on_its_page(pages: Pages) -> None:
    catalog = pages.catalog
    catalog.host.put("https://host/root.yaml", location_yaml("root", ["./a.yaml", "./b.yaml"]))
    catalog.host.put("https://host/a.yaml", component_yaml("cart"))
    catalog.host.put("https://host/b.yaml", component_yaml("till"))
    await catalog.register("https://host/root.yaml")
    await catalog.settle()
    catalog.host.remove("https://host/a.yaml")
    await catalog.refresh("location:default/root")

    page = await pages.get("/catalog/default/component/cart")

    told = part(page, "Errors above")
    assert "location:root has an error, so what is shown here may be out of date." in told
    assert "https://host/a.yaml" in told


async def test_an_orphan_says_that_nothing_claims_it(pages: Pages) -> None:
    catalog = pages.catalog
    catalog.host.put("https://host/root.yaml", location_yaml("root", ["./a.yaml"]))
    catalog.host.put("https://host/a.yaml", component_yaml("cart"))
    catalog.host.put("https://host/b.yaml", component_yaml("till"))
    await catalog.register("https://host/root.yaml")
    await catalog.settle()
    catalog.host.put("https://host/root.yaml", location_yaml("root", ["./b.yaml"]))
    await catalog.refresh("location:default/root")

    page = await pages.get("/catalog/default/component/cart")

    assert part(page, "Orphan").startswith("Orphan Nothing claims this entity any more")


async def test_a_conflict_says_who_wins_and_who_else_claims_it(pages: Pages) -> None:
    await fill(pages.catalog, component("cart", owner="bank"))
    await fill(pages.catalog, component("cart", owner="shop"), provider="q")

    page = await pages.get("/catalog/default/component/cart")

    assert "What provider:p offers is shown; provider:q offers it as well." in part(page, "Conflict")
    assert "/operations/conflicts" in links(page)


async def test_relations_to_nothing_are_named(pages: Pages) -> None:
    await fill(pages.catalog, component("cart", owner="ghosts", system="nowhere"))

    page = await pages.get("/catalog/default/component/cart")

    told = part(page, "Missing entities")
    assert told == "2 related entities can’t be found group:ghosts system:nowhere"


async def test_without_a_database_an_entity_is_shown_and_what_is_not_known_is_said(pages: Pages) -> None:
    await fill(pages.catalog, component("cart"))
    away = await Database.open(pages.catalog.database.url, clock=pages.catalog.clock, connections=1)
    follower = Follower(away, pages.catalog.clock)
    await follower.follow()
    await away.close()

    async with client_of(app_of(pages.catalog, database=away, follower=follower, pages=PAGES)) as client:
        answer = await client.get("/catalog/default/component/cart")

    assert answer.status_code == 200
    assert "The database can’t be asked now" in words(answer.text)


async def test_an_entity_that_is_well_has_no_warnings(pages: Pages) -> None:
    await fill(
        pages.catalog, component("cart", owner="team"), entity("Group", "team", {"type": "team", "children": []})
    )

    page = await pages.get("/catalog/default/component/cart")

    assert 'class="notice' not in page
