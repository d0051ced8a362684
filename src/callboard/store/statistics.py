"""Statistics: what PostgreSQL believes of the size of its tables, put right when it is far too little.

A table that was analysed when nearly all of its rows had been deleted counts as empty, however much comes in after
that, until it is analysed again. What is joined with it is then compared row by row: a set of 10,000 entities took a
minute instead of half a second (docs/explanation/decisions/statistics.md). Autovacuum comes by within a minute, but it
can't see what a transaction has just put in, and a large set would run into its timeout again and again.

A table that nobody has vacuumed yet is read where its index would do, and one that was never analysed is read whole for
the few of its rows that fail. Autovacuum mends that too; but the minutes after a large load are when people look.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from callboard.clock import Clock
from callboard.loop import Loop
from callboard.store import queries
from callboard.store.database import Database, Transaction

_log = structlog.get_logger(__name__)

_SQL = queries.load("statistics")

_MANY = 500
"""Rows that may be compared with each other without anybody noticing."""
_PAUSE = 10.0

_COUNTED = ["claims", "entities"]
"""The tables of which much is counted for whoever looks on."""


async def correct(tx: Transaction, tables: list[str], *, rows: int) -> None:
    """Analyse those of *tables* that count as far smaller than the *rows* which the transaction has put into each."""
    if rows >= _MANY:
        await analyse(tx, await tx.refs(_SQL["underrated"], tables=tables, rows=rows))


async def overtaken(tx: Transaction) -> list[str]:
    """The tables that count as far smaller than what has been committed to them."""
    return await tx.refs(_SQL["overtaken"])


async def analyse(tx: Transaction, tables: Sequence[str]) -> None:
    """Let PostgreSQL look at these tables now, unless somebody else has it do so."""
    for table in tables:
        # Who finds somebody else at it goes on without: it waits for nothing that could wait for its own locks.
        await tx.connection.execute(f'analyze (skip_locked) "{table}"')
        _log.info("statistics.corrected", table=table)


@dataclass(slots=True, kw_only=True)
class Statistics:
    """Looks every now and then for tables that have outgrown what PostgreSQL knows of them."""

    database: Database
    clock: Clock
    loop: Loop = field(init=False)

    def __post_init__(self) -> None:
        self.loop = Loop(name="statistics", step=self.run, clock=self.clock)

    async def run(self) -> float:
        """Analyse and vacuum what has to be, and return the seconds until the next look."""

        async def look(tx: Transaction) -> list[str]:
            await analyse(tx, await overtaken(tx))
            return await tx.refs(_SQL["grown"], tables=_COUNTED)

        for table in await self.database.run(look):
            await self.database.vacuum(table)
            _log.info("statistics.vacuumed", table=table)
        return _PAUSE
