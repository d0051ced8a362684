"""Named SQL and its values."""

import pytest

from callboard.errors import InvalidInput
from callboard.store import queries
from callboard.store.database import Database


def test_each_statement_of_a_file_has_its_name() -> None:
    found = queries.parse("-- name: one\nselect 1;\n\n-- name: two\n-- Why.\nselect 2;\n")

    assert {name: query.text for name, query in found.items()} == {"one": "select 1", "two": "select 2"}


def test_a_value_that_occurs_twice_is_sent_once() -> None:
    query = queries.parse("-- name: q\nselect :b::bigint, :a::bigint, :b::bigint")["q"]

    assert query.text == "select $1::bigint, $2::bigint, $1::bigint"
    assert query.arguments({"a": 1, "b": 2}) == [2, 1]


def test_a_missing_value_is_not_passed_over() -> None:
    query = queries.parse("-- name: q\nselect :a::bigint")["q"]

    with pytest.raises(KeyError):
        query.arguments({})


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["a"],
        [""],
        ["", ""],
        [None],
        ["a", None, "", "b"],
        ["quotes ' \" and \\ and {braces}, commas"],
        ["NULL", "null", "é", "\U0001f3ad", "\n\t\r"],
    ],
    ids=["none", "one", "empty", "two-empty", "null", "mixed", "quoting", "odd"],
)
async def test_an_array_of_texts_arrives_as_it_was(database: Database, texts: list[str | None]) -> None:
    query = queries.parse("-- name: q\nselect :texts::text[] as texts")["q"]

    async with database.transaction() as tx:
        row = await tx.row(query, texts=texts)

    assert row is not None
    assert row["texts"] == texts


@pytest.mark.parametrize("text", ["\x1f", "a\x1eb", "\x1e"])
async def test_a_text_that_would_be_taken_for_a_separator_is_refused(database: Database, text: str) -> None:
    query = queries.parse("-- name: q\nselect :texts::text[] as texts")["q"]

    async with database.transaction() as tx:
        with pytest.raises(InvalidInput):
            await tx.row(query, texts=["fine", text])


async def test_a_text_that_the_database_cannot_hold_is_refused_as_such(database: Database) -> None:
    query = queries.parse("-- name: q\nselect :text::text as text")["q"]

    with pytest.raises(InvalidInput, match="PostgreSQL can't store"):
        async with database.transaction() as tx:
            await tx.row(query, text="\0")
