import pytest

from callboard.access.conditions import MAX_DEPTH, RULES, Rule, parse_conditions
from callboard.errors import InvalidInput
from callboard.model.facts import facts_of
from callboard.model.json import JsonObject, JsonValue
from callboard.model.predicates import matches
from callboard.model.schemas import Schema

ENTITY: JsonObject = {
    "kind": "Component",
    "metadata": {
        "name": "Till",
        "annotations": {"example.com/Docs": "dir:."},
        "labels": {"tier": "Gold"},
        "tags": ["java", "money"],
        "description": "x" * 300,
    },
    "spec": {"type": "service", "lifecycle": "production", "port": 8080, "profile": {"email": "a@b"}},
    "relations": [{"type": "ownedBy", "targetRef": "group:default/bakers"}],
}


def condition(rule: str, /, **params: JsonValue) -> JsonObject:
    return {"rule": rule, "resourceType": "catalog-entity", "params": params}


def holds(conditions: JsonValue) -> bool:
    return matches(parse_conditions(conditions), facts_of(ENTITY))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (condition("HAS_ANNOTATION", annotation="example.com/docs"), True),
        (condition("HAS_ANNOTATION", annotation="example.com/Docs", value="DIR:."), True),
        (condition("HAS_ANNOTATION", annotation="example.com/docs", value="dir:"), False),
        (condition("HAS_ANNOTATION", annotation="example.com"), False),
        (condition("HAS_LABEL", label="Tier"), True),
        (condition("HAS_LABEL", label="tier", value="gold"), True),
        (condition("HAS_LABEL", label="tier", value=""), False),
        (condition("HAS_LABEL", label="example.com/docs"), False),
        (condition("HAS_METADATA", key="tags", value="Java"), True),
        (condition("HAS_METADATA", key="tags", value="go"), False),
        (condition("HAS_METADATA", key="description"), True),
        (condition("HAS_METADATA", key="type"), False),
        (condition("HAS_SPEC", key="port", value="8080"), True),
        (condition("HAS_SPEC", key="profile.email"), True),
        (condition("HAS_SPEC", key="system"), False),
        (condition("IS_ENTITY_KIND", kinds=["api", "COMPONENT"]), True),
        (condition("IS_ENTITY_KIND", kinds=["api"]), False),
        (condition("IS_ENTITY_KIND", kinds=[]), False),
        (condition("IS_ENTITY_OWNER", claims=["user:default/jane", "Group:default/Bakers"]), True),
        (condition("IS_ENTITY_OWNER", claims=["user:default/jane"]), False),
    ],
)
def test_a_rule_holds_for_what_it_says_in_any_case(asked: JsonObject, expected: bool) -> None:
    assert holds(asked) is expected


def test_conditions_combine() -> None:
    service, api = condition("HAS_SPEC", key="type", value="service"), condition("IS_ENTITY_KIND", kinds=["API"])

    assert holds({"allOf": [service, {"not": api}]})
    assert not holds({"allOf": [service, api]})
    assert holds({"anyOf": [api, service]})
    assert not holds({"not": {"anyOf": [api, service]}})


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (None, "conditions must be object"),
        ([], "conditions must be object"),
        ({}, "conditions must have a rule, or one of allOf, anyOf and not"),
        ({"oneOf": []}, "conditions must have a rule, or one of allOf, anyOf and not"),
        ({"allOf": [], "anyOf": []}, "conditions must have a rule, or one of allOf, anyOf and not"),
        ({"allOf": []}, "conditions.allOf must be a list that is not empty"),
        ({"anyOf": []}, "conditions.anyOf must be a list that is not empty"),
        ({"anyOf": {}}, "conditions.anyOf must be a list that is not empty"),
        ({"not": []}, "conditions.not must be object"),
        ({"allOf": [{"not": "x"}]}, "conditions.allOf[0].not must be object"),
        (condition("IS_ENTITY_COLOUR"), "conditions.rule is 'IS_ENTITY_COLOUR', expected one of HAS_ANNOTATION"),
        ({"rule": 3}, "conditions.rule is no text, expected one of HAS_ANNOTATION"),
        ({"rule": "HAS_SPEC", "allOf": []}, "conditions has the unknown property 'allOf'"),
        (
            {"rule": "HAS_SPEC", "resourceType": "scaffolder-task", "params": {"key": "x"}},
            "conditions.resourceType must be 'catalog-entity'",
        ),
        (condition("HAS_LABEL"), "conditions.params of HAS_LABEL: <root> must have required property 'label'"),
        (condition("HAS_LABEL", label="a", value=1), "conditions.params of HAS_LABEL: /value must be string"),
        (condition("HAS_LABEL", label="a", vaule="b"), "conditions.params of HAS_LABEL: <root> must NOT have"),
        (condition("IS_ENTITY_KIND", kinds="api"), "conditions.params of IS_ENTITY_KIND: /kinds must be array"),
        (condition("IS_ENTITY_OWNER", claims=[1]), "conditions.params of IS_ENTITY_OWNER: /claims/0 must be string"),
        (
            {"rule": "HAS_SPEC", "resourceType": "catalog-entity", "params": []},
            "conditions.params of HAS_SPEC: <root> must be object",
        ),
        (
            {"rule": "HAS_SPEC", "resourceType": "catalog-entity"},
            "conditions.params of HAS_SPEC: <root> must have required property 'key'",
        ),
    ],
)
def test_what_is_wrong_is_named(asked: JsonValue, problem: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_conditions(asked)

    assert str(refusal.value).startswith(f"Invalid permission conditions: {problem}")


def test_conditions_are_nested_only_so_deep() -> None:
    fitting: JsonValue = condition("IS_ENTITY_KIND", kinds=["component"])
    for _ in range(MAX_DEPTH - 1):
        fitting = {"not": fitting}

    assert holds(fitting) is (MAX_DEPTH % 2 == 1)
    with pytest.raises(InvalidInput, match="nested deeper than 64 levels"):
        parse_conditions({"not": fitting})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_describes_itself_with_a_schema_of_its_parameters(rule: Rule) -> None:
    described = rule.describe()

    assert described.keys() == {"name", "description", "resourceType", "paramsSchema"}
    assert described["resourceType"] == "catalog-entity"
    schema = described["paramsSchema"]
    assert isinstance(schema, dict)
    assert not Schema(schema).is_valid({})
