"""Providers over HTTP: what they are, and the writing of their entities."""

import asyncio
import datetime as dt
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from callboard.access.permissions import ENTITY_CREATE, INGESTION_MANAGE, INGESTION_READ
from callboard.api import answers, context, waiting
from callboard.api.parameters import Known, Parameters, Text, body_of, query_of
from callboard.api.rows import Rows
from callboard.app import guard_of
from callboard.errors import InvalidInput, InvalidRows, NotFound
from callboard.extend.providers import NAME
from callboard.ingestion import pushing, uploads
from callboard.ingestion.mutations import Carried, Rejected
from callboard.ingestion.pushing import Changed, Expected, Once, Tried, Writing
from callboard.ingestion.uploads import Upload
from callboard.metrics import Stage
from callboard.model import json, patches
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef
from callboard.store import claims, ingestions, providers
from callboard.store.claims import Claim
from callboard.store.ingestions import Ingestion
from callboard.store.progress import Part
from callboard.store.providers import Provider

_LONGEST_KEY = 255
_LISTED = 1_000
_PAGE = 500

_FLAG = Text(choices=("true", "false"))
_WRITE: Known = {"dryRun": _FLAG, **waiting.WAIT}
_WRITE_SET: Known = {**_WRITE, "partial": _FLAG}


async def listing(request: Request) -> Response:
    """`GET /providers`."""
    query_of(request, {})
    await context.permit(request, INGESTION_READ)
    async with context.of(request).database.transaction() as tx:
        found = await providers.every(tx)
        stands = await ingestions.every(tx)
    return answers.value({"items": [described(provider, stands.get(provider.name)) for provider in found]})


async def by_name(request: Request) -> Response:
    """`GET /providers/{name}`."""
    query_of(request, {})
    await context.permit(request, INGESTION_READ)
    return await _answer(request)


async def let_through(request: Request) -> Response:
    """`POST /providers/{name}/let-through`: the removal guard lets one mutation pass that it would refuse."""
    query_of(request, {})
    await context.permit(request, INGESTION_MANAGE)
    name = _name(request)
    if not await context.of(request).database.run(lambda tx: providers.let_through(tx, name)):
        raise NotFound(f"There is no provider {name}")
    return await _answer(request)


async def trigger(request: Request) -> Response:
    """`POST /providers/{name}/trigger`: an incremental provider goes on, or begins another round, now."""
    query_of(request, {})
    await context.permit(request, INGESTION_MANAGE)
    provider = await _provider(request)
    if not await context.of(request).database.run(lambda tx: ingestions.trigger(tx, provider.name)):
        raise InvalidInput(f"The provider {provider.name} has no rounds that could begin: it is no incremental one")
    return await _answer(request)


async def status(request: Request) -> Response:
    """`GET /providers/{name}/status`: how far all that the provider has led to has come."""
    asked = query_of(request, waiting.WAIT)
    await context.permit(request, INGESTION_READ)
    name = _name(request)
    async with context.of(request).database.transaction() as tx:
        if await providers.standing(tx, name) is None:
            raise NotFound(f"There is no provider {name}")
    part = Part(source=claims.of_provider(name))
    return await waiting.status(request, part, waiting.seconds(asked))


async def forget(request: Request) -> Response:
    """`DELETE /providers/{name}`: withdraw everything, and forget the provider."""
    query_of(request, {})
    here = context.of(request)
    await context.permit(request, ENTITY_CREATE)
    operator = await context.permits(request, INGESTION_MANAGE)
    pushed = await pushing.forget(here.database, _writing(request), operator=operator)
    await context.until_visible(here, pushed.offset)
    return answers.value({**pushed.body, "rejected": [], "offset": here.view.offset})


async def entities(request: Request) -> Response:
    """`GET /providers/{name}/entities`: all that the provider has, as it wrote it, by ref."""
    query_of(request, {})
    await context.permit(request, INGESTION_READ)
    provider = await _provider(request)
    lines = answers.wants_lines(request)
    parts = _contents(request, claims.of_provider(provider.name), lines=lines)
    return StreamingResponse(parts, media_type=answers.LINES if lines else answers.JSON)


async def entity(request: Request) -> Response:
    """`GET /providers/{name}/entities/{kind}/{namespace}/{entity}`: one entity as the provider wrote it."""
    query_of(request, {})
    await context.permit(request, INGESTION_READ)
    name, ref = _name(request), _ref(request)
    async with context.of(request).database.transaction() as tx:
        found = await pushing.get(tx, name, ref)
    return answers.raw(found.content.encode(), {"etag": pushing.etag_of(found.hash)})


async def put_entity(request: Request) -> Response:
    """`PUT /providers/{name}/entities/{kind}/{namespace}/{entity}`: write one entity."""
    asked = query_of(request, _WRITE)
    await _admit(request)
    body = await body_of(request)
    name, ref = _name(request), _ref(request)
    offer = pushing.carried([pushing.claimed(name, body.content)])
    if (said := offer.offered[0].ref) != str(ref):
        raise InvalidInput(f"request/body is the entity {said}, and the path names {ref}")
    return await _write(request, asked, offer, body=json.encode(body.content), expected=_expected(request, ref))


async def delete_entity(request: Request) -> Response:
    """`DELETE /providers/{name}/entities/{kind}/{namespace}/{entity}`: withdraw one entity."""
    asked = query_of(request, _WRITE)
    await _admit(request)
    ref = _ref(request)
    expected = replace(_expected(request, ref) or Expected(str(ref)), wanted=True)
    return await _write(request, asked, pushing.carried((), [ref]), body=b"", expected=expected)


async def delta(request: Request) -> Response:
    """`POST /providers/{name}/delta`: write some entities, and withdraw others."""
    asked = query_of(request, _WRITE)
    await _admit(request)
    body = await body_of(request)
    if unknown := sorted(set(body.content) - {"added", "removed"}):
        raise InvalidInput(f"request/body must have no properties but added and removed, found {unknown[0]!r}")
    added = body.content.get("added", [])
    if not isinstance(added, list):
        raise InvalidInput("request/body/added must be array")
    removed = [EntityRef.parse(text) for text in body.texts("removed")]
    return await _write(request, asked, _delta(_name(request), added, removed), body=json.encode(body.content))


def _delta(provider: str, added: Sequence[JsonValue], removed: Sequence[EntityRef]) -> Carried:
    """Raises InvalidRows, with the rows of *added* that are no entities."""
    offered: list[Claim] = []
    rejected: list[Rejected] = []
    for row, value in enumerate(added, 1):
        try:
            offered.append(pushing.claimed(provider, value))
        except InvalidInput as error:
            rejected.append(Rejected("", str(error), row))
    if rejected:
        raise InvalidRows([_rejection(each) for each in rejected[:100]], len(rejected))
    return pushing.carried(offered, removed)


async def put_entities(request: Request) -> Response:
    """`PUT /providers/{name}/entities`: write everything that the provider has."""
    asked = query_of(request, _WRITE_SET)
    await _admit(request)
    here, rows = context.of(request), Rows(request)
    upload = Upload(_name(request))
    try:
        await uploads.receive(here.database, upload, aiter(rows))
        rejected = [_rejection(each) for each in upload.rejected]
        if rejected and asked.text("partial") != "true" and asked.text("dryRun") != "true":
            raise InvalidRows(rejected, upload.rejected_count)
        return await _write(request, asked, upload, body=rows.digest, rejected=rejected)
    finally:
        await asyncio.shield(uploads.discard(here.database, upload))


async def _write(
    request: Request,
    asked: Parameters,
    offer: Carried | Upload,
    *,
    body: bytes,
    expected: Expected | None = None,
    rejected: Sequence[JsonObject] = (),
) -> Response:
    here = context.of(request)
    full = isinstance(offer, Upload)
    count = offer.rejected_count if isinstance(offer, Upload) else 0
    writing = _writing(request, once=_once(request, asked, body), expected=expected)
    if asked.text("dryRun") == "true":
        tried = await pushing.try_out(here.database, writing, offer, full=full, rejected=count)
        return answers.value(await asyncio.to_thread(_tried, tried, rejected))
    with here.read_side.metrics.stage(Stage.MUTATE, offer.count, provider=writing.provider):
        pushed = await pushing.push(here.database, writing, offer, full=full, rejected=count)
    told: JsonObject = {**pushed.body, "rejected": [*rejected]}
    if (seconds := waiting.seconds(asked)) is None:
        await context.until_visible(here, pushed.offset)
    else:
        told["status"] = waiting.described(await waiting.wait(request, pushed.part, seconds))
    told["offset"] = here.view.offset
    headers = {"idempotency-replayed": "true"} if pushed.replayed else {}
    created = False
    if isinstance(offer, Carried) and request.method == "PUT":
        # The version that this request has written, and no later one of somebody else, which its writer has not seen.
        headers["etag"] = pushing.etag_of(offer.offered[0].content_hash)
        created = pushed.body.get("added") == 1
    return answers.value(told, 201 if created else 200, headers)


async def _admit(request: Request) -> None:
    """Raise unless the caller may write for the provider, before much of the body is read."""
    await context.permit(request, ENTITY_CREATE)
    await pushing.check(context.of(request).database, _name(request), context.asked_by(request))


async def _answer(request: Request) -> Response:
    provider = await _provider(request)
    async with context.of(request).database.transaction() as tx:
        stand = await ingestions.find(tx, provider.name)
    return answers.value(described(provider, stand))


async def _provider(request: Request) -> Provider:
    name = _name(request)
    async with context.of(request).database.transaction() as tx:
        found = await providers.find(tx, name)
    if found is None:
        raise NotFound(f"There is no provider {name}")
    return found


async def _contents(request: Request, source: str, *, lines: bool) -> AsyncIterator[bytes]:
    """A page of the provider's entities at a time; nothing is held between two pages."""

    async def after(ref: str) -> list[tuple[str, str]]:
        async with context.of(request).database.transaction() as tx:
            return await claims.page(tx, source, after=ref, limit=_PAGE)

    separator = b"["
    page = await after("")
    while page:
        if lines:
            yield b"".join(content.encode() + b"\n" for _, content in page)
        else:
            yield separator + b",".join(content.encode() for _, content in page)
            separator = b","
        page = await after(page[-1][0])
    if not lines:
        yield b"]" if separator == b"," else b"[]"


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} can't name a provider; expected 1 to 63 letters, digits and, between these, any of - _ . :"
        )
    return name


def _ref(request: Request) -> EntityRef:
    return EntityRef(*(request.path_params[part].lower() for part in ("kind", "namespace", "entity")))


def _writing(request: Request, *, once: Once | None = None, expected: Expected | None = None) -> Writing:
    name = _name(request)
    return Writing(
        provider=name,
        writer=context.asked_by(request),
        guard=guard_of(context.of(request).settings, name),
        once=once,
        expected=expected,
    )


def _once(request: Request, asked: Parameters, body: bytes) -> Once | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not key or len(key) > _LONGEST_KEY or not key.isprintable():
        raise InvalidInput(f"The header Idempotency-Key must be a text of 1 to {_LONGEST_KEY} characters")
    # How long to wait for what has been done is no part of what is to be done.
    query = json.encode_sorted({name: values for name, values in asked.values.items() if name != "wait"})
    parts = (request.method.encode(), request.scope["raw_path"], query, body)
    return Once(key, hashlib.sha256(b"\0".join(parts)).digest())


def _expected(request: Request, ref: EntityRef) -> Expected | None:
    match, none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    if none_match is not None and none_match.strip() != "*":
        raise InvalidInput("The header If-None-Match can only be * here: there is nothing to compare with but absence")
    if match is None and none_match is None:
        return None
    # Proxies that compress weaken the tags that they pass on.
    etags = None if match is None else [tag.strip().removeprefix("W/") for tag in match.split(",")]
    return Expected(str(ref), etags, absent=none_match is not None)


def _rejection(rejected: Rejected) -> JsonObject:
    told: JsonObject = {"row": rejected.row, "reason": rejected.reason}
    return {**told, "entityRef": rejected.entity} if rejected.entity else told


def described(provider: Provider, stand: Ingestion | None) -> JsonObject:
    """A provider as clients see it, and where it stands if it is an incremental one."""
    return {
        "name": provider.name,
        "kind": provider.kind.value,
        "owner": provider.owner,
        "createdAt": provider.created_at.isoformat(),
        "entities": provider.entities,
        "lastMutation": _at(provider.mutation, provider.mutated_at),
        "refused": _at(provider.refused, provider.refused_at),
        "letThrough": provider.let_through,
        "ingestion": None if stand is None else _stand(stand),
    }


def _stand(stand: Ingestion) -> JsonObject:
    return {
        "round": stand.round,
        "pages": stand.pages,
        "startedAt": stand.started_at.isoformat(),
        "completedAt": None if stand.completed_at is None else stand.completed_at.isoformat(),
        "error": stand.error,
        "failures": stand.failures,
        "nextAt": None if stand.next_at == ingestions.NEVER else stand.next_at.isoformat(),
    }


def _at(text: str | None, at: dt.datetime | None) -> JsonObject | None:
    told = json.decode(text) if text else None
    return {"at": at.isoformat(), **told} if isinstance(told, dict) and at is not None else None


def _tried(tried: Tried, rejected: Sequence[Mapping[str, JsonValue]]) -> JsonObject:
    differences = tried.differences[:_LISTED]
    return {
        **tried.body,
        "rejected": [dict(each) for each in rejected],
        "difference": [_difference(each) for each in differences],
        "differenceCount": len(tried.differences),
        "goneRefs": [*tried.gone[:_LISTED]],
    }


def _difference(changed: Changed) -> JsonObject:
    told: JsonObject = {"entityRef": changed.ref, "change": changed.change}
    if changed.before is not None and changed.after is not None:
        told["patch"] = [*patches.between(json.decode(changed.before), json.decode(changed.after))]
    return told
