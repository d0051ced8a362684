"""Whoever follows the stream with a filter, or with permissions, has the catalog as they show it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from callboard.errors import OffsetExpired
from callboard.model.changes import Change, ChangeType
from callboard.model.predicates import AllOf, AnyOf, Equals, Not, Predicate, both, matches
from callboard.store import changes
from callboard.store.database import Database
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.pages import Mode
from callboard.stream.sight import facts_in
from callboard.testing import FakeClock
from tests.stream.publishing import forget, publish, ref_of, retract

pytestmark = pytest.mark.slow

on_a_real_database = hypothesis.settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

NAMES, TYPES, TIERS = "abc", "xy", "12"


@dataclass(frozen=True, slots=True)
class Publish:
    name: str
    type: str
    tier: str


@dataclass(frozen=True, slots=True)
class Retract:
    name: str


@dataclass(frozen=True, slots=True)
class Read:
    limit: int


@dataclass(frozen=True, slots=True)
class Restart:
    """The reader was away and catches up, with the compacted past; the server has nothing in memory."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Forget this share of the history."""

    percent: int


Action = Publish | Retract | Read | Restart | Forget

_PUBLISH = st.builds(Publish, st.sampled_from(NAMES), st.sampled_from(TYPES), st.sampled_from(TIERS))
_CHANGE = _PUBLISH | _PUBLISH | st.builds(Retract, st.sampled_from(NAMES))
_READ = st.builds(Read, st.integers(1, 3))
_FORGET = st.builds(Forget, st.integers(0, 100))


def histories(*, restarts: bool = True, forgetful: bool = False) -> st.SearchStrategy[list[Action]]:
    """Bursts of changes, each with some readings behind it."""
    burst = st.lists(_CHANGE, min_size=1, max_size=6)
    events: st.SearchStrategy[Action] = _READ
    if restarts:
        events |= st.just(Restart())
    if forgetful:
        events |= _FORGET
    parts = st.tuples(burst, st.lists(events, max_size=6))
    return st.lists(parts, min_size=1, max_size=6).map(
        lambda found: [action for changes, others in found for action in (*changes, *others)]
    )


PREDICATE: st.SearchStrategy[Predicate] = st.recursive(
    st.builds(Equals, st.just("spec.type"), st.sampled_from(TYPES))
    | st.builds(Equals, st.just("spec.tier"), st.sampled_from(TIERS))
    | st.builds(Equals, st.just("metadata.name"), st.sampled_from(NAMES)),
    lambda inner: (
        st.builds(Not, inner) | st.builds(AnyOf, st.tuples(inner, inner)) | st.builds(AllOf, st.tuples(inner, inner))
    ),
    max_leaves=3,
)


@dataclass(slots=True)
class Reader:
    """Follows the stream page by page and keeps what it is told: the past compacted, if it does not read the log."""

    follower: Follower
    wanted: Predicate | None
    permitted: Predicate | None
    mode: Mode
    offset: int = 0
    began: int | None = None
    caught_up: bool = False
    entities: dict[str, bytes] = field(default_factory=dict)
    told: list[Change] = field(default_factory=list)
    surprises: list[Change] = field(default_factory=list)
    """Events that don't fit what the reader had."""

    async def read(self, limit: int) -> None:
        while await self.follower.follow() == 0:
            pass
        try:
            page = await feed.read(
                self.follower,
                offset=self.offset,
                limit=limit,
                wait=0,
                mode=self.mode,
                began=self.began,
                predicate=self.wanted,
                visible=self.permitted,
            )
        except OffsetExpired:
            self.offset, self.began, self.entities = 0, None, {}
            return
        assert len(page.changes) <= limit
        assert self.offset <= page.next_offset <= page.head
        for change in page.changes:
            self._take(change)
        self.offset, self.began, self.caught_up = page.next_offset, page.began, page.caught_up
        if page.caught_up:
            self.mode = Mode.LOG

    def restart(self) -> None:
        self.follower = Follower(self.follower.database, self.follower.clock, keep=self.follower.keep)
        self.mode = Mode.COMPACTED

    def _take(self, change: Change) -> None:
        self.told.append(change)
        if (change.type is ChangeType.ADDED) is (change.ref in self.entities):
            self.surprises.append(change)
        if change.body is None:
            self.entities.pop(change.ref, None)
        else:
            self.entities[change.ref] = change.body


async def begin(database: Database) -> None:
    async with database.transaction() as tx:
        for statement in (
            "delete from history",
            "delete from final_entities",
            "delete from entities",
            "update stream set head = 0, history_floor = 0",
        ):
            await tx.connection.execute(statement)


async def play(database: Database, history: Sequence[Action], reader: Reader) -> None:
    """Let the history happen, and the reader read to its end."""
    for action in history:
        match action:
            case Publish(name, kind, tier):
                await publish(database, name, type=kind, tier=tier)
            case Retract(name):
                await retract(database, name)
            case Read(limit):
                await reader.read(limit)
            case Restart():
                reader.restart()
            case Forget(percent):
                await forget(database, (await changes.now(database)).head * percent // 100)
    reader.caught_up = False
    while not reader.caught_up:
        await reader.read(2)


async def shown(database: Database, predicate: Predicate | None) -> dict[str, bytes]:
    """The catalog as it is now, as far as the predicate holds."""
    async with database.transaction(snapshot=True) as tx:
        rows = [(ref, body) async for _, ref, body in (await changes.snapshot(tx)).rows]
    return {ref: body for ref, body in rows if predicate is None or matches(predicate, facts_in(body))}


def ever_permitted(history: Sequence[Action], permitted: Predicate) -> set[str]:
    """The refs that someone with this permission could have seen at some time."""
    return {
        ref_of(action.name)
        for action in history
        if isinstance(action, Publish)
        and matches(
            permitted,
            {"metadata.name": (action.name,), "spec.type": (action.type,), "spec.tier": (action.tier,)},
        )
    }


def reader_of(
    database: Database, keep: int, wanted: Predicate | None, permitted: Predicate | None, mode: Mode
) -> Reader:
    return Reader(Follower(database, FakeClock(), keep=keep), wanted, permitted, mode)


KEEP = st.sampled_from([1, 3, 100])


@on_a_real_database
@given(history=histories(restarts=False), wanted=PREDICATE | st.none(), permitted=PREDICATE | st.none(), keep=KEEP)
async def test_a_reader_of_the_log_is_told_exactly_what_comes_into_sight_and_leaves_it(
    database: Database, history: list[Action], wanted: Predicate | None, permitted: Predicate | None, keep: int
) -> None:
    await begin(database)
    reader = reader_of(database, keep, wanted, permitted, Mode.LOG)

    await play(database, history, reader)

    assert reader.entities == await shown(database, both(wanted, permitted))
    assert reader.surprises == []


@on_a_real_database
@given(history=histories(), wanted=PREDICATE | st.none(), permitted=PREDICATE, keep=KEEP)
async def test_a_reader_who_begins_with_the_compacted_past_ends_with_what_is_in_sight(
    database: Database, history: list[Action], wanted: Predicate | None, permitted: Predicate, keep: int
) -> None:
    await begin(database)
    reader = reader_of(database, keep, wanted, permitted, Mode.COMPACTED)

    await play(database, history, reader)

    assert reader.entities == await shown(database, both(wanted, permitted))
    assert {change.ref for change in reader.told} <= ever_permitted(history, permitted)


@on_a_real_database
@given(
    history=histories(forgetful=True),
    wanted=PREDICATE | st.none(),
    permitted=PREDICATE | st.none(),
    keep=KEEP,
    mode=st.sampled_from(Mode),
)
async def test_nothing_is_lost_and_nothing_is_given_away_when_the_history_is_forgotten(
    database: Database,
    history: list[Action],
    wanted: Predicate | None,
    permitted: Predicate | None,
    keep: int,
    mode: Mode,
) -> None:
    await begin(database)
    reader = reader_of(database, keep, wanted, permitted, mode)

    await play(database, history, reader)

    assert reader.entities == await shown(database, both(wanted, permitted))
    if permitted is not None:
        assert {change.ref for change in reader.told} <= ever_permitted(history, permitted)
        assert all(matches(permitted, facts_in(change.body)) for change in reader.told if change.body is not None)


async def test_who_forgets_began_misses_no_removal_when_versions_of_the_way_are_forgotten(database: Database) -> None:
    reader = reader_of(database, 1, None, Equals("spec.type", "x"), Mode.COMPACTED)
    await publish(database, "a", type="x", tier="1")
    await reader.read(100)
    reader.restart()
    await publish(database, "a", type="y", tier="1")
    await publish(database, "b", type="x", tier="1")
    await publish(database, "a", type="y", tier="2")

    for _ in range(3):
        reader.began = None
        await reader.read(1)
        # The version that it holds of a is obsolete at this offset.
        await forget(database, reader.offset)
    await play(database, [], reader)

    assert reader.entities == await shown(database, Equals("spec.type", "x"))
