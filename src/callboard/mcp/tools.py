"""Tools: what agents can call, with what, and what that may do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from callboard.mcp import actions
from callboard.model.json import JsonObject
from callboard.model.schemas import Schema
from callboard.ui.asking import Asking

Call = Callable[[Asking, JsonObject], Awaitable[JsonObject]]

_TEXT: Final = {"type": "string", "minLength": 1}
_NUMBER: Final = {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+$"}]}
_ORDER: Final = {
    "type": "object",
    "required": ["field", "order"],
    "properties": {"field": _TEXT, "order": {"enum": ["asc", "desc"]}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool."""

    action: str
    """Its name within the catalog."""
    title: str
    description: str
    call: Call
    takes: dict[str, Any] = field(default_factory=dict)
    """The schemas of its arguments."""
    needs: tuple[str, ...] = ()
    """Those that must be there."""
    reads_only: bool = False
    destroys: bool = False
    idempotent: bool = False

    @property
    def name(self) -> str:
        """Its name for agents, with that of the plugin before it as in Backstage."""
        return f"catalog.{self.action}"

    @property
    def schema(self) -> dict[str, Any]:
        """The schema of all that it takes."""
        described = {"type": "object", "properties": self.takes, "additionalProperties": False}
        return {**described, "required": [*self.needs]} if self.needs else described

    def wrong(self, arguments: JsonObject) -> list[str]:
        """What is wrong with *arguments*."""
        return [violation.brief for violation in Schema(self.schema).violations(arguments)]


_NAMED: Final = {
    "kind": {**_TEXT, "description": "The kind, for example Component"},
    "namespace": {**_TEXT, "description": "The namespace; default without it"},
    "name": {**_TEXT, "description": "The name"},
}

TOOLS: Final = (
    Tool(
        action="get-catalog-model-description",
        title="Describe the catalog's model",
        description="Which kinds of entities the catalog has, what must stand in them, and how they relate.",
        call=actions.describe_model,
        reads_only=True,
        idempotent=True,
    ),
    Tool(
        action="get-catalog-entity",
        title="Get an entity",
        description="One entity by its name. Kind and namespace are needed only where several have the name.",
        call=actions.get_entity,
        takes={**_NAMED, "namespace": {**_TEXT, "description": "The namespace"}},
        needs=("name",),
        reads_only=True,
        idempotent=True,
    ),
    Tool(
        action="query-catalog-entities",
        title="Query entities",
        description=(
            "Entities for which a predicate holds, a page at a time. A predicate is an object such as"
            ' {"kind": "component", "spec.type": {"$in": ["service", "website"]}}, with $all, $any, $not, $exists,'
            " $in, $contains and $hasPrefix; relations are found as relations.<type>, for example"
            ' {"relations.ownedBy": "group:default/bakers"}.'
        ),
        call=actions.query_entities,
        takes={
            "query": {"type": "object", "description": "The predicate; all entities without it"},
            "fields": {"type": "array", "items": _TEXT, "description": "Only these parts, for example metadata.name"},
            "limit": {**_NUMBER, "description": "Entities in a page; 100 without it"},
            "offset": {**_NUMBER, "description": "Leave out so many"},
            "orderFields": {"anyOf": [_ORDER, {"type": "array", "items": _ORDER}]},
            "fullTextFilter": {
                "type": "object",
                "required": ["term"],
                "properties": {"term": _TEXT, "fields": {"type": "array", "items": _TEXT}},
            },
            "cursor": {**_TEXT, "description": "nextPageCursor of the page before"},
        },
        reads_only=True,
        idempotent=True,
    ),
    Tool(
        action="validate-entity",
        title="Validate an entity",
        description="What the catalog would say about an entity that is written in YAML, before it is anywhere.",
        call=actions.validate_entity,
        takes={
            "entity": {**_TEXT, "description": "One entity, as YAML"},
            "location": {**_TEXT, "description": "The URL where it will be"},
        },
        needs=("entity",),
        reads_only=True,
        idempotent=True,
    ),
    Tool(
        action="register-entity",
        title="Register a location",
        description="Have the catalog read a file of entities, now and from then on.",
        call=actions.register,
        takes={"locationUrl": {**_TEXT, "description": "The URL of the file"}},
        needs=("locationUrl",),
    ),
    Tool(
        action="unregister-entity",
        title="Unregister a location",
        description="Remove a registered location, and every entity that nothing else keeps.",
        call=actions.unregister,
        takes={
            "type": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": [key],
                        "properties": {key: _TEXT},
                        "additionalProperties": False,
                    }
                    for key in ("locationId", "locationUrl")
                ]
            }
        },
        needs=("type",),
        destroys=True,
        idempotent=True,
    ),
    Tool(
        action="refresh-catalog-entity",
        title="Refresh an entity",
        description="Have an entity, and what it comes from, read again at once.",
        call=actions.refresh,
        takes=_NAMED,
        needs=("kind", "name"),
        idempotent=True,
    ),
    Tool(
        action="explain-entity",
        title="Explain an entity",
        description=(
            "Where an entity comes from, who else claims it, what its last processing came to, what it waits for, and"
            " what is wrong with it. Knows of entities that never became visible as well."
        ),
        call=actions.explain,
        takes=_NAMED,
        needs=("kind", "name"),
        reads_only=True,
        idempotent=True,
    ),
    Tool(
        action="follow-changes",
        title="Follow the changes",
        description=(
            "What has changed in the catalog after an offset, in order and without gaps. Call it without an offset to"
            " learn where the stream is now, and then again with nextOffset and epoch of each answer."
        ),
        call=actions.follow,
        takes={
            "offset": {**_NUMBER, "description": "The changes after this one; 0 for the whole catalog"},
            "epoch": {**_TEXT, "description": "epoch of the answer before"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 500, "description": "At most so many; 50 without it"},
            "wait": {"type": "integer", "minimum": 0, "maximum": 30, "description": "Seconds to wait for a change"},
            "filter": {**_TEXT, "description": "Only of these entities, for example kind=component"},
            "fields": {**_TEXT, "description": "Only these parts, separated by commas"},
        },
        reads_only=True,
        idempotent=True,
    ),
)
"""All of them; the first seven are Backstage's."""
