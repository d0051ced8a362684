"""Permissions, for permission backends: what there is to decide about, and which entities conditions hold for."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from callboard.access.conditions import RULES, parse_conditions
from callboard.access.permissions import ALL, CATALOG_ENTITY
from callboard.api import answers, context
from callboard.api.parameters import body_of, query_of
from callboard.errors import InvalidInput, InvalidRef
from callboard.model.json import JsonObject, JsonValue
from callboard.model.predicates import Predicate, both
from callboard.model.refs import EntityRef
from callboard.view.views import View

METADATA: JsonObject = {
    "permissions": [permission.describe() for permission in ALL],
    "rules": [rule.describe() for rule in RULES],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A question of a permission backend: whether conditions hold for an entity, or for each of several."""

    id: str
    refs: list[str]
    many: bool
    predicate: Predicate


async def metadata(request: Request) -> Response:
    """`GET /.well-known/backstage/permissions/metadata`."""
    query_of(request, {})
    return answers.value(METADATA)


async def apply_conditions(request: Request) -> Response:
    """`POST /.well-known/backstage/permissions/apply-conditions`."""
    query_of(request, {})
    body = await body_of(request)
    items = body.content.get("items")
    if not isinstance(items, list):
        raise InvalidInput("request/body/items must be array")
    asked = [_item(value, f"request/body/items/{index}") for index, value in enumerate(items)]
    # Conditions would tell what is in an entity that the caller must not see. Backends ask as services and see all.
    visible = await context.visible(request)
    view = context.of(request).view
    return answers.value({"items": [_answer(view, item, visible) for item in asked]})


def _answer(view: View, item: _Item, visible: Predicate | None) -> JsonObject:
    found = view.by_refs(item.refs, predicate=both(item.predicate, visible))
    results: list[JsonValue] = ["DENY" if entity is None else "ALLOW" for entity in found]
    return {"id": item.id, "result": results if item.many else results[0]}


def _item(value: JsonValue, where: str) -> _Item:
    if not isinstance(value, dict):
        raise InvalidInput(f"{where} must be object")
    name = value.get("id")
    if not isinstance(name, str):
        raise InvalidInput(f"{where}/id must be string")
    if value.get("resourceType") != CATALOG_ENTITY:
        raise InvalidInput(f"{where}/resourceType must be {CATALOG_ENTITY}")
    given = value.get("resourceRef")
    refs = given if isinstance(given, list) else [given]
    texts = [ref for ref in refs if isinstance(ref, str)]
    if len(texts) < len(refs):
        raise InvalidInput(f"{where}/resourceRef must be string, or array of strings")
    try:
        predicate = parse_conditions(value.get("conditions"))
    except InvalidInput as error:
        raise InvalidInput(f"{where}/conditions: {error}") from None
    return _Item(id=name, refs=[_canonical(text) for text in texts], many=isinstance(given, list), predicate=predicate)


def _canonical(text: str) -> str:
    try:
        return str(EntityRef.parse(text))
    except InvalidRef:
        # Nothing has such a name, and so nothing holds for it.
        return text
