"""Scalars: what an unquoted word in a YAML document means.

The rules are the core schema of YAML 1.2, and those of YAML 1.1 for documents that ask for them with a `%YAML 1.1`
directive. Numbers come out as JavaScript would print them, since that is what every client of a catalog has seen.
"""

import math
import re
from decimal import Decimal
from typing import TypeAlias

Scalar: TypeAlias = bool | int | float | str | None

_SAFE_DIGITS = 15
_SAFE_INTEGER = 2**53
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1

WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WORDS_1_1: dict[str, Scalar] = {
    **WORDS,
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}

NUMERIC_STARTS = frozenset("-+.0123456789")
"""How a number in YAML 1.2 can start."""

_INTEGER = re.compile(r"[-+]?[0-9]+").fullmatch
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+").fullmatch
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?").fullmatch
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)").fullmatch

_BASED_1_1 = re.compile(r"([-+]?)(?:0b([01_]+)|0x([0-9a-fA-F_]+)|0([0-7_]+))").fullmatch
_DECIMAL_1_1 = re.compile(r"[-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?").fullmatch
_SEXAGESIMAL_1_1 = re.compile(r"([-+]?)([0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)").fullmatch


def core(word: str) -> Scalar:
    """What *word* means in YAML 1.2. Raises ValueError for a number that JSON can't say."""
    if word in WORDS:
        return WORDS[word]
    if _INTEGER(word):
        return int(word) if len(word) <= _SAFE_DIGITS else number(float(word))
    if _FLOAT(word):
        return number(float(word))
    if _OCTAL_OR_HEX(word):
        return _based(word[2:], 8 if word[1] == "o" else 16)
    if _NOT_FINITE(word):
        raise ValueError(f"{word} is not a number in JSON")
    return word


def yaml_1_1(word: str) -> Scalar:
    """What *word* means in YAML 1.1, except that dates stay text. Raises ValueError as `core` does."""
    if word in _WORDS_1_1:
        return _WORDS_1_1[word]
    if based := _BASED_1_1(word):
        sign, binary, hexadecimal, octal = based.groups()
        digits, base = (binary, 2) if binary else (hexadecimal, 16) if hexadecimal else (octal, 8)
        value = _based(digits.replace("_", "") or "0", base)
        return -value if sign == "-" else value
    if _DECIMAL_1_1(word):
        return core(word.replace("_", ""))
    if sexagesimal := _SEXAGESIMAL_1_1(word):
        total = 0.0
        for part in sexagesimal[2].replace("_", "").split(":"):
            total = total * 60 + float(part)
        return number(-total if sexagesimal[1] == "-" else total)
    if _NOT_FINITE(word):
        raise ValueError(f"{word} is not a number in JSON")
    return word


def number(value: float) -> int | float:
    """*value* as the JSON number that JavaScript prints: no fraction where it is whole, and 17 digits at most.

    Whole numbers beyond 64 bits stay floats: the JSON encoder takes no larger integers.
    """
    if not math.isfinite(value):
        raise ValueError("the number is too large")
    if not value.is_integer():
        return value
    if -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
        return int(value)
    whole = int(Decimal(repr(value)))
    return whole if _SMALLEST <= whole <= _LARGEST else value


def key(value: Scalar) -> str:
    """The text of *value* as the key of a JSON object, spelled as JavaScript does."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _number_text(value)


def _based(digits: str, base: int) -> int | float:
    try:
        return number(float(int(digits, base)))
    except OverflowError as error:
        raise ValueError("the number is too large") from error


def _number_text(value: float) -> str:
    exact = Decimal(repr(value))
    sign, digits, exponent = exact.as_tuple()
    assert isinstance(exponent, int)
    point = len(digits) + exponent
    if -6 < point <= 21:
        return f"{exact:f}"
    mantissa = "".join(map(str, digits)).rstrip("0")
    fraction = f".{mantissa[1:]}" if mantissa[1:] else ""
    return f"{'-' if sign else ''}{mantissa[0]}{fraction}e{point - 1:+d}"
