import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Unpack

import pytest
import sqlalchemy as sa

from callboard.client import Applied, Callbacks, Changes, Replica, SQLiteStore
from callboard.client.replicas import Store, Stored
from callboard.client.replicas.alchemy import SQLAlchemyStore, bookkeeping
from callboard.client.replicas.batches import without_nul
from callboard.client.replicas.positions import Patience
from callboard.client.replicas.replicating import ReplicaOptions
from callboard.client.results import Entity
from callboard.errors import InvalidInput, LeaseLost, OffsetExpired, Unavailable
from tests.client.replicas.catalogs import Catalog
from tests.client.replicas.crashing import read_sqlite

Open = Callable[..., Store]


@pytest.fixture
def catalog() -> Catalog:
    """A catalog with three components."""
    made = Catalog()
    for name in ("cart", "orders", "payments"):
        made.put(name)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


@pytest.fixture(params=["sqlite", "sqlalchemy"])
def store(request: pytest.FixtureRequest, file: Path) -> Store:
    return SQLiteStore(file) if request.param == "sqlite" else SQLAlchemyStore(sa.create_engine(f"sqlite:///{file}"))


def copy(catalog: Catalog, store: Store, **options: Unpack[ReplicaOptions]) -> list[Applied]:
    """Let a consumer live until it has caught up."""
    return list(Replica(catalog.client, store, sleep=lambda _: None, **options).follow(until_caught_up=True))


def names(file: Path) -> set[str]:
    """The names of what is in a copy."""
    return {ref.rpartition("/")[2] for ref in read_sqlite(file)}


def test_a_page_of_events_is_one_transaction(catalog: Catalog, store: Store, file: Path) -> None:
    first, second = copy(catalog, store)

    assert [event.ref for event in first.put] == ["component:default/cart", "component:default/orders"]
    assert (first.position.caught_up, second.position.caught_up) == (False, True)
    assert names(file) == {"cart", "orders", "payments"}


def test_the_next_consumer_goes_on_where_the_one_before_has_ended(catalog: Catalog, store: Store, file: Path) -> None:
    copy(catalog, store)
    catalog.remove("cart")

    [applied] = copy(catalog, store)

    assert catalog.asked[-1].items() >= {"offset": "3", "epoch": "e1"}.items()
    assert applied.removed == ["component:default/cart"]
    assert names(file) == {"orders", "payments"}


def test_an_entity_with_another_uid_is_another_entity(catalog: Catalog, store: Store) -> None:
    copy(catalog, store)
    catalog.put("cart", uid="u2")

    [applied] = copy(catalog, store)

    assert (applied.removed, [event.uid for event in applied.put]) == (["component:default/cart"], ["u2"])


def test_what_another_epoch_does_not_tell_is_removed_when_all_has_been_told(
    catalog: Catalog, store: Store, file: Path
) -> None:
    copy(catalog, store)
    catalog.restore("billing", "cart", "tax")
    replica = Replica(catalog.client, store)

    seen, removed = zip(
        *((names(file), sorted(applied.removed)) for applied in replica.follow(until_caught_up=True)), strict=True
    )

    # Readers never find less than there was.
    assert seen == ({"billing", "cart", "orders", "payments"}, {"billing", "cart", "tax"})
    assert removed[-1] == ["component:default/orders", "component:default/payments"]


def test_a_catalog_that_knows_less_is_read_again(catalog: Catalog, store: Store, file: Path) -> None:
    copy(catalog, store)
    del catalog.log[1:]

    copy(catalog, store)

    assert names(file) == {"cart"}


def test_a_catalog_that_lags_is_waited_for_before_everything_is_read_again(catalog: Catalog, store: Store) -> None:
    copy(catalog, store)
    late = catalog.log.pop()
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            catalog.log.append(late)

    Replica(catalog.client, store, sleep=sleep).run(until_caught_up=True)

    assert [asked["offset"] for asked in catalog.asked[-4:]] == ["3"] * 4


@pytest.mark.parametrize("options", [{"filters": "kind=api"}, {"version": "2"}])
def test_a_copy_of_something_else_is_made_anew(catalog: Catalog, store: Store, options: ReplicaOptions) -> None:
    copy(catalog, store)

    copy(catalog, store, **options)
    copy(catalog, store, **options)

    assert [asked["offset"] for asked in catalog.asked] == ["0", "2", "0", "2", "3"]


def test_everything_is_read_again_when_that_is_asked_for(catalog: Catalog, store: Store) -> None:
    copy(catalog, store)

    Replica(catalog.client, store, anew=True).run(until_caught_up=True)

    assert [asked["offset"] for asked in catalog.asked] == ["0", "2", "0", "2"]


def test_a_table_that_was_dropped_is_made_anew(catalog: Catalog, file: Path) -> None:
    with SQLiteStore(file) as store:
        copy(catalog, store)
    dropping = sqlite3.connect(file)
    dropping.execute("drop table entities")
    dropping.close()

    with SQLiteStore(file) as store:
        copy(catalog, store)

    assert names(file) == {"cart", "orders", "payments"}


def test_failures_of_the_catalog_are_waited_out_and_told(catalog: Catalog, store: Store, file: Path) -> None:
    catalog.failing = 2
    told: list[str] = []

    replica = Replica(
        catalog.client, store, sleep=lambda _: None, on_retry=lambda error, pause: told.append(str(error))
    )
    replica.run(until_caught_up=True)

    assert told == ["can't reach http://catalog: Connection refused"] * 2
    assert names(file) == {"cart", "orders", "payments"}


def test_a_file_that_is_in_use_is_waited_for(catalog: Catalog, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("begin immediate")
    told: list[str] = []

    def let_go(error: Exception, pause: float) -> None:
        told.append(str(error))
        other.execute("rollback")

    with SQLiteStore(file, patience=0.0) as store:
        Replica(catalog.client, store, sleep=lambda _: None, on_retry=let_go).run(until_caught_up=True)
    other.close()

    assert told == [f"{file} is in use: database is locked"]
    assert names(file) == {"cart", "orders", "payments"}


def test_who_has_been_taken_over_from_stores_nothing(catalog: Catalog, store: Store, file: Path) -> None:
    frozen = Replica(catalog.client, store).follow()
    next(frozen)
    catalog.put("late")

    copy(catalog, store)
    catalog.log[-1:] = []
    catalog.remove("late")
    with pytest.raises(LeaseLost, match="another consumer has taken over the table entities"):
        next(frozen)

    assert names(file) == {"cart", "orders", "payments", "late"}


def test_a_consumer_with_a_lease_waits_until_the_other_has_been_silent_for_so_long(
    catalog: Catalog, store: Store
) -> None:
    holder = Replica(catalog.client, store, lease=60).follow()
    next(holder)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            # Its end is a sign of its own.
            holder.close()

    Replica(catalog.client, store, lease=60, sleep=sleep).run(until_caught_up=True)

    assert pauses == [1.0, 1.0, 1.0]


def test_silence_is_measured_from_the_last_sign_of_life() -> None:
    patience = Patience()
    held = Stored(token=1, beats=5, held_for=10)

    waits = [
        patience.left(held, 100),
        patience.left(held, 104),
        patience.left(Stored(token=1, beats=6, held_for=10), 109),
    ]

    assert waits == [10, 6, 10]
    assert patience.left(Stored(token=1, beats=6, held_for=10), 119) == 0
    assert patience.left(Stored(token=1, beats=7, held_for=0), 119) == 0


def test_a_lease_must_last(catalog: Catalog, store: Store) -> None:
    with pytest.raises(InvalidInput, match="a lease of 0 seconds can't be held"):
        Replica(catalog.client, store, lease=0)


def own(entity: Entity) -> Mapping[str, object] | None:
    """Columns of one's own; no row for the cart."""
    name = entity["metadata"]["name"]
    return None if name == "cart" else {"title": name.upper(), "owner": str(entity["spec"]["owner"])}


def own_store(file: Path, kind: str, row: Callable[[Entity], Mapping[str, object] | None] = own) -> Store:
    if kind == "sqlite":
        return SQLiteStore(file, table="services", columns={"title": "text", "owner": "text"}, row=row)
    table = sa.Table(
        "services", sa.MetaData(), *bookkeeping(), sa.Column("title", sa.Text), sa.Column("owner", sa.Text)
    )
    return SQLAlchemyStore(sa.create_engine(f"sqlite:///{file}"), table=table, row=row)


def services(file: Path) -> list[tuple[str, str]]:
    reading = sqlite3.connect(file)
    found = reading.execute("select title, owner from services order by title").fetchall()
    reading.close()
    return found


@pytest.mark.parametrize("kind", ["sqlite", "sqlalchemy"])
def test_a_table_may_have_columns_of_its_own_and_leave_entities_out(catalog: Catalog, file: Path, kind: str) -> None:
    catalog.put("orders", owner="b-team")

    copy(catalog, own_store(file, kind))

    assert services(file) == [("ORDERS", "b-team"), ("PAYMENTS", "team")]


@pytest.mark.parametrize("kind", ["sqlite", "sqlalchemy"])
def test_a_row_with_other_columns_than_the_table_is_refused(catalog: Catalog, file: Path, kind: str) -> None:
    with pytest.raises(InvalidInput, match="a row for the table services has the columns titel; expected title, owner"):
        copy(catalog, own_store(file, kind, lambda entity: {"titel": "x"}))


def test_a_table_of_somebody_else_is_refused(catalog: Catalog, file: Path) -> None:
    making = sqlite3.connect(file)
    making.execute("create table entities (id integer)")
    making.close()

    with pytest.raises(InvalidInput, match="the table entities has no column ref"):
        copy(catalog, SQLiteStore(file))


def test_tables_are_given_as_names(file: Path) -> None:
    with pytest.raises(InvalidInput, match="can't be the name of a table"):
        SQLiteStore(file, table="a; drop table b")
    with pytest.raises(InvalidInput, match="columns and row belong together"):
        SQLiteStore(file, columns={"a": "text"})
    with pytest.raises(InvalidInput, match="the column ref is one of the bookkeeping"):
        SQLiteStore(file, columns={"ref": "text"}, row=own)


def test_more_tables_are_kept_in_the_same_transaction(catalog: Catalog, file: Path) -> None:
    def also(tx: sqlite3.Connection, applied: Applied) -> None:
        tx.execute("create table if not exists seen (ref text)")
        tx.executemany("insert into seen values (?)", [(event.ref,) for event in applied.put])
        if any(event.ref.endswith("payments") for event in applied.put):
            raise ValueError("the consumer has a mistake")

    with pytest.raises(ValueError, match="mistake"), SQLiteStore(file, also=also) as store:
        copy(catalog, store)

    reading = sqlite3.connect(file)
    seen = reading.execute("select count(*) from seen").fetchone()
    reading.close()
    assert (names(file), seen) == ({"cart", "orders"}, (2,))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (r'"a\u0000b"', r'"a\ufffdb"'),
        (r'"\u0000\u0000"', r'"\ufffd\ufffd"'),
        (r'"a\\u0000b"', r'"a\\u0000b"'),
        (r'"a\\\u0000b"', r'"a\\\ufffdb"'),
        (r'"plain"', r'"plain"'),
    ],
)
def test_postgresql_gets_another_sign_for_nul(text: str, kept: str) -> None:
    assert without_nul(text) == kept


class Kept:
    """What functions keep."""

    def __init__(self) -> None:
        self.entities: dict[str, object] = {}
        self.position: str | None = None
        self.failing_after: int | None = None

    @property
    def store(self) -> Callbacks:
        return Callbacks(apply=self._apply, load=lambda: self.position, refs=lambda: list(self.entities))

    def _apply(self, changes: Changes) -> None:
        for event in changes.put:
            if self.failing_after == 0:
                raise Unavailable("the disk is away")
            self.failing_after = None if self.failing_after is None else self.failing_after - 1
            self.entities[event.ref] = event.entity
        for ref in changes.removed:
            self.entities.pop(ref, None)
        self.position = changes.position


def test_functions_keep_a_copy(catalog: Catalog) -> None:
    kept = Kept()
    copy(catalog, kept.store)
    catalog.remove("cart")

    copy(catalog, kept.store)

    assert sorted(kept.entities) == ["component:default/orders", "component:default/payments"]


def test_what_a_broken_off_copy_of_something_else_has_left_is_removed(catalog: Catalog) -> None:
    kept = Kept()
    copy(catalog, kept.store)
    other = Catalog()
    other.put("foreign")
    other.put("more")
    kept.failing_after = 1
    with pytest.raises(Unavailable):
        Replica(other.client, kept.store, filters="kind=api", sleep=lambda _: None, on_retry=raised).run(
            until_caught_up=True
        )
    kept.failing_after = None

    copy(catalog, kept.store)

    assert sorted(kept.entities) == [f"component:default/{name}" for name in ("cart", "orders", "payments")]


def raised(error: Exception, pause: float) -> None:
    raise error


def test_functions_can_not_hold_a_lease(catalog: Catalog) -> None:
    with pytest.raises(InvalidInput, match="functions can't hold a lease"):
        Replica(catalog.client, Kept().store, lease=5).run(until_caught_up=True)


def test_a_catalog_that_refuses_the_beginning_is_not_asked_for_ever(catalog: Catalog, store: Store) -> None:
    catalog.refusing = True

    with pytest.raises(OffsetExpired):
        Replica(catalog.client, store).run(until_caught_up=True)
