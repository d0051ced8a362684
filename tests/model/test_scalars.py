import math

import pytest

from callboard.model import scalars


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("", None),
        ("~", None),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("yes", "yes"),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("+.5", 0.5),
        (".", "."),
        ("-", "-"),
        ("1e", "1e"),
        ("1.2.3", "1.2.3"),
        ("190:20:30", "190:20:30"),
        ("12\n", "12\n"),
        ("١٢", "١٢"),
    ],
)
def test_the_core_schema(word: str, value: scalars.Scalar) -> None:
    found = scalars.core(word)

    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("y", True),
        ("Off", False),
        ("null", None),
        ("0", 0),
        ("00", 0),
        ("-017", -15),
        ("09", 9),
        ("0o14", "0o14"),
        ("0b1_1", 3),
        ("-0xFF", -255),
        ("1_000", 1000),
        ("-1:30.5", -90.5),
        ("1e3", 1000),
        ("2024-01-02", "2024-01-02"),
    ],
)
def test_the_schema_of_yaml_1_1(word: str, value: scalars.Scalar) -> None:
    found = scalars.yaml_1_1(word)

    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("word", [".inf", "-.INF", "+.Inf", ".nan", "1e400", "0x" + "f" * 300])
def test_what_json_can_not_say_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="number"):
        scalars.core(word)

    with pytest.raises(ValueError, match="number"):
        scalars.yaml_1_1(word)


def test_numbers_beyond_64_bits_stay_floats() -> None:
    assert isinstance(scalars.number(2.0**64), float)
    assert isinstance(scalars.number(1.8e19), int)
    assert isinstance(scalars.number(-(2.0**63)), float)


def test_infinity_is_no_json_number() -> None:
    with pytest.raises(ValueError, match="too large"):
        scalars.number(math.inf)
