"""Causes, as readers with conditions are told of them."""

from dataclasses import replace

import pytest

from callboard.model import json
from callboard.model.changes import Change
from callboard.model.predicates import Equals
from callboard.store.changes import Earlier
from callboard.stream import causes
from callboard.stream.sight import NOTHING, Sight
from tests.stream.test_sight import PERMISSION, REMOVED, UPDATED, version

SECRET, OPEN = "component:default/secret", "component:default/open"
FULL = {
    "source": f"entity:{OPEN}",
    "location": "url:https://host/secret.yaml",
    "locationId": "7",
    "because": "relations",
    "by": "user:default/ann",
    "neighbour": OPEN,
    "conflict": [{"source": f"entity:{SECRET}", "locationKey": "k"}],
}


def sees_open(ref: str) -> bool:
    return ref == OPEN


def told(**other: str) -> object:
    return json.decode(causes.reduced(json.encode({**FULL, **other}).decode(), sees_open))


def test_people_places_and_rivals_are_left_out() -> None:
    assert told() == {"source": f"entity:{OPEN}", "because": "relations", "neighbour": OPEN}


def test_entities_out_of_sight_are_left_out() -> None:
    assert told(source=f"entity:{SECRET}", neighbour=SECRET) == {"because": "relations"}


def test_providers_may_be_named_to_everybody() -> None:
    assert told(source="provider:ci", neighbour=SECRET) == {"source": "provider:ci", "because": "relations"}


@pytest.mark.parametrize("change", [UPDATED, REMOVED], ids=["updated", "removed"])
def test_whoever_has_conditions_is_told_a_part_of_the_cause(change: Change) -> None:
    secret = replace(change, cause=json.encode({**FULL, "source": f"entity:{SECRET}"}).decode())
    sight = Sight(permitted=PERMISSION.permitted, named=sees_open)

    shown = sight.tell(secret, Earlier((version("1"),)))

    assert shown is not None
    assert json.decode(shown.cause or "") == {"because": "relations", "neighbour": OPEN}


def test_without_knowing_who_may_be_named_nobody_is() -> None:
    whole = replace(UPDATED, cause=json.encode(FULL).decode())

    shown = PERMISSION.tell(whole, NOTHING)

    assert shown is not None
    assert shown.cause == '{"because":"relations"}'


def test_a_filter_alone_hides_nothing_of_the_cause() -> None:
    whole = replace(UPDATED, cause=json.encode(FULL).decode())

    shown = Sight(wanted=Equals("spec.tier", "1")).tell(whole, Earlier((version("1"),)))

    assert shown == whole
