"""Whoever has the catalog at some offset, and the changes after it, has the catalog."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from callboard.extend import Delta, Full
from callboard.ingestion.locations import OnConflict
from callboard.model.changes import Change
from callboard.model.refs import EntityRef
from callboard.settings import OrphanStrategy, Settings, defaults
from callboard.store import changes
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.pages import Mode
from callboard.view.views import View
from tests.audit import audit
from tests.harness import Catalog, component, component_yaml, offered

pytestmark = pytest.mark.slow

_URL = "https://host/file.yaml"

# A fixture that lives as long as all examples is fine: each begins by taking back everything that was said before.
on_a_real_database = hypothesis.settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

Offer = dict[str, str]
"""Types of components by name."""

State = dict[str, bytes | None]
"""Bodies by ref."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens to a catalog."""

    what: str
    offer: Offer
    removed: frozenset[str]

    async def happen(self, catalog: Catalog) -> None:
        """Let it happen."""
        entities = [component(name, type=kind) for name, kind in self.offer.items()]
        match self.what:
            case "full":
                await catalog.provide("full", Full(offered(*entities)))
            case "delta":
                refs = [EntityRef("component", "default", name) for name in sorted(self.removed - set(self.offer))]
                await catalog.provide("delta", Delta(offered(*entities, key="delta"), refs))
            case "file":
                files = (component_yaml(name, owner=kind) for name, kind in self.offer.items())
                catalog.host.put(_URL, "---\n".join(files))
                await catalog.register(_URL, OnConflict.REFRESH)
            case "process":
                await catalog.process()
            case _:
                await catalog.settle()


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["full", "delta", "file", "process", "settle"]),
        st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["service", "website"]), max_size=4),
        st.frozensets(st.sampled_from("abcd")),
    ),
    min_size=2,
    max_size=12,
)


@pytest.fixture
def settings() -> Settings:
    """Orphans are deleted, so that a catalog whose sources say nothing is as good as empty."""
    return Catalog.settings(defaults()).overridden({"catalog.orphan_strategy": OrphanStrategy.DELETE})


async def begin(catalog: Catalog) -> None:
    """Empty the catalog, but for the Location and the history."""
    for what in ("full", "delta", "file"):
        await Step(what, {}, frozenset("abcd")).happen(catalog)
    await catalog.settle()


async def snapshot(catalog: Catalog) -> Follower:
    """A new reader, which has loaded the catalog as it is now."""
    follower = Follower(catalog.database, catalog.clock)
    await follower.load()
    return follower


async def follow_to_the_head(follower: Follower) -> View:
    while await follower.follow() == 0:
        pass
    return follower.view


def state_of(view: View) -> State:
    return {ref: view.by_ref(ref) for ref in view.refs()}


def state_after(before: State, news: Iterable[Change]) -> State:
    """What a consumer knows that treats `added` and `updated` alike."""
    state = dict(before)
    for change in news:
        if change.body is None:
            state.pop(change.ref, None)
        else:
            state[change.ref] = change.body
    return state


async def raise_history_floor(catalog: Catalog, floor: int) -> None:
    """Forget single changes up to *floor*."""
    async with catalog.database.transaction() as tx:
        await tx.connection.execute("update stream set history_floor = $1", floor)


@on_a_real_database
@given(steps=STEPS)
async def test_a_view_that_follows_equals_one_that_is_built_now(catalog: Catalog, steps: list[Step]) -> None:
    await begin(catalog)
    readers = [await snapshot(catalog)]

    for step in steps:
        await step.happen(catalog)
        readers.append(await snapshot(catalog))
    await catalog.settle()

    fresh = (await snapshot(catalog)).view
    for reader in readers:
        view = await follow_to_the_head(reader)
        assert (view.offset, state_of(view)) == (fresh.offset, state_of(fresh))
    await audit(catalog.database.url)


@on_a_real_database
@given(
    steps=STEPS,
    floor=st.integers(0, 100),
    start=st.sampled_from([None, 0, 100]) | st.integers(0, 100),
    limits=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    keep=st.integers(1, 4),
    mode=st.sampled_from(Mode),
)
async def test_a_reader_of_pages_has_the_catalog_when_it_has_caught_up(
    catalog: Catalog, steps: list[Step], floor: int, start: int | None, limits: list[int], keep: int, mode: Mode
) -> None:
    await raise_history_floor(catalog, 0)
    await begin(catalog)
    at_first = (await snapshot(catalog)).view
    for step in steps[::2]:
        await step.happen(catalog)
    length = (await changes.now(catalog.database)).head - at_first.offset
    offset, state = 0, State()
    if start is not None:
        offset = at_first.offset + length * start // 100
        state = state_after(state_of(at_first), await news(catalog, at_first.offset, offset))
    await raise_history_floor(catalog, at_first.offset + length * floor // 100)

    # With a reader that keeps hardly anything in memory, pages come from both places.
    follower = Follower(catalog.database, catalog.clock, keep=keep)
    pending, sizes = [*steps[1::2], Step("settle", {}, frozenset())], itertools.cycle(limits)
    caught_up = False
    while pending or not caught_up:
        if pending:
            await pending.pop(0).happen(catalog)
        await follow_to_the_head(follower)
        limit = next(sizes)
        page = await feed.read(follower, offset=offset, limit=limit, wait=0, mode=mode)
        offsets = [change.offset for change in page.changes]
        assert offsets == sorted(set(offsets))
        assert len(offsets) <= limit
        assert offset <= page.next_offset <= page.head
        state, offset, caught_up = state_after(state, page.changes), page.next_offset, page.caught_up

    assert state == state_of((await snapshot(catalog)).view)


async def news(catalog: Catalog, after: int, until: int) -> list[Change]:
    """The changes in (*after*, *until*]."""
    return [change for change in await catalog.history() if after < change.offset <= until]
