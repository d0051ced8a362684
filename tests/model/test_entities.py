from typing import Any

import pytest

from callboard.errors import InvalidEntity
from callboard.model.entities import check_envelope, entity_ref, location_of, origin_of
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import LocationRef


def entity(**metadata: JsonValue) -> JsonObject:
    return {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "Cart", **metadata}}


def without(key: str) -> JsonObject:
    return {name: value for name, value in entity().items() if name != key}


def test_an_envelope_needs_no_more_than_a_name() -> None:
    check_envelope(entity())
    check_envelope(entity(namespace="Not Good!", labels=5))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (without("apiVersion"), "<root> must have required property 'apiVersion' - missingProperty: apiVersion"),
        (without("kind"), "<root> must have required property 'kind' - missingProperty: kind"),
        (without("metadata"), "<root> must have required property 'metadata' - missingProperty: metadata"),
        ({**entity(), "metadata": {}}, "/metadata must have required property 'name' - missingProperty: name"),
        ({**entity(), "metadata": []}, "/metadata must be object - type: object"),
        ({**entity(), "kind": ""}, "/kind must NOT have fewer than 1 characters - limit: 1"),
        (entity(name=5), "/metadata/name must be string - type: string"),
        (entity(namespace=None), "/metadata/namespace must be string - type: string"),
        (None, "<root> must be object - type: object"),
        ([], "<root> must be object - type: object"),
    ],
)
def test_what_can_not_be_named_is_no_entity(value: JsonValue, message: str) -> None:
    with pytest.raises(InvalidEntity) as caught:
        check_envelope(value)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({**entity(), "kind": "a/b"}, "/kind"),
        ({**entity(), "kind": "a:b"}, "/kind"),
        (entity(namespace="a/b"), "/metadata/namespace"),
        (entity(name="a\0b"), "/metadata/name"),
    ],
)
def test_what_would_make_an_ambiguous_ref_is_refused(value: JsonValue, pointer: str) -> None:
    with pytest.raises(InvalidEntity) as caught:
        check_envelope(value)

    assert caught.value.pointer == pointer


def test_a_ref_is_lower_case_and_has_the_default_namespace() -> None:
    assert str(entity_ref(entity())) == "component:default/cart"
    assert str(entity_ref(entity(namespace="Shop"))) == "component:shop/cart"


def test_the_annotations_say_where_an_entity_comes_from() -> None:
    cart = entity(
        annotations={
            "backstage.io/managed-by-location": "url:https://host/cart.yaml",
            "backstage.io/managed-by-origin-location": "url:https://host/all.yaml",
        }
    )

    assert location_of(cart) == LocationRef("url", "https://host/cart.yaml")
    assert origin_of(cart) == LocationRef("url", "https://host/all.yaml")


@pytest.mark.parametrize("annotations", [None, {}, "none", {"backstage.io/managed-by-location": 5}])
def test_an_entity_from_nowhere_is_refused(annotations: Any) -> None:
    with pytest.raises(InvalidEntity) as caught:
        location_of(entity(annotations=annotations))

    assert str(caught.value) == (
        "Entity 'component:default/cart' does not have the annotation backstage.io/managed-by-location"
    )


def test_a_malformed_location_is_located() -> None:
    with pytest.raises(InvalidEntity, match="invalid value for the annotation") as caught:
        origin_of(entity(annotations={"backstage.io/managed-by-origin-location": "https://host"}))

    assert caught.value.pointer == "/metadata/annotations/backstage.io~1managed-by-origin-location"
