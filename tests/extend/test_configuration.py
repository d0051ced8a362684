"""What plugins read from the configuration."""

import datetime as dt
from collections.abc import Sequence

import msgspec
import pytest

from callboard.errors import InvalidConfiguration
from callboard.extend import Schedule
from callboard.extend.configuration import (
    Duration,
    Options,
    Secret,
    function_named,
    pattern,
    read,
    read_by_id,
    read_list,
)

AT = "catalog.providers.shelf"


class Filters(Options):
    topics: Sequence[str] = ()
    max_depth: int = 3
    forks: bool = True


class Shelf(Options):
    organization: str
    token: Secret | None = None
    filters: Filters = msgspec.field(default_factory=Filters)
    app_id: int | str | None = None
    schedule: Schedule | None = None


def told(value: object, kind: type = Shelf) -> str:
    with pytest.raises(InvalidConfiguration) as caught:
        read(kind, value, AT)  # type: ignore[arg-type]
    return str(caught.value)


class Pauses(Options):
    wait_time: Duration = Duration(20)


def test_durations_are_said_as_everywhere_else() -> None:
    assert read(Pauses, {"waitTime": {"minutes": 3}}, AT).wait_time == 180.0
    assert read(Pauses, {"waitTime": "PT0.5S"}, AT).wait_time == 0.5
    assert read(Pauses, {}, AT).wait_time == 20.0
    assert told({"waitTime": "soon"}, Pauses).startswith(f"{AT}.waitTime: ")


def test_options_are_written_in_camel_case_and_what_is_unknown_is_left_alone() -> None:
    found = read(Shelf, {"organization": "acme", "filters": {"maxDepth": 5}, "appId": 7, "later": True}, AT)

    assert (found.filters.max_depth, found.app_id) == (5, 7)


def test_texts_from_environment_variables_stand_for_numbers_and_truth_values() -> None:
    found = read(Shelf, {"organization": "acme", "filters": {"maxDepth": "5", "forks": "false"}}, AT)

    assert found.filters == Filters(max_depth=5, forks=False)


def test_what_is_missing_or_of_another_type_is_named_by_its_key() -> None:
    assert told({}) == f"{AT}.organization: expected a value, got none"
    assert told({"organization": 7}) == f"{AT}.organization: expected a text, got a whole number"
    assert told({"organization": "a", "filters": {"topics": ["x", {}]}}) == (
        f"{AT}.filters.topics[1]: expected a text, got an object"
    )
    assert told("acme") == f"{AT}: expected an object, got a text"


def test_a_secret_is_not_shown() -> None:
    found = read(Shelf, {"organization": "acme", "token": "s3cret"}, AT)

    assert found.token == "s3cret"
    assert "s3cret" not in repr(found)
    assert "1234567" not in told({"organization": "acme", "token": 1234567})


def test_entries_stand_under_their_ids_or_one_stands_alone_as_the_default() -> None:
    flat = {"organization"}

    assert list(read_by_id(Shelf, {"a": {"organization": "x"}, "b": {"organization": "y"}}, AT, flat=flat)) == [
        "a",
        "b",
    ]
    assert list(read_by_id(Shelf, {"organization": "x"}, AT, flat=flat)) == ["default"]
    assert read_by_id(Shelf, None, AT, flat=flat) == {}
    with pytest.raises(InvalidConfiguration, match=rf"{AT}\.b\.organization"):
        read_by_id(Shelf, {"a": {"organization": "x"}, "b": {}}, AT, flat=flat)
    with pytest.raises(InvalidConfiguration, match="expected an object with entries by id, got a list"):
        read_by_id(Shelf, [], AT, flat=flat)


def test_a_list_may_have_one_entry_only_that_stands_alone() -> None:
    assert [shelf.organization for shelf in read_list(Shelf, {"organization": "x"}, AT)] == ["x"]
    with pytest.raises(InvalidConfiguration, match=r"shelf\[1\]\.organization"):
        read_list(Shelf, [{"organization": "x"}, {}], AT)


def test_functions_are_named_by_module_and_name() -> None:
    assert function_named("json:dumps", AT)({}) == "{}"
    for wrong in ("json", "json:dumpz", "jsonn:dumps", "json:__name__"):
        with pytest.raises(InvalidConfiguration, match=f"^{AT}: expected a "):
            function_named(wrong, AT)


def test_a_pattern_that_is_none_is_named() -> None:
    assert pattern("a+", AT).fullmatch("aa")
    with pytest.raises(InvalidConfiguration, match=rf"^{AT}: expected a regular expression, got '\(': "):
        pattern("(", AT)


MONDAY = dt.datetime(2026, 1, 5, 12, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("frequency", "rest"),
    [
        ({"minutes": 30}, 1800.0),
        ("PT1H", 3600.0),
        ("45s", 45.0),
        ({"cron": "0 13 * * *"}, 1800.0),
        ({"cron": "0 0 13 * * *"}, 1800.0),
        ({"trigger": "manual"}, None),
    ],
)
def test_a_schedule_says_when_the_next_round_begins(frequency: object, rest: float | None) -> None:
    schedule = Schedule.parse({"frequency": frequency, "timeout": {"minutes": 3}, "initialDelay": "5s"})  # type: ignore[dict-item]

    assert (schedule.rest(MONDAY), schedule.timeout, schedule.initial_delay) == (rest, 180.0, 5.0)
    assert schedule.is_manual == (rest is None)


@pytest.mark.parametrize(
    "value",
    [{}, "PT1H", {"frequency": 5}, {"frequency": {"cron": "not a cron"}}, {"frequency": "1h", "timeout": "long"}],
)
def test_a_schedule_that_is_none_is_named_by_its_key(value: object) -> None:
    assert told({"organization": "acme", "schedule": value}).startswith(f"{AT}.schedule: expected ")
