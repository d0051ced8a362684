"""Two catalogs show the same entity when nothing is other but what is other in every catalog."""

import httpx2

from callboard.client import CatalogClient
from callboard.model import json
from callboard.model.annotations import ORPHAN
from callboard.model.json import JsonObject
from callboard.moving.comparing import Differing, differing
from tests.harness import component
from tests.moving.backstages import shown

CART = shown(component("cart"))


def differences(theirs: JsonObject, ours: JsonObject | None) -> list[Differing]:
    """Those of the one entity there from the one here."""
    body = json.encode({"items": [ours]})
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=body))
    with CatalogClient(transport=transport) as catalog:
        return list(differing(catalog, [theirs]))


def paths(theirs: JsonObject, ours: JsonObject) -> list[str]:
    return [change.path for found in differences(theirs, ours) for change in found.changes]


def with_metadata(**fields: str) -> JsonObject:
    metadata = CART["metadata"]
    assert isinstance(metadata, dict)
    return {**CART, "metadata": {**metadata, **fields}}


def test_what_every_catalog_makes_anew_does_not_count() -> None:
    error: JsonObject = {"type": "backstage.io/catalog-processing", "level": "error", "message": "no"}
    theirs: JsonObject = {**shown(component("cart"), **{ORPHAN: "true"}), "status": {"items": [error]}}

    assert differences(theirs, with_metadata(uid="another", etag="another")) == []


def test_relations_count_in_any_order_and_without_the_target_of_old_releases() -> None:
    one: JsonObject = {"type": "ownedBy", "targetRef": "group:default/team"}
    two: JsonObject = {"type": "partOf", "targetRef": "system:default/shop"}
    old: JsonObject = {**one, "target": {"kind": "group", "namespace": "default", "name": "team"}}

    assert differences({**CART, "relations": [old, two]}, {**CART, "relations": [two, one]}) == []


def test_a_relation_that_is_not_here_is_told() -> None:
    related: JsonObject = {**CART, "relations": [{"type": "ownedBy", "targetRef": "group:default/team"}]}

    (found,) = differences(related, CART)

    assert [(each.path, each.kind, each.before) for each in found.changes] == [
        ("relations", "removed", "ownedBy group:default/team")
    ]


def test_a_field_that_is_other_is_named() -> None:
    assert paths(CART, with_metadata(title="Cart")) == ["metadata.title"]


def test_an_entity_that_is_not_here_is_missing() -> None:
    assert differences(CART, None) == [Differing("component:default/cart", missing=True)]


def test_where_an_entity_was_read_counts_for_urls_only() -> None:
    url, other_url = (shown(component("cart", location=f"url:https://{host}/a.yaml")) for host in ("a", "b"))
    file, imported = (shown(component("cart", location=text)) for text in ("file:/a.yaml", "provider:imported"))

    assert len(paths(url, other_url)) == 2
    assert paths(file, imported) == []


def test_what_a_plugin_says_in_the_status_counts() -> None:
    said: JsonObject = {**CART, "status": {"items": [{"type": "acme/audit", "level": "info", "message": "seen"}]}}

    assert len(paths(said, CART)) == 1
