"""Schema: whether this release and the tables of a database go together, when a process starts and while it runs."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from callboard import __version__
from callboard.clock import Clock
from callboard.errors import WrongSchema
from callboard.loop import Loop
from callboard.store import steps
from callboard.store.database import Database
from callboard.store.steps import Migration

_LOOK = 2.0

_THERE = "select to_regclass('migrations') is not null as applied, to_regclass('migration_steps') is not null as begun"
# As JSON, so that a column more does not disturb whoever has the statement prepared.
_APPLIED = "select 'applied' as which, m.version, to_jsonb(m)::text as row from migrations m"
_BEGUN = "select 'begun', m.version, to_jsonb(m)::text from migration_steps m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a database says about its migrations."""

    applied: Sequence[Mapping[str, Any]]
    begun: Sequence[Mapping[str, Any]]
    """Those that have not come to their end, or are on their way to it."""

    def missing(self, release: Sequence[Migration]) -> list[Migration]:
        """What a *release* has and the database has not. Raises WrongSchema when the two don't go together."""
        known = {migration.version: migration for migration in release}
        self._refuse_newer(max(known))
        for row in [*self.applied, *self.begun]:
            migration = known.get(row["version"])
            if migration is not None and row["checksum"] not in {migration.checksum, *migration.earlier}:
                raise WrongSchema(
                    f"migration {migration.version:04} ({migration.name}) was changed after it had run,"
                    " or had begun; run the release that it is from"
                )
        done = {row["version"] for row in self.applied}
        return [migration for version, migration in known.items() if version not in done]

    def check(self) -> None:
        """Raise WrongSchema unless processes of this release can work with the database."""
        if missing := self.missing(steps.available()):
            at = max((row["version"] for row in self.applied), default=0)
            raise WrongSchema(
                f"the database has schema {at:04}, and Callboard {__version__} needs {missing[-1].version:04}"
                f" ({missing[-1].name}): run `callboard migrate` of this release"
            )

    def _refuse_newer(self, head: int) -> None:
        for row in [*self.applied, *self.begun]:
            if row["version"] > head and (row.get("works_with") or row["version"]) > head:
                raise WrongSchema(
                    f"the database has schema {row['version']:04} ({row['name']}), and Callboard {__version__} works"
                    f" with {head:04} at most: run the newer release, or restore a backup from before its migration"
                )


async def find(
    connection: "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]",
) -> Found:
    """Read what the database says."""
    there = await connection.fetchrow(_THERE)
    assert there is not None
    if not there["applied"]:
        return Found(applied=(), begun=())
    # In one statement: a migration that comes to its end meanwhile is in either table, and not overlooked.
    found = await connection.fetch(f"{_APPLIED} union all {_BEGUN} order by 2" if there["begun"] else _APPLIED)
    rows: dict[str, list[Mapping[str, Any]]] = {"applied": [], "begun": []}
    for row in found:
        rows[row["which"]].append(json.loads(row["row"]))
    return Found(**rows)


async def check(database: Database) -> None:
    """Raise WrongSchema unless processes of this release can work with the database."""
    async with database.transaction() as tx:
        found = await find(tx.connection)
    found.check()


@dataclass(slots=True)
class SchemaWatch:
    """Ends a process that a newer release has left behind, before what it writes means something else."""

    database: Database
    clock: Clock
    left_behind: WrongSchema | None = field(default=None, init=False)
    loop: Loop = field(init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def __post_init__(self) -> None:
        self.loop = Loop(name="schema", step=self._look, clock=self.clock)

    async def run(self, stop: asyncio.Event) -> None:
        """Look until *stop* is set, and set it when it is time to end."""
        self._stop = stop
        await self.loop.run()

    def told(self) -> None:
        """Raise what has ended the process, if that was it."""
        if self.left_behind is not None:
            raise self.left_behind

    async def _look(self) -> float:
        try:
            await check(self.database)
        except WrongSchema as error:
            self.left_behind = error
            self._stop.set()
            self.loop.stop()
        return _LOOK
