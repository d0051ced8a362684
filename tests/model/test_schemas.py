import pytest

from callboard.errors import InvalidEntity
from callboard.model.json import JsonObject, JsonValue
from callboard.model.schemas import Schema, pointer_of

FIELD: JsonObject = {"type": "string", "minLength": 1}


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "object"}, 3, "<root> must be object - type: object"),
        ({"type": ["string", "null"]}, 3, "<root> must be null,string - type: null,string"),
        ({"required": ["a"]}, {}, "<root> must have required property 'a' - missingProperty: a"),
        (
            {"additionalProperties": False, "properties": {"a": {}}},
            {"b": 1},
            "<root> must NOT have additional properties - additionalProperty: b",
        ),
        ({"minLength": 1}, "", "<root> must NOT have fewer than 1 characters - limit: 1"),
        ({"maxLength": 1}, "ab", "<root> must NOT have more than 1 characters - limit: 1"),
        ({"minItems": 1}, [], "<root> must NOT have fewer than 1 items - limit: 1"),
        ({"maxItems": 1}, [1, 2], "<root> must NOT have more than 1 items - limit: 1"),
        ({"minProperties": 1}, {}, "<root> must NOT have fewer than 1 properties - limit: 1"),
        ({"maxProperties": 0}, {"a": 1}, "<root> must NOT have more than 0 properties - limit: 0"),
        ({"minimum": 2}, 1, "<root> must be >= 2 - comparison: >=, limit: 2"),
        ({"exclusiveMaximum": 2}, 2, "<root> must be < 2 - comparison: <, limit: 2"),
        (
            {"enum": ["a", "b"]},
            "c",
            "<root> must be equal to one of the allowed values - allowedValues: a,b",
        ),
        ({"const": 1}, 2, "<root> must be equal to constant - allowedValue: 1"),
        ({"pattern": "^a$"}, "b", '<root> must match pattern "^a$" - pattern: ^a$'),
        ({"uniqueItems": True}, [1, 1], "<root> must NOT have duplicate items"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "<root> must match a schema in anyOf"),
        ({"oneOf": [{}, {"type": "null"}]}, None, "<root> must match exactly one schema in oneOf"),
        ({"not": {}}, 1, "<root> must NOT be valid"),
        ({"properties": {"a": False}}, {"a": 1}, "/a boolean schema is false"),
        ({"multipleOf": 2}, 1, '<root> must pass "multipleOf" keyword validation'),
    ],
)
def test_a_violation_reads_as_users_of_backstage_know_it(schema: JsonObject, value: JsonValue, message: str) -> None:
    with pytest.raises(InvalidEntity) as caught:
        Schema(schema).check(value)

    assert str(caught.value) == message


def test_all_violations_are_reported_and_the_first_one_is_located() -> None:
    schema = Schema(
        {"properties": {"labels": {"additionalProperties": FIELD}, "tags": {"items": FIELD}, "title": FIELD}}
    )

    with pytest.raises(InvalidEntity) as caught:
        schema.check({"labels": {"a/b~c": 5}, "tags": ["x", ""], "title": "fine"})

    assert str(caught.value) == (
        "/labels/a~1b~0c must be string - type: string; /tags/1 must NOT have fewer than 1 characters - limit: 1"
    )
    assert caught.value.pointer == "/labels/a~1b~0c"


def test_every_unexpected_property_is_named() -> None:
    schema = Schema({"additionalProperties": False, "properties": {"a": {}}})

    violations = schema.violations({"x": 1, "a": 2, "y": 3})

    assert [violation.parameter for violation in violations] == ["additionalProperty: x", "additionalProperty: y"]


def test_a_valid_value_passes() -> None:
    schema = Schema(FIELD)

    assert schema.is_valid("x")
    assert schema.violations("x") == []
    schema.check("x")


def test_a_pattern_does_not_forgive_a_final_newline() -> None:
    assert not Schema({"pattern": "^[a-z]+$"}).is_valid("abc\n")


def test_the_pointer_of_the_whole_value_is_empty() -> None:
    assert pointer_of([]) == ""
