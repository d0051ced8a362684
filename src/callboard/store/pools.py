"""Pools: connections to PostgreSQL, opened directly or behind a transaction pooler.

A transaction pooler such as PgBouncer lends a connection of its own to each transaction. So nothing that is left in a
session can be found again: no setting, no prepared statement, nobody who listens. PgBouncer also refuses a client that
asks for settings in its first message. There each transaction begins with its settings, in the same round trip, and
statements are prepared without a name, for one run; but for those of `Transaction.prepare`, which are known until the
transaction ends.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from callboard.settings import Pooler

_log = structlog.get_logger(__name__)

_COMMAND_TIMEOUT = 120.0
_CONNECT_TIMEOUT = 60.0
_STATEMENTS = 500
"""More than there are."""

SETTINGS = {
    # A frozen holder of the counter row would stop all writers.
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "10s",
    "jit": "off",
    # Batches look up hundreds of keys, all in memory or on flash; the default would rather read whole tables.
    "random_page_cost": "1.1",
}

_LOCALLY = "; ".join(f"set local {name} = '{value}'" for name, value in SETTINGS.items())

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs alone.
    AsyncpgConnection = asyncpg.Connection[asyncpg.Record]
else:
    AsyncpgConnection = asyncpg.Connection


class _Connection(AsyncpgConnection):
    """A connection that is not reset on release: nothing here leaves session state behind, and it halves a read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prepared: set[str] = set()

    def get_reset_query(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A pool, and how its connections are to be used."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    pooled: bool
    """Behind a transaction pooler."""

    def begin(self, *, snapshot: bool) -> str:
        """What a transaction begins with."""
        begin = (
            "begin isolation level repeatable read, read only" if snapshot else "begin isolation level read committed"
        )
        return f"{begin}; {_LOCALLY}" if self.pooled else begin


async def open_pool(
    url: str, *, pooler: Pooler, connections: int, name: str, patience: float = _COMMAND_TIMEOUT
) -> Opened:
    """Connect to *url*; an answer may take *patience* seconds. Raises what asyncpg does when that fails."""
    if pooler is not Pooler.TRANSACTION:
        try:
            pool = await _pool(url, connections, name, patience, pooled=False)
        except asyncpg.ProtocolViolationError as error:
            if pooler is Pooler.NONE:
                raise
            reason = str(error)
        else:
            if pooler is Pooler.NONE or not await _is_between(pool):
                return Opened(pool, pooled=False)
            await pool.close()
            reason = "the server's process is another one than the connection was told"
        _log.info("database.pooler_found", reason=reason)
    return Opened(await _pool(url, connections, name, patience, pooled=True), pooled=True)


async def _pool(
    url: str, connections: int, name: str, patience: float, *, pooled: bool
) -> "asyncpg.Pool[asyncpg.Record]":
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=connections,
        connection_class=_Connection,
        server_settings={**({} if pooled else SETTINGS), "application_name": name},
        command_timeout=patience,
        timeout=min(patience, _CONNECT_TIMEOUT),
        # What a connection of our own has prepared it knows for good.
        statement_cache_size=0 if pooled else _STATEMENTS,
        max_cached_statement_lifetime=0,
    )


async def _is_between(pool: "asyncpg.Pool[asyncpg.Record]") -> bool:
    """Whether somebody answers for the server: then the process that works is not the one that has said hello."""
    async with pool.acquire() as connection:
        # A name would stay behind in a session that is somebody else's next.
        asking = await connection.prepare("select pg_backend_pid()", name="")
        return bool(await asking.fetchval() != connection.get_server_pid())
