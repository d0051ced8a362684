"""Entities over HTTP."""

import pytest

from callboard.extend import Delta, Full
from tests.api.answers import complaint, names
from tests.api.conftest import Api
from tests.audit import audit
from tests.harness import component, component_yaml, location_yaml, offered

CARD = "component:default/payments"


@pytest.fixture
async def shop(api: Api) -> Api:
    """Three components: cart and orders of the type service, payments a website of another team."""
    await api.catalog.provide(
        "p",
        Full(offered(component("payments", type="website", owner="bank"), component("cart"), component("orders"))),
    )
    await api.catalog.settle()
    return api


async def uid_of(api: Api, name: str) -> str:
    answer = await api.get(f"/entities/by-name/component/default/{name}")
    return str(answer.json()["metadata"]["uid"])


async def test_all_entities_come_by_ref(shop: Api) -> None:
    answer = await shop.get("/entities")

    assert names(answer) == ["cart", "orders", "payments"]
    assert answer.headers["content-type"] == "application/json"
    assert "link" not in answer.headers


async def test_a_filter_and_fields_reduce_the_list(shop: Api) -> None:
    answer = await shop.get("/entities", filter=["spec.type=website", "metadata.name=cart"], fields="kind,spec.owner")

    assert answer.json() == [
        {"kind": "Component", "spec": {"owner": "team"}},
        {"kind": "Component", "spec": {"owner": "bank"}},
    ]


async def test_the_link_of_each_page_leads_to_the_next_with_the_same_question(shop: Api) -> None:
    first = await shop.get("/entities", filter="kind=component", limit=2, order="desc:metadata.name")

    link = first.headers["link"]
    path, _, rest = link.removeprefix("<").partition(">")
    second = await shop.get(path)

    assert names(first) == ["payments", "orders"]
    assert path.startswith("/entities?filter=kind%3Dcomponent&limit=2&order=")
    assert rest == '; rel="next"'
    assert names(second) == ["cart"]
    assert "link" not in second.headers


async def test_an_offset_leaves_out_the_first_ones(shop: Api) -> None:
    assert names(await shop.get("/entities", offset=1, limit=1)) == ["orders"]


async def test_any_number_may_be_asked_for(shop: Api) -> None:
    assert names(await shop.get("/entities", limit=10**18 - 1)) == ["cart", "orders", "payments"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"limit": 0}, "Invalid limit, must be greater than zero"),
        ({"order": "metadata.name"}, 'Invalid order parameter "metadata.name", expected "<asc or desc>:<field name>"'),
        ({"after": "e30x"}, "Malformed after cursor"),
        ({"fields": "metadata.tags[0]"}, 'Invalid field "metadata.tags[0]", array type fields are not supported'),
        ({"filter": "=service"}, "Invalid filter, '=service' is not a valid statement"),
    ],
)
async def test_a_list_says_what_it_can_not_do(shop: Api, parameters: dict[str, object], message: str) -> None:
    status, name, found = complaint(await shop.get("/entities", **parameters))

    assert (status, name) == (400, "InputError")
    assert found.startswith(message)


async def test_an_entity_is_found_by_name_in_any_case_and_by_uid(shop: Api) -> None:
    by_name = await shop.get("/entities/by-name/COMPONENT/Default/Payments")
    by_uid = await shop.get(f"/entities/by-uid/{by_name.json()['metadata']['uid']}")

    assert by_name.json()["metadata"]["name"] == "payments"
    assert by_uid.json() == by_name.json()


async def test_what_is_not_there_is_not_found(shop: Api) -> None:
    by_name = await shop.get("/entities/by-name/component/default/Nobody")
    by_uid = await shop.get("/entities/by-uid/none")

    assert complaint(by_name) == (
        404,
        "NotFoundError",
        "No entity named 'Nobody' found, with kind 'component' in namespace 'default'",
    )
    assert complaint(by_uid) == (404, "NotFoundError", "No entity with uid none")


async def test_a_batch_keeps_the_order_of_its_refs_and_says_null_for_what_is_missing(shop: Api) -> None:
    refs = [CARD, "component:default/nobody", "no ref at all", "Component:CART", CARD]

    answer = await shop.post("/entities/by-refs", {"entityRefs": refs})

    assert names(answer) == ["payments", None, None, "cart", "payments"]


async def test_a_batch_is_filtered_by_parameter_and_by_query_together(shop: Api) -> None:
    body = {
        "entityRefs": ["component:cart", "component:orders", "component:payments"],
        "query": {"$not": {"metadata.name": "orders"}},
        "fields": ["metadata.name"],
    }

    answer = await shop.post("/entities/by-refs", body, filter="spec.type=service")

    assert answer.json()["items"] == [{"metadata": {"name": "cart"}}, None, None]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "request/body must have required property 'entityRefs'"),
        ({"entityRefs": None}, "request/body must have required property 'entityRefs'"),
        ({"entityRefs": "component:cart"}, "request/body/entityRefs must be array"),
        ({"entityRefs": ["component:cart", 1]}, "request/body/entityRefs/1 must be string"),
        ({"entityRefs": [], "fields": "kind"}, "request/body/fields must be array"),
        ({"entityRefs": [], "query": []}, "request/body/query must be object"),
    ],
)
async def test_a_batch_says_what_is_wrong_with_it(api: Api, body: object, message: str) -> None:
    assert complaint(await api.post("/entities/by-refs", body)) == (400, "InputError", message)


async def test_the_ancestry_leads_up_to_the_registered_location(api: Api) -> None:
    catalog = api.catalog
    catalog.host.put("https://host/root.yaml", location_yaml("root", ["./a.yaml"]))
    catalog.host.put("https://host/a.yaml", component_yaml("payments"))
    registered = await catalog.register("https://host/root.yaml")
    await catalog.settle()

    answer = await api.get("/entities/by-name/component/default/PAYMENTS/ancestry")

    content = answer.json()
    assert content["rootEntityRef"] == CARD
    assert [(item["entity"]["metadata"]["name"], item["parentEntityRefs"]) for item in content["items"]] == [
        ("payments", ["location:default/root"]),
        ("root", [registered.entity_ref]),
        (registered.entity_ref.partition("/")[2], []),
    ]


async def test_what_a_provider_delivered_has_no_ancestors(shop: Api) -> None:
    answer = await shop.get("/entities/by-name/component/default/cart/ancestry")

    assert [item["parentEntityRefs"] for item in answer.json()["items"]] == [[]]


async def test_nobody_has_no_ancestry(api: Api) -> None:
    answer = await api.get("/entities/by-name/component/default/nobody/ancestry")

    assert complaint(answer) == (404, "NotFoundError", "No such entity component:default/nobody")


async def test_a_deleted_entity_is_gone_at_once(shop: Api) -> None:
    answer = await shop.delete(f"/entities/by-uid/{await uid_of(shop, 'cart')}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert names(await shop.get("/entities")) == ["orders", "payments"]


async def test_deleting_what_is_not_there_changes_nothing(shop: Api) -> None:
    before = await shop.catalog.history()

    answer = await shop.delete("/entities/by-uid/none")

    assert answer.status_code == 204
    assert await shop.catalog.history() == before


async def test_a_deleted_entity_comes_back_with_a_new_uid_when_its_parent_still_emits_it(api: Api) -> None:
    api.catalog.host.put("https://host/a.yaml", component_yaml("payments"))
    await api.catalog.register("https://host/a.yaml")
    await api.catalog.settle()
    before = await uid_of(api, "payments")

    await api.delete(f"/entities/by-uid/{before}")
    meanwhile = api.catalog.refs()
    await audit(api.catalog.database.url)
    await api.catalog.settle()

    assert meanwhile == []
    assert api.catalog.refs() == [CARD]
    assert await uid_of(api, "payments") != before


async def test_what_a_provider_delivered_stays_deleted_until_it_delivers_again(shop: Api) -> None:
    await shop.delete(f"/entities/by-uid/{await uid_of(shop, 'cart')}")
    await shop.catalog.settle()
    meanwhile = shop.catalog.refs()

    await shop.catalog.provide("p", Delta(added=offered(component("cart"))))
    await shop.catalog.settle()

    assert "component:default/cart" not in meanwhile
    assert "component:default/cart" in shop.catalog.refs()


async def test_the_children_of_a_deleted_entity_become_orphans(api: Api) -> None:
    catalog = api.catalog
    catalog.host.put("https://host/root.yaml", location_yaml("root", ["./a.yaml"]))
    catalog.host.put("https://host/a.yaml", component_yaml("payments"))
    registered = await catalog.register("https://host/root.yaml")
    await catalog.settle()
    generated = await api.get(f"/entities/by-name/location/default/{registered.entity_ref.partition('/')[2]}")

    await api.delete(f"/entities/by-uid/{generated.json()['metadata']['uid']}")
    await catalog.settle()

    root = await api.get("/entities/by-name/location/default/root")
    await audit(catalog.database.url)
    assert catalog.refs() == [CARD, "location:default/root"]
    assert root.json()["metadata"]["annotations"]["backstage.io/orphan"] == "true"
