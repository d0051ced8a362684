"""Documents: the text of a definition as values, and the references between them."""

import functools
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from callboard.errors import InvalidDocument
from callboard.model import json
from callboard.model.documents import parse_documents
from callboard.model.json import JsonObject, JsonValue
from callboard.ui.shapes import mapping

MOST_YAML: Final = 1_000_000
"""Bytes of YAML that are read for a page, which takes a fifth of a second; JSON takes a hundredth of that."""

MOST_JSON: Final = 10_000_000

_MOST_VALUES: Final = 200_000
"""In a document of MOST_YAML; aliases can say more."""

_MOST_STEPS: Final = 20
"""References that lead to references, of which some lead round in a circle."""


class Unreadable(Exception):
    """A definition can only be shown as it was written."""


@dataclass(frozen=True, slots=True)
class Document:
    """A definition, read."""

    value: JsonObject

    def followed(self, value: JsonValue) -> JsonObject:
        """The object that *value* is, or refers to. Nothing when it leads nowhere, elsewhere, or round in a circle."""
        for _ in range(_MOST_STEPS):
            found = mapping(value)
            reference = found.get("$ref")
            if not isinstance(reference, str):
                return found
            value = self._at(reference)
        return {}

    def _at(self, reference: str) -> JsonValue:
        place: JsonValue = self.value
        start, *steps = reference.split("/")
        if start != "#":
            return None
        for step in steps:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and name.isdecimal() and int(name) < len(place):
                place = place[int(name)]
            else:
                place = mapping(place).get(name)
        return place


@functools.lru_cache(maxsize=8)
def read(text: str) -> Document:
    """The document that *text* holds, in JSON or in YAML. Raises Unreadable.

    The last few are kept: who reads one part of a definition goes on to the next.
    """
    value = _json(text) if text.lstrip()[:1] == "{" else None
    if value is None:
        value = _yaml(text)
    if not isinstance(value, dict):
        raise Unreadable("It holds no object, which a description of an API is.")
    return Document(value)


def _json(text: str) -> JsonValue:
    if len(text) > MOST_JSON:
        raise Unreadable(f"It has {len(text):,} characters, of which no more than {MOST_JSON:,} are read for a page.")
    try:
        return json.decode(text)
    except ValueError:
        # As YAML it may still be good; if not, the other parser says where it is wrong.
        return None


def _yaml(text: str) -> JsonValue:
    try:
        documents = parse_documents(text, merge_keys=True, max_bytes=MOST_YAML, max_nodes=_MOST_VALUES)
    except InvalidDocument as error:
        raise Unreadable(f"It is not good YAML: {error}") from error
    return documents[0].value if documents else None
