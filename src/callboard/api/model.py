"""The model: which kinds of entities there are, and what they must be like."""

from starlette.requests import Request
from starlette.responses import Response

from callboard.api import answers, context
from callboard.api.parameters import query_of
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.model.kinds import KindDefinition


async def model(request: Request) -> Response:
    """`GET /model`."""
    query_of(request, {})
    kinds = context.of(request).read_side.kinds
    return answers.value({"version": kinds.version, "kinds": [_described(each) for each in kinds.definitions]})


def _described(definition: KindDefinition) -> JsonObject:
    described: list[JsonObject] = [*definition.described]
    types = {name: each for one in described for name, each in _object(one.get("types")).items()}
    return {
        "kind": definition.kind,
        "apiVersions": [*definition.api_versions],
        "description": definition.description,
        "relations": [relation for one in described for relation in _list(one.get("relations"))],
        "schemas": [one["schema"] for one in described if "schema" in one],
        "types": types,
    }


def _object(value: json.JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: json.JsonValue) -> list[json.JsonValue]:
    return [*value] if isinstance(value, list | tuple) else []
