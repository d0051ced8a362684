"""The page about errors, the drawing in the module, and the classes say the same."""

import re
from collections.abc import Iterator
from pathlib import Path

from callboard import errors
from callboard.api.errors import STATUS, status_of
from callboard.errors import CallboardError

PAGE = Path(__file__).parents[2] / "docs/reference/errors.md"


def tree(root: type[CallboardError], depth: int = 0) -> Iterator[tuple[int, type[CallboardError]]]:
    yield depth, root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child, depth + 1)


def instance(kind: type[CallboardError]) -> CallboardError:
    # What its constructor wants says nothing about its status.
    return kind.__new__(kind)


def test_the_table_has_each_error_with_its_code_name_and_status() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \| (\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)

    expected = [
        (kind.__name__, kind.code, kind.name, str(status_of(instance(kind)))) for _, kind in tree(CallboardError)
    ]

    assert sorted(rows) == sorted(expected)


def test_the_picture_has_the_same_branches() -> None:
    text = PAGE.read_text("utf-8")
    names = dict(re.findall(r"\b([A-Z]+)\[(\w+)\]", text))

    drawn = {
        (names[parent], names[child]) for parent, child in re.findall(r"\b([A-Z]+)(?:\[\w+\])? --> ([A-Z]+)", text)
    }

    assert drawn == {(kind.__mro__[1].__name__, kind.__name__) for depth, kind in tree(CallboardError) if depth}


def test_the_drawing_in_the_module_is_the_tree_of_the_classes() -> None:
    drawing = re.findall(r"^ {4}([│├└─ ]*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)

    drawn = [(len(branches) // 4, name) for branches, name in drawing]

    assert sorted(drawn) == sorted((depth, kind.__name__) for depth, kind in tree(CallboardError))


def test_every_error_has_a_code_of_its_own_and_a_status() -> None:
    codes = [kind.code for _, kind in tree(CallboardError)]

    assert len(codes) == len(set(codes))
    assert CallboardError in STATUS
