import pytest

from callboard.errors import OffsetExpired
from callboard.model.changes import ChangeType
from callboard.model.predicates import Equals
from callboard.view.views import View
from tests.view.samples import entity, names, ref_of, removed, row, uid_of, upserted, view_of

CART = entity("Cart", spec={"type": "service"})
PRICING = entity("pricing", spec={"type": "library"})


def test_an_empty_view_has_nothing() -> None:
    view = View()

    assert view.count == 0
    assert view.refs() == []
    assert view.by_ref("component:default/cart") is None
    assert view.by_uid("x") is None


def test_a_loaded_view_shows_the_snapshot() -> None:
    view = view_of(PRICING, CART)

    assert (view.offset, view.epoch, view.count) == (10, "e1", 2)
    assert view.refs() == ["component:default/cart", "component:default/pricing"]
    assert view.by_ref("component:default/cart") == row(CART)[2]
    assert view.by_uid(uid_of(PRICING)) == row(PRICING)[2]


def test_loading_again_forgets_what_was_there() -> None:
    view = view_of(CART)

    view.load([row(PRICING)], offset=3, epoch="e2")

    assert (view.offset, view.epoch) == (3, "e2")
    assert view.refs() == ["component:default/pricing"]


def test_a_snapshot_that_cannot_be_read_leaves_the_view_as_it_was() -> None:
    view = view_of(CART)

    with pytest.raises(TypeError):
        view.load([row(PRICING), ("u", "component:default/x", b"[]")], offset=20, epoch="e2")

    assert (view.offset, view.epoch, view.refs()) == (10, "e1", ["component:default/cart"])


def test_changes_are_followed() -> None:
    view = view_of(CART)
    changed = entity("Cart", spec={"type": "website"})

    applied = view.apply([upserted(11, PRICING, ChangeType.ADDED), upserted(12, changed), removed(13, PRICING)])

    assert applied == 3
    assert view.offset == 13
    assert view.refs() == ["component:default/cart"]
    assert view.by_ref("component:default/cart") == row(changed)[2]
    assert names(view.contents.bodies_of(view.evaluate(Equals("spec.type", "website")))) == ["Cart"]
    assert not view.evaluate(Equals("spec.type", "service"))


def test_changes_that_are_known_are_passed_over() -> None:
    view = view_of(CART)

    applied = view.apply([removed(9, CART), removed(10, CART), upserted(11, PRICING)])

    assert applied == 1
    assert view.count == 2


def test_a_missing_change_is_noticed_before_anything_is_applied() -> None:
    view = view_of(CART)

    with pytest.raises(OffsetExpired, match="change 12 is missing before 13"):
        view.apply([upserted(11, PRICING), removed(13, CART)])

    assert (view.offset, view.count) == (10, 1)


def test_an_entity_that_comes_back_has_its_new_uid_only() -> None:
    view = view_of(CART)
    reborn = entity("Cart", uid="00000000-0000-4000-8000-000000000001")

    view.apply([removed(11, CART), upserted(12, reborn, ChangeType.ADDED)])

    assert view.by_uid(uid_of(CART)) is None
    assert view.by_uid("00000000-0000-4000-8000-000000000001") == row(reborn)[2]
    assert view.count == 1


def test_a_uid_that_changes_without_a_removal_is_followed_too() -> None:
    view = view_of(CART)
    reborn = entity("Cart", uid="00000000-0000-4000-8000-000000000001")

    view.apply([upserted(11, reborn)])

    assert view.by_uid(uid_of(CART)) is None
    assert view.by_uid("00000000-0000-4000-8000-000000000001") == row(reborn)[2]


def test_removing_what_is_not_there_only_moves_the_offset() -> None:
    view = view_of(CART)

    view.apply([removed(11, PRICING)])

    assert (view.offset, view.count) == (11, 1)


def test_refs_are_answered_in_the_order_they_were_asked_for() -> None:
    view = view_of(CART, PRICING)
    asked = [ref_of(PRICING), "component:default/nothing", ref_of(CART), ref_of(PRICING)]

    assert names(view.by_refs(asked)) == ["pricing", None, "Cart", "pricing"]
    assert names(view.by_refs(asked, predicate=Equals("spec.type", "service"))) == [None, None, "Cart", None]


def test_of_many_refs_those_that_are_there_and_meant_are_found() -> None:
    view = view_of(CART, PRICING)
    asked = [ref_of(PRICING), "component:default/nothing", ref_of(CART)]

    assert view.among(asked) == {ref_of(PRICING), ref_of(CART)}
    assert view.among(asked, predicate=Equals("spec.type", "service")) == {ref_of(CART)}
