"""Resources: users and groups that an identity provider pushes one by one, and the entities that they stand for.

A resource and what becomes of it in the catalog are written in one transaction, under the lock of the provider: its own
entity, and those of the groups that it is in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from callboard.errors import Conflict, NotFound, PreconditionFailed
from callboard.ingestion import mutations, pushing
from callboard.ingestion.pushing import Writing
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef
from callboard.store import claims, leases, providers, resources
from callboard.store.claims import Claim
from callboard.store.database import Database, Transaction
from callboard.store.providers import ProviderKind
from callboard.store.resources import Resource

GROUP = "Group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the catalog has to know of a resource."""

    name: str
    external_id: str | None
    ref: EntityRef
    entity_name: str
    shown: bool


@dataclass(frozen=True, slots=True, order=True)
class Inside:
    """A member of a group that has an entity."""

    ref: EntityRef


@dataclass(frozen=True, slots=True)
class Question:
    """What code of somebody else is to be asked, and can't be in a transaction."""

    type: str
    document: JsonObject
    entity: JsonObject
    """What would be made of the document otherwise."""


class NotYet(Exception):
    """The forms have to ask something first. The transaction ends, and has to begin again."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = questions
        super().__init__(f"{len(questions)} questions come first")


@dataclass(frozen=True, slots=True)
class Forms:
    """How resources become entities. Pure functions, which may raise InvalidInput, and NotYet."""

    shape: Callable[[str, str, JsonObject], Shape]
    """Of a type, an id and a document."""
    entity: Callable[[str, str, Shape, JsonObject, Sequence[Inside]], JsonObject]
    """Of a type, an id, a shape, a document, and who is inside."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What has been written."""

    resource: Resource
    offset: int | None
    """Where in the stream the removals are; None when there are none."""


class Taken(Conflict):
    """Another resource stands for the same entity."""


async def create(
    database: Database, writing: Writing, forms: Forms, type_: str, id_: str, document: JsonObject
) -> Saved:
    """Store a resource that is new. Raises Taken when its name is in use, and what `pushing.push` raises."""

    async def work(tx: Transaction) -> Saved:
        await _admit(tx, writing)
        return await _save(tx, writing, forms, id_, type_, None, document)

    return await database.run(work)


Change = Callable[[JsonObject], JsonObject]


async def change(
    database: Database,
    writing: Writing,
    forms: Forms,
    type_: str,
    id_: str,
    changed: Change,
    etags: Sequence[str] | None = None,
) -> Saved:
    """Store the next version of a resource, unless it is like the one before. With *etags* it must be one of these."""

    async def work(tx: Transaction) -> Saved:
        await _admit(tx, writing)
        before = await _get(tx, writing.provider, type_, id_, etags)
        document = (await documents(tx, writing.provider, [before]))[id_]
        return await _save(tx, writing, forms, id_, type_, before, changed(document))

    return await database.run(work)


async def remove(
    database: Database, writing: Writing, forms: Forms, type_: str, id_: str, etags: Sequence[str] | None = None
) -> int | None:
    """Delete a resource and withdraw its entity. Returns the offset of the removal, None when there was no entity."""

    async def work(tx: Transaction) -> int | None:
        await _admit(tx, writing)
        before = await _get(tx, writing.provider, type_, id_, etags)
        around = await resources.around(tx, writing.provider, [id_])
        await resources.remove(tx, writing.provider, id_)
        offered = await _claims(tx, writing, forms, list(around.get(id_, {})))
        return await _apply(tx, writing, offered, [before.ref])

    return await database.run(work)


def etag_of(resource: Resource) -> str:
    """The version of a resource; weak, as its representations differ."""
    return f'W/"{resource.version}"'


async def documents(tx: Transaction, provider: str, found: Sequence[Resource]) -> dict[str, JsonObject]:
    """What was written of each of these, members included."""
    groups = [resource.id for resource in found if resource.type == GROUP]
    members = await resources.members(tx, provider, groups) if groups else {}
    return {resource.id: _document(resource, members.get(resource.id, ())) for resource in found}


def _document(resource: Resource, members: Sequence[str]) -> JsonObject:
    document = json.decode(resource.content)
    assert isinstance(document, dict)
    listed: list[JsonValue] = [json.decode(member) for member in members]
    return {**document, "members": listed} if listed else document


async def _admit(tx: Transaction, writing: Writing) -> None:
    await leases.hold_for_transaction(tx, claims.of_provider(writing.provider))
    await pushing.admit(tx, writing.provider, writing.writer)
    await providers.add(tx, writing.provider, ProviderKind.HTTP, owner=writing.writer)


async def _get(tx: Transaction, provider: str, type_: str, id_: str, etags: Sequence[str] | None) -> Resource:
    found = await resources.find(tx, provider, id_)
    if found is None or found.type != type_:
        raise NotFound(f"There is no {type_} {id_}")
    if etags is not None and "*" not in etags and etag_of(found) not in etags:
        raise PreconditionFailed(f"{type_} {id_} has changed: it is {etag_of(found)} by now")
    return found


async def _save(
    tx: Transaction,
    writing: Writing,
    forms: Forms,
    id_: str,
    type_: str,
    before: Resource | None,
    document: JsonObject,
) -> Saved:
    shape = forms.shape(type_, id_, document)
    await _check_free(tx, writing.provider, id_, shape)
    members = _by_id(document.get("members"))
    content = json.encode_sorted({name: value for name, value in document.items() if name != "members"}).decode()
    moved = 0
    if before is not None and type_ == GROUP:
        moved = await resources.set_members(tx, writing.provider, id_, members)
    if before is not None and not moved and before.content == content:
        return Saved(before, None)
    saved = await resources.save(
        tx,
        writing.provider,
        id_=id_,
        type_=type_,
        name=shape.name,
        external_id=shape.external_id,
        ref=str(shape.ref),
        entity_name=shape.entity_name,
        shown=shape.shown,
        content=content,
    )
    if before is None and members:
        await resources.set_members(tx, writing.provider, id_, members)
    touched = [id_]
    if before is not None and (before.ref, before.shown) != (saved.ref, saved.shown):
        touched += (await resources.around(tx, writing.provider, [id_])).get(id_, {})
    withdrawn = [before.ref] if before is not None and (before.ref != saved.ref or not saved.shown) else []
    offset = await _apply(tx, writing, await _claims(tx, writing, forms, touched), withdrawn)
    return Saved(saved, offset)


async def _check_free(tx: Transaction, provider: str, id_: str, shape: Shape) -> None:
    other = await resources.find_by_ref(tx, provider, str(shape.ref))
    if other is None or other.id == id_:
        return
    if other.name == shape.name:
        raise Taken(f"{other.type} {other.id} has the name {other.name!r} already")
    raise Taken(f"{shape.name!r} and {other.name!r}, of {other.type} {other.id}, would both be the entity {other.ref}")


async def _claims(tx: Transaction, writing: Writing, forms: Forms, ids: Sequence[str]) -> list[Claim]:
    """What is offered now for these resources."""
    found = [each for id_ in ids if (each := await resources.find(tx, writing.provider, id_)) and each.shown]
    inside = await resources.inside(tx, writing.provider, [each.id for each in found if each.type == GROUP])
    offered: list[Claim] = []
    open_: list[Question] = []
    for resource in found:
        document, shape = _document(resource, ()), _shape_of(resource)
        members = [Inside(EntityRef.parse(ref)) for ref in inside.get(resource.id, ())]
        try:
            entity = forms.entity(resource.type, resource.id, shape, document, members)
        except NotYet as error:
            open_ += error.questions
        else:
            offered.append(pushing.claimed(writing.provider, entity))
    if open_:
        # All at once: a user may be in many groups.
        raise NotYet(open_)
    return offered


async def _apply(tx: Transaction, writing: Writing, offered: Sequence[Claim], withdrawn: Sequence[str]) -> int | None:
    refs = [EntityRef.parse(ref) for ref in withdrawn]
    prepared = pushing.prepare(writing, pushing.carried(offered, refs), full=False)
    return await mutations.retract(tx, await mutations.write(tx, prepared))


def _shape_of(resource: Resource) -> Shape:
    """The shape as it was stored: what the configuration says of names holds from the next version on."""
    return Shape(
        name=resource.name,
        external_id=resource.external_id,
        ref=EntityRef.parse(resource.ref),
        entity_name=resource.entity_name,
        shown=resource.shown,
    )


def _by_id(members: JsonValue) -> Mapping[str, str]:
    """The members of a group by their ids, each as JSON."""
    listed = members if isinstance(members, list) else []
    return {
        id_: json.encode_sorted(each).decode()
        for each in listed
        if isinstance(each, dict) and isinstance(id_ := each.get("value"), str)
    }
