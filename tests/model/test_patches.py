"""How documents differ."""

import jsonpatch

from callboard.model import patches
from callboard.model.json import JsonValue


def test_a_patch_makes_the_one_out_of_the_other() -> None:
    before: JsonValue = {"spec": {"owner": "team", "tags": [1, 2]}}
    after: JsonValue = {"spec": {"owner": "bank", "tags": [2]}, "a/b": None}

    assert jsonpatch.apply_patch(before, patches.between(before, after)) == after


def test_there_is_no_difference_between_equals() -> None:
    assert patches.between({"a": [1]}, {"a": [1]}) == []


def test_what_is_too_deep_to_be_compared_is_replaced_as_a_whole() -> None:
    before: JsonValue = 1
    after: JsonValue = 2
    for _ in range(5_000):
        before, after = {"a": before}, {"a": after}

    assert patches.between(before, after) == patches.whole(after)
