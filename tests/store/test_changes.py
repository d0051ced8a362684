"""The stream as it is read back."""

from callboard.model.causes import CHANGED
from callboard.model.changes import Change
from callboard.store import changes, claims, publication, removal
from callboard.store.database import Database
from callboard.store.publication import FinalEntity
from tests.stream.publishing import forget

A, B, C = (f"component:default/{name}" for name in "abc")


async def publish(database: Database, ref: str, body: str) -> None:
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [], create=[ref])
        uid = await tx.connection.fetchval("select uid::text from entities where ref = $1", ref)
        await publication.publish(tx, [FinalEntity(ref=ref, uid=uid, body=body, hash=b"", cause='{"source":"x"}')])


async def retract(database: Database, ref: str) -> None:
    async with database.transaction() as tx:
        await claims.lock_targets(tx, [ref])
        await publication.retract(tx, dict.fromkeys((await removal.remove(tx, [ref])).refs, CHANGED))


def told(found: list[Change]) -> list[tuple[int, str, str, bytes | None]]:
    return [(change.offset, change.type, change.ref, change.body) for change in found]


async def prepare(database: Database) -> None:
    """A at 1 and 4, B at 2 and gone at 5, C at 3."""
    await publish(database, A, "1")
    await publish(database, B, "2")
    await publish(database, C, "3")
    await publish(database, A, "4")
    await retract(database, B)


async def test_history_tells_every_change_after_an_offset(database: Database) -> None:
    await prepare(database)

    async with database.transaction() as tx:
        found = await changes.history(tx, 2, limit=2)

    assert told(found) == [(3, "added", C, b"3"), (4, "updated", A, b"4")]


async def test_who_follows_is_told_what_comes_next_with_where_the_stream_stands(database: Database) -> None:
    await prepare(database)
    now = await changes.now(database)

    next_ones = await changes.following(database.ask, 2, epoch=now.epoch, limit=2)
    at_the_head = await changes.following(database.ask, 5, epoch=now.epoch, limit=2)
    elsewhere = await changes.following(database.ask, 2, epoch="another", limit=2)

    assert (next_ones[0], told(next_ones[1])) == (now, [(3, "added", C, b"3"), (4, "updated", A, b"4")])
    assert at_the_head == elsewhere == (now, [])


async def test_compacted_tells_every_entity_once_at_its_last_offset(database: Database) -> None:
    await prepare(database)

    async with database.transaction() as tx:
        found = await changes.compacted(tx, 0, until=5, limit=10)

    assert told(found) == [(3, "added", C, b"3"), (4, "added", A, b"4"), (5, "removed", B, None)]


async def test_compacted_calls_an_update_what_the_reader_knows_already(database: Database) -> None:
    await prepare(database)

    async with database.transaction() as tx:
        found = await changes.compacted(tx, 1, until=4, limit=10)

    assert told(found) == [(3, "added", C, b"3"), (4, "updated", A, b"4")]


async def test_a_snapshot_is_everything_visible_at_one_position(database: Database) -> None:
    await prepare(database)

    async with database.transaction(snapshot=True) as tx:
        found = await changes.snapshot(tx)
        await publish(database, B, "6")
        rows = sorted([(ref, body) async for _, ref, body in found.rows])

    assert (found.position.head, rows) == (5, [(A, b"4"), (C, b"3")])


async def test_a_change_says_when_and_why(database: Database) -> None:
    await publish(database, A, "1")

    async with database.transaction() as tx:
        (change,) = await changes.history(tx, 0, limit=1)

    assert (change.at, change.cause) == (tx.now, '{"source":"x"}')


async def test_an_empty_catalog_is_at_offset_zero(database: Database) -> None:
    position = await changes.now(database)

    assert (position.head, position.history_floor, position.tombstone_floor, len(position.epoch)) == (0, 0, 0, 32)


def bodies(found: dict[str, changes.Earlier]) -> dict[str, tuple[list[bytes], bool]]:
    return {ref: ([version.body for version in earlier.versions], earlier.known) for ref, earlier in found.items()}


async def test_what_was_there_before_is_the_last_version_up_to_an_offset(database: Database) -> None:
    await prepare(database)

    async with database.transaction() as tx:
        found = await changes.earlier(tx, [A, B, C], [False, False, False], until=2)

    assert bodies(found) == {A: ([b"1"], True), B: ([b"2"], True), C: ([], True)}


async def test_what_was_there_before_may_be_asked_for_whole(database: Database) -> None:
    await prepare(database)

    async with database.transaction() as tx:
        found = await changes.earlier(tx, [A, B], [True, True], until=5)

    assert bodies(found) == {A: ([b"4", b"1"], True), B: ([b"2"], True)}


async def test_what_was_forgotten_is_not_taken_for_what_was_never_there(database: Database) -> None:
    await prepare(database)
    await forget(database, 4)

    async with database.transaction() as tx:
        last = await changes.earlier(tx, [A, B, C], [False, False, False], until=3)
        at_the_floor = await changes.earlier(tx, [A, B, C], [False, False, False], until=4)
        whole = await changes.earlier(tx, [A, B], [True, True], until=5)

    assert bodies(last) == {A: ([], False), B: ([b"2"], True), C: ([b"3"], True)}
    assert bodies(at_the_floor) == {A: ([b"4"], True), B: ([b"2"], True), C: ([b"3"], True)}
    assert bodies(whole) == {A: ([b"4"], False), B: ([b"2"], True)}


async def test_what_was_obsolete_when_a_reader_began_is_not_among_what_was_there_before(database: Database) -> None:
    await prepare(database)
    await publish(database, A, "6")

    async with database.transaction() as tx:
        found = [(await changes.earlier(tx, [A], [True], until=6, since=since))[A] for since in (0, 3, 4, 5, 6)]
        told = [(await changes.earlier(tx, [A], [True], until=until, since=5))[A] for until in (3, 4)]

    everything, last = [b"6", b"4", b"1"], [b"6", b"4"]
    assert [[version.body for version in each.versions] for each in found] == [
        everything,
        everything,
        last,
        last,
        [b"6"],
    ]
    assert [[version.body for version in each.versions] for each in told] == [[], [b"4"]]


async def test_everything_is_known_since_the_history_floor(database: Database) -> None:
    await prepare(database)
    await forget(database, 4)

    async with database.transaction() as tx:
        found = [(await changes.earlier(tx, [A], [True], until=5, since=since))[A].known for since in (3, 4, 5)]

    assert found == [False, True, True]


async def test_the_versions_of_an_entity_come_newest_first(database: Database) -> None:
    await prepare(database)

    async with database.transaction() as tx:
        first = await changes.versions(tx, A, before=5, limit=1)
        rest = await changes.versions(tx, A, before=4, limit=10)
        removed = await changes.versions(tx, B, before=6, limit=10)

    assert told(first) == [(4, "updated", A, b"4")]
    assert told(rest) == [(1, "added", A, b"1")]
    assert told(removed) == [(5, "removed", B, None), (2, "added", B, b"2")]


async def test_an_entity_whose_history_is_forgotten_has_its_last_version(database: Database) -> None:
    await prepare(database)
    async with database.transaction() as tx:
        await tx.connection.execute("delete from history")

        found = [change for ref in (A, B, C) for change in await changes.versions(tx, ref, before=6, limit=10)]

    assert told(found) == [(4, "updated", A, b"4"), (5, "removed", B, None), (3, "added", C, b"3")]
