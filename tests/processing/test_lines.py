"""Entities that move within their file, and their errors with them."""

from callboard.model import json
from callboard.model.json import JsonObject
from callboard.processing import lines
from callboard.store import claims, entities
from callboard.store.claims import Claim
from callboard.store.database import Database
from callboard.store.entities import Failed

A = "component:default/a"
FILE = "url:https://host/a.yaml"


def claim(line: int | None) -> Claim:
    return Claim(source="entity:l", ref=A, location_key=FILE, content="{}", content_hash=b"same", line=line)


async def fail(database: Database, *errors: JsonObject, line: int | None = 3) -> None:
    """An entity at a line, with errors."""
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [], create=[A])
        await claims.offer(tx, [claim(line)])
        await claims.decide(tx, [A])
        failed = Failed(ref=A, errors=json.encode(errors).decode(), result_hash=b"")
        await entities.save_failed(tx, [failed], processors="")


async def follow(database: Database, *moved: Claim, failed: bool = False) -> object:
    """The errors, after the lines were followed."""
    async with database.transaction() as tx:
        await lines.follow(tx, moved, failed=[A] if failed else [])
        return json.decode(await tx.connection.fetchval("select errors from entities"))


async def test_what_is_where_the_entity_begins_moves_with_it_and_with_it_its_causes(database: Database) -> None:
    pointed: JsonObject = {"location": FILE, "line": 3, "pointer": "/spec"}
    await fail(database, {"location": FILE, "line": 3, "cause": {"name": "x", "cause": pointed}})

    errors = await follow(database, claim(8))

    assert errors == [{"location": FILE, "line": 8, "cause": {"name": "x", "cause": {**pointed, "line": 8}}}]


async def test_what_is_in_another_file_or_at_an_exact_place_stays_there(database: Database) -> None:
    elsewhere: JsonObject = {"location": "url:https://host/api.yaml", "line": 3}
    exact: JsonObject = {"location": FILE, "line": 3, "column": 7}
    await fail(database, elsewhere, exact, {"name": "x"})

    assert await follow(database, claim(8)) == [elsewhere, exact, {"name": "x"}]


async def test_what_failed_while_its_file_was_read_again_is_where_it_is_now(database: Database) -> None:
    await fail(database, {"location": FILE, "line": 1}, line=4)

    assert await follow(database, failed=True) == [{"location": FILE, "line": 4}]


async def test_what_begins_nowhere_keeps_its_errors(database: Database) -> None:
    await fail(database, {"location": FILE, "line": 1}, line=None)

    assert await follow(database, failed=True) == [{"location": FILE, "line": 1}]
