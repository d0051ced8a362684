import pytest

from callboard.client import entities
from callboard.client.results import EntityPage
from callboard.errors import InvalidRef
from callboard.model import json
from callboard.model.refs import EntityRef

OLD = {"$not": {"metadata.tags": {"$contains": "old"}}}


def test_each_endpoint_gets_the_order_as_it_wants_it() -> None:
    order = ["metadata.name", "kind,desc"]

    listed, queried = entities.listing(order=order), entities.first_page(order=order)
    stated = entities.first_page(order=order, query={})

    assert [value for name, value in listed.params if name == "order"] == ["asc:metadata.name", "desc:kind"]
    assert [value for name, value in queried.params if name == "orderField"] == ["metadata.name,asc", "kind,desc"]
    assert stated.body == {
        "query": {},
        "orderBy": [{"field": "metadata.name", "order": "asc"}, {"field": "kind", "order": "desc"}],
    }


def test_a_query_without_a_predicate_is_said_in_the_url() -> None:
    call = entities.first_page(
        total="exclude", text="shop", text_fields=["metadata.title", "kind"], limit=0, offset=10, min_offset=7
    )

    assert (call.method, call.body) == ("GET", None)
    assert dict(call.params) == {
        "totalItems": "exclude",
        "fullTextFilterTerm": "shop",
        "fullTextFilterFields": "metadata.title,kind",
        "limit": "0",
        "offset": "10",
        "minOffset": "7",
    }


def test_a_query_with_a_predicate_is_said_in_a_body() -> None:
    call = entities.first_page(
        filters={"kind": "api"},
        query=OLD,
        fields=["kind"],
        text="shop",
        text_fields=["kind"],
        limit=0,
        total="exclude",
        min_offset=7,
    )

    assert (call.method, dict(call.params)) == ("POST", {"minOffset": "7"})
    assert call.body == {
        "query": {"$all": [OLD, {"kind": "api"}]},
        "fields": ["kind"],
        "limit": 0,
        "fullTextFilter": {"term": "shop", "fields": ["kind"]},
        "totalItems": "exclude",
    }


def test_a_query_that_is_too_long_for_a_url_is_said_in_a_body() -> None:
    owners = [f"group:default/team-{number}" for number in range(500)]

    queried = entities.first_page(filters={"relations.ownedby": owners})
    counted = entities.facets(["kind"], filters={"relations.ownedby": owners})

    stated = {"relations.ownedby": {"$in": owners}}
    assert (queried.method, queried.params, queried.body) == ("POST", [], {"query": stated})
    assert (counted.method, counted.params, counted.body) == ("POST", [], {"facets": ["kind"], "query": stated})


@pytest.mark.parametrize(("cursor", "method"), [("abc", "GET"), ("a" * 5_000, "POST")])
def test_a_long_cursor_is_sent_in_a_body(cursor: str, method: str) -> None:
    call = entities.page_at(cursor, limit=5, fields=["kind", "metadata"])

    said = {"cursor": cursor, "limit": "5", "fields": "kind,metadata"}
    stated = {"cursor": cursor, "limit": 5, "fields": ["kind", "metadata"]}
    assert call.method == method
    assert (dict(call.params), call.body) == ((said, None) if method == "GET" else ({}, stated))


def test_after_a_page_comes_the_one_that_its_cursor_leads_to() -> None:
    def page(cursor: str | None) -> EntityPage:
        return EntityPage(items=[], total=9, offset=1, next_cursor=cursor, previous_cursor=None)

    following = entities.page_after(page("c"), page_size=2, wanted={"fields": ["kind"], "min_offset": 3})

    assert following == entities.page_at("c", limit=2, fields=["kind"], min_offset=3)
    assert entities.page_after(page(None), page_size=2, wanted={}) is None


def test_many_refs_are_asked_for_in_batches_of_a_thousand() -> None:
    refs = [f"component:c{number}" for number in range(2_001)]

    calls = list(entities.batches(refs))

    expected = [f"component:default/c{number}" for number in range(2_001)]
    assert [call.body for call in calls] == [
        {"entityRefs": expected[:1_000]},
        {"entityRefs": expected[1_000:2_000]},
        {"entityRefs": expected[2_000:]},
    ]


def test_long_refs_are_asked_for_in_bodies_that_a_server_takes() -> None:
    refs = [EntityRef("component", "default", "ü" * 200 + str(number)) for number in range(1_000)]

    calls = list(entities.batches(refs, fields=["kind"]))

    assert len(calls) > 1
    assert max(len(json.encode(call.body)) for call in calls) < 100_000


def test_a_batch_is_narrowed_by_filters_and_a_query() -> None:
    (call,) = entities.batches(["api:a"], filters="kind=api", query=OLD, fields=["kind"], min_offset=4)

    assert dict(call.params) == {"minOffset": "4"}
    assert call.body == {
        "entityRefs": ["api:default/a"],
        "fields": ["kind"],
        "query": {"$all": [OLD, {"kind": "api"}]},
    }


def test_a_text_that_is_no_ref_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidRef):
        list(entities.batches(["component:a", "payments"]))


def test_without_refs_there_is_nothing_to_ask() -> None:
    assert list(entities.batches([])) == []


def test_facets_are_asked_for_in_the_url_unless_there_is_a_predicate() -> None:
    said = entities.facets(["kind", "spec.type"], filters={"kind": "api"}, min_offset=2)
    stated = entities.facets(["kind"], query={"kind": "api"}, min_offset=2)

    assert list(said.params) == [("facet", "kind"), ("facet", "spec.type"), ("filter", "kind=api"), ("minOffset", "2")]
    assert (stated.method, list(stated.params)) == ("POST", [("minOffset", "2")])
    assert stated.body == {"facets": ["kind"], "query": {"kind": "api"}}


def test_a_uid_can_not_lead_to_another_path() -> None:
    assert entities.remove("../by-name?x").path == "/entities/by-uid/..%2Fby-name%3Fx"
