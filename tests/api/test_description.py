"""The description of the API has each route that there is, and no other, and every parameter as it is checked."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis

from callboard import __version__
from callboard.api import description
from callboard.api.parameters import Known, Number, Text
from callboard.api.paths import Route
from callboard.api.routes import CATALOG
from callboard.model import json
from tests.api.conftest import Api, app_of, client_of

DOCUMENT: Any = json.decode(description.described("/api/catalog"))
OPERATIONS = {
    (method.upper(), path): {**operation, "parameters": [*item.get("parameters", []), *operation.get("parameters", [])]}
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
}
ROUTES = {(method, route.path): route for route in CATALOG for method in (route.methods or set()) - {"HEAD"}}


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to."""
    if "$ref" not in value:
        return value
    found: Any = DOCUMENT
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return {**found, **{name: other for name, other in value.items() if name != "$ref"}}


def parameters(operation: dict[str, Any], place: str) -> dict[str, dict[str, Any]]:
    """The parameters of an operation that stand in *place*, by name."""
    every = [resolved(parameter) for parameter in operation["parameters"]]
    return {parameter["name"]: parameter for parameter in every if parameter["in"] == place}


def known_to(endpoint: Callable[..., Any]) -> Known:
    """The query parameters that an endpoint checks, or a function of its module that it calls."""
    module = vars(sys.modules[endpoint.__module__])
    return {name: kind for known in _asked(endpoint, module) for name, kind in known.items()}


def _asked(function: Callable[..., Any], module: dict[str, Any]) -> Iterator[Known]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in ("query_of", "parsed"):
            yield eval(compile(ast.Expression(node.args[1]), "known", "eval"), module)
            continue
        # What remembers its answers has the function below.
        own = inspect.unwrap(found) if callable(found := module.get(node.func.id)) else None
        if inspect.isfunction(own) and own.__module__ == function.__module__:
            yield from _asked(own, module)


def test_it_is_an_openapi_document() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()

    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"]["version"] == __version__


def test_it_has_each_route_of_the_catalog_and_no_other() -> None:
    assert OPERATIONS.keys() == ROUTES.keys()


def test_each_operation_has_a_name_of_its_own_a_summary_and_a_listed_tag() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    tags = {tag["name"] for tag in DOCUMENT["tags"]}

    assert len(names) == len(set(names))
    assert all(operation["summary"] for operation in OPERATIONS.values())
    assert {tag for operation in OPERATIONS.values() for tag in operation["tags"]} == tags


def test_everything_that_is_written_once_for_all_is_referred_to() -> None:
    text = description.described("/api/catalog").decode()
    sections = DOCUMENT["components"].items()
    written = {f"#/components/{kind}/{name}" for kind, section in sections for name in section}

    unused = {name for name in written - {"#/components/securitySchemes/bearer"} if f'"{name}"' not in text}

    assert unused == set()


@pytest.mark.parametrize("asked", sorted(ROUTES))
def test_a_path_has_its_parameters(asked: tuple[str, str]) -> None:
    described = parameters(OPERATIONS[asked], "path")

    assert described.keys() == ROUTES[asked].param_convertors.keys()
    assert all(parameter["required"] for parameter in described.values())


@pytest.mark.parametrize("asked", sorted(ROUTES))
def test_a_query_has_the_parameters_that_are_checked_with_their_types(asked: tuple[str, str]) -> None:
    described = parameters(OPERATIONS[asked], "query")

    known = known_to(ROUTES[asked].endpoint)

    assert described.keys() == known.keys()
    for name, kind in known.items():
        assert _fits(described[name], kind), f"{name} is checked as {kind} and described as {described[name]}"


def _fits(parameter: dict[str, Any], kind: Text | Number) -> bool:
    if "content" in parameter:
        return kind == Text()
    schema = resolved(parameter["schema"])
    match kind:
        case Text(choices) if choices:
            return bool(schema["type"] == "string" and schema["enum"] == list(choices))
        case Text():
            kinds = [schema["type"], schema["items"]["type"]] if schema["type"] == "array" else [schema["type"]]
            return kinds[-1] == "string" and "enum" not in schema
        case Number(minimum, whole):
            # Where zero means something else than the text says, the endpoint itself refuses it.
            return bool(schema["type"] == ("integer" if whole else "number") and schema["minimum"] >= minimum)


@pytest.mark.parametrize("asked", sorted(ROUTES))
def test_an_operation_has_the_answers_that_all_have(asked: tuple[str, str]) -> None:
    operation = OPERATIONS[asked]

    assert operation["responses"].keys() >= {"400", "401", "503"}
    assert ("304" in operation["responses"]) == (asked[0] == "GET")
    held = parameters(operation, "header").get("If-None-Match")
    if asked[0] == "GET":
        assert held == DOCUMENT["components"]["parameters"]["ifNoneMatch"]
    else:
        # Elsewhere it can only ask that nothing is there yet.
        assert held is None or held["schema"] == {"const": "*"}


def test_the_parameters_of_the_endpoints_are_found() -> None:
    found = [len(known_to(route.endpoint)) for route in ROUTES.values()]

    # Or else the comparison above would be one of nothing with nothing.
    assert len([number for number in found if number]) >= 14


async def test_it_is_served_with_the_place_that_it_comes_from(api: Api) -> None:
    answer = await api.get("/openapi.json")
    held = await api.client.get("/api/catalog/openapi.json", headers={"if-none-match": answer.headers["etag"]})

    assert answer.json()["servers"] == [{"url": "/api/catalog"}]
    assert answer.json()["paths"].keys() == {route.path for route in CATALOG if isinstance(route, Route)}
    assert held.status_code == 304


async def test_its_server_is_the_base_url_of_the_configuration(api: Api) -> None:
    settings = api.catalog.configured.overridden({"backend.base_url": "https://catalog.example.com"})

    async with client_of(app_of(api.catalog, settings=settings)) as client:
        answer = await client.get("/api/catalog/openapi.json")

    assert answer.json()["servers"] == [{"url": "https://catalog.example.com/api/catalog"}]
