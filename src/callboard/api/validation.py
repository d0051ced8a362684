"""Validation: what the catalog would say about an entity."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from callboard import errors
from callboard.access.permissions import ENTITY_VALIDATE
from callboard.api import answers, context
from callboard.api.parameters import body_of, query_of
from callboard.builtin.annotations import mark_managed
from callboard.errors import InvalidEntity, InvalidInput, InvalidRef
from callboard.model.entities import check_envelope
from callboard.model.refs import LocationRef
from callboard.processing import trial

_KIND = " threw an error while validating the entity "


async def validate(request: Request) -> Response:
    """`POST /validate-entity`."""
    query_of(request, {})
    body = await body_of(request)
    await context.permit(request, ENTITY_VALIDATE)
    entity, where = body.required_object("entity"), body.required_text("location")
    try:
        check_envelope(entity)
        location = _location(where)
    except InvalidInput as error:
        return answers.value({"errors": [{"name": "TypeError", "message": str(error)}]}, 400)
    # What is sent can't claim another place than the one that it is sent for.
    mark_managed(entity, location, location)
    found = await trial.check(context.of(request).read_side.pipeline, entity, trial.Limits())
    if found:
        return answers.value({"errors": [_described(error) for error in found]}, 400)
    return answers.empty(200)


def _location(text: str) -> LocationRef:
    location = LocationRef.parse(text)
    if location.type != "url":
        raise InvalidRef(f"Invalid location ref {text}, only 'url:<target>' is supported, e.g. url:https://host/path")
    return location


def _described(error: Exception) -> Mapping[str, object]:
    """An error in the form that Backstage gives it, to the letter: clients compare it.

    Only what a policy or a processor raised has a cause, whose own causes are told in its message.
    """
    described = {"name": errors.describe(error)["name"], "message": str(error)}
    if isinstance(error, errors.CallboardError) and not isinstance(error, InvalidEntity):
        return described
    # A processor may raise what Callboard has no name for: to the caller it is the entity that is wrong.
    described["name"] = InvalidInput.name
    cause = error.__cause__
    if cause is None:
        return described
    name = "TypeError" if _KIND in str(error) else "Error"
    return {**described, "cause": {"name": name, "message": str(cause)}}
