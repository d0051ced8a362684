"""Durations in the configuration."""

from callboard import durations
from callboard.durations import EXPECTED, format_seconds, parse_text
from callboard.settings.values import Value

__all__ = ["EXPECTED", "format_seconds", "parse", "parse_text"]


def parse(value: Value) -> float:
    """The seconds that *value* says. Raises ValueError when it is not a duration."""
    return durations.parse(value.plain())
