"""Pages of the stream for readers at any offset."""

import asyncio

import pytest

from callboard.errors import OffsetExpired, OffsetInTheFuture
from callboard.extend import Delta, Full
from callboard.model.predicates import NOTHING, Equals, HasPrefix, Predicate
from callboard.model.refs import EntityRef
from callboard.store.database import Database
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.pages import Mode, Page
from callboard.testing import FakeClock
from tests.harness import Catalog, component, offered
from tests.stream.publishing import forget, publish, retract


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
    began: int | None = None,
) -> Page:
    return await feed.read(follower, offset=offset, limit=limit, wait=wait, mode=mode, epoch=epoch, began=began)


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


@pytest.mark.parametrize("mode", Mode)
async def test_who_began_at_or_above_the_tombstone_floor_goes_on_below_it(filled: Catalog, mode: Mode) -> None:
    await set_floors(filled, history=5)
    follower = await latecomer(filled)
    first = await read(follower, 0, limit=1, mode=mode)
    await set_floors(filled, history=5, tombstones=5)

    page = await read(follower, first.next_offset, mode=mode, began=first.began)

    assert (first.next_offset, first.began, page.caught_up, page.began) == (3, 5, True, None)
    with pytest.raises(OffsetExpired):
        await read(follower, first.next_offset, mode=mode)


async def test_who_began_below_the_tombstone_floor_must_start_again(filled: Catalog) -> None:
    await set_floors(filled, history=5)
    follower = await latecomer(filled)
    first = await read(follower, 0, limit=1, mode=Mode.COMPACTED)
    for kind in ("library", "tool"):
        await filled.provide("c", Full(offered(component("c", type=kind))))
        await filled.settle()
    await set_floors(filled, history=7, tombstones=6)

    with pytest.raises(OffsetExpired, match="Removals at or below offset 6 are forgotten"):
        await read(follower, first.next_offset, mode=Mode.COMPACTED, began=first.began)


async def test_who_catches_up_in_pages_is_told_from_where(filled: Catalog) -> None:
    first = await read(filled.follower, 1, limit=1, mode=Mode.COMPACTED)
    second = await read(filled.follower, first.next_offset, limit=1, mode=Mode.COMPACTED, began=first.began)

    assert [(page.next_offset, page.began) for page in (first, second)] == [(3, 1), (4, 1)]


async def test_who_is_told_each_change_needs_no_other_bookmark_than_its_offset(filled: Catalog) -> None:
    follower = await latecomer(filled)
    await set_floors(filled, history=3)

    pages = [await read(follower, offset, limit=1) for offset in (0, 3, 4)]

    assert [(page.next_offset, page.began) for page in pages] == [(3, None), (4, None), (5, None)]


async def test_nobody_can_have_begun_in_the_future(filled: Catalog) -> None:
    with pytest.raises(OffsetInTheFuture, match="Offset 6 is beyond the head"):
        await read(filled.follower, 2, mode=Mode.COMPACTED, began=6)


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


async def test_a_page_that_passes_over_changes_waits_until_memory_has_them(filled: Catalog) -> None:
    """Who went on in memory before would have caught up there without what was passed over."""
    await set_floors(filled, history=4)
    follower = await latecomer(filled)
    await publish(filled.database, "a", tier="2")

    page = asyncio.create_task(read(follower, 0, limit=1))
    while not page.done() and not follower.crowd.count:
        await filled.clock.sleep(0)

    assert not page.done()
    while await follower.follow() == 0:
        pass
    assert told(await page) == [(3, "added", "c")]
    assert follower.view.offset == (await page).head == 6


async def test_a_removal_by_ref_is_told_with_the_uid_that_was_there(filled: Catalog) -> None:
    uid = (await read(filled.follower, 2, limit=1)).changes[0].uid

    await filled.provide("c", Delta(removed=[EntityRef("component", "default", "c")]))
    await filled.look()

    (change,) = (await read(filled.follower, 5)).changes
    assert (change.ref, change.uid, change.body) == ("component:default/c", uid, None)


TIER_1 = Equals("spec.tier", "1")


async def looking(database: Database, *, keep: int = 100) -> Follower:
    """A reader that has seen what there is, change by change."""
    follower = Follower(database, FakeClock(), keep=keep)
    await follower.load()
    return follower


async def tiers(database: Database, *follower: Follower) -> None:
    """a is tier 1, then 2, b is tier 2, then gone, c is tier 2, then 1, d is tier 1, then gone."""
    for name, tier in ("a1", "b2", "c2", "d1", "a2", "c1"):
        await publish(database, name, tier=tier)
    for name in "bd":
        await retract(database, name)
    for each in follower:
        await see(each)


async def see(follower: Follower) -> None:
    while await follower.follow() == 0:
        pass


async def filtered(
    follower: Follower,
    offset: int,
    predicate: Predicate = TIER_1,
    *,
    limit: int = 100,
    mode: Mode = Mode.LOG,
    wait: float = 0,
) -> Page:
    return await feed.read(follower, offset=offset, limit=limit, wait=wait, mode=mode, predicate=predicate)


IN_SIGHT = [(1, "added", "a"), (4, "added", "d"), (5, "removed", "a"), (6, "added", "c"), (8, "removed", "d")]


@pytest.mark.parametrize("keep", [100, 1], ids=["from-memory", "from-the-database"])
async def test_a_filter_tells_what_comes_into_sight_and_what_leaves_it(database: Database, keep: int) -> None:
    follower = await looking(database, keep=keep)
    await tiers(database, follower)

    page = await filtered(follower, 0)

    assert (told(page), page.next_offset, page.caught_up) == (IN_SIGHT, 8, True)
    assert [change.offset for change in page.changes if change.left_filter] == [5]


@pytest.mark.parametrize("keep", [100, 1], ids=["from-memory", "from-the-database"])
async def test_with_a_filter_a_page_is_full_when_enough_was_in_sight(database: Database, keep: int) -> None:
    follower = await looking(database, keep=keep)
    await tiers(database, follower)

    first = await filtered(follower, 1, limit=2)
    rest = await filtered(follower, first.next_offset, limit=2)

    assert (told(first), first.next_offset, first.caught_up) == (IN_SIGHT[1:3], 5, False)
    assert (told(rest), rest.next_offset, rest.caught_up) == (IN_SIGHT[3:], 8, True)


@pytest.mark.parametrize("mode", Mode)
async def test_the_bookmark_moves_past_what_is_out_of_sight(database: Database, mode: Mode) -> None:
    follower = await looking(database)
    await tiers(database, follower)

    page = await filtered(follower, 0, NOTHING, mode=mode)

    assert (told(page), page.next_offset, page.caught_up) == ([], 8, True)


async def test_an_answer_goes_out_when_enough_was_looked_through(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten thousand changes would take the test half a minute.
    monkeypatch.setattr(feed, "_PIECE", 2)
    monkeypatch.setattr(feed, "_LOOKED_THROUGH", 4)
    follower = await looking(database)
    await tiers(database, follower)

    page = await filtered(follower, 0, NOTHING, wait=3600)

    assert (told(page), page.next_offset, page.caught_up) == ([], 4, False)


async def test_who_begins_with_the_compacted_past_is_told_only_what_is_there(database: Database) -> None:
    follower = await looking(database)
    await tiers(database, follower)

    page = await filtered(follower, 0, mode=Mode.COMPACTED)

    assert told(page) == [(6, "added", "c")]


async def test_who_comes_back_to_the_compacted_past_is_told_what_has_left(database: Database) -> None:
    follower = await looking(database)
    await tiers(database, follower)

    page = await filtered(follower, 4, mode=Mode.COMPACTED)

    assert told(page) == [(5, "removed", "a"), (6, "added", "c"), (8, "removed", "d")]


async def test_a_removal_is_not_lost_when_a_compacted_page_passes_over_what_came_before(database: Database) -> None:
    await publish(database, "a", tier="1")
    follower = await looking(database)
    start = await filtered(follower, 0, mode=Mode.COMPACTED)
    for name, tier in ("a2", "b1", "a3"):
        await publish(database, name, tier=tier)
    await see(follower)

    first = await filtered(follower, start.next_offset, limit=1, mode=Mode.COMPACTED)
    second = await filtered(follower, first.next_offset, limit=1, mode=Mode.COMPACTED)

    assert (told(first), told(second)) == ([(3, "added", "b")], [(4, "removed", "a")])


async def test_below_the_history_floor_a_filter_is_told_of_all_that_may_have_left(database: Database) -> None:
    await tiers(database)
    await forget(database, 8)
    follower = await looking(database)

    page = await filtered(follower, 4)

    assert told(page) == [(5, "removed", "a"), (6, "updated", "c"), (7, "removed", "b"), (8, "removed", "d")]


async def test_below_the_history_floor_nobody_knows_what_a_caller_was_permitted_to_see(database: Database) -> None:
    await tiers(database)
    await forget(database, 8)
    follower = await looking(database)

    with pytest.raises(OffsetExpired, match="what the caller was permitted to see at 4"):
        await feed.read(follower, offset=4, limit=100, wait=0, visible=TIER_1)


async def test_at_the_history_floor_a_caller_is_told_of_all_that_it_can_see_no_more(database: Database) -> None:
    await tiers(database)
    everything = await feed.read(await looking(database), offset=4, limit=100, wait=0, visible=TIER_1)
    await forget(database, 4)

    page = await feed.read(await looking(database), offset=4, limit=100, wait=0, visible=TIER_1)

    assert told(page) == told(everything)


async def test_memory_knows_what_the_history_has_forgotten(database: Database) -> None:
    await publish(database, "a", tier="1")
    follower = await looking(database)
    await publish(database, "a", tier="2")
    await see(follower)
    await forget(database, 1)

    page = await feed.read(follower, offset=1, limit=100, wait=0, visible=TIER_1)

    assert told(page) == [(2, "removed", "a")]


async def test_an_entity_that_came_back_under_another_uid_is_told_with_its_new_one(database: Database) -> None:
    await publish(database, "a", tier="1")
    await retract(database, "a")
    await publish(database, "a", tier="1")
    follower = await looking(database)

    page = await filtered(follower, 1, mode=Mode.COMPACTED)

    (change,) = page.changes
    assert (change.type, change.uid) == ("added", await uid_of(database))


async def test_the_uid_of_what_is_out_of_sight_is_not_told(database: Database) -> None:
    await publish(database, "a", tier="1")
    before = await uid_of(database)
    await retract(database, "a")
    await publish(database, "a", tier="2")
    follower = await looking(database)

    page = await filtered(follower, 1, mode=Mode.COMPACTED)

    (change,) = page.changes
    assert (change.type, change.uid, change.left_filter) == ("removed", before, True)


async def uid_of(database: Database) -> str:
    async with database.transaction() as tx:
        return str(await tx.connection.fetchval("select uid::text from entities"))


async def test_who_waits_goes_on_waiting_while_nothing_is_in_sight(database: Database) -> None:
    follower = await looking(database)
    waiting = asyncio.create_task(filtered(follower, 0, HasPrefix("metadata.name", "b"), wait=3600))
    for name in "ab":
        await until_somebody_waits(follower)
        await publish(database, name)
        await see(follower)

    page = await waiting

    assert (told(page), page.next_offset) == ([(2, "added", "b")], 2)


async def test_when_the_wait_is_over_the_bookmark_has_moved(database: Database) -> None:
    follower = await looking(database)
    waiting = asyncio.create_task(filtered(follower, 0, NOTHING, wait=0.2))
    await until_somebody_waits(follower)
    await publish(database, "a")
    await see(follower)

    page = await waiting

    assert (told(page), page.next_offset, page.caught_up) == ([], 1, True)


async def until_somebody_waits(follower: Follower) -> None:
    while not follower.crowd.count and not follower.waiters.count:
        await follower.clock.sleep(0)
