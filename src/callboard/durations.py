"""Durations: how long something takes, in the notations that Backstage's configuration knows.

An object of plural units, an ISO 8601 duration, or a number with a unit. A number alone is refused, since nobody can
say whether it means seconds or milliseconds; so are months and years, which have no fixed length.
"""

import re
from collections.abc import Mapping

EXPECTED = 'a duration such as {minutes: 3}, "3m" or "PT3M"'

_SECONDS = {
    "weeks": 604_800.0,
    "days": 86_400.0,
    "hours": 3_600.0,
    "minutes": 60.0,
    "seconds": 1.0,
    "milliseconds": 0.001,
}
_UNITS = {
    **dict.fromkeys(("milliseconds", "millisecond", "msecs", "msec", "ms"), "milliseconds"),
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s"), "seconds"),
    **dict.fromkeys(("minutes", "minute", "mins", "min", "m"), "minutes"),
    **dict.fromkeys(("hours", "hour", "hrs", "hr", "h"), "hours"),
    **dict.fromkeys(("days", "day", "d"), "days"),
    **dict.fromkeys(("weeks", "week", "w"), "weeks"),
}
_NUMBER = r"\d{1,15}(?:\.\d{1,15})?"
_FRIENDLY = re.compile(rf"({_NUMBER}|\.\d{{1,15}}) *([a-z]+)", re.IGNORECASE)
_ISO = re.compile(
    rf"P(?=[\dT])(?:({_NUMBER})W)?(?:({_NUMBER})D)?"
    rf"(?:T(?=\d)(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:(\d{{1,15}}(?:[.,]\d{{1,15}})?)S)?)?"
)


def parse(value: object) -> float:
    """The seconds that a JSON *value* says. Raises ValueError when it is not a duration."""
    match value:
        case str() as text:
            return parse_text(text)
        case Mapping() as units if units:
            return sum(_of_unit(unit, amount) for unit, amount in units.items())
        case _:
            raise ValueError(value)


def parse_text(text: str) -> float:
    """The seconds that *text* says: `3m`, `1.5 hours`, `PT3M`. Raises ValueError when it is not a duration."""
    text = text.strip()
    if iso := _ISO.fullmatch(text):
        amounts = zip(_SECONDS, iso.groups(), strict=False)
        return sum(float(amount.replace(",", ".")) * _SECONDS[unit] for unit, amount in amounts if amount)
    friendly = _FRIENDLY.fullmatch(text)
    unit = _UNITS.get(friendly[2].lower()) if friendly else None
    if friendly is None or unit is None:
        raise ValueError(text)
    return float(friendly[1]) * _SECONDS[unit]


def format_seconds(seconds: float) -> str:
    """The shortest text for *seconds*, in the largest unit that needs no fraction.

    >>> format_seconds(180.0)
    '3m'
    """
    for suffix, unit in (("d", "days"), ("h", "hours"), ("m", "minutes"), ("s", "seconds")):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{suffix}"
    return f"{seconds * 1000:.15g}ms"


def _of_unit(unit: object, number: object) -> float:
    if isinstance(number, str) and re.fullmatch(_NUMBER, number.strip()):
        number = float(number)
    if (
        not isinstance(unit, str)
        or unit not in _SECONDS
        or isinstance(number, bool)
        or not isinstance(number, int | float)
    ):
        raise ValueError(unit)
    if not 0 <= number < float("inf"):
        raise ValueError(number)
    return number * _SECONDS[unit]
