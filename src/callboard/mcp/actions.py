"""Actions: what the tools do, in calls of the API."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from callboard.errors import InvalidDocument
from callboard.model import json
from callboard.model.documents import parse_documents
from callboard.model.json import JsonObject, JsonValue
from callboard.ui.asking import Asking, Refused, path_of
from callboard.ui.presenting import ref_of
from callboard.ui.shapes import mappings

_NOWHERE = "url:https://localhost/catalog-info.yaml"
"""Where an entity is taken to come from that is validated without a place of its own."""

_MOST_NAMED = 10
_USUAL_LIMIT = 100


class Mistaken(Exception):
    """A tool can't do what it was asked for. The text begins with the name of the error, as Backstage's do."""


async def describe_model(catalog: Asking, _arguments: JsonObject) -> JsonObject:
    """The kinds of the catalog, in words."""
    model = await catalog.get_object("/model")
    return {"description": "\n\n".join(_in_words(kind) for kind in mappings(model["kinds"]))}


async def get_entity(catalog: Asking, arguments: JsonObject) -> JsonObject:
    """The one entity that a name means."""
    return await _meant(catalog, arguments)


async def _meant(catalog: Asking, arguments: JsonObject) -> JsonObject:
    """The one entity with this name, and with this kind and namespace as far as they are told."""
    wanted = {
        f"metadata.{key}" if key != "kind" else key: arguments[key]
        for key in ("kind", "namespace", "name")
        # One that is empty is one that is not known.
        if arguments.get(key) or key == "name"
    }
    found = await catalog.post_object("/entities/by-query", {"query": {**wanted}, "limit": _MOST_NAMED + 1})
    items = mappings(found["items"])
    if not items:
        raise Mistaken(f"InputError: there is no entity with {_listed(wanted)}")
    if len(items) > 1:
        refs = ", ".join(ref_of(item) for item in items[:_MOST_NAMED])
        raise Mistaken(
            f"ConflictError: {found['totalItems']} entities have {_listed(wanted)}; say which is meant: {refs}"
        )
    return items[0]


async def query_entities(catalog: Asking, arguments: JsonObject) -> JsonObject:
    """One page of what a predicate finds."""
    asked = ("query", "fields", "limit", "offset", "cursor", "fullTextFilter")
    body: JsonObject = {key: arguments[key] for key in asked if key in arguments}
    if "cursor" not in body:
        body.setdefault("limit", _USUAL_LIMIT)
    order = arguments.get("orderFields")
    if order is not None:
        body["orderBy"] = order if isinstance(order, list) else [order]
    found = await catalog.post_object("/entities/by-query", body)
    pages = found["pageInfo"]
    onward = pages.get("nextCursor") if isinstance(pages, dict) else None
    answer: JsonObject = {
        "items": found["items"],
        "totalItems": found["totalItems"],
        "hasMoreEntities": onward is not None,
    }
    return answer if onward is None else {**answer, "nextPageCursor": onward}


async def validate_entity(catalog: Asking, arguments: JsonObject) -> JsonObject:
    """What the catalog would say about an entity that is written in YAML."""
    place = _NOWHERE
    if "location" in arguments:
        place = f"url:{str(arguments['location']).removeprefix('url:')}"
    try:
        documents = [
            each.value for each in parse_documents(str(arguments["entity"]).encode()) if each.value is not None
        ]
    except InvalidDocument as error:
        return {"isValid": False, "isValidYaml": False, "errors": [str(error)]}
    if len(documents) != 1 or not isinstance(documents[0], dict):
        said = f"expected one YAML document that is an object, and found {len(documents) or 'none'}"
        found = said if len(documents) != 1 else "expected an object"
        return {"isValid": False, "isValidYaml": len(documents) < 2, "errors": [found]}
    entity = documents[0]
    try:
        await catalog.post("/validate-entity", {"entity": entity, "location": place})
    except Refused as refused:
        if refused.status != 400 or not isinstance(refused.body, dict):
            raise
        errors = [str(each.get("message", "")) for each in mappings(refused.body.get("errors"))]
        return {"isValid": False, "isValidYaml": True, "errors": [*errors]}
    return {"isValid": True, "isValidYaml": True, "errors": [], "entity": entity}


async def register(catalog: Asking, arguments: JsonObject) -> JsonObject:
    """Register a URL."""
    target = _url(str(arguments["locationUrl"]))
    answer = await catalog.post_object("/locations", {"type": "url", "target": target})
    location = answer["location"]
    assert isinstance(location, dict)
    return {"locationId": location["id"]}


async def unregister(catalog: Asking, arguments: JsonObject) -> JsonObject:
    """Remove a registered location, and what nothing else keeps."""
    which = arguments["type"]
    assert isinstance(which, dict)
    if "locationId" in which:
        ids = [str(which["locationId"])]
    else:
        query: JsonObject = {"query": {"target": which["locationUrl"]}}
        found = await catalog.post_object("/locations/by-query", query)
        ids = [str(each["id"]) for each in mappings(found["items"])]
        if not ids:
            raise Mistaken(f"NotFoundError: {which['locationUrl']} is not registered")
    for each in ids:
        await catalog.ask("DELETE", "/locations" + path_of(each), None)
    return {}


async def refresh(catalog: Asking, arguments: JsonObject) -> JsonObject:
    """Have an entity read again."""
    ref = ref_of(await _meant(catalog, arguments))
    await catalog.post("/refresh", {"entityRef": ref})
    return {"entityRef": ref}


async def explain(catalog: Asking, arguments: JsonObject) -> JsonObject:
    """Where an entity comes from, what became of it, and what it waits for."""
    parts = (str(arguments["kind"]), str(arguments.get("namespace", "default")), str(arguments["name"]))
    return await catalog.get_object("/entities/by-name" + path_of(*parts) + "/explain")


async def follow(catalog: Asking, arguments: JsonObject) -> JsonObject:
    """The changes after an offset; without one, where the stream is now."""
    if "offset" not in arguments:
        head = await catalog.get_object("/entities/by-query", limit=0, lastEventOffset="include")
        offset = head["lastEventOffset"]
        now = await catalog.get_object("/events", offset=str(offset), limit=1)
        return {"events": [], "nextOffset": now["nextOffset"], "epoch": now["epoch"], "caughtUp": now["caughtUp"]}
    asked: dict[str, str | int | list[str] | None] = {
        key: str(arguments[key]) for key in ("epoch", "filter", "fields") if key in arguments
    }
    numbers = {key: _whole(key, arguments[key]) for key in ("offset", "limit", "wait") if key in arguments}
    found = await catalog.get_object("/events", **asked, **{"limit": 50, **numbers})
    return {key: found[key] for key in ("events", "nextOffset", "epoch", "caughtUp", "lastEventOffset")}


def _url(text: str) -> str:
    try:
        is_url = bool(urlsplit(text).scheme)
    except ValueError:
        is_url = False
    if not is_url:
        raise Mistaken(f"InputError: {text!r} is no URL")
    return text


def _whole(key: str, value: JsonValue) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise Mistaken(f"InputError: {key} is {value!r}, and should be a whole number") from None


def _listed(wanted: JsonObject) -> str:
    return ", ".join(f"{key} {value}" for key, value in wanted.items())


def _in_words(kind: JsonObject) -> str:
    versions = kind["apiVersions"]
    assert isinstance(versions, list)
    lines = [f"# {kind['kind']}", str(kind["description"]), f"apiVersion: {' or '.join(map(str, versions))}"]
    lines += list(_fields(mappings(kind["schemas"])))
    for each in mappings(kind["relations"]):
        default = f", of kind {each['defaultKind']} if it names none" if each.get("defaultKind") else ""
        lines.append(f"- spec.{each['field']}: a ref{default}; makes {each['relation']}, and {each['inverse']} back")
    types = kind["types"]
    for name, each_type in types.items() if isinstance(types, dict) else ():
        described = each_type.get("description", "") if isinstance(each_type, dict) else ""
        lines.append(f"- spec.type {name}: {described}")
    return "\n".join(lines)


def _fields(schemas: Iterable[JsonObject]) -> Iterator[str]:
    for schema in schemas:
        properties = schema.get("properties")
        spec = properties.get("spec") if isinstance(properties, dict) else None
        required = spec.get("required") if isinstance(spec, dict) else None
        if isinstance(required, list) and required:
            yield f"required in spec: {', '.join(map(str, required))}"


def as_text(value: JsonObject) -> str:
    """An answer for whoever reads texts only, as Backstage gives it."""
    return json.encode(value).decode()
