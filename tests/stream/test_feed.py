"""Pages of the stream for readers at any offset."""

import asyncio

import pytest

from callboard.errors import OffsetExpired, OffsetInTheFuture
from callboard.extend import Delta, Full
from callboard.model.refs import EntityRef
from callboard.stream import feed
from callboard.stream.feed import Mode, Page
from callboard.stream.following import Follower
from tests.harness import Catalog, component, offered


@pytest.fixture
async def filled(catalog: Catalog) -> Catalog:
    """a at 1 and 4, b at 2 and gone at 5, c at 3."""
    for name in "abc":
        await catalog.provide(name, Full(offered(component(name))))
        await catalog.settle()
    await catalog.provide("a", Full(offered(component("a", type="website"))))
    await catalog.settle()
    await catalog.provide("b", Full([]))
    await catalog.settle()
    return catalog


async def read(
    follower: Follower,
    offset: int,
    *,
    limit: int = 100,
    wait: float = 0,
    mode: Mode = Mode.LOG,
    epoch: str | None = None,
) -> Page:
    return await feed.read(follower, offset=offset, limit=limit, wait=wait, mode=mode, epoch=epoch)


async def latecomer(catalog: Catalog) -> Follower:
    """A reader that has nothing in memory, and so must ask the database."""
    follower = Follower(catalog.database, catalog.clock)
    await follower.load()
    return follower


async def set_floors(catalog: Catalog, *, history: int = 0, tombstones: int = 0) -> None:
    async with catalog.database.transaction() as tx:
        await tx.connection.execute("update stream set history_floor = $1, tombstone_floor = $2", history, tombstones)
        await tx.connection.execute('delete from history where "offset" <= $1', history)


def told(page: Page) -> list[tuple[int, str, str]]:
    return [(change.offset, change.type, change.ref.removeprefix("component:default/")) for change in page.changes]


_EVERYTHING = [(1, "added", "a"), (2, "added", "b"), (3, "added", "c"), (4, "updated", "a"), (5, "removed", "b")]


@pytest.mark.parametrize("in_memory", [True, False], ids=["from-memory", "from-the-database"])
async def test_the_log_has_every_change(filled: Catalog, in_memory: bool) -> None:
    follower = filled.follower if in_memory else await latecomer(filled)

    page = await read(follower, 0)

    assert (told(page), page.head, page.next_offset, page.caught_up) == (_EVERYTHING, 5, 5, True)


@pytest.mark.parametrize("in_memory", [True, False], ids=["from-memory", "from-the-database"])
async def test_a_page_ends_at_its_limit_and_says_where_to_go_on(filled: Catalog, in_memory: bool) -> None:
    follower = filled.follower if in_memory else await latecomer(filled)

    page = await read(follower, 1, limit=2)

    assert (told(page), page.next_offset, page.caught_up) == (_EVERYTHING[1:3], 3, False)


async def test_below_the_history_floor_each_entity_is_told_once(filled: Catalog) -> None:
    await set_floors(filled, history=4)

    page = await read(await latecomer(filled), 0)

    assert told(page) == [(3, "added", "c"), (4, "added", "a"), (5, "removed", "b")]


async def test_a_page_may_cross_the_history_floor(filled: Catalog) -> None:
    await set_floors(filled, history=3)

    page = await read(await latecomer(filled), 0, limit=2)

    assert (told(page), page.next_offset) == ([(3, "added", "c"), (4, "updated", "a")], 4)


async def test_compacted_tells_each_entity_once_whatever_its_age(filled: Catalog) -> None:
    page = await read(filled.follower, 0, mode=Mode.COMPACTED)

    assert told(page) == [(3, "added", "c"), (4, "added", "a"), (5, "removed", "b")]


async def test_at_the_head_there_is_nothing_and_no_need_to_go_back(filled: Catalog) -> None:
    page = await read(filled.follower, 5)

    assert (told(page), page.next_offset, page.caught_up) == ([], 5, True)


async def test_who_waits_is_woken_by_the_next_change(filled: Catalog) -> None:
    waiting = asyncio.create_task(read(filled.follower, 5, wait=30))
    await asyncio.wait({waiting}, timeout=0)

    await filled.provide("d", Full(offered(component("d"))))
    await filled.settle()

    assert told(await waiting) == [(6, "added", "d")]


async def test_who_waits_in_vain_is_told_so(filled: Catalog) -> None:
    page = await read(filled.follower, 5, wait=0.01)

    assert (told(page), page.next_offset) == ([], 5)


async def test_who_is_behind_does_not_wait(filled: Catalog) -> None:
    async with asyncio.timeout(5):
        page = await read(filled.follower, 4, wait=3600)

    assert told(page) == _EVERYTHING[4:]


async def test_an_offset_beyond_the_head_is_refused_at_once(filled: Catalog) -> None:
    with pytest.raises(OffsetInTheFuture, match="6 is beyond the head of the stream, 5"):
        await read(filled.follower, 6, wait=3600)


async def test_an_offset_that_a_process_ahead_of_this_one_has_given_is_waited_for(filled: Catalog) -> None:
    behind = await latecomer(filled)
    await filled.provide("d", Delta(added=offered(component("d"), component("e"))))
    await filled.settle()
    waiting = asyncio.create_task(read(behind, 6, wait=30))
    await asyncio.wait({waiting}, timeout=0)

    while await behind.follow() == 0:
        pass

    assert told(await waiting) == [(7, "added", "e")]


async def test_an_offset_that_a_process_ahead_of_this_one_has_given_is_no_error_without_waiting(
    filled: Catalog,
) -> None:
    behind = await latecomer(filled)
    await filled.provide("d", Delta(added=offered(component("d"), component("e"))))
    await filled.settle()

    page = await read(behind, 6)

    assert (told(page), page.next_offset) == ([(7, "added", "e")], 7)


async def test_who_could_have_missed_a_removal_must_start_again(filled: Catalog) -> None:
    await set_floors(filled, history=5, tombstones=5)

    with pytest.raises(OffsetExpired, match="Removals at or below offset 5 are forgotten"):
        await read(await latecomer(filled), 4)


async def test_from_the_tombstone_floor_on_nothing_is_missed(filled: Catalog) -> None:
    await set_floors(filled, history=4, tombstones=4)

    page = await read(await latecomer(filled), 4)

    assert told(page) == _EVERYTHING[4:]


async def test_a_reader_of_another_epoch_must_start_again_even_beyond_the_head(filled: Catalog) -> None:
    for offset in (0, 5, 99):
        with pytest.raises(OffsetExpired, match="new epoch"):
            await read(filled.follower, offset, epoch="earlier")


async def test_an_epoch_that_ends_while_a_reader_waits_sends_it_back(filled: Catalog) -> None:
    epoch = filled.follower.view.epoch
    waiting = asyncio.create_task(read(filled.follower, 5, wait=30, epoch=epoch))
    await asyncio.wait({waiting}, timeout=0)

    async with filled.database.transaction() as tx:
        await tx.connection.execute("update stream set epoch = 'restored'")
    await filled.look()

    with pytest.raises(OffsetExpired, match="new epoch, restored"):
        await waiting


async def test_a_removal_by_ref_is_told_with_the_uid_that_was_there(filled: Catalog) -> None:
    uid = (await read(filled.follower, 2, limit=1)).changes[0].uid

    await filled.provide("c", Delta(removed=[EntityRef("component", "default", "c")]))
    await filled.look()

    (change,) = (await read(filled.follower, 5)).changes
    assert (change.ref, change.uid, change.body) == ("component:default/c", uid, None)
