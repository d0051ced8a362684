"""The follower keeps a view at the head, and the latest changes in memory."""

import asyncio

import pytest

from callboard.extend import Full
from callboard.model.changes import Change
from callboard.store.database import Database
from callboard.stream.following import Follower
from callboard.testing import FakeClock
from callboard.view.views import View
from tests.harness import Catalog, component, offered
from tests.stream.publishing import publish


async def change_something(catalog: Catalog, *names: str) -> None:
    """One change for each name."""
    await catalog.provide("ci", Full(offered(*map(component, names))))
    while await catalog.process():
        pass
    await catalog.stitch()


async def follow(follower: Follower) -> View:
    while await follower.follow() == 0:
        pass
    return follower.view


async def execute(catalog: Catalog, *statements: str) -> None:
    async with catalog.database.transaction() as tx:
        for statement in statements:
            await tx.connection.execute(statement)


async def test_the_first_look_loads_what_is_there(catalog: Catalog) -> None:
    await change_something(catalog, "a", "b")

    view = await follow(Follower(catalog.database, catalog.clock))

    assert (view.offset, view.refs()) == (2, ["component:default/a", "component:default/b"])


async def test_later_looks_apply_what_is_new(catalog: Catalog) -> None:
    follower = Follower(catalog.database, catalog.clock)
    await follow(follower)
    await change_something(catalog, "a")

    view = await follow(follower)

    assert (view.offset, view.refs(), follower.lag) == (1, ["component:default/a"], 0)


async def test_a_follower_whose_next_change_was_compacted_away_starts_again(catalog: Catalog) -> None:
    follower = Follower(catalog.database, catalog.clock)
    await follow(follower)
    await change_something(catalog, "a", "b")
    await execute(catalog, "update stream set history_floor = 1", 'delete from history where "offset" <= 1')

    view = await follow(follower)

    assert (view.offset, view.count) == (2, 2)


async def test_a_new_epoch_makes_it_start_again(catalog: Catalog) -> None:
    await change_something(catalog, "a")
    follower = Follower(catalog.database, catalog.clock)
    await follow(follower)

    await execute(
        catalog, "update stream set epoch = 'restored', head = 0", "delete from history", "delete from final_entities"
    )

    view = await follow(follower)
    assert (view.epoch, view.offset, view.refs()) == ("restored", 0, [])


async def test_a_head_that_went_back_makes_it_start_again(catalog: Catalog) -> None:
    await change_something(catalog, "a", "b")
    follower = Follower(catalog.database, catalog.clock)
    await follow(follower)

    await execute(
        catalog,
        "update stream set head = 1",
        'delete from history where "offset" > 1',
        "delete from final_entities where last_offset > 1",
    )

    assert (await follow(follower)).offset == 1


async def test_recent_changes_are_kept_in_memory_and_older_ones_are_not(catalog: Catalog) -> None:
    follower = Follower(catalog.database, catalog.clock, keep=2)
    await follow(follower)
    await change_something(catalog, "a", "b", "c")
    await follow(follower)

    assert offsets(follower.steps(1, 10)) == [2, 3]
    assert offsets(follower.steps(1, 1)) == [2]
    assert offsets(follower.steps(3, 10)) == []
    assert follower.steps(0, 10) is None


async def test_after_a_reload_nothing_older_is_told_from_memory(catalog: Catalog) -> None:
    await change_something(catalog, "a", "b")
    follower = Follower(catalog.database, catalog.clock)
    await follow(follower)

    assert follower.steps(1, 10) is None


async def test_memory_never_has_a_gap(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(catalog.database, catalog.clock)
    await follow(follower)
    await change_something(catalog, "a", "b")
    apply = View.apply

    def fail_in_the_middle(view: View, changes: list[Change]) -> int:
        apply(view, changes[:1])
        raise MemoryError

    # There is no change that a view can't apply; this stands for what nobody has thought of.
    with monkeypatch.context() as patched:
        patched.setattr(View, "apply", fail_in_the_middle)
        with pytest.raises(MemoryError):
            await follower.follow()
    await change_something(catalog, "a", "b", "c")
    view = await follow(follower)

    assert (view.offset, view.count) == (3, 3)
    assert follower.steps(0, 10) is None
    assert offsets(follower.steps(1, 10)) == [2, 3]


async def test_who_waits_is_woken_when_the_view_is_beyond(catalog: Catalog) -> None:
    follower = Follower(catalog.database, catalog.clock)
    await follow(follower)
    waiting = asyncio.create_task(follower.wait_beyond(1, 30))
    await change_something(catalog, "a")
    await follow(follower)
    woken_early = waiting.done()

    await change_something(catalog, "a", "b")
    await follow(follower)

    assert (woken_early, await waiting) == (False, True)


async def test_who_waits_too_long_hears_so(catalog: Catalog) -> None:
    follower = Follower(catalog.database, catalog.clock)
    await follow(follower)

    assert not await follower.wait_beyond(0, 0.01)


def offsets(found: "object") -> list[int]:
    assert isinstance(found, list | tuple)
    return [step.change.offset for step in found]


async def test_the_changes_after_any_offset_are_found_from_either_end(database: Database, clock: FakeClock) -> None:
    follower = Follower(database, clock, keep=7)
    for number in range(10):
        await publish(database, f"n{number}")
        while await follower.follow() == 0:
            pass

    for after in range(11):
        for limit in (1, 2, 5, 20):
            steps = follower.steps(after, limit)
            found = None if steps is None else [step.change.offset for step in steps]
            assert found == (list(range(after + 1, 11))[:limit] if after >= 3 else None)
