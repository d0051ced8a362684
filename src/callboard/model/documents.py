"""Documents: the YAML or JSON text of a file, read as JSON values.

The language is YAML 1.2 with its core schema, many documents a file, and JSON as its subset: `yes`, `012` and
`2024-01-02` mean what they mean to Backstage. What could hurt is refused with its line and column: duplicate keys,
aliases that expand without end, nesting without end, and values that JSON can't say.

Not accepted, though YAML allows it: collections as keys, anchors defined twice, characters outside the basic plane as
pairs of \\uXXXX escapes, and a NUL in whatever spelling.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from callboard.errors import InvalidDocument
from callboard.model import scalars
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import LocationRef

MAX_BYTES = 5_000_000
"""Some 5,000 entities, which take one to three seconds to read, during which nothing else happens in the process."""

MAX_NODES = 1_000_000
"""Values in one file after the expansion of aliases; a file of MAX_BYTES without aliases rarely has half of it."""

MAX_DEPTH = 100
"""Levels of nesting. The parser recurses on the machine's stack, so that this must be bounded before it does."""

_TEXT = "tag:yaml.org,2002:str"
_WORD = "?"
_CORE_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float"))
_MERGE_TAG = "tag:yaml.org,2002:merge"

_BARE_AFTER_END = re.compile(rb"^\.\.\.((?:[ \t]*(?:#.*)?\r?\n)+)(?=[^\s#%.-]|-(?!--)|\.(?!\.\.))", re.MULTILINE)
_SPELLED_NUL = re.compile(rb"\\(?:0|x00|u0000|U00000000)")

_HINTS = {
    "\t": "a tab can't be used for indentation",
    "@": "a value that starts with @ must be quoted",
    "`": "a value that starts with ` must be quoted",
    "%": "a value that starts with % must be quoted",
}
_TYPE_NAMES: dict[type, str] = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file, and the line that it starts on, counted from 1."""

    value: JsonValue
    line: int


def parse_documents(
    data: bytes | str, *, merge_keys: bool = False, max_bytes: int = MAX_BYTES, max_nodes: int = MAX_NODES
) -> list[Document]:
    """All documents of *data*, an empty one as null. Raises InvalidDocument.

    With *merge_keys*, `<<: *base` takes over the entries of *base*; otherwise `<<` is a key like any other.
    """
    content = _clean(data, max_bytes)
    build = _Builder(content, merge_keys=merge_keys, max_nodes=max_nodes)
    return [
        Document(build.document(node, version_1_1=version_1_1), node.start_mark.line + 1)
        for node, version_1_1 in _compose(content)
    ]


@dataclass(frozen=True, slots=True)
class RawEntity:
    """One document of a file that holds entities, as it stands there, and the line that it starts on."""

    entity: JsonObject
    line: int


def parse_entities(data: bytes, location: LocationRef) -> list[RawEntity]:
    """The raw entities of the file that was read at *location*. Raises InvalidDocument if any document is not one."""
    try:
        documents = parse_documents(data)
    except InvalidDocument as error:
        raise InvalidDocument(
            f"YAML error at {location}, {error.reason}", line=error.line, column=error.column
        ) from error
    entities: list[RawEntity] = []
    for index, document in enumerate(documents):
        if isinstance(document.value, dict):
            entities.append(RawEntity(document.value, document.line))
        elif document.value is not None:
            line, column = locate(data, index, "")
            name = _TYPE_NAMES[type(document.value)]
            raise InvalidDocument(f"Expected object at root, got {name}", line=line, column=column)
    return entities


def locate(data: bytes | str, document_index: int, pointer: str) -> tuple[int, int]:
    """Line and column of what *pointer* (a JSON pointer) names in a document, or of its nearest existing ancestor.

    Parses *data* again, so that nothing has to be kept for the many values that are fine.
    """
    content = _clean(data, max_bytes=None)
    for index, (node, version_1_1) in enumerate(_compose(content)):
        if index == document_index:
            mark = _descend(node, pointer, scalars.yaml_1_1 if version_1_1 else scalars.core).start_mark
            return mark.line + 1, mark.column + 1
    return 1, 1


class _Loader(yaml.CSafeLoader):
    """Composes nodes, and leaves it to the builder what unquoted words mean."""

    version_1_1 = False
    _depth = 0
    _nodes = 0

    def resolve(self, kind: type[Node], value: str, implicit: tuple[bool, bool]) -> str:
        if kind is not ScalarNode or not implicit[0]:
            return _TEXT
        may_mean_more = value in scalars.WORDS or value[0] in scalars.NUMERIC_STARTS or self.version_1_1
        return _WORD if may_mean_more else _TEXT

    def descend_resolver(self, parent: Node | None, _index: object) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            assert parent is not None
            _refuse(f"nested more than {MAX_DEPTH} levels deep", parent)
        # Counted before the nodes take hundreds of megabytes. The builder counts again what aliases make of them.
        self._nodes += 1
        if self._nodes > MAX_NODES and parent is not None:
            _refuse("the file holds too many values", parent)

    def ascend_resolver(self) -> None:
        self._depth -= 1


class _Builder:
    """Turns the nodes of one file into values, within a budget."""

    __slots__ = ("_budget", "_characters", "_max_characters", "_measures", "_merges", "_nul", "_word")

    def __init__(self, content: bytes, *, merge_keys: bool, max_nodes: int) -> None:
        self._budget = max_nodes
        self._characters = 0
        self._max_characters = max(len(content), MAX_BYTES)
        # Without aliases the values can't hold more text than the file does.
        self._measures = b"&" in content and b"*" in content
        self._nul = b"\\" in content and _SPELLED_NUL.search(content) is not None
        self._merges = merge_keys
        self._word: Callable[[str], scalars.Scalar] = scalars.core

    def document(self, node: Node, *, version_1_1: bool) -> JsonValue:
        """The value of one document."""
        merges = self._merges
        self._word = scalars.yaml_1_1 if version_1_1 else scalars.core
        self._merges = merges or version_1_1
        value = self._value(node, 1)
        self._merges = merges
        if self._measures or self._nul:
            self._inspect(value, node)
        return value

    def _value(self, node: Node, depth: int) -> JsonValue:
        if type(node) is ScalarNode:
            return _scalar(node, self._word)
        if depth > MAX_DEPTH:
            _refuse(f"an alias nests more than {MAX_DEPTH} levels deep, or contains itself", node)
        children = node.value
        self._budget -= len(children) + 1
        if self._budget < 0:
            what = "the aliases expand to" if self._measures else "the file holds"
            _refuse(f"{what} too many values", node)
        depth += 1
        if type(node) is MappingNode:
            return self._mapping(children, depth)
        return [
            child.value if child.tag == _TEXT and type(child) is ScalarNode else self._value(child, depth)
            for child in children
        ]

    def _mapping(self, entries: list[tuple[Node, Node]], depth: int) -> JsonObject:
        value: JsonObject = {}
        merged: list[JsonObject] = []
        for key_node, child in entries:
            if type(key_node) is not ScalarNode:
                _refuse('a collection can\'t be a key (a template such as "{{ x }}" must be quoted)', key_node)
            if self._merges and _is_merge(key_node):
                merged.extend(self._merged(child, depth))
                continue
            key: str = key_node.value if key_node.tag == _TEXT else scalars.key(_scalar(key_node, self._word))
            if key in value:
                _refuse(f'the key "{key}" is there twice', key_node)
            plain = child.tag == _TEXT and type(child) is ScalarNode
            value[key] = child.value if plain else self._value(child, depth)
        for base in merged:
            for key in base.keys() - value.keys():
                value[key] = base[key]
        return value

    def _merged(self, node: Node, depth: int) -> Iterator[JsonObject]:
        for source in node.value if type(node) is SequenceNode else [node]:
            base = self._value(source, depth)
            if not isinstance(base, dict):
                _refuse("only a mapping, or a list of mappings, can be merged with <<", source)
            yield base

    def _inspect(self, value: JsonValue, node: Node) -> None:
        left = [value]
        while left:
            part = left.pop()
            if isinstance(part, dict):
                left.extend(part)
                left.extend(part.values())
            elif isinstance(part, list):
                left.extend(part)
            elif isinstance(part, str):
                self._characters += len(part)
                if "\0" in part:
                    _refuse("the document contains a NUL character", node)
                if self._characters > self._max_characters:
                    _refuse("the aliases expand to too much text", node)


def _clean(data: bytes | str, max_bytes: int | None) -> bytes:
    """*data* as UTF-8 without a byte order mark, in a form that the parser takes."""
    try:
        content = data.encode() if isinstance(data, str) else data
        content.decode()
    except UnicodeEncodeError as error:
        raise InvalidDocument("the text holds half of a surrogate pair") from error
    except UnicodeDecodeError as error:
        line, column = _position(content, error.start)
        raise InvalidDocument("not UTF-8", line=line, column=column) from error
    content = content.removeprefix(b"\xef\xbb\xbf")
    if max_bytes is not None and len(content) > max_bytes:
        raise InvalidDocument(f"{len(content):,} bytes are more than the {max_bytes:,} that are read")
    if b"\n..." in content:
        # The parser wants `---` after a `...`; for what follows it makes no difference which of them it was.
        content = _BARE_AFTER_END.sub(rb"---\1", content)
    return content


def _compose(content: bytes) -> Iterator[tuple[Node, bool]]:
    """The root node of each document, and whether the document asked for YAML 1.1."""
    try:
        versions = iter(_versions(content) if b"%YAML" in content else ())
        loader = _Loader(content)
        try:
            while loader.check_node():
                loader.version_1_1 = next(versions, False)
                node = loader.get_node()
                assert node is not None
                yield node, loader.version_1_1
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise _explained(error, content) from error
    except ReaderError as error:
        line, column = _position(content, error.position)
        raise InvalidDocument(error.reason, line=line, column=column) from error


def _versions(content: bytes) -> list[bool]:
    events = yaml.parse(content, Loader=yaml.CSafeLoader)
    return [event.version == (1, 1) for event in events if isinstance(event, yaml.DocumentStartEvent)]


def _scalar(node: ScalarNode, word: Callable[[str], scalars.Scalar]) -> scalars.Scalar:
    """The value of a scalar. A tag that nobody knows leaves it what it would be in quotes."""
    text: str = node.value
    if node.tag != _WORD and node.tag not in _CORE_TAGS:
        return text
    try:
        return word(text)
    except ValueError as error:
        _refuse(str(error), node)


def _is_merge(node: ScalarNode) -> bool:
    return node.value == "<<" and (node.tag == _MERGE_TAG or (not node.style and node.tag in (_TEXT, _WORD)))


def _descend(node: Node, pointer: str, word: Callable[[str], scalars.Scalar]) -> Node:
    for escaped in pointer.split("/")[1:]:
        token = escaped.replace("~1", "/").replace("~0", "~")
        child = _child(node, token, word)
        if child is None:
            return node
        node = child
    return node


def _child(node: Node, token: str, word: Callable[[str], scalars.Scalar]) -> Node | None:
    if isinstance(node, MappingNode):
        for key, child in node.value:
            if isinstance(key, ScalarNode) and scalars.key(_scalar(key, word)) == token:
                found: Node = child
                return found
    elif isinstance(node, SequenceNode) and token.isdecimal() and int(token) < len(node.value):
        element: Node = node.value[int(token)]
        return element
    return None


def _refuse(reason: str, node: Node) -> NoReturn:
    raise InvalidDocument(reason, line=node.start_mark.line + 1, column=node.start_mark.column + 1)


def _explained(error: yaml.MarkedYAMLError, content: bytes) -> InvalidDocument:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return InvalidDocument(str(error))
    reason = ", ".join(part for part in (error.problem, error.context) if part)
    if error.problem == "found character that cannot start any token":
        reason = _HINTS.get(content.decode()[mark.index : mark.index + 1], reason)
    elif error.problem == "mapping values are not allowed in this context":
        reason = "a second ': ' in one line, or wrong indentation (a text that contains ': ' must be quoted)"
    elif error.problem == "second occurrence":
        reason = "the anchor is defined twice"
    return InvalidDocument(reason, line=mark.line + 1, column=mark.column + 1)


def _position(content: bytes, offset: int) -> tuple[int, int]:
    start = content.rfind(b"\n", 0, offset) + 1
    return content.count(b"\n", 0, offset) + 1, len(content[start:offset].decode(errors="replace")) + 1
