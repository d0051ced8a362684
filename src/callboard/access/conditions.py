"""Conditions: the JSON in which Backstage's permission framework says which entities a decision is about.

A condition names a rule and its parameters; `allOf`, `anyOf` and `not` combine conditions. Here they become predicates,
so that lists, facets, single entities and the stream all judge alike, and none of them looks at case.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from callboard.access.permissions import CATALOG_ENTITY
from callboard.errors import InvalidInput
from callboard.model.json import JsonObject, JsonValue
from callboard.model.predicates import AllOf, AnyOf, Equals, Exists, In, Not, Predicate
from callboard.model.schemas import Schema

MAX_DEPTH = 64
"""How deep conditions may be nested; no policy writes more than a handful of levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A question about an entity that a condition may ask."""

    name: str
    description: str
    """For whoever writes a policy elsewhere."""
    parameters: JsonObject
    """The JSON Schema of the parameters."""
    predicate_of: Callable[[JsonObject], Predicate]
    """What parameters that keep to the schema mean."""
    schema: Schema = field(init=False, repr=False, compare=False)
    """The schema of the parameters, compiled."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "schema", Schema(self.parameters))

    def describe(self) -> JsonObject:
        """The rule, as permission backends read about it."""
        return {
            "name": self.name,
            "description": self.description,
            "resourceType": CATALOG_ENTITY,
            "paramsSchema": self.parameters,
        }


def parse_conditions(value: JsonValue) -> Predicate:
    """The predicate of permission conditions. Raises InvalidInput that says where they are wrong."""
    return _parse(value, "conditions", MAX_DEPTH)


def _parse(value: JsonValue, where: str, depth: int) -> Predicate:
    if not isinstance(value, dict):
        raise _refusal(f"{where} must be object")
    if depth == 0:
        raise _refusal(f"they are nested deeper than {MAX_DEPTH} levels")
    if "rule" in value:
        return _parse_condition(value, where)
    # Which of two words counts is nobody's guess to make when access hangs on it.
    if len(value) != 1 or not value.keys() <= {"allOf", "anyOf", "not"}:
        raise _refusal(f"{where} must have a rule, or one of allOf, anyOf and not")
    [(word, operand)] = value.items()
    if word == "not":
        return Not(_parse(operand, f"{where}.not", depth - 1))
    # An empty list is more likely a mistake than the wish to grant everything or nothing: Backstage refuses it as well.
    if not isinstance(operand, list) or not operand:
        raise _refusal(f"{where}.{word} must be a list that is not empty")
    members = tuple(_parse(member, f"{where}.{word}[{at}]", depth - 1) for at, member in enumerate(operand))
    return AllOf(members) if word == "allOf" else AnyOf(members)


def _parse_condition(value: JsonObject, where: str) -> Predicate:
    for name in value:
        if name not in ("rule", "resourceType", "params"):
            raise _refusal(f"{where} has the unknown property '{name}'")
    asked = value["rule"]
    rule = _BY_NAME.get(asked) if isinstance(asked, str) else None
    if rule is None:
        shown = f"'{asked}'" if isinstance(asked, str) else "no text"
        raise _refusal(f"{where}.rule is {shown}, expected one of {', '.join(_BY_NAME)}")
    if value.get("resourceType") != CATALOG_ENTITY:
        raise _refusal(f"{where}.resourceType must be '{CATALOG_ENTITY}'")
    parameters = value.get("params", {})
    violations = rule.schema.violations(parameters)
    if violations or not isinstance(parameters, dict):
        reasons = "; ".join(map(str, violations))
        raise _refusal(f"{where}.params of {rule.name}: {reasons}")
    return rule.predicate_of(parameters)


def _refusal(words: str) -> InvalidInput:
    return InvalidInput(f"Invalid permission conditions: {words}")


def _text_at(parameters: JsonObject, name: str) -> str:
    text = parameters[name]
    assert isinstance(text, str)
    return text


def _texts_at(parameters: JsonObject, name: str) -> tuple[str, ...]:
    texts = parameters[name]
    assert isinstance(texts, list)
    return tuple(text for text in texts if isinstance(text, str))


def _schema(*required: str, **properties: JsonValue) -> JsonObject:
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _text(description: str) -> JsonObject:
    return {"type": "string", "description": description}


def _texts(description: str) -> JsonObject:
    return {"type": "array", "items": {"type": "string"}, "description": description}


def _has(path: str, parameter: str) -> Callable[[JsonObject], Predicate]:
    def predicate_of(parameters: JsonObject) -> Predicate:
        key = f"{path}.{_text_at(parameters, parameter)}"
        return Equals(key, _text_at(parameters, "value")) if "value" in parameters else Exists(key)

    return predicate_of


RULES = (
    Rule(
        name="HAS_ANNOTATION",
        description="Holds for entities that carry an annotation, whatever it says unless a value is given",
        parameters=_schema("annotation", annotation=_text("Key of the annotation"), value=_text("What it must say")),
        predicate_of=_has("metadata.annotations", "annotation"),
    ),
    Rule(
        name="HAS_LABEL",
        description="Holds for entities that carry a label, whatever it says unless a value is given",
        parameters=_schema("label", label=_text("Key of the label"), value=_text("What it must say")),
        predicate_of=_has("metadata.labels", "label"),
    ),
    Rule(
        name="HAS_METADATA",
        description="Holds for entities with a field of the metadata, whatever it holds unless a value is given",
        parameters=_schema("key", key=_text("Path below metadata, with dots"), value=_text("What must be there")),
        predicate_of=_has("metadata", "key"),
    ),
    Rule(
        name="HAS_SPEC",
        description="Holds for entities with a field of the spec, whatever it holds unless a value is given",
        parameters=_schema("key", key=_text("Path below spec, with dots"), value=_text("What must be there")),
        predicate_of=_has("spec", "key"),
    ),
    Rule(
        name="IS_ENTITY_KIND",
        description="Holds for entities of one of these kinds",
        parameters=_schema("kinds", kinds=_texts("Kinds, in any case")),
        predicate_of=lambda parameters: In("kind", _texts_at(parameters, "kinds")),
    ),
    Rule(
        name="IS_ENTITY_OWNER",
        description="Holds for entities that one of these users and groups owns",
        parameters=_schema("claims", claims=_texts("Refs of the users and groups")),
        predicate_of=lambda parameters: In("relations.ownedBy", _texts_at(parameters, "claims")),
    ),
)
"""The rules of the Backstage catalog, with its names and parameters."""

_BY_NAME = {rule.name: rule for rule in RULES}
