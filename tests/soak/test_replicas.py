"""The checks of a follower notice what they are there for: each story tells it something that must not be told."""

from collections.abc import Callable

import pytest

from callboard.model.json import JsonObject
from tests.soak.replicas import Record, Replica, Told, described
from tests.soak.wishes import Wish, holds

EVERYTHING = Wish(None, ())
FIRST_TIER = Wish({"metadata.labels.tier": "1"}, (("filter", "metadata.labels.tier=1"),))


def entity(name: str, tier: str = "1") -> JsonObject:
    return {"kind": "Component", "metadata": {"name": name, "uid": f"uid-{name}", "labels": {"tier": tier}}}


def told(offset: int, kind: str, name: str, tier: str = "1", *, uid: str | None = None) -> Told:
    body = None if kind == "removed" else entity(name, tier)
    return Told(
        offset=offset,
        type=kind,
        ref=f"component:default/{name}",
        uid=uid or f"uid-{name}",
        entity=body,
    )


def following(wish: Wish = EVERYTHING, record: Record | None = None) -> Replica:
    """A replica that has a and b, and is owed every change from now on."""
    replica = Replica("follower", wish, record or Record())
    replica.live = True
    for each in (told(1, "added", "a"), told(2, "added", "b")):
        replica.tell(each)
    replica.mark(2, "e", caught_up=True)
    judge(replica)
    return replica


def judge(replica: Replica, floor: int = 0) -> None:
    replica.draw_line()
    replica.judge(floor, head=replica.offset)


def test_who_is_told_everything_in_order_has_nothing_to_complain_of() -> None:
    replica = following()

    for each in (told(3, "updated", "a", "2"), told(4, "removed", "b"), told(5, "added", "b")):
        replica.tell(each)
    replica.mark(5, "e", caught_up=True)
    judge(replica)

    assert replica.wrong == []
    assert {ref: held.entity for ref, held in replica.entities.items()} == {
        "component:default/a": entity("a", "2"),
        "component:default/b": entity("b"),
    }


def lose_one(replica: Replica) -> None:
    replica.tell(told(4, "updated", "a"))


def lose_the_last(replica: Replica) -> None:
    replica.mark(3, "e", caught_up=True)


def repeat(replica: Replica) -> None:
    replica.tell(told(2, "added", "b"))


def swap(replica: Replica) -> None:
    replica.tell(told(4, "updated", "b"))
    replica.tell(told(3, "updated", "a"))


def go_back(replica: Replica) -> None:
    replica.mark(1, "e", caught_up=True)


def change_the_epoch(replica: Replica) -> None:
    replica.mark(2, "f", caught_up=True)


def add_twice(replica: Replica) -> None:
    replica.tell(told(3, "added", "a"))


def update_nothing(replica: Replica) -> None:
    replica.tell(told(3, "updated", "c"))


def remove_nothing(replica: Replica) -> None:
    replica.tell(told(3, "removed", "c"))


def exchange_the_uid(replica: Replica) -> None:
    replica.tell(told(3, "removed", "a", uid="another"))


def leave_without_a_filter(replica: Replica) -> None:
    replica.tell(Told(offset=3, type="removed", ref="component:default/a", uid="uid-a", reason="left-filter"))


def remove_with_an_entity(replica: Replica) -> None:
    replica.tell(Told(offset=3, type="removed", ref="component:default/a", uid="uid-a", entity=entity("a")))


def bring_another(replica: Replica) -> None:
    replica.tell(Told(offset=3, type="updated", ref="component:default/a", uid="uid-a", entity=entity("b")))


@pytest.mark.parametrize(
    ("mistake", "complaint"),
    [
        (lose_one, "nothing told from 2 to 4"),
        (lose_the_last, "nothing told from 2 to the bookmark 3"),
        (repeat, "comes late, or once more"),
        (swap, "comes late, or once more"),
        (go_back, "the bookmark 1 lies before what was told, 2"),
        (change_the_epoch, "the epoch e has become f"),
        (add_twice, "added component:default/a at 3, which is here"),
        (update_nothing, "updated component:default/c at 3, which is not here"),
        (remove_nothing, "removed component:default/c at 3, which is not here"),
        (exchange_the_uid, "was uid-a, and is another"),
        (leave_without_a_filter, "because of 'left-filter'"),
        (remove_with_an_entity, "removed component:default/a at 3 with an entity"),
        (bring_another, "comes with ('component:default/b', 'uid-b')"),
    ],
)
def test_what_must_not_be_told_is_complained_of(mistake: Callable[[Replica], None], complaint: str) -> None:
    replica = following()

    mistake(replica)
    judge(replica)

    assert any(complaint in what for what in replica.wrong), replica.wrong


def test_an_entity_that_is_not_what_was_asked_for_is_complained_of() -> None:
    replica = following(FIRST_TIER)

    replica.tell(told(3, "updated", "a", tier="2"))

    assert "is not what was asked for" in replica.wrong[0]


def test_what_two_are_told_at_one_offset_has_to_be_the_same() -> None:
    record = Record()
    first, second = following(record=record), following(FIRST_TIER, record)

    first.tell(told(3, "updated", "a"))
    second.tell(told(3, "updated", "b"))

    assert (first.wrong, len(second.wrong)) == ([], 1)
    assert record.told[3] == described("component:default/a", "uid-a", entity("a"))


def test_who_was_below_the_floor_of_the_history_may_find_changes_passed_over() -> None:
    replica = following()

    replica.tell(told(7, "updated", "c"))
    judge(replica, floor=5)
    replica.tell(told(8, "updated", "a"))
    judge(replica, floor=7)

    assert (replica.wrong, replica.excused) == ([], 2)


def test_who_comes_from_below_the_floor_may_be_told_too_much_until_it_has_caught_up() -> None:
    replica = following()
    replica.mark(4, "e", caught_up=False, began=3)
    judge(replica, floor=4)
    excused = replica.excused

    replica.tell(told(5, "removed", "c"))
    replica.mark(5, "e", caught_up=True)
    judge(replica, floor=4)
    excused = replica.excused - excused
    replica.tell(told(6, "removed", "c"))
    judge(replica, floor=4)

    assert (excused, len(replica.wrong)) == (1, 1)


def test_a_floor_that_rises_later_excuses_nothing() -> None:
    replica = following()
    replica.tell(told(3, "updated", "a"))
    judge(replica, floor=2)

    replica.tell(told(5, "updated", "a"))
    judge(replica, floor=3)

    assert len(replica.wrong) == 1


def test_a_replica_that_is_not_what_is_listed_is_complained_of() -> None:
    replica = following()

    replica.compare({"component:default/a": entity("a", "2"), "component:default/c": entity("c")}, "the list")

    assert [what.partition(": ")[2].partition(" ")[0] for what in replica.wrong] == [
        "component:default/c",
        "component:default/b",
        "component:default/a",
    ]


def test_a_wish_holds_for_what_it_says() -> None:
    found: JsonObject = {
        "kind": "API",
        "metadata": {"name": "a", "tags": ["java", "web"]},
        "relations": [{"type": "ownedBy", "targetRef": "group:default/red"}],
    }

    assert holds({"$all": [{"kind": "api"}, {"metadata.tags": "web"}]}, found)
    assert holds({"$any": [{"kind": "component"}, {"relations.ownedBy": "group:default/red"}]}, found)
    assert holds({"$not": {"metadata.title": {"$exists": True}}}, found)
    assert not holds({"metadata.labels.tier": "1"}, found)
