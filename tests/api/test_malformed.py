"""Nothing that a client sends breaks the server: ten thousand malformed requests, made from a seed."""

import asyncio
import base64
import collections
import gzip
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Scope
from structlog.testing import capture_logs

from callboard.api import description
from callboard.api.context import MOUNT
from callboard.api.routes import CATALOG
from callboard.extend import Full
from callboard.model.predicates import MAX_DEPTH
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of
from tests.api.malformed import Endpoint, Sent, requests
from tests.harness import Catalog, component, offered

COUNT = int(os.environ.get("CALLBOARD_TEST_MALFORMED", "3000"))
SEED = int(os.environ.get("CALLBOARD_TEST_SEED", "1"))

GOOD = [
    "/entities",
    "/entities?order=desc:metadata.name&limit=2",
    "/entities/by-query?orderField=metadata.name,asc&limit=1",
    "/entities/by-name/component/default/basket/ancestry",
    "/entities/unprocessed/failed",
    "/entity-facets?facet=kind&facet=spec.type",
    "/events?offset=0",
    "/openapi.json",
]

NOWHERE = "00000000-0000-0000-0000-000000000000"
BY_NAME = "/entities/by-name/{kind}/{namespace}/{name}"
WELL_KNOWN = "/.well-known/backstage/permissions"

NAME = {"kind": "component", "namespace": "default", "name": "basket"}
LOCATION = {"type": "url", "target": "https://host/b.yaml"}
CONTAINS = {"metadata.tags": {"$contains": "a"}}
PREDICATE = {"$any": [{"kind": "component"}, CONTAINS, {"$not": {"spec.type": {"$in": [1]}}}]}
TEXT = {"term": "a", "fields": ["metadata.name"]}
QUERY = {
    "query": PREDICATE,
    "fields": ["kind"],
    "limit": 1,
    "offset": 0,
    "totalItems": "include",
    "orderBy": [{"field": "metadata.name", "order": "asc"}],
    "fullTextFilter": TEXT,
}
QUERY_CURSOR = {
    "orderFields": [{"field": "metadata.name", "order": "asc"}],
    "orderFieldValues": ["basket", NOWHERE],
    "firstSortFieldValues": ["basket", NOWHERE],
    "isPrevious": False,
    "totalItems": 2,
    "query": PREDICATE,
    "fullTextFilter": TEXT,
}
LABELLED = {"rule": "HAS_LABEL", "resourceType": "catalog-entity", "params": {"label": "a", "value": "b"}}
QUESTION = {
    "id": "1",
    "resourceRef": ["component:basket"],
    "resourceType": "catalog-entity",
    "conditions": {"anyOf": [LABELLED, {"not": LABELLED}]},
}
ENTITY = "/providers/{name}/entities/{kind}/{namespace}/{entity}"
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/entities/by-query"): QUERY,
    ("POST", "/entities/by-refs"): {"entityRefs": ["component:basket"], "query": PREDICATE, "fields": ["kind"]},
    ("POST", "/entity-facets"): {"facets": ["kind"], "query": PREDICATE, "limit": 1, "contains": "a"},
    ("POST", "/locations"): LOCATION,
    ("POST", "/locations/by-query"): {"query": {"$any": [{"type": "url"}, {"id": {"$in": ["1"]}}]}, "limit": 1},
    ("PUT", "/locations/{id}"): LOCATION,
    ("POST", "/analyze-location"): {
        "location": {"type": "url", "target": "https://github.com/a/b"},
        "catalogFilename": "a.yaml",
    },
    ("POST", "/validate-entity"): {"entity": component("new"), "location": "url:https://host/a.yaml"},
    ("PUT", "/providers/{name}/entities"): [component("basket"), component("other")],
    ("POST", "/providers/{name}/delta"): {"added": [component("basket")], "removed": ["component:other"]},
    ("PUT", ENTITY): component("basket"),
    ("PUT", "/subscriptions/{name}"): {"filter": ["kind=api"], "query": PREDICATE, "fields": ["kind"], "start": 0},
    ("POST", "/subscriptions/{name}/seek"): {"offset": 0},
    ("POST", "/subscriptions/{name}/read"): {"limit": 1, "wait": 0, "lease": "none", "leaseSeconds": 5},
    ("POST", "/subscriptions/{name}/ack"): {"lease": "none", "offset": 1, "release": False},
    ("POST", "/refresh"): {"entityRef": "component:basket"},
    ("POST", f"{WELL_KNOWN}/apply-conditions"): {"items": [QUESTION]},
}
"""A good body for each endpoint that takes one."""

CURSORS: dict[tuple[str, str], dict[str, Any]] = {
    ("GET", "/entities"): {"limit": 1, "offset": 1},
    ("GET", "/entities/by-query"): QUERY_CURSOR,
    ("POST", "/entities/by-query"): QUERY_CURSOR,
    ("POST", "/locations/by-query"): {"limit": 1, "afterId": NOWHERE, "query": {"type": "url"}},
}
"""What a good cursor says, where there are cursors."""


@dataclass(slots=True)
class Answer:
    """What came back, byte by byte."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    content: bytes = b""

    @property
    def body(self) -> bytes:
        """The content, decompressed."""
        return gzip.decompress(self.content) if (b"content-encoding", b"gzip") in self.headers else self.content


async def send(app: ASGIApp, sent: Sent) -> Answer:
    """Ask the application itself: a client library would refuse to send most of this."""
    answer = Answer()
    pending: list[Message] = [{"type": "http.request", "body": sent.body, "more_body": False}]

    async def receive() -> Message:
        return pending.pop() if pending else {"type": "http.disconnect"}

    async def receive_answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], message["headers"]
        else:
            answer.content += message.get("body", b"")

    # Nothing takes so long; what hangs should say so.
    async with asyncio.timeout(30):
        await app(scope_of(sent), receive, receive_answer)
    return answer


def scope_of(sent: Sent) -> Scope:
    """The request as a server hands it on."""
    raw_path = MOUNT.encode() + sent.path
    return {
        "type": "http",
        "method": sent.method,
        "path": raw_path.decode("latin-1"),
        "raw_path": raw_path,
        "root_path": "",
        "query_string": sent.query,
        "headers": sent.headers,
    }


def endpoints(ids: dict[str, str]) -> Iterable[Endpoint]:
    """Every endpoint, with what a good request to it is made of."""
    paths = json.loads(description.described(MOUNT))["paths"]
    shared = json.loads(description.described(MOUNT))["components"]["parameters"]
    for route in CATALOG:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            listed = paths[route.path][method.lower()].get("parameters", [])
            parameters = [shared[each["$ref"].rsplit("/", 1)[1]] if "$ref" in each else each for each in listed]
            # What is deleted should not be there, so that good requests have the same answers afterwards.
            known = {**NAME, "entity": "basket", "uid": NOWHERE, "entity_id": NOWHERE, "id": NOWHERE} | (
                {} if method == "DELETE" else ids
            )
            yield Endpoint(
                method=method,
                path=route.path,
                values={name: known[name] for name in route.param_convertors},
                known=[parameter["name"] for parameter in parameters if parameter["in"] == "query"],
                body=BODIES.get((method, route.path)),
                cursor=CURSORS.get((method, route.path)),
            )


async def fill(catalog: Catalog) -> dict[str, str]:
    """Put in some entities of every state, and return ids that are there."""
    await catalog.provide("test", Full(offered(component("basket"), component("cashier", owner="bakers"))))
    await catalog.provide("other", Full(offered({**component("broken"), "spec": {}})))
    await catalog.settle()
    await catalog.provide("late", Full(offered(component("waiting"))))
    await catalog.register("https://host/c.yaml")
    location = await catalog.register("https://host/a.yaml")
    metadata = catalog.entity("component:default/basket")["metadata"]
    assert isinstance(metadata, dict)
    return {"uid": str(metadata["uid"]), "id": location.id}


def fault(answer: Answer) -> str | None:
    """What is wrong with an answer to a malformed request."""
    if answer.status >= 500:
        return f"it is a {answer.status}"
    if answer.status < 400 or (answer.status == 404 and not answer.content):
        return None
    body = json.loads(answer.body)
    if body.keys() == {"errors"}:
        return None
    expected = {"error", "request", "response"}
    return None if body.keys() == expected and body["response"]["statusCode"] == answer.status else "it has no envelope"


async def test_no_malformed_request_breaks_the_server(api: Api) -> None:
    ids = await fill(api.catalog)
    app = app_of(api.catalog)
    before = [(await api.get(path)).text for path in GOOD]
    statuses: collections.Counter[int] = collections.Counter()

    with capture_logs() as logs:
        for sent in requests(list(endpoints(ids)), COUNT, SEED):
            call = send(app, sent)
            # What changes the catalog answers when this process has seen the change.
            answer = await (api.following(call) if sent.method in ("DELETE", "PUT") else call)
            statuses[answer.status] += 1
            assert fault(answer) is None, f"{fault(answer)}: {sent} -> {answer}"

    assert [record for record in logs if record["event"] == "request.failed"] == []
    assert [(await api.get(path)).text for path in GOOD] == before
    assert statuses[400] > COUNT / 3
    assert statuses[200] > COUNT / 20


async def test_what_malformed_requests_have_registered_does_not_stop_the_stages(api: Api) -> None:
    ids = await fill(api.catalog)
    app = app_of(api.catalog)
    registering = [endpoint for endpoint in endpoints(ids) if endpoint.path == "/locations" and endpoint.body]
    for sent in requests(registering, COUNT // 15, SEED):
        await send(app, sent)

    await api.catalog.settle()

    assert len((await api.get("/locations")).json()) > 10
    assert "component:default/waiting" in api.catalog.refs()


async def test_until_the_view_is_loaded_a_malformed_request_is_refused_or_put_off(starting: Api) -> None:
    app = app_of(starting.catalog)
    found = set()

    for sent in requests(list(endpoints({})), COUNT // 20, SEED):
        answer = await send(app, sent)
        found.add(answer.status)
        assert answer.status == 503 or fault(answer) is None, f"{sent} -> {answer}"

    assert {400, 503} <= found


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/validate-entity", BODIES["POST", "/validate-entity"], "entity"),
        ("/.well-known/backstage/permissions/apply-conditions", {"items": [QUESTION]}, "items"),
        ("/entities/by-query", QUERY, "other"),
    ],
)
async def test_a_body_that_is_nested_too_deep_is_refused(api: Api, path: str, body: dict[str, Any], place: str) -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]

    answer = await api.post(path, {**body, place: deep})

    assert complaint(answer)[2] == "request/body is nested deeper than 200 levels"


async def test_a_list_of_many_shallow_things_is_not_deep(api: Api) -> None:
    body = {"query": {"$any": [{"kind": {"$in": ["a"]}}] * 1_000}}

    answer = await api.post("/entities/by-query", body)

    assert answer.status_code == 200


async def test_a_cursor_for_locations_holds_only_what_was_understood_of_the_query(api: Api) -> None:
    await fill(api.catalog)
    # Deeper than JSON can be written, in a part of a condition that is not looked at.
    query = b'{"type": {"$exists": true, "unknown": %b}}' % (b"[" * 500 + b"]" * 500)
    forged = b'{"limit": 1, "afterId": "%b", "query": %b}' % (NOWHERE.encode(), query)

    answer = await api.post("/locations/by-query", {"cursor": base64.b64encode(forged).decode()})
    following = await api.post("/locations/by-query", {"cursor": answer.json()["pageInfo"]["nextCursor"]})

    assert [len(each.json()["items"]) for each in (answer, following)] == [1, 1]
    assert answer.json()["items"] != following.json()["items"]


@pytest.mark.parametrize("innermost", [{"kind": "component"}, {"none": {"$exists": False}}])
async def test_a_walk_with_the_deepest_predicate_goes_on(api: Api, innermost: dict[str, Any]) -> None:
    await fill(api.catalog)
    query = innermost
    for _ in range(MAX_DEPTH - 1):
        query = {"$all": [query]}
    first = await api.post("/entities/by-query", {"query": query, "limit": 1})

    second = await api.post("/entities/by-query", {"cursor": first.json()["pageInfo"]["nextCursor"]})

    assert second.status_code == 200
    assert len(second.json()["items"]) == 1


async def test_a_body_that_breaks_off_is_no_failure_of_the_server(api: Api) -> None:
    pending: list[Message] = [{"type": "http.request", "body": b'{"entity', "more_body": True}]
    sent: list[Message] = []

    async def receive() -> Message:
        return pending.pop() if pending else {"type": "http.disconnect"}

    async def keep(message: Message) -> None:
        sent.append(message)

    with capture_logs() as logs:
        await app_of(api.catalog)(scope_of(Sent(method="POST", path=b"/refresh")), receive, keep)

    assert [record for record in logs if record["event"] == "request.failed"] == []
    assert sent[0]["status"] == 400


async def test_a_web_socket_is_turned_away(api: Api) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def keep(message: Message) -> None:
        sent.append(message)

    scope = {**scope_of(Sent(method="GET", path=b"/events")), "type": "websocket", "subprotocols": []}
    await app_of(api.catalog)(scope, receive, keep)

    assert [message["type"] for message in sent] == ["websocket.close"]
