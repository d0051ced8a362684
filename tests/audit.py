"""What must hold between the tables at any time, whatever has happened."""

from collections.abc import Sequence

import asyncpg

from callboard.model import json
from callboard.model.json import JsonObject
from callboard.store import soundness

KNOWN = """
with refs as (select distinct ref from history union select ref from kept_versions)
select v.* from refs, versions_of(refs.ref) v order by v."offset"
"""
"""All versions that somebody may see."""


async def audit(url: str) -> None:
    """Assert that the tables of the database agree with one another, and the stream with what is visible."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for rule in soundness.RULES:
                if not rule.harmless:
                    assert [row[0] for row in await connection.fetch(rule.query.text)] == [], rule.broken
            stream = await connection.fetchrow("select head, history_floor, tombstone_floor from stream")
            history = await connection.fetch(KNOWN)
            final = await connection.fetch("select * from final_entities order by last_offset")
    finally:
        await connection.close()
    assert stream is not None
    floor = stream["history_floor"]
    check_floors(stream, history, final)
    above = [row for row in history if row["offset"] > floor]
    assert [row["offset"] for row in above] == list(range(floor + 1, stream["head"] + 1))
    check_history(history, stream)
    told = {ref: found for ref, found in replayed(history).items() if found[2] > floor}
    assert told == {
        row["ref"]: (row["uid"], row["body"], row["last_offset"]) for row in final if row["last_offset"] > floor
    }


def check_floors(stream: asyncpg.Record, history: Sequence[asyncpg.Record], final: Sequence[asyncpg.Record]) -> None:
    """Assert that below the history floor each entity that was visible there has one version, and nothing else is."""
    floor = stream["history_floor"]
    assert 0 <= stream["tombstone_floor"] <= floor <= stream["head"]
    below = {row["ref"]: row["offset"] for row in history if row["offset"] <= floor}
    assert len(below) == sum(row["offset"] <= floor for row in history), "two versions below the floor"
    # What changed first above the floor says what was there before.
    first = {row["ref"]: row for row in reversed(history) if row["offset"] > floor}
    current = {ref: row["previous_offset"] for ref, row in first.items() if row["type"] != "added"}
    current |= {
        row["ref"]: row["last_offset"] for row in final if row["ref"] not in first and row["removed_at"] is None
    }
    assert below == current, "a version below the floor that is missing, or that nobody needs"


def check_history(history: Sequence[asyncpg.Record], stream: asyncpg.Record) -> None:
    """Assert that each change fits the one before it of the same entity, if that is known."""
    latest: dict[str, asyncpg.Record] = {}
    for row in history:
        before = latest.get(row["ref"])
        if before is not None:
            assert row["previous_offset"] == before["offset"], row
        elif row["previous_offset"] is not None:
            assert row["offset"] <= stream["history_floor"] or row["previous_offset"] <= stream["history_floor"], row
        if before is None and row["offset"] <= stream["history_floor"]:
            assert row["type"] != "removed", row
            latest[row["ref"]] = row
            continue
        was_visible = before is not None and before["type"] != "removed"
        assert (row["type"] == "added") is not was_visible, row
        assert (row["body"] is None) == (row["type"] == "removed"), row
        if before is not None and was_visible:
            assert row["body"] != before["body"], f"nothing changed at {row['offset']}"
            assert row["uid"] == before["uid"], row
        latest[row["ref"]] = row


def replayed(history: Sequence[asyncpg.Record]) -> dict[object, tuple[object, object, object]]:
    """(uid, body, offset) of every entity and tombstone that the changes lead to."""
    return {row["ref"]: (row["uid"], row["body"], row["offset"]) for row in history}


async def visible(url: str) -> dict[str, JsonObject]:
    """All visible entities by ref, without what two catalogs can't have in common: uid and etag."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("select ref, body from final_entities where removed_at is null order by ref")
    finally:
        await connection.close()
    return {row["ref"]: without_identity(row["body"]) for row in rows}


def without_identity(body: str | bytes) -> JsonObject:
    """An entity without uid and etag."""
    entity = json.decode(body)
    assert isinstance(entity, dict)
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    del metadata["uid"], metadata["etag"]
    return entity
