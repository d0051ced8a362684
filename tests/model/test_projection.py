import pytest

from callboard.errors import InvalidInput
from callboard.model.json import JsonObject
from callboard.model.projection import parse_fields

ENTITY: JsonObject = {
    "kind": "Component",
    "metadata": {
        "name": "cart",
        "annotations": {"github.com/project-slug": "acme/cart", "a": "short", "a.b": "long"},
        "tags": ["java", "go"],
        "title": None,
        "empty": [],
    },
    "spec": {"type": "service", "flag": False},
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["kind"], {"kind": "Component"}),
        (["metadata.name,kind"], {"metadata": {"name": "cart"}, "kind": "Component"}),
        ([" kind , metadata.name "], {"kind": "Component", "metadata": {"name": "cart"}}),
        (["kind", "metadata.name"], {"kind": "Component", "metadata": {"name": "cart"}}),
        (["spec"], {"spec": {"type": "service", "flag": False}}),
        (["spec,spec.type"], {"spec": {"type": "service", "flag": False}}),
        (["spec.type,spec"], {"spec": {"type": "service", "flag": False}}),
        (["spec.flag,spec.type"], {"spec": {"flag": False, "type": "service"}}),
        (
            ["metadata.annotations.github.com/project-slug"],
            {"metadata": {"annotations": {"github.com/project-slug": "acme/cart"}}},
        ),
        (["metadata.title,metadata.empty"], {"metadata": {"title": None, "empty": []}}),
        (["metadata.tags"], {"metadata": {"tags": ["java", "go"]}}),
    ],
)
def test_a_field_selects_a_leaf_or_all_below_it(fields: list[str], expected: JsonObject) -> None:
    projection = parse_fields(fields)

    assert projection is not None
    assert projection.apply(ENTITY) == expected


@pytest.mark.parametrize("field", ["spec.nothing", "Kind", "metadata.tags.length", "metadata.tags.0", "kind.x", "a..b"])
def test_what_is_not_there_leaves_nothing(field: str) -> None:
    projection = parse_fields([field])

    assert projection is not None
    assert projection.apply(ENTITY) == {}


def test_the_shortest_key_is_taken_and_nothing_is_tried_again() -> None:
    projection = parse_fields(["metadata.annotations.a.b"])

    assert projection is not None
    assert projection.apply(ENTITY) == {}


def test_the_entity_is_left_as_it_was() -> None:
    entity: JsonObject = {"spec": {"a": {"b": 1}}}
    projection = parse_fields(["spec.a,spec.a.b"])

    assert projection is not None
    projection.apply(entity)["more"] = 1

    assert entity == {"spec": {"a": {"b": 1}}}


@pytest.mark.parametrize("fields", [[], [""], [" , "]])
def test_no_field_means_no_projection(fields: list[str]) -> None:
    assert parse_fields(fields) is None


def test_indexes_are_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_fields(["kind,a[0]"])

    assert str(refused.value) == 'Invalid field "a[0]", array type fields are not supported'
