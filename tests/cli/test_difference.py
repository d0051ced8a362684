import click
import pytest

from callboard.cli import difference
from callboard.model.differences import Change, Kind, changes
from callboard.model.json import JsonValue


def told(before: JsonValue, after: JsonValue) -> list[str]:
    return [click.unstyle(line) for line in difference.lines(list(changes(before, after)))]


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"spec": {"owner": "a"}}, {"spec": {"owner": "b"}}, ["spec.owner: a → b"]),
        ({"a": {"b": 1}}, {"a": {}}, ["a.b: - 1"]),
        ({}, {"a": {"b": [1]}}, ['a: + {"b":[1]}']),
        ({"a": True}, {"a": 1}, ["a: true → 1"]),
        ({"a": ""}, {"a": None}, ['a: "" → null']),
        ({"tags": ["a", "b"]}, {"tags": ["b", "c"]}, ["tags: - a", "tags: + c"]),
        ({"tags": ["a", "b"]}, {"tags": ["b", "a"]}, ['tags: ["a","b"] → ["b","a"]']),
        ({"links": [{"url": "x"}, {}]}, {"links": [{"url": "y"}, {}]}, ["links[0].url: x → y"]),
        ({"links": [{}]}, {"links": []}, ["links: [{}] → []"]),
        ({"a": {"x.y/z": "1"}}, {"a": {"x.y/z": "2"}}, ['a["x.y/z"]: 1 → 2']),
        ({"a": [1]}, {"a": "x"}, ["a: [1] → x"]),
    ],
)
def test_each_change_is_one_line_with_its_path(before: JsonValue, after: JsonValue, lines: list[str]) -> None:
    assert told(before, after) == lines


def test_of_a_text_with_several_lines_only_those_are_shown_that_are_other() -> None:
    before = "\n".join(f"line {number}" for number in range(20))

    lines = told({"definition": before}, {"definition": before.replace("line 7", "line seven")})

    assert lines == ["definition:", "  @@ -7,3 +7,3 @@", "   line 6", "  -line 7", "  +line seven", "   line 8"]


def test_a_text_that_is_all_other_is_cut() -> None:
    lines = told({"a": "x\n" * 40}, {"a": "y\n" * 40})

    assert len(lines) == 22
    assert lines[-1] == "  … and 61 more lines"


def test_a_long_value_is_cut() -> None:
    (line,) = told({"a": "x" * 500}, {"a": "y"})

    assert line == f"a: {'x' * 79}… → y"


def test_a_value_can_not_command_the_terminal() -> None:
    lines = told({"a": "x", "\x1b[2J": 1}, {"a": "\x1b[2J", "\x1b[2J": 2})

    assert "\x1b" not in "".join(lines)


def test_programs_get_the_values() -> None:
    found = list(changes({"a": 1, "b": 2}, {"a": 3, "c": 4}))

    assert found == [
        Change(path="a", kind="changed", before=1, after=3),
        Change(path="b", kind="removed", before=2),
        Change(path="c", kind="added", after=4),
    ]


def test_the_sign_of_an_entity_says_what_becomes_of_it() -> None:
    kinds: list[Kind] = ["added", "changed", "removed"]

    assert [click.unstyle(difference.line(kind, "a:b/c"))[0] for kind in kinds] == ["+", "~", "-"]
