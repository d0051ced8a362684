"""Queries and facets over HTTP, asked in both ways."""

import pytest

from callboard.extend import Full
from tests.api.answers import complaint, names
from tests.api.conftest import Api
from tests.harness import component, offered

SERVICES = {"spec.type": "service"}


@pytest.fixture
async def shop(api: Api) -> Api:
    """Six services a to f and a website."""
    found = [component(name, owner="odd" if name in "ace" else "even") for name in "abcdef"]
    await api.catalog.provide("p", Full(offered(*found, component("site", type="website"))))
    await api.catalog.settle()
    return api


async def test_a_query_string_and_a_body_find_the_same(shop: Api) -> None:
    asked = await shop.get(
        "/entities/by-query", filter="spec.type=service", orderField="metadata.name,desc", fields="metadata.name"
    )
    sent = await shop.post(
        "/entities/by-query",
        {"query": SERVICES, "orderBy": [{"field": "metadata.name", "order": "desc"}], "fields": ["metadata.name"]},
    )

    assert names(asked) == ["f", "e", "d", "c", "b", "a"]
    assert sent.json() == asked.json()
    assert asked.json()["totalItems"] == 6
    assert asked.json()["pageInfo"] == {}


async def test_a_query_without_a_body_finds_everything(shop: Api) -> None:
    answer = await shop.client.post("/api/catalog/entities/by-query")

    assert answer.json()["totalItems"] == 7


async def test_a_walk_may_change_between_the_two_ways_at_each_page(shop: Api) -> None:
    first = await shop.get("/entities/by-query", filter="spec.type=service", orderField="metadata.name", limit=2)
    second = await shop.post("/entities/by-query", {"cursor": first.json()["pageInfo"]["nextCursor"], "limit": 2})
    third = await shop.get("/entities/by-query", cursor=second.json()["pageInfo"]["nextCursor"], limit=2)
    back = await shop.post("/entities/by-query", {"cursor": third.json()["pageInfo"]["prevCursor"], "limit": 2})
    start = await shop.get("/entities/by-query", cursor=back.json()["pageInfo"]["prevCursor"], limit=2)

    assert [names(page) for page in (first, second, third)] == [["a", "b"], ["c", "d"], ["e", "f"]]
    assert [names(page) for page in (back, start)] == [["c", "d"], ["a", "b"]]
    assert {page.json()["totalItems"] for page in (first, second, third, back, start)} == {6}
    assert "prevCursor" not in first.json()["pageInfo"]
    assert "nextCursor" not in third.json()["pageInfo"]
    assert "prevCursor" not in start.json()["pageInfo"]


async def test_a_walk_that_a_body_began_goes_on_in_query_strings(shop: Api) -> None:
    query = {"$all": [SERVICES, {"spec.owner": {"$in": ["odd"]}}]}
    first = await shop.post(
        "/entities/by-query", {"query": query, "orderBy": [{"field": "metadata.name", "order": "asc"}], "limit": 2}
    )

    second = await shop.get("/entities/by-query", cursor=first.json()["pageInfo"]["nextCursor"])

    assert [names(first), names(second)] == [["a", "c"], ["e"]]


async def test_beside_a_cursor_only_the_limit_and_the_fields_count(shop: Api) -> None:
    first = await shop.get("/entities/by-query", filter="spec.type=service", orderField="metadata.name", limit=1)
    cursor = first.json()["pageInfo"]["nextCursor"]

    asked = await shop.get(
        "/entities/by-query", cursor=cursor, filter="kind=api", offset=3, limit=1, fields="metadata.name"
    )
    sent = await shop.post("/entities/by-query", {"cursor": cursor, "query": {"kind": "api"}, "offset": 3, "limit": 1})

    assert asked.json()["items"] == [{"metadata": {"name": "b"}}]
    assert names(sent) == ["b"]


async def test_the_total_is_counted_unless_it_is_not_wanted(shop: Api) -> None:
    counted = await shop.get("/entities/by-query", limit=1, totalItems="include")
    asked = await shop.get("/entities/by-query", limit=1, totalItems="exclude")
    sent = await shop.post("/entities/by-query", {"limit": 1, "totalItems": "exclude"})

    assert [answer.json()["totalItems"] for answer in (counted, asked, sent)] == [7, 0, 0]


async def test_a_limit_of_zero_only_counts(shop: Api) -> None:
    asked = await shop.get("/entities/by-query", limit=0)
    sent = await shop.post("/entities/by-query", {"limit": 0})

    assert [(answer.json()["items"], answer.json()["totalItems"]) for answer in (asked, sent)] == [([], 7)] * 2


async def test_an_offset_leaves_out_the_first_ones(shop: Api) -> None:
    asked = await shop.get("/entities/by-query", orderField="metadata.name", offset=5)
    sent = await shop.post(
        "/entities/by-query", {"orderBy": [{"field": "metadata.name", "order": "asc"}], "offset": 5.0}
    )

    assert names(asked) == names(sent) == ["f", "site"]


async def test_a_text_is_looked_for_in_the_fields(shop: Api) -> None:
    asked = await shop.get(
        "/entities/by-query", fullTextFilterTerm="OD", fullTextFilterFields="metadata.name,spec.owner"
    )
    sent = await shop.post(
        "/entities/by-query", {"fullTextFilter": {"term": "OD", "fields": ["metadata.name", "spec.owner"]}}
    )

    assert sorted(str(name) for name in names(asked)) == ["a", "c", "e"]
    assert sent.json() == asked.json()


async def test_a_text_without_fields_is_looked_for_in_the_order_field(shop: Api) -> None:
    order = [{"field": "metadata.name", "order": "asc"}]

    found = await shop.post("/entities/by-query", {"orderBy": order, "fullTextFilter": {"term": "it"}})
    ignored = await shop.post("/entities/by-query", {"orderBy": order, "fullTextFilter": {"term": ""}})

    assert names(found) == ["site"]
    assert ignored.json()["totalItems"] == 7


ORDER = 'request/body/orderBy must be a list of {"field": text, "order": "asc" or "desc"}'
TEXT = 'request/body/fullTextFilter must be {"term": text, "fields": [texts]}'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "request/body must be object"),
        ({"query": "kind=api"}, "request/body/query must be object"),
        ({"query": None}, "request/body/query must be object"),
        ({"query": {"$none": []}}, 'Invalid query: unknown operator "$none", expected "$all", "$any" or "$not"'),
        ({"query": {"$any": {}}}, 'Invalid query: "$any" expects a list, received an object'),
        ({"orderBy": {"field": "kind"}}, ORDER),
        ({"orderBy": [{"field": "kind"}]}, ORDER),
        ({"orderBy": [{"field": "kind", "order": "up"}]}, ORDER),
        ({"fullTextFilter": "a"}, TEXT),
        ({"fullTextFilter": {"fields": ["a"]}}, TEXT),
        ({"fullTextFilter": {"term": "a", "fields": "b"}}, "request/body/fullTextFilter/fields must be array"),
        ({"limit": "1"}, "request/body/limit must be number"),
        ({"limit": True}, "request/body/limit must be number"),
        ({"offset": -1}, "request/body/offset must be a whole number >= 0"),
        ({"offset": 1.5}, "request/body/offset must be a whole number >= 0"),
        ({"cursor": 1}, "request/body/cursor must be string"),
        ({"cursor": "e30="}, "Malformed cursor: orderFields is not a list of fields with an order"),
        (
            {"totalItems": "some"},
            "request/body/totalItems must be equal to one of the allowed values: include, exclude",
        ),
        ({"fields": ["a", None]}, "request/body/fields/1 must be string"),
    ],
)
async def test_a_body_that_can_not_be_meant_is_refused(api: Api, body: object, message: str) -> None:
    assert complaint(await api.post("/entities/by-query", body)) == (400, "InputError", message)


async def test_a_query_string_that_can_not_be_meant_is_refused(api: Api) -> None:
    order = await api.get("/entities/by-query", orderField="kind,up")
    cursor = await api.get("/entities/by-query", cursor="%")
    total = await api.get("/entities/by-query", totalItems="some")

    assert complaint(order)[2] == "Invalid order field order, must be asc or desc"
    assert complaint(cursor)[2].startswith("Malformed cursor: ")
    assert (
        complaint(total)[2] == "request/query/totalItems must be equal to one of the allowed values: include, exclude"
    )
    assert {answer.status_code for answer in (order, cursor, total)} == {400}


async def test_facets_count_the_values_of_fields_in_both_ways(shop: Api) -> None:
    asked = await shop.get("/entity-facets", facet=["spec.owner", "spec.none"], filter="spec.type=service")
    sent = await shop.post("/entity-facets", {"facets": ["spec.owner", "spec.none"], "query": SERVICES})

    assert asked.json() == {
        "facets": {"spec.owner": [{"value": "even", "count": 3}, {"value": "odd", "count": 3}], "spec.none": []},
    }
    assert sent.json() == asked.json()


async def test_facets_count_what_has_a_text(shop: Api) -> None:
    asked = {"facets": ["kind"], "query": SERVICES}

    some = await shop.post("/entity-facets", {**asked, "fullTextFilter": {"term": "EVEN", "fields": ["spec.owner"]}})
    wrong = await shop.post("/entity-facets", {**asked, "fullTextFilter": "even"})

    assert some.json()["facets"] == {"kind": [{"value": "Component", "count": 3}]}
    assert complaint(wrong)[:2] == (400, "InputError")


async def test_facets_of_everything_need_no_filter(shop: Api) -> None:
    asked = await shop.get("/entity-facets", facet="kind")
    sent = await shop.post("/entity-facets", {"facets": ["kind"]})

    assert asked.json()["facets"] == {"kind": [{"value": "Component", "count": 7}]}
    assert sent.json() == asked.json()


async def test_facets_of_nothing_in_particular_are_refused(api: Api) -> None:
    asked = await api.get("/entity-facets")
    sent = await api.post("/entity-facets", {"query": SERVICES})

    assert complaint(asked) == (400, "InputError", "request/query must have required property 'facet'")
    assert complaint(sent) == (400, "InputError", "request/body must have required property 'facets'")
