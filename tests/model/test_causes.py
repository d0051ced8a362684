"""Reasons, as the causes of events tell them."""

from callboard.model import json
from callboard.model.causes import Because, Reason


def test_what_a_reason_does_not_know_is_left_out() -> None:
    assert str(Reason()) == '{"because":"changed"}'


def test_a_reason_tells_all_that_it_knows() -> None:
    reason = Reason(
        Because.UNREGISTERED,
        "user:default/ann",
        source="provider:locations",
        location="url:https://host/a.yaml",
        location_id="7",
        neighbour="component:default/b",
    )

    assert json.decode(str(reason)) == {
        "source": "provider:locations",
        "location": "url:https://host/a.yaml",
        "locationId": "7",
        "because": "unregistered",
        "by": "user:default/ann",
        "neighbour": "component:default/b",
    }


def test_a_reason_for_people_has_a_length_that_a_row_can_hold() -> None:
    assert len(str(Reason("webhook " + "github push 1a2b3c, " * 1_000))) < 400


def test_a_reason_goes_on_as_another_one_with_whoever_asked() -> None:
    asked = Reason(Because.REFRESH, "external:ci")

    assert asked.being(Because.ORPHANED, source="entity:location:default/l") == Reason(
        Because.ORPHANED, "external:ci", source="entity:location:default/l"
    )
