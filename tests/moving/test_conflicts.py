"""Who has an entity in the other catalog has it here, where several claim it."""

from typing import Any

import httpx2
import pytest

from callboard.client import CatalogClient
from callboard.errors import NotAllowed
from callboard.model import json
from callboard.model.annotations import MANAGED_BY_LOCATION, ORPHAN
from callboard.moving import conflicts
from callboard.moving.backstage import Backstage
from callboard.moving.conflicts import Outcome, Settled
from tests.harness import component
from tests.moving.backstages import FakeBackstage, shown

REF = "component:default/cart"
A, B, COPIES = "url:https://host/a.yaml", "url:https://host/b.yaml", "provider:imported"


class Callboard:
    """The conflict of one entity, held by the first of some location keys, as `GET /conflicts` tells it."""

    def __init__(self, *keys: str, status: int = 200) -> None:
        self.keys, self.status = keys, status
        self.handed: list[Any] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if self.status != 200:
            error = {"error": {"name": "NotAllowedError", "message": "no"}}
            return httpx2.Response(self.status, content=json.encode(error))
        if request.method == "GET":
            claims: Any = [{"source": _source(key), "locationKey": key} for key in self.keys]
            conflict = {"entityRef": REF, "winner": claims[0], "rivals": claims[1:], "hidden": 0}
            page: Any = {"items": [conflict], "totalItems": 1, "pageInfo": {}}
            return httpx2.Response(200, content=json.encode(page))
        body: Any = json.decode(request.content)
        self.handed.append(body)
        if body["locationKey"] not in self.keys:
            return httpx2.Response(404, content=b"")
        winner = {"source": _source(body["locationKey"]), "locationKey": body["locationKey"]}
        status = {"state": "settled", "entities": 1, "pending": 0, "failed": 0, "settled": 1, "conflicts": 1}
        told: Any = {"entityRef": REF, "winner": winner, "status": {**status, "offset": 7, "failures": []}}
        return httpx2.Response(200, content=json.encode(told))


def _source(key: str) -> str:
    return key if key == COPIES else f"entity:location:default/{key[-6:-5]}"


def client(answers: Callboard) -> CatalogClient:
    return CatalogClient("http://callboard:7007", transport=httpx2.MockTransport(answers), retries=0)


def settle(answers: Callboard, *there: Any, dry_run: bool = False) -> list[Settled]:
    fake = FakeBackstage(entities=[*there])
    backstage = Backstage(CatalogClient("http://backstage:7007", transport=fake.transport), "http://backstage:7007")
    return list(conflicts.settle(client(answers), backstage, "imported", dry_run=dry_run))


def cart(at: str, **annotations: str) -> Any:
    return shown(component("cart"), **{MANAGED_BY_LOCATION: at, **annotations})


def test_the_file_that_has_an_entity_there_gets_it() -> None:
    here = Callboard(A, COPIES, B)

    [found] = settle(here, cart(B))

    assert (found.ref, found.outcome, found.before, found.location_key) == (REF, Outcome.HANDED_OVER, A, B)
    assert here.handed == [{"entityRef": REF, "locationKey": B}]
    assert conflicts.await_settled(client(here), found, 1.0)


def test_the_copy_gets_what_a_source_has_there_that_is_not_here() -> None:
    here = Callboard(A, COPIES)

    [found] = settle(here, cart("ldap://people"))

    assert (found.outcome, found.there) == (Outcome.HANDED_OVER, "ldap://people")
    assert here.handed == [{"entityRef": REF, "locationKey": COPIES}]


def test_a_dry_run_hands_nothing_over() -> None:
    here = Callboard(A, B)

    [found] = settle(here, cart(B), dry_run=True)

    assert (found.outcome, here.handed) == (Outcome.HANDED_OVER, [])


@pytest.mark.parametrize(
    ("there", "outcome"),
    [
        ([cart(A)], Outcome.SAME),
        ([cart("ldap://people")], Outcome.UNKNOWN),
        ([cart(B, **{ORPHAN: "true"})], Outcome.NOT_THERE),
        ([], Outcome.NOT_THERE),
    ],
    ids=["has-the-same-winner", "is-won-by-somebody-else", "is-an-orphan", "is-missing"],
)
def test_an_entity_stays_where_it_is_that(there: list[Any], outcome: Outcome) -> None:
    here = Callboard(A, B)

    [found] = settle(here, *there)

    assert (found.outcome, here.handed) == (outcome, [])


class _Forgetful(Callboard):
    """Whose sources let go as soon as they were told."""

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        answer = super().__call__(request)
        self.keys = self.keys[:1]
        return answer


def test_a_claim_that_is_withdrawn_meanwhile_is_told() -> None:
    here = _Forgetful(A, B)

    [found] = settle(here, cart(B))

    assert (found.outcome, here.handed) == (Outcome.REFUSED, [{"entityRef": REF, "locationKey": B}])
    assert found.refusal
    assert conflicts.await_settled(client(here), found, 1.0)


def test_who_may_not_see_conflicts_is_told_so() -> None:
    with pytest.raises(NotAllowed):
        settle(Callboard(A, B, status=403), cart(B))
