"""The stream machine finds what is built wrong: each of these products makes it fail.

They are made by replacing a function or a statement of the product, which no other test does: what is to be shown is
that the machine would notice.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import hypothesis
import pytest

from callboard.errors import OffsetExpired
from callboard.model.changes import Change
from callboard.store import publication, retention
from callboard.store.queries import Query
from callboard.stream import feed, sight
from callboard.stream.sight import Sight
from tests.conftest import Lend
from tests.properties.test_stream_machine import explore

pytestmark = pytest.mark.slow

_ENOUGH = 100
"""Examples within which each is found. They are the same ones at every run."""


def altered(statements: Mapping[str, Query], name: str, old: str, new: str) -> dict[str, Query]:
    """The *statements* of a file, one of them with something else in it."""
    assert old in statements[name].text
    return {**statements, name: replace(statements[name], text=statements[name].text.replace(old, new))}


def assert_found(lend_database: Lend, kinds: tuple[type[Exception], ...] = (AssertionError,)) -> None:
    settings: dict[str, Any] = {
        # Finding is enough: nobody wants to read the shortest way.
        "phases": [hypothesis.Phase.generate],
        "derandomize": True,
        "database": None,
        "report_multiple_bugs": False,
    }
    with pytest.raises(kinds):
        explore(lend_database, _ENOUGH, **settings)


def test_forgetting_tombstones_above_the_floor_is_found(lend_database: Lend, monkeypatch: pytest.MonkeyPatch) -> None:
    floor = "last_offset <= (select tombstone_floor from stream)"
    monkeypatch.setattr(retention, "_SQL", altered(retention._SQL, "drop_tombstones", floor, "true"))

    assert_found(lend_database)


def test_keeping_quiet_about_what_leaves_the_filter_is_found(
    lend_database: Lend, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = Sight.tell

    def quiet(self: Sight, change: Change, *others: Any) -> Change | None:
        told = tell(self, change, *others)
        return None if told is not None and told.left_filter else told

    monkeypatch.setattr(sight.Sight, "tell", quiet)

    assert_found(lend_database)


def test_an_offset_without_an_event_is_found(lend_database: Lend, monkeypatch: pytest.MonkeyPatch) -> None:
    number = "counter.head - (select count(*) from published) + p.position"
    monkeypatch.setattr(publication, "_SQL", altered(publication._SQL, "publish", number, f"{number} + 1"))

    assert_found(lend_database, (AssertionError, OffsetExpired))


def test_serving_readers_below_the_floor_is_found(lend_database: Lend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed._Reading, "_check_floors", lambda *_: None)

    assert_found(lend_database)


def test_dropping_partitions_with_what_somebody_may_hold_is_found(
    lend_database: Lend, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = altered(retention._SQL, "drop_removals", "type = 'removed'", "true")
    monkeypatch.setattr(retention, "_SQL", kept)

    assert_found(lend_database)
