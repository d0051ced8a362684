"""The explorer: the whole catalog by domain and system, and the graph around any entities."""

from callboard.model.json import JsonObject
from tests.harness import Catalog, component
from tests.ui.conftest import Pages, words
from tests.ui.test_relations import boxes, fill, lines, names, other


def system(name: str, **spec: str) -> JsonObject:
    return other("System", name, owner="team", **spec)


def domain(name: str, **spec: str) -> JsonObject:
    return other("Domain", name, owner="team", **spec)


async def town(catalog: Catalog) -> None:
    """Trade with payments in it, whose till is used by the shop; transport far away, whose van uses the till's API."""
    await fill(
        catalog,
        domain("trade"),
        domain("payments", subdomainOf="trade"),
        domain("transport"),
        system("shop", domain="trade"),
        system("till", domain="payments"),
        system("vans", domain="transport"),
        system("stray", domain="nowhere"),
        system("free"),
        component("window", system="shop", consumesApis=["charges"], dependsOn=["component:drawer"]),
        component("shelf", system="shop", dependsOn=["component:window"]),
        component("drawer", system="till", providesApis=["charges"]),
        other("API", "charges", type="openapi", lifecycle="production", owner="team", definition="x", system="till"),
        component("van", system="vans", consumesApis=["charges"]),
        component("loner"),
    )


async def test_the_whole_catalog_shows_domains_in_domains_with_their_systems(pages: Pages) -> None:
    await town(pages.catalog)

    page = await pages.get("/catalog-graph")

    said = words(page)
    assert "2 domains at the top, 5 systems" in said
    assert "trade shop 2 payments till 2" in said
    assert "transport vans 1" in said
    assert "1 system belongs to no domain" in said
    assert "1 component, API or resource belongs to no system" in said
    assert "1 says that it is part of domain:nowhere , which does not exist" in said


async def test_what_parts_of_systems_use_is_summed_up(pages: Pages) -> None:
    await town(pages.catalog)

    page = await pages.get("/catalog-graph")

    assert sorted(lines(page)) == ["shop uses till (2)", "vans uses till"]


async def test_a_domain_shows_its_systems_and_those_elsewhere_that_they_have_to_do_with(pages: Pages) -> None:
    await town(pages.catalog)

    trade = await pages.get("/catalog-graph?domain=trade")
    transport = await pages.get("/catalog-graph?domain=domain:default/transport")

    assert sorted(boxes(trade)) == ["system:default/shop", "system:default/till", "system:default/vans"]
    assert trade.count(" outside") == 1
    assert "2 systems" in words(trade)
    assert lines(transport) == ["vans uses till"]


async def test_what_belongs_to_nothing_or_to_what_does_not_exist_can_be_reached(pages: Pages) -> None:
    await town(pages.catalog)

    free = words(await pages.get("/catalog-graph?domain=none"))
    stray = words(await pages.get("/catalog-graph?domain=nowhere"))
    loner = await pages.get("/catalog-graph?system=none")

    assert "1 system that belongs to no domain" in free
    assert "this domain does not exist" in stray
    assert "stray" in stray
    assert boxes(loner) == ["component:default/loner"]


async def test_a_system_shows_its_parts_and_the_neighbours_outside(pages: Pages) -> None:
    await town(pages.catalog)

    page = await pages.get("/catalog-graph?system=till")

    assert sorted(boxes(page)) == [
        "api:default/charges", "component:default/drawer", "component:default/van", "component:default/window",
    ]  # fmt: skip
    assert page.count(" outside") == 2
    assert "window consumesApi charges" in lines(page)
    assert not any("ownedBy" in line for line in lines(page))


LINKS = {
    "maxDepth=1": ["charges", "drawer", "shelf", "shop", "team", "window"],
    "maxDepth=1&selectedKinds%5B%5D=API": ["charges", "window"],
    "maxDepth=1&selectedRelations%5B%5D=dependsOn&direction=TB": ["drawer", "shelf", "window"],
    "maxDepth=%E2%88%9E&selectedRelations%5B%5D=consumesApi": ["charges", "van", "window"],
    "maxDepth=99999999999&unidirectional=false&curve=no&showFilters=x&selectedKinds=system": ["shop", "window"],
}


async def test_links_to_backstages_graph_page_lead_to_the_same_drawing(pages: Pages) -> None:
    await town(pages.catalog)
    root = "/catalog-graph?rootEntityRefs%5B%5D=component:window"

    found = {each: names(boxes(await pages.get(f"{root}&{each}"))) for each in LINKS}

    assert found == LINKS


async def test_a_root_that_does_not_exist_is_drawn_as_missing(pages: Pages) -> None:
    page = await pages.get("/catalog-graph?rootEntityRefs%5B%5D=component:ghost")

    assert "Nothing here has relations" in words(page)
    assert 'aria-label="ghost, Component, does not exist"' in page


async def test_what_no_entity_can_be_called_is_refused(pages: Pages) -> None:
    asked = ("rootEntityRefs%5B%5D=ghost", "system=a/", "domain=/", "cursor=nonsense")

    answers = [await pages.client.get(f"/catalog-graph?{each}") for each in asked]

    assert [answer.status_code for answer in answers] == [400, 400, 400, 400]


async def test_domains_and_systems_are_found_by_their_names(pages: Pages) -> None:
    await town(pages.catalog)

    found, nothing = await pages.get("/catalog-graph?q=PAY"), await pages.get("/catalog-graph?q=zzz")

    assert "1 found" in words(found)
    assert 'href="/catalog-graph?domain=domain%3Adefault%2Fpayments"' in found
    assert "Nothing found" in words(nothing)


async def test_domains_that_are_parts_of_each_other_are_shown_once(pages: Pages) -> None:
    await fill(
        pages.catalog,
        domain("top"),
        domain("a", subdomainOf="top"),
        domain("b", subdomainOf="a"),
        domain("c", subdomainOf="b"),
        {**domain("a2"), "spec": {"owner": "team", "subdomainOf": "a2"}},
    )

    page = await pages.get("/catalog-graph")

    assert "top a b c" in words(page).replace(" No systems yet.", "")
    assert "a2" in words(await pages.get("/catalog-graph?domain=a2"))


async def test_a_catalog_without_domains_says_how_to_get_some(pages: Pages) -> None:
    await fill(pages.catalog, component("loner"))

    page = words(await pages.get("/catalog-graph"))

    assert "No domains or systems yet" in page
    assert "spec.system" in page
    assert "1 component, API or resource belongs to no system" in page
