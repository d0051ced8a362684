"""Answers about locations, and about entities that are not in the catalog yet."""

from typing import Any, Literal, TypeAlias, cast

import msgspec

from callboard.client import failures
from callboard.client.answers import Answer, Cursors
from callboard.client.results import (
    AddedLocation,
    DraftedEntity,
    Entity,
    FieldAdvice,
    FoundEntity,
    Location,
    LocationAnalysis,
    LocationPage,
    Problem,
    Validation,
)
from callboard.errors import NotFound
from callboard.model.refs import LocationRef

_Object: TypeAlias = dict[str, Any]


class _Location(msgspec.Struct, rename="camel"):
    id: str
    type: str
    target: str
    entity_ref: str | None = None


class _Added(msgspec.Struct):
    location: _Location
    entities: list[_Object] = msgspec.field(default_factory=list)
    exists: bool | None = None


class _Listed(msgspec.Struct):
    data: _Location


class _LocationPage(msgspec.Struct, rename="camel"):
    items: list[_Location]
    total_items: int
    page_info: Cursors


class _Problem(msgspec.Struct):
    name: str = "Error"
    message: str = ""
    cause: "_Problem | None" = None


class _Refused(msgspec.Struct):
    errors: list[_Problem]


class _Target(msgspec.Struct):
    type: str
    target: str


class _Found(msgspec.Struct, rename="camel"):
    location: _Target
    is_registered: bool
    entity: _Object


class _Advice(msgspec.Struct):
    field: str
    state: Literal["analysisSuggestedValue", "analysisSuggestedNoValue", "needsUserInput"]
    value: str | None = None
    description: str = ""


class _Draft(msgspec.Struct):
    entity: _Object
    fields: list[_Advice] = msgspec.field(default_factory=list)


class _Analysis(msgspec.Struct, rename="camel"):
    existing_entity_files: list[_Found]
    generate_entities: list[_Draft]


def location(answer: Answer) -> Location:
    """One location."""
    return _location(msgspec.json.decode(answer.content, type=_Location))


def _location(location: _Location) -> Location:
    return Location(id=location.id, type=location.type, target=location.target, entity_ref=location.entity_ref)


def locations(answer: Answer) -> list[Location]:
    """All registered locations."""
    return [_location(listed.data) for listed in msgspec.json.decode(answer.content, type=list[_Listed])]


def page(answer: Answer) -> LocationPage:
    """A page of a query for locations."""
    page = msgspec.json.decode(answer.content, type=_LocationPage)
    items = [_location(item) for item in page.items]
    return LocationPage(items=items, total=page.total_items, next_cursor=page.page_info.next_cursor)


def only(answer: Answer, ref: LocationRef) -> Location:
    """The location among those found that is written exactly like *ref*. Raises NotFound."""
    for found in page(answer).items:
        if LocationRef(found.type, found.target) == ref:
            return found
    raise NotFound(f"there is no registered location {ref}")


def added(answer: Answer) -> AddedLocation:
    """The location that has been registered, or would be."""
    added = msgspec.json.decode(answer.content, type=_Added)
    return AddedLocation(_location(added.location), cast("list[Entity]", added.entities), added.exists)


def validation(answer: Answer) -> Validation:
    """The verdict on an entity. Raises InvalidInput if the question was wrong rather than the entity."""
    if answer.status < 300:
        return Validation(True)
    try:
        refused = msgspec.json.decode(answer.content, type=_Refused)
    except msgspec.DecodeError:
        raise failures.of_answer(answer.status, answer.content) from None
    return Validation(False, [_problem(problem) for problem in refused.errors])


def _problem(problem: _Problem) -> Problem:
    return Problem(problem.name, problem.message, None if problem.cause is None else _problem(problem.cause))


def analysis(answer: Answer) -> LocationAnalysis:
    """What there is at a location."""
    analysis = msgspec.json.decode(answer.content, type=_Analysis)
    return LocationAnalysis(
        [_found(file) for file in analysis.existing_entity_files],
        [_drafted(draft) for draft in analysis.generate_entities],
    )


def _found(file: _Found) -> FoundEntity:
    return FoundEntity(
        type=file.location.type,
        target=file.location.target,
        is_registered=file.is_registered,
        entity=cast("Entity", file.entity),
    )


def _drafted(draft: _Draft) -> DraftedEntity:
    fields = [
        FieldAdvice(field=field.field, state=field.state, value=field.value, description=field.description)
        for field in draft.fields
    ]
    return DraftedEntity(cast("Entity", draft.entity), fields)
