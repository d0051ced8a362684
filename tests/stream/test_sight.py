"""What of a change a reader is told who does not see everything."""

import datetime as dt

import pytest

from callboard.model import json
from callboard.model.changes import Change, ChangeType
from callboard.model.predicates import Equals
from callboard.store.changes import Earlier, Version
from callboard.stream.sight import NOTHING, Sight

FILTER = Sight(wanted=Equals("spec.tier", "1"))
PERMISSION = Sight(permitted=Equals("spec.tier", "1"))
BOTH_KINDS = pytest.mark.parametrize("sight", [FILTER, PERMISSION], ids=["filter", "permission"])
FORGOTTEN = Earlier(known=False)


def body(tier: str, **more: str) -> bytes:
    return json.encode({"kind": "Component", "metadata": {"name": "a"}, "spec": {"tier": tier, **more}})


def version(tier: str, uid: str = "before") -> Version:
    return Version(uid, body(tier))


def change(kind: ChangeType, tier: str | None) -> Change:
    return Change(
        offset=7,
        type=kind,
        ref="component:default/a",
        uid="now",
        body=None if tier is None else body(tier),
        at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        cause="{}",
    )


UPDATED = change(ChangeType.UPDATED, "1")
HIDDEN = change(ChangeType.UPDATED, "2")
REMOVED = change(ChangeType.REMOVED, None)


@BOTH_KINDS
def test_what_stays_in_sight_is_told_as_it_is(sight: Sight) -> None:
    assert sight.tell(UPDATED, Earlier((version("1"),))) == UPDATED


@BOTH_KINDS
@pytest.mark.parametrize("held", [Earlier((version("2"),)), NOTHING])
def test_what_comes_into_sight_is_added(sight: Sight, held: Earlier) -> None:
    told = sight.tell(UPDATED, held)

    assert told is not None
    assert (told.type, told.body, told.left_filter) == (ChangeType.ADDED, UPDATED.body, False)


@BOTH_KINDS
def test_what_leaves_sight_is_removed_and_tells_nothing_of_what_it_has_become(sight: Sight) -> None:
    told = sight.tell(HIDDEN, Earlier((version("1"),)))

    assert told is not None
    assert (told.type, told.left_filter) == (ChangeType.REMOVED, True)
    assert (told.uid, told.body, told.cause) == ("before", None, None)


@BOTH_KINDS
def test_a_removal_is_told_to_who_saw_what_was_removed(sight: Sight) -> None:
    told = sight.tell(REMOVED, Earlier((version("2"), version("1"))))

    assert told is not None
    assert (told.type, told.left_filter, told.uid, told.cause) == (ChangeType.REMOVED, False, "before", "{}")


@BOTH_KINDS
@pytest.mark.parametrize("news", [HIDDEN, REMOVED, change(ChangeType.ADDED, "2")])
@pytest.mark.parametrize("held", [Earlier((version("2"),)), NOTHING])
def test_what_was_and_is_out_of_sight_is_not_told(sight: Sight, news: Change, held: Earlier) -> None:
    assert sight.tell(news, held) is None


@pytest.mark.parametrize("news", [HIDDEN, REMOVED])
def test_where_the_past_is_forgotten_a_filter_loses_no_removal(news: Change) -> None:
    told = FILTER.tell(news, FORGOTTEN)

    assert told is not None
    assert told.type is ChangeType.REMOVED


@pytest.mark.parametrize("news", [HIDDEN, REMOVED])
def test_where_the_past_is_forgotten_a_permission_keeps_the_secret(news: Change) -> None:
    assert PERMISSION.tell(news, FORGOTTEN) is None


def test_what_is_permitted_now_is_no_secret() -> None:
    sight = Sight(wanted=Equals("spec.type", "service"), permitted=Equals("spec.tier", "1"))

    told = sight.tell(UPDATED, FORGOTTEN)

    assert told is not None
    assert told.left_filter


@BOTH_KINDS
def test_where_the_past_is_forgotten_the_type_stays_as_it_is(sight: Sight) -> None:
    assert sight.tell(UPDATED, FORGOTTEN) == UPDATED


def test_a_reader_sees_what_it_wants_and_may_see() -> None:
    sight = Sight(wanted=Equals("spec.type", "service"), permitted=Equals("spec.tier", "1"))

    assert sight.shows(body("1", type="service"))
    assert not sight.shows(body("1"))
    assert not sight.shows(body("2", type="service"))
    assert not sight.shows(None)
