"""What is asked about claims, and what the answers mean."""

import datetime as dt
from typing import Any

import pytest

from callboard.client import Holder, KeptEntity, RemovedEntity, ReturningEntity, Rival, claims
from callboard.client.core import Call
from callboard.errors import InvalidRef, Unreadable
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef

CART = "component:default/cart"
REMOVAL = {
    "dryRun": True,
    "removed": [{"entityRef": CART, "uid": "1"}],
    "kept": [
        {"entityRef": "group:default/a", "because": [{"source": "provider:p", "locationKey": "k"}], "orphan": False},
        {"entityRef": "group:default/b", "because": [], "orphan": True},
    ],
    "returns": [{"entityRef": CART, "because": [{"source": "provider:ci"}]}],
    "hidden": 2,
}


def read(call: Call[Any], content: object, status: int = 200) -> Any:
    return call.result(status, json.encode(content))


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (claims.location_removal("a/b"), "/locations/a%2Fb"),
        (claims.entity_removal("../x"), "/entities/by-uid/..%2Fx"),
    ],
)
def test_a_preview_is_a_dry_deletion_and_may_be_sent_twice(call: Call[Any], path: str) -> None:
    assert (call.method, call.path, list(call.params)) == ("DELETE", path, [("dryRun", "true")])
    assert call.repeatable


def test_a_removal_tells_what_goes_stays_and_comes_back() -> None:
    removal = read(claims.entity_removal("1"), REMOVAL)

    assert removal.removed == [RemovedEntity(entity_ref=CART, uid="1")]
    assert removal.kept == [
        KeptEntity(entity_ref="group:default/a", because=[Holder(source="provider:p", location_key="k")], orphan=False),
        KeptEntity(entity_ref="group:default/b", because=[], orphan=True),
    ]
    assert removal.returns == [ReturningEntity(entity_ref=CART, because=[Holder(source="provider:ci")])]
    assert removal.hidden == 2


def test_a_catalog_that_does_not_know_previews_is_noticed() -> None:
    with pytest.raises(Unreadable, match="DELETE /entities/by-uid/1"):
        claims.entity_removal("1").result(204, b"")


@pytest.mark.parametrize("ref", ["Component:Cart", EntityRef.parse(CART)])
def test_conflicts_are_asked_for_page_by_page_or_by_ref(ref: str | EntityRef) -> None:
    assert list(claims.conflicts().params) == []
    assert dict(claims.conflicts(ref=ref, limit=5, cursor="c").params) == {
        "entityRef": CART,
        "limit": "5",
        "cursor": "c",
    }


def test_what_is_no_ref_is_not_sent() -> None:
    with pytest.raises(InvalidRef):
        claims.explanation("cart")


def test_a_page_of_conflicts_is_read() -> None:
    patch = [{"op": "remove", "path": "/spec"}]
    item = {
        "entityRef": CART,
        "winner": {"source": None, "locationKey": None},
        "rivals": [
            {"source": "provider:p", "locationKey": None, "patch": patch},
            {"source": "provider:q", "locationKey": "q"},
        ],
        "hidden": 1,
    }

    page = read(claims.conflicts(), {"items": [item], "totalItems": 7, "pageInfo": {"nextCursor": "n"}})

    [conflict] = page.items
    assert (page.total, page.next_cursor) == (7, "n")
    assert (conflict.entity_ref, conflict.winner, conflict.hidden) == (CART, Holder(source=None), 1)
    assert conflict.rivals == [
        Rival(source="provider:p", location_key=None, patch=patch),
        Rival(source="provider:q", location_key="q"),
    ]


def test_times_of_an_explanation_are_times() -> None:
    at = "2026-11-22T05:40:11.320115+00:00"
    content: JsonObject = {
        "entityRef": CART,
        "uid": "1",
        "etag": None,
        "state": "pending",
        "orphan": False,
        "discoveredAt": at,
        "offsets": None,
        "claims": [],
        "conflict": None,
        "chains": {"nodes": [{"source": "provider:p"}], "edges": []},
        "processing": {"last": None, "next": None, "waiting": False, "heldUntil": at},
        "stitching": {"next": at, "waiting": True, "heldUntil": None},
        "emitted": {"children": [], "relations": [], "refreshKeys": ["k"]},
        "errors": [],
        "hidden": 0,
        "later": "unknown",
    }

    explanation = read(claims.explanation(CART), content)

    time = dt.datetime(2026, 11, 22, 5, 40, 11, 320115, dt.UTC)
    assert (explanation.discovered_at, explanation.processing.held_until, explanation.stitching.next) == (time,) * 3
    assert explanation.emitted.refresh_keys == ["k"]
