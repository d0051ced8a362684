"""The stream as a machine: whatever is published, forgotten and read, in any order, no reader is told too little.

The model is the list of all changes, and the two floors. Readers keep what they are told, and are compared with what
the model says whenever they have caught up. More of it: CALLBOARD_TEST_EXAMPLES=600.
"""

import asyncio
import itertools
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from callboard.errors import OffsetExpired
from callboard.model import json
from callboard.model.changes import Change, ChangeType
from callboard.model.predicates import AllOf, AnyOf, Equals, Not, Predicate, both, matches
from callboard.store import changes, retention
from callboard.store.database import Database
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.pages import Mode, Page
from callboard.testing import FakeClock
from tests.audit import audit
from tests.conftest import Lend
from tests.stream.publishing import forget, make_partitions, publish, ref_of, retract

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("CALLBOARD_TEST_EXAMPLES", "20"))

T = TypeVar("T")
Spec = dict[str, str]

NAMES, TYPES, TIERS = "abcd", "xy", "12"

PREDICATE: st.SearchStrategy[Predicate] = st.recursive(
    st.builds(Equals, st.just("spec.type"), st.sampled_from(TYPES))
    | st.builds(Equals, st.just("spec.tier"), st.sampled_from(TIERS))
    | st.builds(Equals, st.just("metadata.name"), st.sampled_from(NAMES)),
    lambda inner: (
        st.builds(Not, inner) | st.builds(AnyOf, st.tuples(inner, inner)) | st.builds(AllOf, st.tuples(inner, inner))
    ),
    max_leaves=3,
)

ENTITY = st.tuples(st.sampled_from(NAMES), st.sampled_from(TYPES), st.sampled_from(TIERS))


@dataclass(frozen=True, slots=True)
class Made:
    """A change, as the model knows it."""

    type: ChangeType
    name: str
    spec: Spec | None

    def is_in(self, predicate: Predicate | None) -> bool:
        return self.spec is not None and (predicate is None or matches(predicate, facts(self.name, self.spec)))


def facts(name: str, spec: Spec) -> dict[str, tuple[str, ...]]:
    return {"metadata.name": (name,), "spec.type": (spec["type"],), "spec.tier": (spec["tier"],)}


@dataclass(slots=True)
class Model:
    """All changes, the first at offset 1, and what is forgotten."""

    log: list[Made] = field(default_factory=list)
    history_floor: int = 0
    tombstone_floor: int = 0

    @property
    def head(self) -> int:
        return len(self.log)

    def last(self) -> dict[str, int]:
        """The offset of the last change of each name."""
        return {made.name: offset for offset, made in enumerate(self.log, start=1)}

    def state(self, predicate: Predicate | None) -> dict[str, Spec]:
        latest = {made.name: made for made in self.log}
        return {ref_of(name): made.spec for name, made in latest.items() if made.spec and made.is_in(predicate)}

    def ever(self, predicate: Predicate) -> set[str]:
        return {ref_of(made.name) for made in self.log if made.is_in(predicate)}

    def add(self, name: str, spec: Spec | None) -> None:
        there = ref_of(name) in self.state(None)
        kind = ChangeType.REMOVED if spec is None else ChangeType.UPDATED if there else ChangeType.ADDED
        self.log.append(Made(kind, name, spec))


@dataclass(frozen=True, slots=True)
class Kept:
    """What a reader has stored in one transaction."""

    offset: int = 0
    began: int | None = None
    live: bool = False
    entities: dict[str, Spec] = field(default_factory=dict)


@dataclass(slots=True)
class Reader:
    wanted: Predicate | None
    permitted: Predicate | None
    mode: Mode
    gives_began: bool
    kept: Kept = field(default_factory=Kept)
    saved: Kept = field(default_factory=Kept)

    @property
    def seen(self) -> Predicate | None:
        return both(self.wanted, self.permitted)


class Stream(RuleBasedStateMachine):
    """Writers, readers and an engine that forgets, on a real database."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.database = self.do(Database.open(self.url, clock=self.clock, connections=2))
        self.do(begin(self.database))
        self.warm = [Follower(self.database, self.clock, keep=keep) for keep in (3, 100)]
        self.model = Model()
        self.readers: list[Reader] = []

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        try:
            for reader in self.readers:
                self._read_to_the_head(reader)
            self.do(audit(self.url))
        finally:
            self.do(self.database.close())
            self.runner.close()

    @initialize(
        entities=st.lists(ENTITY, min_size=3, max_size=6),
        readers=st.lists(st.tuples(PREDICATE | st.none(), PREDICATE, st.sampled_from(Mode)), min_size=2, max_size=2),
    )
    def something_is_there(
        self,
        entities: list[tuple[str, str, str]],
        readers: list[tuple[Predicate | None, Predicate, Mode]],
    ) -> None:
        for name, kind, tier in entities:
            self.publish(name, kind, tier)
        for wanted, permitted, mode in readers:
            self.readers += [
                Reader(wanted, permitted, mode, gives_began=True),
                Reader(wanted, permitted, mode, gives_began=False),
                Reader(wanted, None, mode, gives_began=True),
                Reader(None, None, mode, gives_began=False),
            ]
            for reader in self.readers[-4:]:
                self._read(reader, 1)

    def publish(self, name: str, kind: str, tier: str) -> None:
        if self.model.state(None).get(ref_of(name)) == {"type": kind, "tier": tier}:
            return
        self.do(publish(self.database, name, type=kind, tier=tier))
        self.model.add(name, {"type": kind, "tier": tier})

    @rule(entities=st.lists(ENTITY, min_size=1, max_size=4))
    def change(self, entities: list[tuple[str, str, str]]) -> None:
        for name, kind, tier in entities:
            self.publish(name, kind, tier)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        if ref_of(name) in self.model.state(None):
            self.do(retract(self.database, name))
            self.model.add(name, None)

    @rule(percent=st.integers(0, 100))
    def forget_versions(self, percent: int) -> None:
        self._forget(self.model.head * percent // 100)

    def _forget(self, floor: int) -> None:
        self.do(forget(self.database, floor))
        self.model.history_floor = max(self.model.history_floor, floor)

    @rule(limit=st.sampled_from([1, 100]), steps=st.integers(1, 8))
    def empty_partitions(self, limit: int, steps: int) -> None:
        """As far as an engine comes before it is killed."""
        for _ in range(steps):
            self.do(self.database.run(lambda tx: retention.empty_partition(tx, limit=limit)))

    @rule(percent=st.integers(0, 100))
    def raise_the_tombstone_floor(self, percent: int) -> None:
        """Its tombstones go later: an engine may be killed in between."""
        floor = self.model.history_floor * percent // 100
        self.do(self.database.run(lambda tx: retention.raise_tombstone_floor(tx, floor)))
        self.model.tombstone_floor = max(self.model.tombstone_floor, floor)

    @rule(limit=st.sampled_from([1, 100]))
    def drop_tombstones(self, limit: int) -> None:
        self.do(self.database.run(lambda tx: retention.drop_tombstones(tx, limit=limit)))

    @rule(data=st.data(), limit=st.integers(1, 3), process=st.sampled_from([None, 0, 1]))
    def read(self, data: st.DataObject, limit: int, process: int | None) -> None:
        """From a process that has just been started, or from one that has the latest changes in memory."""
        for reader in data.draw(st.lists(st.sampled_from(self.readers), min_size=1, max_size=6)):
            self._read(reader, limit, None if process is None else self.warm[process])

    @rule(data=st.data())
    def save(self, data: st.DataObject) -> None:
        reader = data.draw(st.sampled_from(self.readers))
        reader.saved = reader.kept

    @rule(data=st.data())
    def go_back_to_what_was_saved(self, data: st.DataObject) -> None:
        reader = data.draw(st.sampled_from(self.readers))
        reader.kept = replace(reader.saved, live=False)

    @rule(data=st.data(), specs=st.permutations([*itertools.product(TYPES, TIERS)]), pages=st.integers(1, 3))
    def forget_what_one_who_comes_back_may_hold(
        self, data: st.DataObject, specs: list[tuple[str, str]], pages: int
    ) -> None:
        """An entity goes through the sight of a reader while it catches up, and its versions are forgotten."""
        reader = data.draw(st.sampled_from([reader for reader in self.readers if reader.permitted is not None]))
        self._read_to_the_head(reader)
        reader.kept = replace(reader.kept, live=False)
        held = [name for name in NAMES if ref_of(name) in reader.kept.entities]
        name, other = data.draw(st.sampled_from(held or NAMES)), data.draw(st.sampled_from(NAMES))
        for kind, tier in specs:
            self.publish(name, kind, tier)
            self.publish(other, *data.draw(st.sampled_from(specs)))
        for _ in range(pages):
            self._read(reader, 1)
        self._forget(reader.kept.offset)

    @rule(data=st.data())
    def lose_the_second_half_of_a_bookmark(self, data: st.DataObject) -> None:
        reader = data.draw(st.sampled_from([reader for reader in self.readers if reader.permitted is not None]))
        reader.kept = replace(reader.kept, began=None)

    @rule()
    def removals_above_their_floor_are_all_there(self) -> None:
        """I10."""
        found = self.do(self._tombstones())
        last = self.model.last()
        gone = {name: offset for name, offset in last.items() if self.model.log[offset - 1].spec is None}

        assert {
            ref_of(name): offset for name, offset in gone.items() if offset > self.model.tombstone_floor
        }.items() <= (found.items())

    async def _tombstones(self) -> dict[str, int]:
        async with self.database.transaction(snapshot=True) as tx:
            found = await changes.compacted(tx, 0, until=self.model.head, limit=1_000)
        return {change.ref: change.offset for change in found if change.body is None}

    def _read_to_the_head(self, reader: Reader) -> None:
        caught_up, limit = False, 2
        while not caught_up:
            page = self._read(reader, limit)
            if page is None:
                # Who gives back no `began` may be refused on every second page, and has to do without one.
                limit = len(self.model.log)
            caught_up = page is not None and page.caught_up

    def _read(self, reader: Reader, limit: int, warm: Follower | None = None) -> Page | None:
        follower = warm or Follower(self.database, self.clock, keep=1)
        kept = reader.kept
        mode = Mode.LOG if kept.live else reader.mode
        try:
            page = self.do(self._page(follower, reader, mode, limit))
        except OffsetExpired:
            # I11, one half: nobody is sent away who could be served.
            assert self._is_expired(reader, kept)
            reader.kept = Kept()
            return None
        if warm is None:
            # I11, the other half. Memory may know more than the floors promise.
            assert not self._is_expired(reader, kept)
        assert kept.offset <= page.next_offset <= page.head == self.model.head
        assert len(page.changes) <= limit
        if reader.seen is None:
            self._check_whole(kept, mode, page)
        reader.kept = Kept(
            page.next_offset,
            page.began if reader.gives_began else None,
            kept.live or page.caught_up,
            after(kept.entities, page.changes),
        )
        if reader.permitted is not None:
            assert {change.ref for change in page.changes} <= self.model.ever(reader.permitted)
        if page.caught_up:
            # I8, I9, I12.
            assert reader.kept.entities == self.model.state(reader.seen)
        return page

    async def _page(self, follower: Follower, reader: Reader, mode: Mode, limit: int) -> Page:
        while await follower.follow() == 0:
            pass
        return await feed.read(
            follower,
            offset=reader.kept.offset,
            limit=limit,
            wait=0,
            mode=mode,
            began=reader.kept.began,
            predicate=reader.wanted,
            visible=reader.permitted,
        )

    def _is_expired(self, reader: Reader, kept: Kept) -> bool:
        if kept.offset == 0:
            return False
        start = kept.offset if kept.began is None else kept.began
        below = max(kept.offset, start) < self.model.tombstone_floor
        return below or (reader.permitted is not None and start < self.model.history_floor)

    def _check_whole(self, kept: Kept, mode: Mode, page: Page) -> None:
        """I5, I6, I12 for who sees everything: the page has all that lies between its two bookmarks."""
        told = [change.offset for change in page.changes]
        if mode is Mode.LOG and kept.offset >= self.model.history_floor:
            assert told == list(range(kept.offset + 1, page.next_offset + 1))
            assert all(
                (change.type, change.ref) == (made.type, ref_of(made.name))
                for change, made in zip(page.changes, self.model.log[kept.offset :], strict=False)
            )
        else:
            between = {
                offset
                for offset in self.model.last().values()
                if kept.offset < offset <= page.next_offset
                and (self.model.log[offset - 1].spec is not None or offset > self.model.tombstone_floor)
            }
            assert between <= set(told)
        for change in page.changes:
            made = self.model.log[change.offset - 1]
            assert (change.ref, spec_of(change)) == (ref_of(made.name), made.spec)


def after(entities: dict[str, Spec], news: "list[Change] | Any") -> dict[str, Spec]:
    known = dict(entities)
    for change in news:
        spec = spec_of(change)
        if spec is None:
            known.pop(change.ref, None)
        else:
            known[change.ref] = spec
    return known


def spec_of(change: Change) -> Spec | None:
    match json.decode(change.body or b"null"):
        case {"spec": dict(spec)}:
            return {key: str(value) for key, value in spec.items()}
        case _:
            return None


_PARTITION, _PARTITIONED = 6, 60
"""Small partitions, so that some are below the floor; what comes later shares a large one."""


async def begin(database: Database) -> None:
    async with database.transaction() as tx:
        for statement in (
            "delete from history",
            "delete from kept_versions",
            "delete from final_entities",
            "delete from entities",
            "update stream set head = 0, history_floor = 0, tombstone_floor = 0",
        ):
            await tx.connection.execute(statement)
    await make_partitions(database, size=_PARTITION, upto=_PARTITIONED)


def explore(lend_database: Lend, examples: int, **more: Any) -> None:
    """Let the machine run on a database of its own; *more* settings of Hypothesis go before the usual ones."""
    with lend_database() as url:

        class OnThisDatabase(Stream):
            pass

        OnThisDatabase.url = url
        run_state_machine_as_test(
            OnThisDatabase,
            settings=hypothesis.settings(
                max_examples=examples,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
                **more,
            ),
        )


def test_no_reader_is_told_too_little_whatever_is_forgotten(lend_database: Lend) -> None:
    explore(lend_database, EXAMPLES)
