"""Tables: how a copy and its position lie in a database, and the statements about them for SQLite and PostgreSQL."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from callboard.client.replicas.batches import Batch, Plan, entity_text
from callboard.client.replicas.positions import Position, Stored
from callboard.client.results import Entity, Event
from callboard.errors import InvalidInput
from callboard.model.refs import EntityRef

Row: TypeAlias = Mapping[str, object]

RowOf: TypeAlias = Callable[[Entity], Row | None]
"""What the columns of an entity's row are; None leaves the entity out."""

POSITIONS = "callboard_positions"

BOOKKEEPING = ("ref", "uid", "last_offset", "generation")
"""Columns that every table of a copy has: the entity, and what is needed to keep it up to date."""

_USUAL = {"kind": "text not null", "namespace": "text not null", "name": "text not null"}

POSITION_COLUMNS = ("selection", "generation", "last_offset", "epoch", "began", "whole", "caught_up")

LOADED = (*POSITION_COLUMNS, "token", "beats", "held_for")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?")


def usual_row(event: Event, entity: object) -> dict[str, object]:
    """The columns of a table for which nothing else was said. *entity* is as the database wants it."""
    # With `fields` the entity need not say it.
    ref = EntityRef.parse(event.ref)
    return {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "entity": entity}


def kept(event: Event, position: Position) -> dict[str, object]:
    """The columns of the bookkeeping."""
    return {
        "ref": event.ref,
        "uid": event.uid,
        "last_offset": event.offset,
        "generation": position.generation,
    }


def checked(row: Row, columns: Sequence[str], table: str) -> Row:
    """*row*, if it has these columns. Raises InvalidInput."""
    if row.keys() != set(columns):
        raise InvalidInput(
            f"a row for the table {table} has the columns {', '.join(sorted(row))}; expected {', '.join(columns)}"
        )
    return row


def planned(
    batch: Batch, known: Mapping[str, str], row_of: Callable[[Event], Row | None]
) -> tuple[Plan, list[dict[str, object]]]:
    """What a batch means to a table with the uids *known*, and the rows for `put`; *row_of* may leave some out."""
    plan = batch.plan(known)
    made = [(event, row_of(event)) for event in plan.put]
    unwanted = [event.ref for event, row in made if row is None and event.ref in known]
    wanted = [(event, row) for event, row in made if row is not None]
    return (
        Plan(dropped=list(dict.fromkeys([*plan.dropped, *unwanted])), put=[event for event, _ in wanted]),
        [{**kept(event, batch.position), **row} for event, row in wanted],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The table of a copy, and its statements. Parameters are written as $1, $2, … ."""

    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    """The consumer's own columns and their types; the usual ones otherwise."""
    row: RowOf | None = None
    json_type: str
    among: str
    """What gives the members of $1, a JSON array of texts."""
    text_of: Callable[[Event], str] = entity_text
    """An entity as the database takes it."""

    def __post_init__(self) -> None:
        for name in (self.table, *self.columns):
            if not _NAME.fullmatch(name):
                raise InvalidInput(
                    f"{name!r} can't be the name of a table or a column; expected letters, digits and underscores"
                )
        if bool(self.columns) != (self.row is not None):
            raise InvalidInput(
                "columns and row belong together: the one says which there are, the other what is in them"
            )
        if taken := [name for name in self.columns if name in BOOKKEEPING]:
            raise InvalidInput(f"the column {taken[0]} is one of the bookkeeping; expected another name")

    @property
    def own(self) -> Mapping[str, str]:
        """The columns beside the bookkeeping."""
        return self.columns or {**_USUAL, "entity": f"{self.json_type} not null"}

    def check(self, there: Collection[str]) -> None:
        """Raises InvalidInput if the table is there and lacks columns."""
        if lacking := [name for name in (*BOOKKEEPING, *self.own) if name not in there]:
            raise InvalidInput(
                f"the table {self.table} has no column {lacking[0]}; take another table, add it, or drop the table"
            )

    def rows(self, batch: Batch, known: Mapping[str, str]) -> tuple[Plan, Sequence[Sequence[object]]]:
        """What a batch means to a table with the uids *known*, and the rows for `put`."""
        plan, rows = planned(batch, known, self._own_row)
        names = (*BOOKKEEPING, *self.own)
        return plan, [[row[name] for name in names] for row in rows]

    def _own_row(self, event: Event) -> Row | None:
        assert event.entity is not None
        row = usual_row(event, self.text_of(event)) if self.row is None else self.row(event.entity)
        return None if row is None else checked(row, [*self.own], self.table)

    @property
    def create(self) -> str:
        """Make the table of the copy."""
        own = ", ".join(f'"{name}" {kind}' for name, kind in self.own.items())
        return (
            f"create table if not exists {self.quoted} (ref text primary key, uid text not null,"
            f" last_offset bigint not null, generation bigint not null, {own})"
        )

    create_positions = (
        f"create table if not exists {POSITIONS} (name text primary key, selection text, generation bigint,"
        " last_offset bigint, epoch text, began bigint, whole boolean not null default false,"
        " caught_up boolean not null default false, token bigint not null default 0,"
        " beats bigint not null default 0, held_for double precision not null default 0)"
    )

    add_position = f"insert into {POSITIONS} (name) values ($1) on conflict (name) do nothing"

    forget_position = f"update {POSITIONS} set selection = null where name = $1"

    load = f"select {', '.join(LOADED)} from {POSITIONS} where name = $1"

    take_over = (
        f"update {POSITIONS} set token = token + 1, beats = 0, held_for = $4"
        " where name = $1 and token = $2 and beats = $3"
    )

    beat = f"update {POSITIONS} set beats = beats + 1 where name = $1 and token = $2"

    release = f"update {POSITIONS} set beats = beats + 1, held_for = 0 where name = $1 and token = $2"

    # Comes first in its transaction: it is the fence, and makes two consumers wait for one another.
    move = (
        f"update {POSITIONS} set beats = beats + 1,"
        f" {', '.join(f'{name} = ${number}' for number, name in enumerate(POSITION_COLUMNS, 3))}"
        " where name = $1 and token = $2"
    )

    @property
    def uids(self) -> str:
        """The refs and uids of what there is of $1."""
        return f"select ref, uid from {self.quoted} where ref in {self.among}"

    @property
    def drop(self) -> str:
        """Remove $1."""
        return f"delete from {self.quoted} where ref in {self.among}"

    @property
    def stale(self) -> str:
        """The refs of what is of another generation than $1."""
        return f"select ref from {self.quoted} where generation <> $1"

    @property
    def sweep(self) -> str:
        """Remove that."""
        return f"delete from {self.quoted} where generation <> $1"

    @property
    def put(self) -> str:
        """Put one row."""
        names = [*BOOKKEEPING, *self.own]
        values = ", ".join(f"${number}" for number in range(1, len(names) + 1))
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in names[1:])
        columns = ", ".join(f'"{name}"' for name in names)
        return f"insert into {self.quoted} ({columns}) values ({values}) on conflict (ref) do update set {changes}"

    @property
    def quoted(self) -> str:
        """The name of the table, as statements have it."""
        return ".".join(f'"{part}"' for part in self.table.split("."))


def position_values(position: Position) -> Sequence[object]:
    """The values of POSITION_COLUMNS."""
    return (
        position.selection,
        position.generation,
        position.offset,
        position.epoch,
        position.began,
        position.whole,
        position.caught_up,
    )


def stored_in(values: Iterable[object]) -> Stored:
    """What a row of LOADED says."""
    row = dict(zip(LOADED, values, strict=True))
    told = {"offset" if name == "last_offset" else name: value for name, value in row.items()}
    return Stored(
        # Not every database has truth values of its own.
        position=None if row["selection"] is None else msgspec.convert(told, type=Position, strict=False),
        token=msgspec.convert(row["token"], type=int),
        beats=msgspec.convert(row["beats"], type=int),
        held_for=msgspec.convert(row["held_for"], type=float),
    )
