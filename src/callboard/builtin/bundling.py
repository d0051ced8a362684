"""Bundling: API definitions whose parts are in several files become one document.

What a reference to another file names takes the place of the reference; further references to the same are turned into
references to that place, so that definitions that refer to themselves have an end.
"""

import asyncio
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from callboard.errors import InvalidDocument
from callboard.extend import Files, JsonObject, JsonValue
from callboard.model.documents import parse_documents
from callboard.model.notation import value_as_yaml

_MOST_NODES = 500_000
_DEEPEST = 300
_ASIDE = "x-bundled"
"""Where parts go that stand beside other words than their own. Both standards leave such names to whoever needs one."""

_DATA = ("example", "const", "enum")
"""What is below is data, in which `$ref` is a key like any other."""
_NAMES = ("properties", "patternProperties", "schemas", "definitions", "$defs", "parameters", "messages", "channels")
"""What is below has names, which may be any of the words above."""


class BundlingResolver:
    """`$openapi` and `$asyncapi`: the definition in one document, as YAML (an `extend.FollowingResolver`)."""

    def __init__(self, key: str) -> None:
        self.key = key

    async def follow(self, data: bytes, target: str, files: Files) -> JsonValue:
        """The document of *data*, with what it refers to in other files."""
        root = await asyncio.to_thread(_parsed, data, target)
        if not isinstance(root, dict):
            raise InvalidDocument(f"{target} holds no object, as a definition of an API does")
        bundle = _Bundle(target, root, files)
        whole = await bundle.whole()
        return await asyncio.to_thread(value_as_yaml, whole)


@dataclass(slots=True)
class _Bundle:
    target: str
    root: JsonObject
    files: Files
    documents: dict[str, JsonValue] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)
    """Where in the result each part of another file is, by its file and its pointer there."""
    aside: JsonObject = field(default_factory=dict)
    nodes: int = 0

    async def whole(self) -> JsonValue:
        self.documents[self.target] = self.root
        made = await self._walk(self.root, self.target, (), is_name=False)
        assert isinstance(made, dict)
        return {**made, _ASIDE: self.aside} if self.aside else made

    async def _walk(self, value: JsonValue, document: str, place: tuple[str, ...], *, is_name: bool) -> JsonValue:
        """*value* of *document*, as it shall stand at *place* of the result."""
        self.nodes += 1
        if self.nodes > _MOST_NODES or len(place) > _DEEPEST:
            raise InvalidDocument(f"{self.target} has more parts, or deeper ones, than can be put together")
        if isinstance(value, list):
            each = enumerate(value)
            return [await self._walk(item, document, (*place, str(index)), is_name=False) for index, item in each]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if isinstance(reference, str) and not is_name and not self._is_own(reference, document):
            return await self._followed(value, reference, document, place)
        made: JsonObject = {}
        for key, item in value.items():
            is_data = key in _DATA and not is_name
            names = key in _NAMES and not is_name
            made[key] = item if is_data else await self._walk(item, document, (*place, key), is_name=names)
        return made

    def _is_own(self, reference: str, document: str) -> bool:
        """Whether it is a reference within the result already."""
        return document == self.target and reference.startswith("#")

    async def _followed(self, value: JsonObject, reference: str, document: str, place: tuple[str, ...]) -> JsonValue:
        """What stands in the place of a reference to another file, or within another one."""
        found, pointer = await self._named(reference, document)
        others = {key: item for key, item in value.items() if key != "$ref"}
        if found == self.target:
            return {"$ref": f"#{pointer}", **others}
        known = self.places.get((found, pointer))
        if known is None and others:
            known = await self._put_aside(found, pointer)
        if known is not None:
            if known == _pointer(place):
                raise InvalidDocument(f"{reference} in {document} refers to nothing but itself")
            return {"$ref": known, **others}
        self.places[found, pointer] = _pointer(place)
        return await self._walk(self._part(found, pointer), found, place, is_name=False)

    async def _put_aside(self, document: str, pointer: str) -> str:
        base = pointer.rpartition("/")[2] or posixpath.basename(document.partition("?")[0]).partition(".")[0] or "part"
        name = next(name for name in _numbered(base) if name not in self.aside)
        place = (_ASIDE, name)
        self.places[document, pointer] = known = _pointer(place)
        self.aside[name] = None
        self.aside[name] = await self._walk(self._part(document, pointer), document, place, is_name=False)
        return known

    async def _named(self, reference: str, document: str) -> tuple[str, str]:
        """The file and the pointer that *reference* names; the file is read if it was not yet."""
        file, _, fragment = reference.partition("#")
        pointer = unquote(fragment)
        if pointer and not pointer.startswith("/"):
            raise InvalidDocument(f"{reference} in {document} is no JSON pointer; anchors are not followed")
        if not file:
            return document, pointer
        target, data = await self.files.read(unquote(file) if "://" not in file else file, document)
        if target not in self.documents:
            self.documents[target] = await asyncio.to_thread(_parsed, data, target)
        return target, pointer

    def _part(self, document: str, pointer: str) -> JsonValue:
        value = self.documents[document]
        for part in pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and name in value:
                value = value[name]
            elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            else:
                raise InvalidDocument(f"there is no {pointer} in {document}")
        return value


def _parsed(data: bytes, target: str) -> JsonValue:
    documents = parse_documents(data, merge_keys=False)
    if len(documents) != 1:
        raise InvalidDocument(f"{target} holds {len(documents)} YAML documents instead of one")
    return documents[0].value


def _pointer(place: tuple[str, ...]) -> str:
    return "#" + "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in place)


def _numbered(base: str) -> Iterator[str]:
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1
