"""Configuration files as text: YAML 1.2 to values with their lines.

JSON is read by the same parser, since every JSON text of a configuration is YAML.
"""

import math
import re
from pathlib import Path

import yaml

from callboard.errors import InvalidDocument
from callboard.settings.values import Content, Position, Value

_MOST_VALUES = 50_000
"""Far above any real configuration; stops a file whose aliases multiply."""

_DEEPEST = 100

_TAG = "tag:yaml.org,2002:"
_STR, _INT, _FLOAT, _BOOL, _NULL = (_TAG + name for name in ("str", "int", "float", "bool", "null"))
_WORDS = {
    **dict.fromkeys(("true", "True", "TRUE", "false", "False", "FALSE"), _BOOL),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), _NULL),
}
_WHOLE = re.compile(r"[-+]?[0-9]{1,300}|0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FRACTION = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class _CoreLoader(yaml.CSafeLoader):
    """PyYAML's parser with the types of YAML 1.2: `yes` is a text, a date is a text, `<<` is a key like any other."""

    _depth = 0

    def descend_resolver(self, current_node: yaml.Node | None, _index: object) -> None:
        # The C code recurses without a limit of its own, and a deep enough file would end the process.
        self._depth += 1
        if self._depth > _DEEPEST and current_node is not None:
            raise _too_deep(current_node)

    def ascend_resolver(self) -> None:
        self._depth -= 1

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: tuple[bool, bool] | bool | None) -> str:
        if kind is not yaml.ScalarNode:
            return _TAG + ("map" if kind is yaml.MappingNode else "seq")
        if value is None or not isinstance(implicit, tuple) or not implicit[0]:
            return _STR
        return _tag_of(value)


def parse(text: str, path: Path) -> Value:
    """The one document of *text*, an empty object if there is none.

    *path* is for the positions. Raises InvalidDocument with the line.
    """
    loader: _CoreLoader | None = None
    try:
        loader = _CoreLoader(text)
        node = loader.get_single_node()
        if node is None:
            return Value({}, Position(str(path), 1, path.parent))
        return _Builder(path).build(node, _line(node), 0)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise InvalidDocument(error.reason, line=line, column=column) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or "this is not YAML"
        if mark is None:
            raise InvalidDocument(reason) from error
        raise InvalidDocument(reason, line=mark.line + 1, column=mark.column + 1) from error
    finally:
        if loader is not None:
            loader.dispose()


class _Builder:
    """Turns one tree of nodes into values, and refuses trees that grow without end."""

    def __init__(self, path: Path) -> None:
        self._source = str(path)
        self._folder = path.parent
        self._left = _MOST_VALUES

    def build(self, node: yaml.Node, line: int, depth: int) -> Value:
        self._left -= 1
        if self._left < 0:
            raise _refusal(node, "the document has too many values")
        if depth > _DEEPEST:
            raise _too_deep(node)
        return Value(self._content(node, depth), Position(self._source, line, self._folder))

    def _content(self, node: yaml.Node, depth: int) -> Content:
        if isinstance(node, yaml.MappingNode):
            entries: dict[str, Value] = {}
            for key_node, value_node in node.value:
                key = _key(key_node)
                if key in entries:
                    raise _refusal(key_node, f"the key {key!r} is there twice")
                # An entry counts as said where its key stands: `rules:` and not the line below it.
                entries[key] = self.build(value_node, _line(key_node), depth + 1)
            return entries
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, _line(item), depth + 1) for item in node.value]
        return _scalar(node)


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _refusal(node, "a key must be a text")
    return str(node.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _too_deep(node: yaml.Node) -> InvalidDocument:
    return _refusal(node, f"values nest deeper than {_DEEPEST} levels, or contain themselves")


def _refusal(node: yaml.Node, reason: str) -> InvalidDocument:
    return InvalidDocument(reason, line=_line(node), column=int(node.start_mark.column) + 1)


def _tag_of(text: str) -> str:
    word = _WORDS.get(text)
    if word is not None:
        return word
    if _WHOLE.fullmatch(text):
        return _INT
    if _FRACTION.fullmatch(text) or _SPECIAL.fullmatch(text):
        return _FLOAT
    return _STR


def _scalar(node: yaml.Node) -> Content:
    text = str(node.value)
    # An explicit tag such as `!!int abc` asks for a type that the text may not have; it then stays a text.
    match node.tag if node.tag == _STR or node.tag == _tag_of(text) else _STR:
        case tag if tag == _NULL:
            return None
        case tag if tag == _BOOL:
            return text[0] in "tT"
        case tag if tag == _INT:
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        case tag if tag == _FLOAT:
            return _float(text)
        case _:
            return text


def _float(text: str) -> float:
    if _FRACTION.fullmatch(text):
        return float(text)
    if text.lower() == ".nan":
        return math.nan
    return -math.inf if text[0] == "-" else math.inf
