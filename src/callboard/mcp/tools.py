"""Tools: what agents can call, with what, and what that may do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from callboard.mcp import actions, predicates
from callboard.model.json import JsonObject, JsonValue
from callboard.model.schemas import Schema
from callboard.ui.asking import Asking

Call = Callable[[Asking, JsonObject], Awaitable[JsonObject]]

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"

_TEXT: Final = {"type": "string"}
_SOME_TEXT: Final = {**_TEXT, "minLength": 1}
_NUMBER: Final = {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+$"}]}


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
    numbers: tuple[str, ...] = ()
    """Those that may be numbers in words, which agents like to write."""
    beyond: str | None = None
    """The one of which the API says more clearly than its schema what is wrong with it."""
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
        described = {"type": "object", "properties": self.takes, "additionalProperties": False, "$schema": _DRAFT}
        return {**described, "required": [*self.needs]} if self.needs else described

    def read(self, arguments: JsonObject) -> JsonObject:
        """*arguments* with numbers for what is a number in words."""
        return {key: _number(value) if key in self.numbers else value for key, value in arguments.items()}

    def wrong(self, arguments: JsonObject) -> list[str]:
        """What is wrong with *arguments*, as they have been read."""
        checked = {key: value for key, value in arguments.items() if key != self.beyond}
        return [violation.brief for violation in Schema(self.schema).violations(checked)]


def _number(value: JsonValue) -> JsonValue:
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


_KIND: Final = {**_SOME_TEXT, "description": "The kind, for example Component"}
_NAMESPACE: Final = {**_SOME_TEXT, "description": "The namespace; default without it"}
_NAME: Final = {**_SOME_TEXT, "description": "The name"}
_UNKNOWN: Final = {"kind": "The kind, if it is known", "namespace": "The namespace, if it is known", "name": "The name"}
"""What means an entity where its name alone may be enough."""


def _meant(text: dict[str, Any]) -> dict[str, Any]:
    return {part: {**text, "description": words} for part, words in _UNKNOWN.items()}


TOOLS: Final = (
    Tool(
        action="get-catalog-model-description",
        title="Get a Catalog Model Description",
        description="Which kinds of entities the catalog has, what must stand in them, and how they relate.",
        call=actions.describe_model,
        reads_only=True,
        idempotent=True,
    ),
    Tool(
        action="get-catalog-entity",
        title="Get Catalog Entity",
        description="One entity by its name. Kind and namespace are needed only where several have the name.",
        call=actions.get_entity,
        takes=_meant(_TEXT),
        needs=("name",),
        reads_only=True,
        idempotent=True,
    ),
    Tool(
        action="validate-entity",
        title="Validate Catalog Entity",
        description="What the catalog would say about an entity that is written in YAML, before it is anywhere.",
        call=actions.validate_entity,
        takes={
            "entity": {**_TEXT, "description": "One entity, as YAML"},
            "location": {**_TEXT, "format": "uri", "description": "The URL where it will be"},
        },
        needs=("entity",),
        reads_only=True,
        idempotent=True,
    ),
    Tool(
        action="register-entity",
        title="Register entity in the Catalog",
        description="Have the catalog read a file of entities, now and from then on.",
        call=actions.register,
        takes={"locationUrl": {**_TEXT, "description": "The URL of the file"}},
        needs=("locationUrl",),
    ),
    Tool(
        action="unregister-entity",
        title="Unregister entity from the Catalog",
        description="Remove a registered location, and every entity that nothing else keeps.",
        call=actions.unregister,
        takes={
            "type": {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {key: {**_TEXT, "description": words}},
                        "required": [key],
                        "additionalProperties": False,
                    }
                    for key, words in (("locationId", "Its id"), ("locationUrl", "The URL that it points at"))
                ],
                "description": "Which location: its id or its URL",
            }
        },
        needs=("type",),
        destroys=True,
        idempotent=True,
    ),
    Tool(
        action="query-catalog-entities",
        title="Query Catalog Entities",
        description=(
            "Entities for which a predicate holds, a page at a time. A predicate is an object such as"
            ' {"kind": "component", "spec.type": {"$in": ["service", "website"]}}, with $all, $any, $not, $exists,'
            " $in, $contains and $hasPrefix; relations are found as relations.<type>, for example"
            ' {"relations.ownedBy": "group:default/bakers"}.'
        ),
        call=actions.query_entities,
        takes=predicates.QUERY,
        numbers=("limit", "offset"),
        beyond="query",
        reads_only=True,
        idempotent=True,
    ),
    Tool(
        action="refresh-catalog-entity",
        title="Refresh Catalog Entity",
        description=(
            "Have an entity, and what it comes from, read again at once. Kind and namespace are needed only where"
            " several have the name."
        ),
        call=actions.refresh,
        takes=_meant(_SOME_TEXT),
        needs=("name",),
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
        takes={"kind": _KIND, "namespace": _NAMESPACE, "name": _NAME},
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
            "epoch": {**_SOME_TEXT, "description": "epoch of the answer before"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 500, "description": "At most so many; 50 without it"},
            "wait": {"type": "integer", "minimum": 0, "maximum": 30, "description": "Seconds to wait for a change"},
            "filter": {**_SOME_TEXT, "description": "Only of these entities, for example kind=component"},
            "fields": {**_SOME_TEXT, "description": "Only these parts, separated by commas"},
        },
        reads_only=True,
        idempotent=True,
    ),
)
"""All of them; the first seven are Backstage's, in its order."""
