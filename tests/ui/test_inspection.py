"""What is known of one entity, on its page."""

import pytest

from callboard.extend import Full
from callboard.model.json import JsonObject
from callboard.ui import inspection
from tests.harness import component, component_yaml, location_yaml, offered
from tests.ui.conftest import Pages, words

CART = "/catalog/default/component/cart/inspect"


@pytest.fixture
async def shop(pages: Pages) -> Pages:
    """A registered location leads to a shop, that to a cart and a till, and a provider would have the cart as well."""
    catalog = pages.catalog
    catalog.host.put("https://host/shop.yaml", location_yaml("shop", ["./cart.yaml", "./till.yaml"]))
    catalog.host.put("https://host/cart.yaml", component_yaml("cart"))
    catalog.host.put("https://host/till.yaml", component_yaml("till"))
    await catalog.register("https://host/shop.yaml")
    await catalog.settle()
    await catalog.provide("ci", Full(offered(component("cart"), key="ci")))
    await catalog.settle()
    return pages


async def broken(pages: Pages) -> None:
    """a, which has no owner."""
    entity = component("a")
    entity["spec"] = {"type": "service", "lifecycle": "production"}
    await pages.catalog.provide("ci", Full(offered(entity)))


async def test_the_explanation_says_who_claims_an_entity(shop: Pages) -> None:
    said = words(await shop.get(CART))

    assert "Conflict: several sources offer this entity" in said
    assert "winner location:shop https://host/cart.yaml 1" in said
    assert "rival provider ci ci –" in said


async def test_the_ways_lead_from_providers_to_the_entity(shop: Pages) -> None:
    _, _, said = words(await shop.get(CART)).partition("Where it comes from")

    way, _, _ = said.partition("Refresh keys")
    assert way.index("provider locations") < way.index("location:shop visible") < way.index("component:cart visible")
    assert "↓ winner under https://host/cart.yaml line 1 component:cart visible" in way
    assert "provider ci ↓ rival under ci component:cart visible" in way


async def test_the_explanation_says_what_an_entity_has_emitted_and_waits_for(shop: Pages) -> None:
    said = words(await shop.get(CART))

    assert "Readers see it, and its last run was good." in said
    assert ": changed New, or changed at its source" in said
    assert "Nothing to do: what readers see is up to date." in said
    assert "component:cart ownedBy group:team" in said


async def test_the_ancestry_says_who_has_emitted_what(shop: Pages) -> None:
    said = words(await shop.get(f"{CART}?view=ancestry"))

    assert "Ancestry, nearest first 3" in said
    assert "cart location:shop" in said
    assert "location:shop" in said.partition("From the same origin")[2]
    assert "component:till" in said.partition("From the same origin")[2]


@pytest.mark.parametrize(
    ("view", "written"),
    [
        ("yaml", "kind : Component"),
        ("json", '"kind" : "Component"'),
        ("raw", '"entityRef" : "component:default/cart"'),
    ],
)
async def test_the_whole_entity_is_shown_as_it_is_written(shop: Pages, view: str, written: str) -> None:
    assert written in words(await shop.get(f"{CART}?view={view}"))


async def test_an_unknown_view_is_the_explanation(shop: Pages) -> None:
    assert "Where it comes from" in words(await shop.get(f"{CART}?view=nothing"))


async def test_what_has_never_been_good_is_explained_with_its_errors(pages: Pages) -> None:
    await broken(pages)
    await pages.catalog.settle()

    said = words(await pages.get("/catalog/default/component/a/inspect"))

    assert "Readers can't see this entity: it has never been good." in said
    assert said.count("must have required property 'owner'") == 1
    assert "provider ci" in said


async def test_what_waits_for_its_first_run_is_explained(pages: Pages) -> None:
    await broken(pages)
    await pages.catalog.look()

    said = words(await pages.get("/catalog/default/component/a/inspect?view=yaml"))

    assert "Readers can't see this entity yet: it is pending." in said
    assert "It has not run yet" in said
    assert "Due, and nobody has it yet" in said


async def test_of_what_was_removed_only_the_past_is_known(pages: Pages) -> None:
    for entities in ([component("a")], []):
        await pages.catalog.provide("ci", Full(offered(*entities)))
        await pages.catalog.settle()

    said = words(await pages.get("/catalog/default/component/a/inspect"))

    assert "This entity was removed" in said
    assert "knows no more of it than its past" in said


async def test_the_ways_end_in_catalogs_where_everybody_emits_everybody(pages: Pages) -> None:
    refs = [f"location:default/l{number}" for number in range(12)]
    nodes: list[JsonObject] = [{"source": f"entity:{ref}", "state": "visible", "orphan": True} for ref in refs]
    edges: list[JsonObject] = [
        {"source": f"entity:{one}", "entityRef": other, "role": "equal", "locationKey": None}
        for one in refs
        for other in refs
    ]

    tops, is_cut = inspection.chains(refs[0], nodes, edges)

    assert [top.ref for top in tops] == [refs[0]]
    assert is_cut
