"""Definitions of APIs: read, or shown as they were written."""

import gzip
import itertools
import re

import pytest

from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.ui.definitions import asyncapi, openapi
from callboard.ui.definitions.documents import Unreadable, read
from callboard.ui.definitions.parts import Definition, Details, Node, Operation, Page
from tests.ui.conftest import Pages, words
from tests.ui.entities import entity, fill

PETS = """
openapi: 3.0.3
info:
  title: Pets
  version: 1.2.0
  description: Where **pets** are kept.
  contact: {name: Keepers, email: keepers@x.org}
  license: {name: MIT, url: "javascript:alert(1)"}
servers:
  - url: https://pets.example
    description: the only one
tags:
  - name: pets
    description: All of them.
security: [{key: []}]
paths:
  /pets/{id}:
    parameters:
      - $ref: '#/components/parameters/Id'
    get:
      tags: [pets]
      operationId: getPet
      summary: One pet
      responses:
        '200':
          description: Here it is.
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Pet'}
              example: {name: Rex}
        default: {$ref: '#/components/responses/Problem'}
    delete:
      tags: [pets]
      deprecated: true
      parameters:
        - {name: id, in: path, required: true, schema: {type: integer}, description: 'A number, once.'}
      responses: {'204': {description: Gone.}}
  /pets:
    post:
      requestBody:
        required: true
        content:
          application/json:
            schema: {type: array, items: {$ref: '#/components/schemas/Pet'}}
      responses: {'201': {description: Made.}}
components:
  parameters:
    Id: {name: id, in: path, required: true, schema: {type: string, format: uuid}}
  responses:
    Problem:
      description: Something is wrong.
      headers: {Retry-After: {schema: {type: integer}}}
      content: {application/problem+json: {schema: {type: object, properties: {title: {type: string}}}}}
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Key}
  schemas:
    Pet:
      type: object
      description: A pet.
      required: [name]
      properties:
        name: {type: string, minLength: 1, maxLength: 20}
        kind: {type: string, enum: [dog, cat], default: dog}
        parents: {type: array, items: {$ref: '#/components/schemas/Pet'}, maxItems: 2}
        tag: {nullable: true, anyOf: [{type: string}, {$ref: 'other.yaml#/Tag'}]}
        home: {type: object, properties: {street: {type: string, readOnly: true}}}
"""


def told(text: str) -> Definition:
    return openapi.definition(read(text), Page())


def operations(definition: Definition) -> dict[str, Operation]:
    """By method and path."""
    return {f"{each.badge} {each.name}": each for group in definition.groups for each in group.operations}


def details(definition: Definition, name: str) -> Details:
    found = operations(definition)[name].details
    assert found is not None
    return found


def tree(node: Node | None) -> list[JsonValue]:
    """A schema as nested lists: name, type and target, and what is below."""
    assert node is not None
    return [node.name, f"{node.type} {node.target}".strip(), [*map(tree, node.children)]]


def test_operations_come_by_their_tags() -> None:
    definition = told(PETS)

    assert definition.format == "OpenAPI 3.0.3"
    assert [(group.name, [each.name for each in group.operations]) for group in definition.groups] == [
        ("pets", ["/pets/{id}", "/pets/{id}"]),
        ("", ["/pets"]),
    ]
    assert operations(definition)["DELETE /pets/{id}"].deprecated
    assert definition.contacts == [("Keepers", "mailto:keepers@x.org"), ("MIT", "")]


def test_parameters_of_a_path_are_those_of_its_operations_unless_they_say_otherwise() -> None:
    definition = told(PETS)

    (of_get,), (of_delete,) = [details(definition, f"{method} /pets/{{id}}").parameters for method in ("GET", "DELETE")]
    assert (of_get.name, of_get.place, of_get.node.type, of_get.node.required) == ("id", "path", "string (uuid)", True)
    assert (of_delete.node.type, of_delete.node.description) == ("integer", "A number, once.")


def test_bodies_and_responses_lead_to_their_schemas() -> None:
    definition = told(PETS)

    body = details(definition, "POST /pets").sections[0]
    found, problem = details(definition, "GET /pets/{id}").sections
    assert (body.title, tree(body.contents[0].node)) == ("Request body", ["", "array of Pet", []])
    assert (found.title, found.tone, found.description) == ("200", "good", "Here it is.")
    assert json.decode(found.contents[0].example) == {"name": "Rex"}
    assert (problem.title, problem.description) == ("default", "Something is wrong.")
    assert tree(problem.contents[0].node) == ["", "object", [["title", "string", []]]]
    assert [(each.name, each.type) for each in problem.headers] == [("Retry-After", "integer")]
    assert details(definition, "GET /pets/{id}").security == ["key"]


def test_a_schema_is_a_tree_in_which_references_are_links() -> None:
    pet = told(PETS).schemas[0].node

    assert tree(pet) == [
        "",
        "object",
        [
            ["name", "string", []],
            ["kind", "string", []],
            ["parents", "array of Pet", []],
            ["tag", "any of", [["any of", "string", []], ["any of", "Tag", []]]],
            ["home", "object", [["street", "string", []]]],
        ],
    ]
    assert pet is not None
    name, kind, parents, tag, home = pet.children
    assert (name.required, name.notes) == (True, ["length ≥ 1", "length ≤ 20"])
    assert kind.notes == ["dog | cat", "default dog"]
    assert (parents.anchor, parents.notes) == ("schema-pet", ["items ≤ 2"])
    assert tag.notes == ["or null"]
    assert tag.children[1].anchor == ""
    assert home.children[0].notes == ["read only"]


def test_names_and_types_may_be_written_in_other_ways() -> None:
    both: JsonObject = {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/My%20Pet~1Dog"}}
    schemas: JsonObject = {"My Pet/Dog": {"type": ["string", "null"]}, "Both": both}

    dog, pack = told(json.encode({"openapi": "3.1.0", "components": {"schemas": schemas}}).decode()).schemas

    assert tree(dog.node) == ["", "string or null", []]
    assert tree(pack.node) == ["", "array of My Pet/Dog", []]
    assert pack.node is not None
    assert (pack.node.anchor, pack.node.notes) == (dog.anchor, ["or null"])


def test_the_older_version_says_the_same_in_other_places() -> None:
    definition = told("""
        {"swagger": "2.0", "host": "x.org", "basePath": "/v1", "schemes": ["https"], "produces": ["application/json"],
         "paths": {"/a": {"put": {"consumes": ["text/plain"],
            "parameters": [{"in": "body", "name": "b", "required": true, "schema": {"$ref": "#/definitions/A"}},
                           {"in": "formData", "name": "f", "type": "file"}],
            "responses": {"200": {"description": "ok", "schema": {"type": "array", "items": {"type": "string"}}}}}}},
         "definitions": {"A": {"type": "object"}},
         "securityDefinitions": {"basic": {"type": "basic"}}}""")

    put = details(definition, "PUT /a")
    assert (definition.format, definition.servers) == ("Swagger 2.0", [("https://x.org/v1", "")])
    assert definition.schemes == [("basic", "basic")]
    assert [(each.name, each.place, each.node.type) for each in put.parameters] == [("f", "form", "file")]
    body, answer = put.sections
    assert (body.title, body.contents[0].label, tree(body.contents[0].node)) == (
        "Request body",
        "text/plain",
        ["", "A", []],
    )
    assert (answer.contents[0].label, tree(answer.contents[0].node)) == (
        "application/json",
        ["", "array of string", []],
    )


def test_channels_of_the_older_asyncapi_are_told_by_who_sends() -> None:
    definition = asyncapi.definition(read("""
asyncapi: 2.6.0
info: {title: Orders, version: '1'}
servers: {main: {url: 'kafka.x:9092', protocol: kafka}}
channels:
  orders.{shop}:
    parameters: {shop: {description: Which, schema: {type: string, enum: [north, south]}}}
    subscribe:
      operationId: onOrder
      message: {oneOf: [{$ref: '#/components/messages/Placed'}, {name: Gone, payload: {type: string}}]}
    publish: {message: {$ref: '#/components/messages/Placed'}}
components:
  messages:
    Placed:
      title: Order placed
      contentType: application/json
      traits: [{headers: {type: object, properties: {trace: {type: string}}}}]
      payload: {$ref: '#/components/schemas/Order'}
      examples: [{payload: {id: 1}}]
  schemas: {Order: {type: object, properties: {id: {type: integer}}}}
"""), Page())  # fmt: skip

    assert [(group.name, *(each.badge for each in group.operations)) for group in definition.groups] == [
        ("Sends", "SUBSCRIBE"), ("Receives", "PUBLISH"),
    ]  # fmt: skip
    sent = details(definition, "SUBSCRIBE orders.{shop}")
    assert [each.title for each in sent.sections] == ["Message Order placed", "Message Gone"]
    placed = sent.sections[0]
    assert (placed.contents[0].label, tree(placed.contents[0].node)) == ("application/json", ["", "Order", []])
    assert [each.name for each in placed.headers] == ["trace"]
    assert sent.parameters[0].node.notes == ["north | south"]
    assert definition.servers == [("kafka.x:9092", "main, kafka")]


def test_operations_of_the_newer_asyncapi_lead_to_channels_and_messages() -> None:
    definition = asyncapi.definition(read("""
asyncapi: 3.0.0
info: {title: Stock, version: '1'}
channels:
  levels: {address: stock.levels, messages: {changed: {$ref: '#/components/messages/Changed'}}}
  asked:
    address: stock.asked
    messages: {ask: {payload: {schemaFormat: application/vnd.apache.avro, schema: {type: record}}}}
  quiet: {messages: {hush: {payload: true}}}
operations:
  tell: {action: send, channel: {$ref: '#/channels/levels'}, messages: [{$ref: '#/channels/levels/messages/changed'}]}
  answer:
    action: receive
    channel: {$ref: '#/channels/asked'}
    reply: {channel: {$ref: '#/channels/levels'}}
components:
  messages: {Changed: {payload: {type: object, properties: {sku: {type: string}}}}}
"""), Page())  # fmt: skip

    assert [(group.name, *(each.name for each in group.operations)) for group in definition.groups] == [
        ("Sends", "stock.levels"), ("Receives", "stock.asked"), ("Channels", "quiet"),
    ]  # fmt: skip
    (changed,) = details(definition, "SEND stock.levels").sections
    ask, reply = details(definition, "RECEIVE stock.asked").sections
    assert (changed.title, tree(changed.contents[0].node)) == (
        "Message changed",
        ["", "object", [["sku", "string", []]]],
    )
    assert (ask.contents[0].label, ask.contents[0].node) == ("application/vnd.apache.avro", None)
    assert '"record"' in ask.contents[0].example
    assert reply.title == "Reply changed"


ODD: list[JsonValue] = [
    {},
    {"info": "x", "paths": [], "servers": "x", "tags": "x", "components": 7},
    {"paths": {"/a": None, "/b": {"get": 1, "post": {"parameters": "x", "responses": [], "tags": 3, "security": "x"}}}},
    {"paths": {"/a": {"$ref": "#/paths/~1a"}, "/b": {"$ref": "#/paths/~1c"}, "/c": {"$ref": "#/paths/~1b"}}},
    {"paths": {"/a": {"get": {"parameters": [{"$ref": "#/x"}, 7, {}], "responses": {"200": {"$ref": "#/y/0"}}}}}},
    {"channels": {"a": {"subscribe": {"message": 7}}, "b": None, "c": {"$ref": "#/channels/c"}}, "operations": "x"},
    {"operations": {"a": {"channel": 7, "messages": "x", "reply": []}, "b": None}, "servers": {"a": 1}},
    {"components": {"schemas": {"A": {"$ref": "#/components/schemas/A"}, "B": 1, "C": {"type": {}, "enum": {}}}}},
    {"components": {"schemas": {"A": {"allOf": {}, "properties": ["x"], "required": True, "minimum": "x"}}}},
    {"components": {"schemas": {"A": {"items": [], "default": {}, "type": "array"}}}},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_a_document_of_any_shape_is_told(odd: JsonObject) -> None:
    for format_, definition in (("openapi", openapi.definition), ("asyncapi", asyncapi.definition)):
        document = read(json.encode({format_: "3.0.0", **odd}).decode())

        assert definition(document, Page()).format.lower().startswith(format_)


def test_a_schema_that_is_deep_or_wide_is_cut() -> None:
    deep: JsonObject = {"type": "string"}
    for _ in range(40):
        deep = {"type": "object", "properties": {"a": deep}}
    row: JsonObject = {"type": "object", "properties": {f"b{n}": {"type": "string"} for n in range(99)}}
    wide: JsonObject = {"type": "object", "properties": {f"a{n}": row for n in range(99)}}
    schemas: JsonObject = {"Deep": deep, "Wide": wide, "Next": {"type": "string"}}
    page = Page()

    first, second, third = openapi.definition(
        read(json.encode({"openapi": "3.0.0", "components": {"schemas": schemas}}).decode()), page
    ).schemas

    assert first.node is not None
    assert second.node is not None
    assert first.node.children[0].name == "a"
    assert second.node.cut
    assert third.node is None
    assert page.rows == 0


def test_two_paths_that_look_alike_have_anchors_of_their_own() -> None:
    get: JsonObject = {"get": {"responses": {}}}
    definition = told(json.encode({"openapi": "3.0.0", "paths": {"/a/{b}": get, "/a/b": get, "/A/B": get}}).decode())

    assert [each.anchor for each in definition.groups[0].operations] == ["get-a-b", "get-a-b--2", "get-a-b--3"]


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in itertools.pairwise("abcdefgh")
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1", "neither “openapi” nor “swagger”"),
        ("- a", "It holds no object"),
        ("", "It holds no object"),
        ("a: {", "line 2"),
        ("{'a': 1", "line 2"),
        ("a: &a [*a]", "contains itself"),
        (BOMB, "too many"),
    ],
    ids=["nothing", "list", "empty", "yaml", "json", "circle", "bomb"],
)  # fmt: skip
def test_what_cannot_be_read_says_why(text: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        openapi.definition(read(text), Page())


async def page_of(pages: Pages, type_: str, definition: str, query: str = "") -> str:
    spec: JsonObject = {"type": type_, "lifecycle": "production", "owner": "keepers", "definition": definition}
    await fill(pages.catalog, entity("API", "pets", spec))
    return await pages.get(f"/catalog/default/api/pets/definition{query}")


async def test_the_page_shows_operations_and_schemas(pages: Pages) -> None:
    page = await page_of(pages, "openapi", PETS)

    said = words(page)
    assert "OpenAPI 3.0.3 · 3 operations · 1 schema" in said
    assert "GET /pets/{id} One pet Parameters Name In Type and meaning id path string (uuid) required" in said
    assert "DELETE /pets/{id} deprecated" in said
    assert '<a href="#schema-pet">Pet</a>' in page
    assert '<details class="operation" id="schema-pet">' in page
    assert "<strong>pets</strong>" in page
    assert "javascript:" not in page


async def test_one_operation_or_schema_has_an_address(pages: Pages) -> None:
    part = await page_of(pages, "openapi", PETS, "?show=get-pets-id")
    schema = await pages.get("/catalog/default/api/pets/definition?show=schema-pet")
    nothing = await pages.client.get("/catalog/default/api/pets/definition?show=nothing")

    assert "One pet" in words(part)
    assert "DELETE" not in words(part)
    assert '<a href="?show=schema-pet">Pet</a>' in part
    assert "parents array of Pet items ≤ 2" in words(schema)
    assert nothing.status_code == 404


async def test_a_broken_definition_is_shown_as_it_is_and_says_what_is_wrong(pages: Pages) -> None:
    page = await page_of(pages, "asyncapi", "asyncapi: 3.0.0\n  broken: <b>\n")

    assert "shown as it was written. It is not good YAML: " in words(page)
    assert "line 2" in words(page)
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


@pytest.mark.parametrize("type_", ["graphql", "no such type"])
async def test_other_types_are_shown_as_source(pages: Pages, type_: str) -> None:
    page = await page_of(pages, type_, "type Query { pets: [Pet] }")

    assert "type Query { pets : [ Pet ] }".replace(" ", "") in words(page).replace(" ", "")
    assert 'class="source"' in page


async def test_the_text_can_be_seen_and_taken_along(pages: Pages) -> None:
    page = await page_of(pages, "openapi", PETS, "?as=source")
    file = await pages.client.get("/catalog/default/api/pets/definition?as=file")

    assert 'class="source"' in page
    assert file.text == PETS
    assert file.headers["content-type"] == "text/plain; charset=utf-8"
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''pets.yaml"


async def test_an_entity_without_a_definition_says_so(pages: Pages) -> None:
    await fill(pages.catalog, entity("System", "shop", {"owner": "x"}))

    page = await pages.get("/catalog/default/system/shop/definition")
    file = await pages.client.get("/catalog/default/system/shop/definition?as=file")

    assert "No definition" in words(page)
    assert file.status_code == 404


async def test_a_large_definition_is_a_small_page(pages: Pages) -> None:
    pet: JsonObject = {"$ref": "#/components/schemas/S1"}
    body: JsonObject = {"content": {"application/json": {"schema": pet}}}
    operation: JsonObject = {
        "summary": "Does one of many things",
        "description": "And says **much** about it. " * 10,
        "requestBody": body,
        "responses": {str(status): {"description": f"Answer {status}", **body} for status in (200, 400, 404, 500)},
    }
    text: JsonObject = {"type": "string", "description": "One of many " * 5}
    schema: JsonObject = {"type": "object", "properties": {f"property-{n}": text for n in range(30)}}
    document: JsonObject = {
        "openapi": "3.1.0",
        "paths": {f"/things/{n}": {"get": operation, "put": operation} for n in range(400)},
        "components": {"schemas": {f"S{n}": schema for n in range(300)}},
    }

    page = await page_of(pages, "openapi", json.encode(document).decode())
    last = await pages.get("/catalog/default/api/pets/definition?show=schema-s299")

    assert len(gzip.compress(page.encode())) < 100_000
    assert "800 operations · 300 schemas" in words(page)
    assert len(re.findall(r'<a [^>]*href="\?show=', page)) > 900
    assert "property-29" in words(last)
