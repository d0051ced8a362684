import math
from pathlib import Path

import pytest

from callboard.errors import InvalidDocument
from callboard.settings import documents
from callboard.settings.values import JsonValue, Value

PATH = Path("folder/app-config.yaml")


def plain(text: str) -> JsonValue:
    return documents.parse(text, PATH).plain()


def at(value: Value, *keys: str | int) -> Value:
    for key in keys:
        content = value.content
        if isinstance(content, dict):
            value = content[str(key)]
        else:
            assert isinstance(content, list)
            value = content[int(key)]
    return value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("off", "off"),
        ("y", "y"),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("nil", "nil"),
        ("12", 12),
        ("-0", 0),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("190:20:30", "190:20:30"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("1.2.3", "1.2.3"),
        ("2026-01-02", "2026-01-02"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("'true'", "true"),
        ('"12"', "12"),
        ("!!str 12", "12"),
        ("!!int abc", "abc"),
        ("!secret 12", "12"),
        ("=", "="),
    ],
)
def test_scalars_have_the_types_of_yaml_1_2(text: str, expected: JsonValue) -> None:
    assert plain(f"key: {text}\n") == {"key": expected}


def test_not_a_number_is_a_number() -> None:
    value = documents.parse("key: .NaN", PATH).entries()["key"].content

    assert isinstance(value, float)
    assert math.isnan(value)


def test_keys_are_texts_whatever_they_look_like() -> None:
    assert plain("1: a\ntrue: b\nyes: c\n") == {"1": "a", "true": "b", "yes": "c"}


def test_a_merge_key_is_a_key_like_any_other() -> None:
    assert plain("base: &b {k: 1}\nother:\n  <<: *b\n") == {"base": {"k": 1}, "other": {"<<": {"k": 1}}}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_a_file_without_content_says_nothing(text: str) -> None:
    assert plain(text) in ({}, None)


def test_values_know_the_line_of_their_key_and_the_folder() -> None:
    root = documents.parse("a:\n  b:\n    - one\n    - two: 2\n", PATH)

    assert str(at(root, "a").position) == "folder/app-config.yaml:1"
    assert str(at(root, "a", "b").position) == "folder/app-config.yaml:2"
    assert str(at(root, "a", "b", 1).position) == "folder/app-config.yaml:4"
    assert at(root, "a", "b", 1, "two").position.folder == Path("folder")


def test_json_with_tabs_is_read_as_well() -> None:
    assert plain('{\n\t"a": [1, "x"],\n\t"b": {"c": null}\n}\n') == {"a": [1, "x"], "b": {"c": None}}


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("a: 1\nb: [\n", 3, 1, "did not find expected node content"),
        ("a: 1\nb: 2\na: 3\n", 3, 1, "the key 'a' is there twice"),
        ("a: *nobody\n", 1, 4, "undefined alias"),
        ("? {a: 1}\n: v\n", 1, 3, "a key must be a text"),
        ("a: &a [*a]\n", 1, 4, "contain themselves"),
        ("a: 1\nb: \x01\n", 2, 4, "control characters are not allowed"),
        ("a: 1\n---\nb: 2\n", 2, 1, "another document"),
    ],
)
def test_a_bad_document_is_refused_with_its_line(text: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(InvalidDocument, match=reason) as refusal:
        documents.parse(text, PATH)

    assert (refusal.value.line, refusal.value.column) == (line, column)


def test_an_alias_bomb_is_refused() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))

    with pytest.raises(InvalidDocument, match="too many values"):
        documents.parse(bomb, PATH)


@pytest.mark.parametrize("depth", [150, 50_000])
def test_values_that_nest_too_deep_are_refused(depth: int) -> None:
    with pytest.raises(InvalidDocument, match="nest deeper than 100 levels"):
        documents.parse("[" * depth + "]" * depth, PATH)
