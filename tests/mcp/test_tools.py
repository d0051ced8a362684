"""The tools for AI agents, called by the protocol's official client."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client

from callboard.access import authentication
from callboard.extend import Full
from callboard.mcp.routes import PATH, ROUTES
from callboard.mcp.tools import TOOLS
from callboard.model import json
from callboard.model.schemas import Schema
from mcp import Client
from tests.api.conftest import app_of, client_of
from tests.api.test_door import TOKENS, read
from tests.harness import Catalog, component, component_yaml, offered
from tests.ui.conftest import with_metadata

RECORDED: Any = json.decode((Path(__file__).parent / "backstage-4.0.json").read_bytes())
"""What a running Backstage says of its tools, without its words."""


@contextlib.asynccontextmanager
async def connected(app: Any, **headers: str) -> AsyncIterator[Client]:
    async with client_of(app) as http:
        http.headers.update(headers)
        async with Client(streamable_http_client(f"http://catalog{PATH}", http_client=http)) as client:
            yield client


@pytest.fixture
async def shop(catalog: Catalog) -> Catalog:
    """Two components of one name in two namespaces, and a third."""
    other = with_metadata(component("cart"), namespace="labs")
    await catalog.provide("p", Full(offered(component("cart"), other, component("till", type="website"))))
    await catalog.settle()
    return catalog


async def answered(catalog: Catalog, tool: str, arguments: dict[str, Any]) -> Any:
    """The answer to a call, while the reader follows the stream."""
    async with connected(app_of(catalog, pages=ROUTES)) as client:
        calling = asyncio.create_task(client.call_tool(f"catalog.{tool}", arguments))
        while not calling.done():
            await catalog.look()
        return await calling


async def call(catalog: Catalog, tool: str, /, **arguments: Any) -> Any:
    answer = await answered(catalog, tool, arguments)
    assert not answer.is_error, answer.content
    assert json.decode(answer.content[0].text.encode()) == answer.structured_content
    if schema := RECORDED["answers"].get(f"catalog.{tool}"):
        assert Schema(schema).violations(answer.structured_content) == []
    return answer.structured_content


def without_words(value: Any) -> Any:
    """A schema without its descriptions."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key != "description" or not isinstance(each, str)}
        return {key: without_words(each) for key, each in kept.items()}
    return [without_words(each) for each in value] if isinstance(value, list) else value


async def refusal(catalog: Catalog, tool: str, /, **arguments: Any) -> str:
    answer = await answered(catalog, tool, arguments)
    assert answer.is_error
    return str(answer.content[0].text)


async def test_the_tools_of_backstage_are_there_as_it_describes_them_and_two_more(shop: Catalog) -> None:
    async with connected(app_of(shop, pages=ROUTES)) as client:
        listed = (await client.list_tools()).tools

    told = [without_words(tool.model_dump(by_alias=True, exclude_none=True)) for tool in listed]
    # The title in its new place is ours; Backstage has only that of the annotations.
    titles = [tool.pop("title") for tool in told]
    assert titles == [tool["annotations"]["title"] for tool in told]
    assert told[:7] == RECORDED["tools"]
    assert [tool.name for tool in listed[7:]] == ["catalog.explain-entity", "catalog.follow-changes"]
    assert all(tool.description for tool in listed)


async def test_the_query_that_backstage_describes_is_what_the_catalog_takes(shop: Catalog) -> None:
    query: Any = {
        "$all": [
            {"kind": {"$in": ["component", 7]}, "spec.type": {"$exists": True}},
            {"$any": [{"metadata.name": {"$hasPrefix": "ca"}}, {"metadata.tags": {"$contains": "x"}}]},
            {"$not": {"metadata.namespace": "labs"}},
        ]
    }

    found = await call(shop, "query-catalog-entities", query=query)

    schema = Schema(RECORDED["tools"][5]["inputSchema"])
    assert schema.violations({"query": query}) == []
    assert [each["metadata"]["name"] for each in found["items"]] == ["cart"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_there_is_no_session_to_listen_to_or_to_end(shop: Catalog, method: str) -> None:
    async with client_of(app_of(shop, pages=ROUTES)) as http:
        answer = await http.request(method, PATH)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["message"] == "Method not allowed."


async def test_the_model_is_told_in_words(shop: Catalog) -> None:
    told = (await call(shop, "get-catalog-model-description"))["description"]

    assert "# Component" in told
    assert "required in spec: type, lifecycle, owner" in told
    assert "- spec.owner: a ref, of kind Group if it names none; makes ownedBy, and ownerOf back" in told


async def test_an_entity_is_found_by_its_name_alone_where_that_is_enough(shop: Catalog) -> None:
    found = await call(shop, "get-catalog-entity", name="till")

    assert found["metadata"]["name"] == "till"


async def test_several_entities_of_a_name_are_a_conflict_that_names_them(shop: Catalog) -> None:
    said = await refusal(shop, "get-catalog-entity", name="cart")
    one = await call(shop, "get-catalog-entity", name="cart", namespace="labs")

    assert said.startswith("ConflictError: 2 entities")
    assert "component:default/cart, component:labs/cart" in said or "component:labs/cart" in said
    assert one["metadata"]["namespace"] == "labs"


async def test_entities_are_queried_page_by_page(shop: Catalog) -> None:
    asked: dict[str, Any] = {
        "query": {"kind": "component"},
        "orderFields": {"field": "metadata.name", "order": "asc"},
        "fields": ["metadata.name"],
        "limit": "2",
    }

    first = await call(shop, "query-catalog-entities", **asked)
    second = await call(shop, "query-catalog-entities", cursor=first["nextPageCursor"], fields=["metadata.name"])

    assert first["totalItems"] == 3
    assert first["hasMoreEntities"] is True
    assert second["items"] == [{"metadata": {"name": "till"}}]
    assert second["hasMoreEntities"] is False


@pytest.mark.parametrize(
    ("text", "valid", "yaml_valid", "said"),
    [
        (component_yaml("oven"), True, True, ""),
        ("kind: [", False, False, "line"),
        ("- 1\n", False, True, "expected an object"),
        ("", False, True, "expected one YAML document that is an object, and found none"),
        (f"{component_yaml('oven')}---\n{component_yaml('stove')}", False, False, "found 2"),
        (
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: x}\nspec: {}\n",
            False,
            True,
            "required",
        ),
    ],
)
async def test_an_entity_is_validated_as_text(
    shop: Catalog, text: str, valid: bool, yaml_valid: bool, said: str
) -> None:
    found = await call(shop, "validate-entity", entity=text, location="https://host/oven.yaml")

    assert (found["isValid"], found["isValidYaml"]) == (valid, yaml_valid)
    assert said in " ".join(found["errors"])
    assert ("entity" in found) == valid


async def test_a_location_is_registered_refreshed_and_unregistered_by_its_url(shop: Catalog) -> None:
    shop.host.put("https://host/oven.yaml", component_yaml("oven"))

    location = await call(shop, "register-entity", locationUrl="https://host/oven.yaml")
    await shop.settle()
    refreshed = await call(shop, "refresh-catalog-entity", name="oven")
    again = await refusal(shop, "register-entity", locationUrl="https://host/oven.yaml")
    gone = await call(shop, "unregister-entity", type={"locationUrl": "https://host/oven.yaml"})
    await shop.settle()

    assert location["locationId"]
    assert refreshed == {"entityRef": "component:default/oven"}
    assert again.startswith("ConflictError: ")
    assert gone == {}
    assert "component:default/oven" not in shop.refs()
    assert (await refusal(shop, "unregister-entity", type={"locationUrl": "https://host/oven.yaml"})).startswith(
        "NotFoundError: https://host/oven.yaml is not registered"
    )


async def test_an_entity_is_explained(shop: Catalog) -> None:
    told = await call(shop, "explain-entity", kind="component", name="till")

    assert told["state"] == "visible"
    assert told["claims"][0]["source"] == "provider:p"


async def test_changes_are_followed_from_now_on(shop: Catalog) -> None:
    now = await call(shop, "follow-changes")
    await shop.provide("q", Full(offered(component("oven"))))
    await shop.settle()
    told = await call(shop, "follow-changes", offset=now["nextOffset"], epoch=now["epoch"])

    assert now["events"] == []
    assert now["caughtUp"] is True
    assert [(event["type"], event["entityRef"]) for event in told["events"]] == [("added", "component:default/oven")]
    assert told["nextOffset"] > now["nextOffset"]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("get-catalog-entity", {}, "required property 'name'"),
        ("get-catalog-entity", {"name": "ghost"}, "InputError: there is no entity with metadata.name ghost"),
        ("refresh-catalog-entity", {"name": "ghost"}, "InputError: there is no entity with metadata.name ghost"),
        ("refresh-catalog-entity", {"name": "cart"}, "ConflictError: 2 entities have metadata.name cart"),
        ("refresh-catalog-entity", {"name": ""}, "InputError: /name must NOT have fewer than 1 characters"),
        ("register-entity", {"locationUrl": "oven.yaml"}, "InputError: 'oven.yaml' is no URL"),
        ("validate-entity", {"entity": "", "location": "oven"}, 'InputError: /location must match format "uri"'),
        ("register-entity", {"locationUrl": "http://["}, "InputError: 'http://[' is no URL"),
        ("get-catalog-entity", {"name": "till", "colour": "red"}, "additional properties"),
        ("query-catalog-entities", {"query": {"$all": 7}}, "InputError"),
        ("query-catalog-entities", {"query": "cart"}, "InputError"),
        ("query-catalog-entities", {"limit": "many"}, "InputError: /limit must be integer"),
        ("query-catalog-entities", {"limit": "0"}, "InputError: /limit must be > 0"),
        ("explain-entity", {"kind": "component", "name": "ghost"}, "NotFoundError"),
        ("follow-changes", {"offset": 99_999}, "Error"),
        ("unregister-entity", {"type": {"locationId": "ghost"}}, "NotFoundError"),
        ("sing", {}, "there is no tool catalog.sing; there are: catalog.get-catalog-model-description"),
    ],
)
async def test_what_can_not_be_done_is_told_to_the_agent(
    shop: Catalog, name: str, arguments: dict[str, Any], said: str
) -> None:
    assert said in await refusal(shop, name, **arguments)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.action)
def test_no_tool_both_reads_only_and_destroys(tool: Any) -> None:
    assert not (tool.reads_only and tool.destroys)


async def test_tools_are_for_who_has_a_token_and_may_do_what_the_token_may(shop: Catalog, tmp_path: Path) -> None:
    async with httpx2.AsyncClient(transport=shop.host.transport) as outside:
        authenticator = authentication.build(read(tmp_path, TOKENS), outside, shop.clock, lambda _: ())
        app = app_of(shop, authenticator=authenticator, pages=ROUTES)

        async with client_of(app) as http:
            unknown = await http.post(PATH, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        async with connected(app, authorization="Bearer token-of-reader") as client:
            found = await client.call_tool("catalog.get-catalog-entity", {"name": "till"})
            refused = await client.call_tool("catalog.register-entity", {"locationUrl": "https://host/oven.yaml"})

    assert unknown.status_code == 401
    assert not found.is_error
    assert refused.is_error
    assert "NotAllowedError" in str(refused.content[0])
