"""A load: so many changes a second, of all kinds, past all that comes before publishing; and what it has led to."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.launch import CLOCK
from callboard.model import json
from callboard.model.causes import CHANGED
from callboard.store import claims, publication, removal
from callboard.store.database import Database
from callboard.store.publication import FinalEntity

_STEP = 0.02
"""Seconds between two transactions."""
_COMING_AND_GOING = 10
"""Every so many changes something comes that was not there, or goes."""

_AT = """
select ref, body from (
    select distinct on (ref) ref, type, body from history where "offset" <= $1 order by ref, "offset" desc
) as latest where type <> 'removed'
"""


@dataclass(slots=True)
class Load:
    """Changes that go on until the end of `running`."""

    database: Database
    rate: int
    staying: int
    """Entities that are changed all the time."""
    changes: int = 0
    seconds: float = 0.0
    still: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever wants nothing to change, for instance because this process is busy otherwise."""
    _there: set[str] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Change things during the block."""
        ended = asyncio.Event()
        task = asyncio.create_task(self._run(ended))
        try:
            yield
        finally:
            ended.set()
            await task

    @property
    def achieved(self) -> float:
        """Changes a second."""
        return self.changes / self.seconds

    async def _run(self, ended: asyncio.Event) -> None:
        each = max(1, round(self.rate * _STEP))
        due = time.perf_counter()
        for number in itertools.count():
            async with self.still:
                if ended.is_set():
                    break
                began = time.perf_counter()
                await self._step(number, each)
            due = max(due + each / self.rate, time.perf_counter() - _STEP)
            await CLOCK.sleep(max(0.0, due - time.perf_counter()))
            self.seconds += time.perf_counter() - began

    async def _step(self, number: int, each: int) -> None:
        moving = max(1, each // _COMING_AND_GOING)
        going = [f"component:default/guest-{(number // 2 * moving + nth) % 500}" for nth in range(moving)]
        if number % 2:
            await self._retract([ref for ref in going if ref in self._there])
        else:
            await self._publish(going, number)
            self._there.update(going)
        staying = [f"component:default/live-{(number * each + nth) % self.staying}" for nth in range(each - moving)]
        await self._publish(staying, number)

    async def _publish(self, refs: Sequence[str], number: int) -> None:
        if not refs:
            return
        async with self.database.transaction() as tx:
            await claims.lock_targets(tx, [], create=list(refs))
            found = await tx.connection.fetch("select ref, uid::text from entities where ref = any($1)", list(refs))
            await publication.publish(tx, [changed(row["ref"], row["uid"], number) for row in found])
        self.changes += len(found)

    async def _retract(self, refs: Sequence[str]) -> None:
        if not refs:
            return
        async with self.database.transaction() as tx:
            await claims.lock_targets(tx, list(refs))
            removed = await removal.remove(tx, list(refs))
            await publication.retract(tx, dict.fromkeys(removed.refs, CHANGED))
        self._there.difference_update(refs)
        self.changes += len(refs)


def changed(ref: str, uid: str, number: int) -> FinalEntity:
    """A component that is another one with each *number*."""
    body = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": ref.rpartition("/")[2], "namespace": "default", "uid": uid, "etag": str(number)},
        "spec": {"type": "service", "lifecycle": "production", "owner": f"team-{number % 50}"},
        "relations": [],
    }
    text = json.encode(body).decode()
    return FinalEntity(ref=ref, uid=uid, body=text, hash=str(number).encode(), cause='{"source":"provider:load"}')


async def catalog_at(database: Database, offset: int) -> Mapping[str, object]:
    """The catalog at an offset, by ref, as the history tells: nothing of it may be forgotten."""
    async with database.transaction(snapshot=True) as tx:
        rows = await tx.connection.fetch(_AT, offset)
    return {row["ref"]: json.decode(row["body"].encode()) for row in rows}
