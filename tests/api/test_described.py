"""Every answer is described: to what the description lets somebody send, and to what it forbids."""

import os
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.config import SanitizationConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.transport.prepare import prepare_request

from callboard.api import description
from callboard.api.context import MOUNT
from callboard.extend import Full
from callboard.model import json
from tests.api.conftest import Api
from tests.harness import component, component_yaml, offered

EXAMPLES = int(os.environ.get("CALLBOARD_TEST_EXAMPLES", "10"))
"""Requests of each kind to the endpoints of each tag."""

DOCUMENT: Any = json.decode(description.described(MOUNT))
FOUND: list[Any] = list(schemathesis.openapi.from_dict(DOCUMENT).get_all_operations())
OPERATIONS: dict[str, Any] = {found.ok().label: found.ok() for found in FOUND}
TAGS = [tag["name"] for tag in DOCUMENT["tags"]]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

generated = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    # One catalog for all examples: what the ones do to it is what the others meet.
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
async def filled(api: Api) -> Api:
    """The API of a catalog with entities of every state."""
    catalog = api.catalog
    await catalog.provide("test", Full(offered(component("basket"), component("cashier", owner="bakers"))))
    await catalog.provide("other", Full(offered({**component("broken"), "spec": {}})))
    await catalog.settle()
    await catalog.provide("test", Full(offered(component("basket", owner="bakers"))))
    await catalog.settle()
    await catalog.provide("rival", Full(offered(component("basket", owner="others"), key="rival")))
    await catalog.settle()
    await catalog.provide("late", Full(offered(component("waiting"))))
    for name in ("a", "b", "c"):
        await catalog.register(f"https://host/{name}.yaml")
    return api


async def known(api: Api, parameters: Sequence[str]) -> dict[str, str]:
    """What is there to be asked for in a path with these parameters; it may go while the examples run."""
    locations: list[Any] = (await api.get("/locations")).json()
    entities: list[Any] = (await api.get("/entities")).json()
    uid = entities[0]["metadata"]["uid"] if entities else "none"
    there = {
        "kind": "component",
        "namespace": "default",
        "name": "basket" if "kind" in parameters else "ci",
        "entity": "basket",
        "uid": uid,
        "entity_id": uid,
        "id": locations[0]["data"]["id"] if locations else "none",
    }
    return {name: there[name] for name in parameters}


async def answer_to(api: Api, case: Any) -> httpx2.Response:
    """Send a generated request."""
    if "wait" in case.query and str(case.query["wait"]) > "0":
        # A held request takes as long as it asks for, and in this catalog nothing goes on meanwhile.
        case.query["wait"] = 0.01 if case.operation.path == "/events" else "0"
    if isinstance(case.body, dict) and "wait" in case.body:
        case.body["wait"] = min(case.body["wait"], 0.01) if isinstance(case.body["wait"], int | float) else None
    request: Any = prepare_request(
        case, None, config=SanitizationConfig(enabled=False), base_url=f"http://catalog{MOUNT}"
    )
    call = api.client.request(request.method, request.url, headers=dict(request.headers), content=request.body)
    # What changes the catalog answers when this process has seen the change.
    return await (api.following(call) if request.method in ("DELETE", "PUT") else call)


BASKET = {"kind": "component", "namespace": "default", "name": "basket"}
CI = {"name": "ci"}
ENTITY = "/providers/{name}/entities/{kind}/{namespace}/{entity}"
PUSHED = {**CI, "kind": "component", "namespace": "default", "entity": "pushed"}
TARGET = {"type": "url", "target": "https://host/read.yaml"}
SINK = {
    "type": "webhook",
    "url": "https://nowhere.example/",
    "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"],
}
GOOD: list[tuple[str, int, dict[str, Any]]] = [
    ("GET /entities", 200, {"query": {"limit": 1, "fields": ["kind"]}}),
    ("GET /entities", 200, {"headers": {"accept": "application/x-ndjson"}}),
    ("GET /entities/by-query", 200, {"query": {"limit": 1, "lastEventOffset": "include"}}),
    ("GET /entities/by-query", 200, {"query": {"limit": 1}, "headers": {"accept": "application/x-ndjson"}}),
    ("POST /entities/by-query", 200, {"body": {"query": {"kind": "component"}, "limit": 1}}),
    ("POST /entities/by-refs", 200, {"body": {"entityRefs": ["component:basket", "component:none"]}}),
    ("GET /entities/by-name/{kind}/{namespace}/{name}", 200, {"path_parameters": BASKET, "query": {"at": 1}}),
    ("GET /entities/by-name/{kind}/{namespace}/{name}", 409, {"path_parameters": BASKET, "query": {"at": 1000}}),
    ("GET /entities/by-name/{kind}/{namespace}/{name}/ancestry", 200, {"path_parameters": BASKET}),
    (
        "GET /entities/by-name/{kind}/{namespace}/{name}/history",
        200,
        {"path_parameters": BASKET, "query": {"include": "patch"}},
    ),
    (
        "GET /entities/by-name/{kind}/{namespace}/{name}/history",
        200,
        {"path_parameters": BASKET, "query": {"include": "entity", "limit": 1}},
    ),
    ("GET /entities/unprocessed/failed", 200, {}),
    ("GET /entities/unprocessed/pending", 200, {}),
    ("GET /entities/by-name/{kind}/{namespace}/{name}/explain", 200, {"path_parameters": BASKET}),
    ("GET /entities/by-name/{kind}/{namespace}/{name}/explain", 200, {"path_parameters": {**BASKET, "name": "broken"}}),
    (
        "GET /entities/by-name/{kind}/{namespace}/{name}/explain",
        200,
        {"path_parameters": {**BASKET, "name": "waiting"}},
    ),
    ("GET /conflicts", 200, {"query": {"limit": 1}}),
    ("GET /conflicts", 200, {"query": {"entityRef": "component:basket"}}),
    ("POST /conflicts/hand-over", 200, {"body": {"entityRef": "component:basket", "locationKey": "rival"}}),
    ("POST /conflicts/hand-over", 404, {"body": {"entityRef": "component:basket", "locationKey": "ghost"}}),
    ("DELETE /entities/by-uid/{uid}", 404, {"path_parameters": {"uid": "none"}, "query": {"dryRun": "true"}}),
    ("GET /entity-facets", 200, {"query": {"facet": ["kind", "spec.owner"]}}),
    ("POST /entity-facets", 200, {"body": {"facets": ["kind"], "limit": 1}}),
    ("GET /events", 200, {"query": {"offset": 0}}),
    ("GET /events", 200, {"query": {"offset": 2, "filter": ["spec.owner=team"]}}),
    ("GET /events", 200, {"query": {"format": "cloudevents"}}),
    ("GET /events", 200, {"headers": {"accept": "application/cloudevents-batch+json"}}),
    ("GET /events", 200, {"headers": {"accept": "application/x-ndjson"}}),
    ("GET /events", 200, {"headers": {"accept": "text/event-stream"}, "query": {"wait": 0}}),
    ("GET /events", 400, {"query": {"follow": "true"}}),
    ("GET /events", 409, {"query": {"offset": 1000}}),
    ("GET /events", 410, {"query": {"epoch": "another"}}),
    ("PUT /subscriptions/{name}", 201, {"path_parameters": CI, "body": {"filter": "kind=component"}}),
    ("PUT /subscriptions/{name}", 403, {"path_parameters": CI, "body": {"sink": SINK}}),
    ("PUT /subscriptions/{name}", 409, {"path_parameters": {"name": "new"}, "body": {"start": 1000}}),
    ("GET /subscriptions", 200, {}),
    ("GET /subscriptions/{name}", 200, {"path_parameters": CI}),
    ("POST /subscriptions/{name}/read", 200, {"path_parameters": CI, "body": {"limit": 1}}),
    ("POST /subscriptions/{name}/read", 200, {"path_parameters": CI, "body": {}}),
    ("POST /subscriptions/{name}/ack", 409, {"path_parameters": CI, "body": {"lease": "none", "offset": 1}}),
    ("POST /subscriptions/{name}/pause", 200, {"path_parameters": CI}),
    ("POST /subscriptions/{name}/resume", 200, {"path_parameters": CI}),
    ("POST /subscriptions/{name}/seek", 200, {"path_parameters": CI, "body": {"offset": "now"}}),
    ("DELETE /subscriptions/{name}", 204, {"path_parameters": CI}),
    ("POST /locations", 201, {"body": TARGET}),
    ("POST /locations", 201, {"body": TARGET, "query": {"dryRun": "true"}}),
    ("POST /locations", 409, {"body": {"type": "url", "target": "https://host/a.yaml"}}),
    ("POST /locations/by-query", 200, {"body": {"query": {"type": "url"}, "limit": 1}}),
    ("GET /locations/by-entity/{kind}/{namespace}/{name}", 200, {"path_parameters": BASKET}),
    ("POST /analyze-location", 200, {"body": {"location": {"type": "url", "target": "https://host/a.yaml"}}}),
    ("POST /analyze-location", 200, {"body": {"location": {"type": "url", "target": "https://github.com/a/b"}}}),
    ("POST /validate-entity", 200, {"body": {"entity": component("new"), "location": "url:https://host/a.yaml"}}),
    ("POST /validate-entity", 400, {"body": {"entity": component("_"), "location": "url:https://host/a.yaml"}}),
    ("POST /refresh", 200, {"body": {"entityRef": "component:basket"}}),
    ("POST /refresh", 200, {"body": {"entityRef": "component:basket"}, "query": {"wait": "0"}}),
    ("GET /providers", 200, {}),
    ("GET /providers/{name}", 200, {"path_parameters": {"name": "test"}}),
    ("GET /providers/{name}/status", 200, {"path_parameters": {"name": "test"}, "query": {"wait": "0"}}),
    ("GET /providers/{name}/entities", 200, {"path_parameters": {"name": "test"}}),
    ("PUT /providers/{name}/entities", 200, {"path_parameters": CI, "body": [component("pushed")]}),
    ("PUT /providers/{name}/entities", 200, {"path_parameters": CI, "body": [], "query": {"dryRun": "true"}}),
    ("PUT /providers/{name}/entities", 400, {"path_parameters": CI, "body": [{}]}),
    ("PUT /providers/{name}/entities", 409, {"path_parameters": {"name": "test"}, "body": []}),
    ("POST /providers/{name}/delta", 200, {"path_parameters": CI, "body": {"removed": ["component:pushed"]}}),
    (f"PUT {ENTITY}", 201, {"path_parameters": PUSHED, "body": component("pushed")}),
    (f"PUT {ENTITY}", 412, {"path_parameters": PUSHED, "body": component("pushed"), "headers": {"if-none-match": "*"}}),
    (f"GET {ENTITY}", 200, {"path_parameters": PUSHED}),
    (f"DELETE {ENTITY}", 200, {"path_parameters": PUSHED, "query": {"dryRun": "true"}}),
    ("POST /providers/{name}/let-through", 200, {"path_parameters": CI}),
    ("DELETE /providers/{name}", 200, {"path_parameters": CI}),
    ("POST /refresh", 401, {"body": {"entityRef": "component:basket", "authorizationToken": "x"}}),
    ("GET /.well-known/backstage/permissions/metadata", 200, {}),
]


async def test_what_is_usual_is_answered_as_described(filled: Api) -> None:
    filled.catalog.host.files["https://host/read.yaml"] = component_yaml("read").encode()

    for label, status, asked in GOOD:
        case = OPERATIONS[label].Case(**asked, **({"media_type": "application/json"} if "body" in asked else {}))
        answer = await answer_to(filled, case)

        assert answer.status_code == status, f"{label} {asked}"
        case.validate_response(answer, checks=CHECKS)


async def test_an_answer_that_is_not_described_would_be_noticed(filled: Api) -> None:
    document = json.decode(description.described(MOUNT).replace(b'"totalItems"', b'"another"'))
    assert isinstance(document, dict)
    operation = schemathesis.openapi.from_dict(document)["/entities/by-query"]["GET"]
    case = operation.Case()
    answer = await answer_to(filled, case)

    with pytest.raises(FailureGroup):
        case.validate_response(answer, checks=CHECKS)


@pytest.mark.parametrize("tag", TAGS)
@generated
@given(data=st.data())
async def test_what_may_be_sent_is_answered_as_described(filled: Api, tag: str, data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from([each for each in OPERATIONS.values() if tag in each.tags]))
    names = [parameter.name for parameter in operation.path_parameters]
    is_there: bool = data.draw(st.booleans())
    there = await known(filled, names) if names and is_there else None
    case: Any = data.draw(operation.as_strategy(path_parameters=there))

    answer = await answer_to(filled, case)

    case.validate_response(answer, checks=CHECKS)


@pytest.mark.parametrize("tag", [tag for tag in TAGS if tag != "description"])
@generated
@given(data=st.data())
async def test_what_may_not_be_sent_is_answered_as_described(filled: Api, tag: str, data: st.DataObject) -> None:
    refusable = [each for each in OPERATIONS.values() if tag in each.tags and (len(each.query) or len(each.body))]
    operation = data.draw(st.sampled_from(refusable))
    case: Any = data.draw(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))

    answer = await answer_to(filled, case)

    case.validate_response(answer, checks=CHECKS)
