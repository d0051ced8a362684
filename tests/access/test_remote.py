import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from callboard.access import remote
from callboard.access.decisions import Allowed, Conditional, Denied
from callboard.access.permissions import ENTITY_CREATE, ENTITY_DELETE, ENTITY_READ, ENTITY_VALIDATE
from callboard.access.principals import Anonymous, Restriction, Service, User
from callboard.access.remote import RemoteBackend
from callboard.errors import Unauthenticated, Unavailable
from callboard.model.predicates import AllOf, In
from callboard.testing import FakeClock

JANE = User("user:default/jane", ("user:default/jane",), token="jane-1")
JOE = User("user:default/joe", ("user:default/joe",), token="joe-1")
OWNED = {"rule": "IS_ENTITY_OWNER", "resourceType": "catalog-entity", "params": {"claims": ["user:default/jane"]}}


@dataclass
class Backend:
    """A permission backend that answers what a test says."""

    answers: dict[str | None, dict[str, Any]] = field(default_factory=dict)
    """By the token that is shown; DENY for all others."""
    instead: httpx2.Response | Exception | None = None
    """What comes instead of a proper answer."""
    held: asyncio.Event | None = None
    """No answer comes before this is set."""
    asked: list[httpx2.Request] = field(default_factory=list)

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        if self.held is not None:
            await self.held.wait()
        if isinstance(self.instead, Exception):
            raise self.instead
        if self.instead is not None:
            return self.instead
        token = request.headers.get("authorization")
        answer = self.answers.get(token and token.removeprefix("Bearer "), {"result": "DENY"})
        return httpx2.Response(200, json={"items": [{"id": item["id"], **answer} for item in body(request)["items"]]})


def body(request: httpx2.Request) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(request.content)
    return content


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
async def authorizer(backend: Backend, clock: FakeClock) -> AsyncIterator[RemoteBackend]:
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(backend.answer)) as client:
        yield RemoteBackend("http://backstage:7007/api/permission", client, clock)


async def test_the_backend_is_asked_in_the_name_of_the_caller(authorizer: RemoteBackend, backend: Backend) -> None:
    backend.answers = {"jane-1": {"result": "ALLOW"}}

    decisions = [await authorizer.decide(caller, ENTITY_CREATE) for caller in (JANE, JOE, Anonymous())]

    assert decisions == [Allowed(), Denied(), Denied()]
    assert [str(request.url) for request in backend.asked] == ["http://backstage:7007/api/permission/authorize"] * 3
    assert [request.headers.get("authorization") for request in backend.asked] == [
        "Bearer jane-1",
        "Bearer joe-1",
        None,
    ]


async def test_permissions_are_asked_for_as_backstage_writes_them(authorizer: RemoteBackend, backend: Backend) -> None:
    for permission in (ENTITY_READ, ENTITY_CREATE, ENTITY_VALIDATE):
        await authorizer.decide(JANE, permission)

    assert [body(request)["items"][0]["permission"] for request in backend.asked] == [
        {
            "type": "resource",
            "name": "catalog.entity.read",
            "attributes": {"action": "read"},
            "resourceType": "catalog-entity",
        },
        {"type": "basic", "name": "catalog.entity.create", "attributes": {"action": "create"}},
        {"type": "basic", "name": "catalog.entity.validate", "attributes": {}},
    ]


async def test_conditions_become_a_predicate(authorizer: RemoteBackend, backend: Backend) -> None:
    conditional = {"result": "CONDITIONAL", "pluginId": "catalog", "resourceType": "catalog-entity"}
    backend.answers = {"jane-1": {**conditional, "conditions": {"allOf": [OWNED]}}}

    decision = await authorizer.decide(JANE, ENTITY_READ)

    assert decision == Conditional(AllOf((In("relations.ownedby", ("user:default/jane",)),)))


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, content=b"<html>"),
        httpx2.Response(200, content=b""),
        httpx2.Response(200, json=[]),
        httpx2.Response(200, json={"items": []}),
        httpx2.Response(200, json={"items": [{"id": "another", "result": "ALLOW"}]}),
        httpx2.Response(200, json={"items": [{"id": ENTITY_READ.name, "result": "allow"}]}),
        httpx2.Response(200, json={"items": [{"id": ENTITY_READ.name, "result": "ALLOW"}] * 2}),
        httpx2.Response(200, json={"items": [{"id": ENTITY_READ.name, "result": "CONDITIONAL", "conditions": OWNED}]}),
        httpx2.Response(
            200,
            json={
                "items": [
                    {
                        "id": ENTITY_READ.name,
                        "result": "CONDITIONAL",
                        "resourceType": "catalog-entity",
                        "conditions": {"rule": "IS_NICE", "resourceType": "catalog-entity", "params": {}},
                    }
                ]
            },
        ),
        httpx2.Response(
            200,
            json={
                "items": [
                    {
                        "id": ENTITY_READ.name,
                        "result": "CONDITIONAL",
                        "resourceType": "scaffolder-task",
                        "conditions": OWNED,
                    }
                ]
            },
        ),
        httpx2.Response(204),
        httpx2.Response(302, headers={"location": "http://elsewhere/"}),
        httpx2.Response(403),
        httpx2.Response(500),
        httpx2.Response(503),
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("slow"),
        httpx2.RemoteProtocolError("garbage"),
    ],
    ids=str,
)
async def test_without_a_usable_answer_nothing_is_allowed(
    authorizer: RemoteBackend, backend: Backend, answer: httpx2.Response | Exception
) -> None:
    backend.instead = answer

    with pytest.raises(Unavailable, match="permission backend"):
        await authorizer.decide(JANE, ENTITY_READ)


async def test_conditions_for_what_is_not_about_entities_are_no_answer(
    authorizer: RemoteBackend, backend: Backend
) -> None:
    backend.answers = {
        "jane-1": {"result": "CONDITIONAL", "resourceType": "catalog-entity", "conditions": OWNED},
    }

    with pytest.raises(Unavailable, match=r"conditions about 'catalog-entity' for catalog.entity.create"):
        await authorizer.decide(JANE, ENTITY_CREATE)


async def test_a_token_that_the_backend_refuses_is_the_matter_of_the_caller(
    authorizer: RemoteBackend, backend: Backend
) -> None:
    backend.instead = httpx2.Response(401)

    with pytest.raises(Unauthenticated):
        await authorizer.decide(JANE, ENTITY_READ)


async def test_a_decision_is_used_again_for_a_moment(
    authorizer: RemoteBackend, backend: Backend, clock: FakeClock
) -> None:
    backend.answers = {"jane-1": {"result": "ALLOW"}}
    before = [await authorizer.decide(JANE, ENTITY_READ)]
    backend.answers = {}

    clock.advance(remote.FRESH - 0.1)
    before.append(await authorizer.decide(JANE, ENTITY_READ))
    clock.advance(0.1)
    after = await authorizer.decide(JANE, ENTITY_READ)

    assert before == [Allowed(), Allowed()]
    assert after == Denied()
    assert len(backend.asked) == 2


async def test_a_decision_is_about_one_permission_and_one_token(authorizer: RemoteBackend, backend: Backend) -> None:
    backend.answers = {"jane-1": {"result": "ALLOW"}}
    again = User(JANE.ref, JANE.ownership, token="jane-2")

    await authorizer.decide(JANE, ENTITY_READ)
    await authorizer.decide(JANE, ENTITY_DELETE)

    assert await authorizer.decide(again, ENTITY_READ) == Denied()
    assert len(backend.asked) == 3


async def test_a_failure_is_not_kept(authorizer: RemoteBackend, backend: Backend) -> None:
    backend.instead = httpx2.Response(503)
    with pytest.raises(Unavailable):
        await authorizer.decide(JANE, ENTITY_READ)

    backend.instead = None

    assert await authorizer.decide(JANE, ENTITY_READ) == Denied()


async def test_those_who_want_to_know_the_same_ask_once(
    authorizer: RemoteBackend, backend: Backend, clock: FakeClock
) -> None:
    backend.answers, backend.held = {"jane-1": {"result": "ALLOW"}}, asyncio.Event()
    callers = [asyncio.create_task(authorizer.decide(JANE, ENTITY_READ)) for _ in range(5)]
    while not backend.asked:
        await clock.sleep(0)

    callers[0].cancel()
    backend.held.set()

    assert await asyncio.gather(*callers[1:]) == [Allowed()] * 4
    assert len(backend.asked) == 1


async def test_no_more_decisions_are_kept_than_fit(
    authorizer: RemoteBackend, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 10,000 questions would take seconds.
    monkeypatch.setattr(remote, "MOST_KEPT", 2)
    users = [User("user:default/x", token=f"token-{number}") for number in range(3)]
    for user in users:
        await authorizer.decide(user, ENTITY_READ)
    backend.asked.clear()

    for user in (users[2], users[1], users[0]):
        await authorizer.decide(user, ENTITY_READ)

    assert [request.headers["authorization"] for request in backend.asked] == ["Bearer token-0"]


async def test_services_are_judged_by_their_restrictions_without_asking(
    authorizer: RemoteBackend, backend: Backend
) -> None:
    backend.instead = httpx2.Response(500)
    reader = Service("external:ci", (Restriction(permissions=frozenset({"catalog.entity.read"})),))

    assert await authorizer.decide(Service("plugin:scaffolder"), ENTITY_DELETE) == Allowed()
    assert await authorizer.decide(reader, ENTITY_READ) == Allowed()
    assert await authorizer.decide(reader, ENTITY_DELETE) == Denied()
