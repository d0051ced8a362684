from typing import Any

import pytest

from callboard.builtin.kinds import BuiltinKindsProcessor
from callboard.errors import InvalidEntity
from callboard.extend import Relation, Run
from callboard.model.entities import entity_ref
from callboard.model.refs import LocationRef


def component(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"namespace": "default", "name": "cart"},
        "spec": {"type": "service", "lifecycle": "production", "owner": "team-core", **spec},
    }


def run_of(entity: dict[str, Any]) -> Run:
    location = LocationRef("url", "https://host/cart.yaml")
    return Run(ref=entity_ref(entity), location=location, origin=location)


async def test_lists_of_refs_are_sorted_before_anything_else() -> None:
    cart = component(dependsOn=["resource:cart-db", "component:pricing"])

    processed = await BuiltinKindsProcessor().pre_process(cart, run_of(cart))

    assert processed["spec"] == component(dependsOn=["component:pricing", "resource:cart-db"])["spec"]


async def test_a_valid_entity_is_claimed() -> None:
    cart = component()

    assert await BuiltinKindsProcessor().validate_kind(cart, run_of(cart)) is True


async def test_a_foreign_kind_is_left_to_others() -> None:
    unicorn = {**component(), "kind": "Unicorn"}

    assert await BuiltinKindsProcessor().validate_kind(unicorn, run_of(unicorn)) is False


async def test_an_invalid_entity_is_refused() -> None:
    cart = component(owner=5)

    with pytest.raises(InvalidEntity, match="/spec/owner must be string - type: string"):
        await BuiltinKindsProcessor().validate_kind(cart, run_of(cart))


async def test_relations_are_emitted_in_both_directions() -> None:
    cart = component(system="checkout")
    run = run_of(cart)

    processed = await BuiltinKindsProcessor().post_process(cart, run)

    assert processed is cart
    assert run.relations == {
        Relation("component:default/cart", "ownedBy", "group:default/team-core"),
        Relation("group:default/team-core", "ownerOf", "component:default/cart"),
        Relation("component:default/cart", "partOf", "system:default/checkout"),
        Relation("system:default/checkout", "hasPart", "component:default/cart"),
    }
