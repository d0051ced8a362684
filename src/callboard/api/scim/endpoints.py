"""Endpoints of SCIM: users, groups, and what the server says of itself."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from functools import partial
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from callboard.access.permissions import ENTITY_CREATE
from callboard.api import context
from callboard.api.context import MOUNT, Context
from callboard.api.parameters import body_of
from callboard.api.scim import documents, listing, patching, refusals, schemas
from callboard.api.scim.filters import Attribute as Place
from callboard.api.scim.listing import Found, Wanted
from callboard.api.scim.refusals import MEDIA_TYPE
from callboard.api.scim.schemas import ResourceType
from callboard.api.scim.transforming import Transforming
from callboard.builtin.organisations import scim
from callboard.builtin.organisations.scim import Scim
from callboard.errors import NotFound
from callboard.ingestion import pushing, resources
from callboard.ingestion.pushing import Writing
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.store import resources as stored
from callboard.store.resources import Resource

_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Side:
    """The identity provider that a request comes from, and its place here."""

    id: str
    options: Scim
    writing: Writing
    base: str
    """What its addresses begin with."""

    @property
    def provider(self) -> str:
        """The provider that its entities belong to."""
        return self.writing.provider

    @property
    def transforming(self) -> Transforming:
        """How its resources become entities."""
        return Transforming.of(self.options, self.id)


def by_method(**endpoints: Endpoint) -> Endpoint:
    """One endpoint of several, each for the method that is its name."""

    async def call(request: Request) -> Response:
        endpoint = endpoints.get(request.method.lower())
        if endpoint is None:
            allowed = ", ".join(name.upper() for name in endpoints)
            said = f"{request.method} is not for this; expected {allowed}"
            return refusals.answer(Exception(), 405, said, {"allow": allowed})
        return await endpoint(request)

    return call


async def service(request: Request) -> Response:
    """`GET /ServiceProviderConfig`."""
    return _json(schemas.described_service(_side(request).base))


async def nothing(request: Request) -> Response:
    """Whatever is not there."""
    raise NotFound(f"There is nothing at {request.scope['path']}")


def described(all_of: Callable[[str], list[JsonObject]]) -> Endpoint:
    """`GET /Schemas` and `GET /ResourceTypes`, one of them or all."""

    async def answer(request: Request) -> Response:
        found = all_of(_side(request).base)
        if (wanted := request.path_params.get("name")) is None:
            return _json(_listed(found, total=len(found), start=1))
        for each in found:
            if each["id"] == wanted:
                return _json(each)
        raise NotFound(f"There is no {wanted}")

    return answer


async def query(kinds: Sequence[ResourceType], request: Request) -> Response:
    """`GET /Users` and `GET /Groups`."""
    side, asked = await admitted(request)
    return await _found(request, side, kinds, asked)


async def search(kinds: Sequence[ResourceType], request: Request) -> Response:
    """`POST /.search`, of one type or of all: what would be in a query string is in the body."""
    side, _ = await admitted(request)
    body = (await body_of(request, also=MEDIA_TYPE)).content
    asked = {name.lower(): _said(value) for name, value in body.items() if value is not None}
    return await _found(request, side, kinds, asked)


def _said(value: JsonValue) -> str:
    return ",".join(str(each) for each in value) if isinstance(value, list) else str(value)


async def _found(request: Request, side: Side, kinds: Sequence[ResourceType], asked: Mapping[str, str]) -> Response:
    """The page that is asked for; of several types, those of the first one come first."""
    shown: list[JsonObject] = []
    total, first = 0, 1
    async with context.of(request).database.transaction() as tx:
        for kind in kinds:
            wanted = Wanted.of(kind, asked)
            first = wanted.start
            left = replaced(wanted, start=max(1, wanted.start - total), count=wanted.count - len(shown))
            found = await listing.find(tx, side.provider, kind, left)
            users = [each.id for each in found.resources if kind.name == "User"]
            shown += _shown(side, kind, asked, found, await stored.around(tx, side.provider, users))
            total += found.total
    return _json(_listed(shown, total=total, start=first))


async def get(kind: ResourceType, request: Request) -> Response:
    """`GET /Users/{id}` and `GET /Groups/{id}`."""
    side, asked = await admitted(request)
    async with context.of(request).database.transaction() as tx:
        resource = await stored.find(tx, side.provider, _id(request))
    if resource is None or resource.type != kind.name:
        raise NotFound(f"There is no {kind.name} {_id(request)}")
    return await _answer(request, side, kind, asked, resource)


async def create(kind: ResourceType, request: Request) -> Response:
    """`POST /Users` and `POST /Groups`."""
    side, asked = await admitted(request)
    document = await _document(request, kind)
    id_ = str(uuid.uuid4())
    saved = await side.transforming.working(
        lambda forms: resources.create(context.of(request).database, side.writing, forms, kind.name, id_, document)
    )
    return await _answer(request, side, kind, asked, saved.resource, status=201)


async def replace(kind: ResourceType, request: Request) -> Response:
    """`PUT /Users/{id}` and `PUT /Groups/{id}`."""
    side, asked = await admitted(request)
    document = await _document(request, kind)
    return await _change(request, side, kind, asked, lambda _: document)


async def patch(kind: ResourceType, request: Request) -> Response:
    """`PATCH /Users/{id}` and `PATCH /Groups/{id}`."""
    side, asked = await admitted(request)
    body = (await body_of(request, also=MEDIA_TYPE)).content

    def changed(document: JsonObject) -> JsonObject:
        found = patching.patched(kind, document, body)
        documents.complete(kind, found)
        return found

    return await _change(request, side, kind, asked, changed)


async def delete(kind: ResourceType, request: Request) -> Response:
    """`DELETE /Users/{id}` and `DELETE /Groups/{id}`."""
    side, _ = await admitted(request)
    here = context.of(request)
    offset = await side.transforming.working(
        lambda forms: resources.remove(here.database, side.writing, forms, kind.name, _id(request), _expected(request))
    )
    await context.until_visible(here, offset)
    return Response(status_code=204)


async def _change(
    request: Request, side: Side, kind: ResourceType, asked: Mapping[str, str], changed: resources.Change
) -> Response:
    here = context.of(request)
    saved = await side.transforming.working(
        lambda forms: resources.change(
            here.database, side.writing, forms, kind.name, _id(request), changed, _expected(request)
        )
    )
    await context.until_visible(here, saved.offset)
    return await _answer(request, side, kind, asked, saved.resource)


async def _document(request: Request, kind: ResourceType) -> JsonObject:
    document = documents.canonical(kind, (await body_of(request, also=MEDIA_TYPE)).content)
    documents.complete(kind, document)
    return document


async def _answer(
    request: Request, side: Side, kind: ResourceType, asked: Mapping[str, str], resource: Resource, status: int = 200
) -> Response:
    async with context.of(request).database.transaction() as tx:
        known = await resources.documents(tx, side.provider, [resource])
        around = await stored.around(tx, side.provider, [resource.id])
    [shown] = _shown(side, kind, asked, Found(1, [resource], known), around)
    headers = {"etag": resources.etag_of(resource), "location": f"{side.base}{kind.endpoint}/{resource.id}"}
    return _json(shown, status, headers)


def _shown(
    side: Side,
    kind: ResourceType,
    asked: Mapping[str, str],
    found: Found,
    around: Mapping[str, Mapping[str, str]],
) -> list[JsonObject]:
    """Resources as clients see them, or what they want of them."""
    wanted, unwanted = _places(kind, asked, "attributes"), _places(kind, asked, "excludedattributes")
    shown: list[JsonObject] = []
    for resource in found.resources:
        document = found.documents[resource.id]
        groups: list[JsonValue] = [
            {"value": id_, "$ref": f"{side.base}/Groups/{id_}", "display": _name_in(content), "type": "direct"}
            for id_, content in around.get(resource.id, {}).items()
        ]
        if groups and kind.name == "User":
            document = {**document, "groups": groups}
        whole = documents.whole(kind, document, id_=resource.id, meta=_meta(side, kind, resource))
        shown.append(documents.selected(whole, wanted, unwanted))
    return shown


def _meta(side: Side, kind: ResourceType, resource: Resource) -> JsonObject:
    return {
        "resourceType": kind.name,
        "created": resource.created_at.isoformat(),
        "lastModified": resource.modified_at.isoformat(),
        "location": f"{side.base}{kind.endpoint}/{resource.id}",
        "version": resources.etag_of(resource),
    }


def _name_in(content: str) -> JsonValue:
    group = json.decode(content)
    return group.get("displayName") if isinstance(group, dict) else None


def _places(kind: ResourceType, asked: Mapping[str, str], name: str) -> list[Place]:
    return [patching.place_of(each, kind) for each in asked.get(name, "").split(",") if each.strip()]


def of_kind(kind: ResourceType, method: str) -> Endpoint:
    """What answers POST, PUT, PATCH and DELETE for resources of one type."""
    return partial({"POST": create, "PUT": replace, "PATCH": patch, "DELETE": delete}[method], kind)


async def admitted(request: Request) -> tuple[Side, Mapping[str, str]]:
    """Where a request belongs. Raises NotAllowed unless the caller may write there: it is personal data."""
    await context.permit(request, ENTITY_CREATE)
    side = _side(request)
    if request.method == "GET" or request.url.path.endswith("/.search"):
        # Who writes is looked at where that is done.
        await pushing.check(context.of(request).database, side.provider, side.writing.writer)
    raw = request.scope["query_string"].decode("latin-1")
    return side, {name.lower(): value for name, value in parse_qsl(raw, keep_blank_values=True) if value}


def _side(request: Request) -> Side:
    """The identity provider that is meant. Raises NotFound when the configuration knows none."""
    here: Context = context.of(request)
    known = scim.options_of(here.settings.catalog.providers.get("scim"))
    named = request.path_params.get("provider")
    id_ = named or ("default" if "default" in known or len(known) != 1 else next(iter(known)))
    if id_ not in known:
        raise NotFound(f"There is no {scim.KEY}.{id_} in the configuration")
    writing = Writing(provider=scim.provider_name(id_), writer=context.asked_by(request))
    base = f"{here.settings.backend.url}{MOUNT}/scim{'' if named is None else f'/{named}'}/v2"
    return Side(id_, known[id_], writing, base)


def _id(request: Request) -> str:
    id_: str = request.path_params["id"]
    if "\0" in id_:
        raise NotFound("There is no resource with such an id")
    return id_


def _expected(request: Request) -> list[str] | None:
    """The versions that the caller is content with; None where it does not matter."""
    match = request.headers.get("if-match")
    if match is None:
        return None
    # Here every tag is weak: proxies that leave the letter out mean the same.
    tags = [tag.strip() for tag in match.split(",")]
    return [tag if tag == "*" or tag.startswith("W/") else f"W/{tag}" for tag in tags]


def _listed(found: Sequence[JsonObject], *, total: int, start: int) -> JsonObject:
    return {
        "schemas": [_LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(found),
        "Resources": [*found],
    }


def _json(content: JsonObject, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.encode(content), status, media_type=MEDIA_TYPE, headers=headers)
