import contextlib
import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from callboard.errors import InvalidDocument
from callboard.model.documents import MAX_DEPTH, Document, RawEntity, locate, parse_documents, parse_entities
from callboard.model.json import JsonValue
from callboard.model.notation import as_yaml
from callboard.model.refs import LocationRef

GOLDEN: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "yaml_golden.json").read_text())
"""What the YAML library that Backstage uses makes of tricky texts; `documents` is null where it refuses them."""

STRICTER = {
    "floats": "not a number in JSON",
    "nan": "not a number in JSON",
    "mapkey": "a collection can't be a key",
    "unquoted_template": "a collection can't be a key",
}
"""Where Callboard refuses what that library turns into something nobody meant, and how it says so."""

LOCATION = LocationRef("url", "https://host/catalog-info.yaml")


def values_of(text: bytes | str, **options: Any) -> list[JsonValue]:
    return [document.value for document in parse_documents(text, **options)]


def refusal_of(text: bytes | str, **options: Any) -> InvalidDocument:
    with pytest.raises(InvalidDocument) as caught:
        parse_documents(text, **options)
    return caught.value


@pytest.mark.parametrize("name", [name for name, case in GOLDEN.items() if case["documents"] and name not in STRICTER])
def test_a_text_means_what_it_means_to_backstage(name: str) -> None:
    case = GOLDEN[name]

    values = values_of(case["text"])

    # As text, so that 1 and 1.0 and True are told apart.
    assert json.dumps(values) == json.dumps(case["documents"])


@pytest.mark.parametrize("name", [name for name, case in GOLDEN.items() if case["documents"] == []])
def test_a_file_without_content_has_no_documents(name: str) -> None:
    assert parse_documents(GOLDEN[name]["text"]) == []


@pytest.mark.parametrize("name", [name for name, case in GOLDEN.items() if case["documents"] is None])
def test_what_backstage_refuses_is_refused_with_a_position(name: str) -> None:
    error = refusal_of(GOLDEN[name]["text"])

    assert error.line is not None
    assert error.column is not None


@pytest.mark.parametrize("name", STRICTER)
def test_what_nobody_can_have_meant_is_refused(name: str) -> None:
    error = refusal_of(GOLDEN[name]["text"])

    assert STRICTER[name] in error.reason


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", 1000),
        ("1.0", 1),
        ("1.0e+3", 1000),
        ("-0.0", 0),
        ("5.", 5),
        (".5", 0.5),
        ("9007199254740993", 9007199254740992),
        ("12345678901234567890", 12345678901234567000),
        ("-9223372036854775808", -9.223372036854776e18),
        ("0xFFFFFFFFFFFFFFFF", 1.8446744073709552e19),
        ("123456789012345678901234567890", 1.2345678901234568e29),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!!float 1", 1),
        ("!!int nonsense", "nonsense"),
        ("!custom 12", "12"),
        ("!custom [1]", [1]),
        ("!custom {a: 1}", {"a": 1}),
        ("!!binary aGk=", "aGk="),
        ("!!timestamp 2024-01-02", "2024-01-02"),
        ("!!set {a, b}", {"a": None, "b": None}),
    ],
)
def test_a_scalar_becomes_the_json_value_that_javascript_prints(text: str, value: JsonValue) -> None:
    [found] = values_of(text)

    assert (type(found), found) == (type(value), value)


def test_keys_are_spelled_as_javascript_spells_them() -> None:
    text = "1.0: a\n0x1F: b\n1e21: c\n0.00001: d\n1e-7: e\n1e16: f\n-2.50: g\ntrue: h\n~: i\n12e-10: j\n"

    [value] = values_of(text)

    assert value == {
        "1": "a",
        "31": "b",
        "1e+21": "c",
        "0.00001": "d",
        "1e-7": "e",
        "10000000000000000": "f",
        "-2.5": "g",
        "true": "h",
        "": "i",
        "1.2e-9": "j",
    }


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: 1\na: 2\n", 2, 1),
        ("---\nx: 1\n---\nm:\n  a: 1\n  b: 2\n  'a': 3\n", 7, 3),
        ("1: x\n'1': y\n", 2, 1),
    ],
)
def test_a_duplicate_key_is_refused_where_it_comes_again(text: str, line: int, column: int) -> None:
    error = refusal_of(text)

    assert "is there twice" in error.reason
    assert (error.line, error.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "reason", "line", "column"),
    [
        ("a:\n\tb: 1\n", "a tab can't be used for indentation", 2, 1),
        ("a: @foo\n", "a value that starts with @ must be quoted", 1, 4),
        ("a: b: c\n", "must be quoted", 1, 5),
        ("é: x\nø: [1, 2\nb: 3\n", "did not find expected ',' or ']', while parsing a flow sequence", 3, 2),
        ("a: *nope\n", "undefined alias", 1, 4),
        ("- &x 1\n- &x 2\n", "the anchor is defined twice", 2, 3),
        ('a: "\\ud83d\\ude00"\n', "invalid Unicode character escape", 1, 7),
        ("a: .nan\n", ".nan is not a number in JSON", 1, 4),
        ("a: 1e999\n", "the number is too large", 1, 4),
        ("a: " + "9" * 5000, "the number is too large", 1, 4),
        ("a: 0x" + "f" * 5000, "the number is too large", 1, 4),
        ("ø: \x01", "control characters are not allowed", 1, 4),
        ("a: \x00", "control characters are not allowed", 1, 4),
        (b"a: \xc3\xb8\nb: \xc3\xb8\xff", "not UTF-8", 2, 5),
        (b"\xff\xfea\x00", "not UTF-8", 1, 1),
        ('---\na: "\\0"\n', "NUL", 2, 1),
        ('a: "x\\u0000"\n', "NUL", 1, 1),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(text: bytes | str, reason: str, line: int, column: int) -> None:
    error = refusal_of(text)

    assert reason in error.reason
    assert (error.line, error.column) == (line, column)
    assert str(error).endswith(f"at line {line}, column {column}")


def test_half_a_surrogate_pair_is_refused() -> None:
    assert "surrogate" in refusal_of("a: \ud800").reason


def test_a_byte_order_mark_and_windows_line_ends_are_no_content() -> None:
    assert values_of(b"\xef\xbb\xbfa: 1\r\nb: |\r\n  x\r\n") == [{"a": 1, "b": "x\n"}]


def test_documents_know_the_line_they_start_on() -> None:
    text = "# about\n---\na: 1\n---\n---\n\nb: 2\n...\n# more\nc: 3\n"

    documents = parse_documents(text)

    assert documents == [Document({"a": 1}, 3), Document(None, 5), Document({"b": 2}, 7), Document({"c": 3}, 10)]


def test_the_end_of_a_document_begins_no_empty_one() -> None:
    assert values_of("a: 1\n...\n# nothing\n...\n---\nb: 2\n...\n") == [{"a": 1}, {"b": 2}]


def test_an_alias_is_a_copy() -> None:
    [value] = values_of("x: &a {k: [1]}\ny: *a\n")

    assert isinstance(value, dict)
    assert value["x"] == value["y"]
    assert value["x"] is not value["y"]


def test_an_alias_bomb_is_refused() -> None:
    laughs = ["a0: &a0 [lol]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]

    error = refusal_of("\n".join(laughs))

    assert "expand to too many values" in error.reason


def test_a_file_of_too_many_values_is_not_said_to_have_aliases() -> None:
    with pytest.raises(InvalidDocument, match="the file holds too many values"):
        parse_documents("[[], [], []]", max_nodes=5)


def test_a_bomb_of_long_texts_is_refused() -> None:
    text = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]\n"

    error = refusal_of(text)

    assert "expand to too much text" in error.reason


def test_the_budget_is_for_the_whole_file() -> None:
    text = "---\n[1, 2, 3]\n" * 10

    error = refusal_of(text, max_nodes=30)

    assert error.line == 16


def test_an_alias_to_itself_is_refused() -> None:
    assert "contains itself" in refusal_of("a: &a [*a, *a]\n").reason


@pytest.mark.parametrize(
    "text",
    ["[" * 300_000, "\n".join(" " * level + "a:" for level in range(MAX_DEPTH + 2)), "- " * (MAX_DEPTH + 2) + "x"],
    ids=["flow", "block", "compact"],
)
def test_nesting_without_end_is_refused_before_it_can_hurt(text: str) -> None:
    assert "levels deep" in refusal_of(text).reason


def test_nesting_up_to_the_limit_is_read() -> None:
    text = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)

    assert values_of(text) == [json.loads(text)]


def test_a_file_that_is_too_large_is_refused() -> None:
    error = refusal_of("a: " + "x" * 100, max_bytes=100)

    assert error.reason == "103 bytes are more than the 100 that are read"


def test_merge_keys_are_keys_unless_asked_for() -> None:
    text = "base: &b {k: 1, l: 2}\nd:\n  <<: *b\n  l: 3\n"

    assert values_of(text) == [{"base": {"k": 1, "l": 2}, "d": {"<<": {"k": 1, "l": 2}, "l": 3}}]


def test_merge_keys_take_over_what_is_not_there() -> None:
    text = "- &a {k: 1, l: 2}\n- &b {k: 9, m: 4}\n- {<<: [*a, *b], l: 3}\n- {'<<': x}\n"

    [value] = values_of(text, merge_keys=True)

    assert value == [{"k": 1, "l": 2}, {"k": 9, "m": 4}, {"k": 1, "l": 3, "m": 4}, {"<<": "x"}]


def test_only_mappings_can_be_merged() -> None:
    error = refusal_of("a:\n  <<: [1]\n", merge_keys=True)

    assert "can be merged" in error.reason
    assert (error.line, error.column) == (2, 8)


def test_a_document_may_ask_for_yaml_1_1() -> None:
    text = "%YAML 1.1\n---\n{a: yes, b: 012, c: 0b11, d: 1:30, e: 1_000.5, f: -0x1F, g: off, h: text, i: 2024-01-02}\n"

    first, second = values_of(text + "---\n{a: yes, b: 012}\n")

    assert first == {
        "a": True,
        "b": 10,
        "c": 3,
        "d": 90,
        "e": 1000.5,
        "f": -31,
        "g": False,
        "h": "text",
        "i": "2024-01-02",
    }
    assert second == {"a": "yes", "b": 12}


def test_entities_are_the_documents_that_are_objects_each_with_its_line() -> None:
    entities = parse_entities(b"---\nkind: A\n---\n# nothing\n---\n\n# the second\nkind: B\n", LOCATION)

    assert entities == [RawEntity({"kind": "A"}, 2), RawEntity({"kind": "B"}, 8)]


@pytest.mark.parametrize(
    ("document", "name"),
    [("just a string", "string"), ("[1]", "array"), ("12", "number"), ("1.5", "number"), ("true", "boolean")],
)
def test_one_document_that_is_no_object_spoils_the_file(document: str, name: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_entities(f"kind: A\n---\n{document}\n".encode(), LOCATION)

    assert caught.value.reason == f"Expected object at root, got {name}"
    assert caught.value.line == 3


def test_a_syntax_error_names_the_location() -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_entities(b"a: [", LOCATION)

    assert caught.value.reason.startswith("YAML error at url:https://host/catalog-info.yaml, ")
    assert caught.value.line == 2


LOCATED = """\
# heading
kind: A
---
spec:
  owner: me
  x/y~z:
    - 1
    - {b: 2}
  12: number
"""


@pytest.mark.parametrize(
    ("index", "pointer", "position"),
    [
        (0, "", (2, 1)),
        (0, "/kind", (2, 7)),
        (1, "/spec/owner", (5, 10)),
        (1, "/spec/x~1y~0z/1/b", (8, 11)),
        (1, "/spec/12", (9, 7)),
        (1, "/spec/x~1y~0z/7", (7, 5)),
        (1, "/spec/missing/deeper", (5, 3)),
        (1, "/nothing", (4, 1)),
        (2, "/kind", (1, 1)),
    ],
)
def test_a_pointer_is_located_or_its_nearest_ancestor(index: int, pointer: str, position: tuple[int, int]) -> None:
    assert locate(LOCATED, index, pointer) == position


json_numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not number.is_integer()
)
json_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"))
json_values = st.recursive(
    st.none() | st.booleans() | json_numbers | json_texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(json_texts, children, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_json_is_read_as_json(value: JsonValue) -> None:
    assert values_of(json.dumps(value, ensure_ascii=False)) == [value]


@given(json_values)
@example({"0E0": "0E0"})
def test_a_value_survives_being_written_as_yaml(value: JsonValue) -> None:
    written = as_yaml({"spec": value})

    assert values_of(written) == [{"spec": value}]


@given(st.binary(max_size=60) | st.text("a:-[]{}&*!|>'\"%@`#,? \n\t~0.", max_size=40))
def test_any_input_gives_values_or_a_refusal(data: bytes | str) -> None:
    with contextlib.suppress(InvalidDocument):
        assert all(document.line >= 1 for document in parse_documents(data))
