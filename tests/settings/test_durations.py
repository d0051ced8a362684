from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.settings import durations, values
from callboard.settings.values import JsonValue, Position


def parse(content: JsonValue) -> float:
    return durations.parse(values.from_plain(content, Position("test", None, Path())))


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        ({"minutes": 3}, 180),
        ({"days": 1, "hours": 2, "minutes": 3, "seconds": 4, "milliseconds": 500}, 93_784.5),
        ({"weeks": 1}, 604_800),
        ({"minutes": "3"}, 180),
        ({"seconds": 0.5}, 0.5),
        ("3m", 180),
        ("90s", 90),
        ("2 hours", 7200),
        ("1.5 Hours", 5400),
        (".5h", 1800),
        ("250ms", 0.25),
        ("1 day", 86_400),
        ("PT3M", 180),
        ("P1DT2H", 93_600),
        ("P2W", 1_209_600),
        ("PT1.5S", 1.5),
        ("PT1,5S", 1.5),
        (" PT3M ", 180),
        ("PT0S", 0),
    ],
)
def test_every_notation_gives_its_seconds(content: JsonValue, seconds: float) -> None:
    assert parse(content) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "content",
    [
        "soon",
        "",
        "3",
        3,
        180.0,
        True,
        None,
        [],
        {},
        {"minute": 3},
        {"minutes": True},
        {"minutes": -1},
        {"minutes": "some"},
        {"months": 1},
        "1 month",
        "-3m",
        "P",
        "PT",
        "P1DT",
        "P1M",
        "P1Y",
        "3m 4s",
    ],
)
def test_anything_else_is_refused(content: JsonValue) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are those of the form
        parse(content)


@given(st.integers(min_value=0, max_value=10**9))
def test_a_written_duration_reads_back(milliseconds: int) -> None:
    text = durations.format_seconds(milliseconds / 1000)

    assert parse(text) == pytest.approx(milliseconds / 1000)
