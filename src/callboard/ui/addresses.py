"""Addresses: where a link of an entity leads, if a browser may follow it at all."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from callboard.model.json import JsonValue

_FOLLOWED: Final = ("http", "https", "mailto")


@dataclass(frozen=True, slots=True)
class Place:
    """Something outside, in words, and its address: empty where it has none that a browser may follow."""

    words: str
    address: str


def outside(value: JsonValue) -> str:
    """*value* if it is the address of a page or of a mailbox, and nothing otherwise: entities come from strangers.

    >>> outside("https://host/a"), outside("javascript:alert(1)"), outside("//host/a"), outside(7)
    ('https://host/a', '', '', '')
    """
    if not isinstance(value, str) or not value.isprintable():
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    leads = parts.netloc if parts.scheme.startswith("http") else parts.path
    return value if parts.scheme in _FOLLOWED and leads else ""


def place(location: JsonValue, line: JsonValue = None) -> Place:
    """A location ref for people, and a line there. What is not read from the web has no address.

    >>> place("url:https://host/a.yaml", 7)
    Place(words='https://host/a.yaml, line 7', address='https://host/a.yaml#L7')
    >>> place("file:/srv/a.yaml")
    Place(words='/srv/a.yaml', address='')
    """
    text = str(location or "")
    kind, colon, target = text.partition(":")
    shown = target if colon and kind in ("url", "file") else text
    address = outside(target) if kind == "url" else ""
    at = f", line {line}" if isinstance(line, int) else ""
    return Place(shown + at, f"{address}#L{line}" if address and at and "#" not in address else address)
