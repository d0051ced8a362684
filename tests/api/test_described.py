"""Every answer is described: to what the description lets somebody send, and to what it forbids."""

import os
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.config import SanitizationConfig
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
from tests.harness import component, offered

EXAMPLES = int(os.environ.get("CALLBOARD_TEST_EXAMPLES", "12"))
"""Requests of each kind to each endpoint."""

DOCUMENT: Any = json.decode(description.described(MOUNT))
OPERATIONS: dict[str, Any] = {
    found.ok().label: found.ok() for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
}
REFUSABLE = [label for label, operation in OPERATIONS.items() if len(operation.query) or len(operation.body)]

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
    await catalog.provide("late", Full(offered(component("waiting"))))
    for name in ("a", "b", "c"):
        await catalog.register(f"https://host/{name}.yaml")
    return api


async def known(api: Api) -> dict[str, dict[str, str]]:
    """What is there to be asked for, by the name of the parameter of a path; it may go while the examples run."""
    [location, *_] = [*(await api.get("/locations")).json(), {"data": {"id": "none"}}]
    [entity, *_] = [*(await api.get("/entities")).json(), {"metadata": {"uid": "none"}}]
    return {
        "name": {"kind": "component", "namespace": "default", "name": "basket"},
        "uid": {"uid": entity["metadata"]["uid"]},
        "entity_id": {"entity_id": entity["metadata"]["uid"]},
        "id": {"id": location["data"]["id"]},
    }


async def answer_to(api: Api, case: Any) -> httpx2.Response:
    """Send a generated request."""
    if "wait" in case.query and str(case.query["wait"]) > "0":
        # A held request takes as long as it asks for.
        case.query["wait"] = 0.01
    request = prepare_request(case, None, config=SanitizationConfig(enabled=False), base_url=f"http://catalog{MOUNT}")
    call = api.client.request(request.method, request.url, headers=dict(request.headers), content=request.body)
    # What changes the catalog answers when this process has seen the change.
    return await (api.following(call) if request.method in ("DELETE", "PUT") else call)


@pytest.mark.parametrize("label", OPERATIONS)
@generated
@given(data=st.data())
async def test_what_may_be_sent_is_answered_as_described(filled: Api, label: str, data: st.DataObject) -> None:
    names = [parameter.name for parameter in OPERATIONS[label].path_parameters]
    there = (await known(filled))[names[-1]] if names and data.draw(st.booleans()) else None
    case = data.draw(OPERATIONS[label].as_strategy(path_parameters=there))

    answer = await answer_to(filled, case)

    case.validate_response(answer, checks=CHECKS)


@pytest.mark.parametrize("label", REFUSABLE)
@generated
@given(data=st.data())
async def test_what_may_not_be_sent_is_answered_as_described(filled: Api, label: str, data: st.DataObject) -> None:
    case = data.draw(OPERATIONS[label].as_strategy(generation_mode=GenerationMode.NEGATIVE))

    answer = await answer_to(filled, case)

    case.validate_response(answer, checks=CHECKS)
