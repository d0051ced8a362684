"""The asynchronous face of a replica."""

import contextlib
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Unpack, assert_never, cast

from anyio import to_thread

from callboard.client.awaiting import AsyncCatalogClient
from callboard.client.replicas.batches import Applied, Batch
from callboard.client.replicas.positions import Stored
from callboard.client.replicas.replicating import (
    Apply,
    Ask,
    Beat,
    Load,
    Outcome,
    Pause,
    ReplicaOptions,
    Replicating,
    Step,
    TakeOver,
    Tell,
)
from callboard.client.replicas.stores import AsyncStore, Store
from callboard.clock import SystemClock
from callboard.errors import CallboardError


class AsyncReplica:
    """Keeps a copy of the catalog, or of a part of it, in a *store*, equal to what readers see.

    What is told and the position behind it are stored in one transaction, so that a crash of anybody at any time
    loses nothing, and nothing is told twice. A store that blocks works in a thread of its own.
    """

    def __init__(
        self,
        catalog: AsyncCatalogClient,
        store: AsyncStore | Store,
        *,
        sleep: Callable[[float], Awaitable[None]] = SystemClock().sleep,
        **options: Unpack[ReplicaOptions],
    ) -> None:
        self._catalog = catalog
        self._store = _awaited(store)
        self._sleep = sleep
        self._replicating = Replicating(**options)

    async def run(self, *, until_caught_up: bool = False) -> None:
        """Keep the copy up to date, for ever or until it is equal to the catalog. Raises what `follow` does."""
        async for _ in self.follow(until_caught_up=until_caught_up):
            pass

    async def follow(self, *, until_caught_up: bool = False) -> AsyncGenerator[Applied, None]:
        """The same, and what each transaction has done, when it is done.

        Failures of the catalog and the store that pass are waited out. Raises LeaseLost when another consumer has
        taken over and there is no lease to wait for.
        """
        steps = self._replicating.conversation(until_caught_up=until_caught_up)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Tell):
                    yield step.applied
                    step = next(steps)
                    continue
                try:
                    outcome = await self._do(step)
                except CallboardError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(outcome)
        except StopIteration:
            return
        finally:
            await self._let_go()

    async def _do(self, step: Step) -> Outcome:
        match step:
            case Load():
                return await self._store.load()
            case TakeOver(seen, held_for):
                return await self._store.take_over(seen, held_for)
            case Ask(call):
                return await self._catalog.send(call)
            case Apply(token, batch):
                return await self._store.apply(token, batch)
            case Beat(token):
                await self._store.beat(token)
            case Pause(seconds):
                await self._sleep(seconds)
            case Tell():
                pass
            case _:
                assert_never(step)
        return None

    async def _let_go(self) -> None:
        """Let the next one take over at once."""
        token, self._replicating.token = self._replicating.token, None
        if token is not None:
            # If that can't be said, it is found out by the silence.
            with contextlib.suppress(CallboardError):
                await self._store.release(token)


class _InThread:
    """A store that blocks, one call after the other in a thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self) -> Stored:
        return await to_thread.run_sync(self._store.load)

    async def take_over(self, seen: Stored, held_for: float) -> bool:
        return await to_thread.run_sync(self._store.take_over, seen, held_for)

    async def apply(self, token: int, batch: Batch) -> Applied:
        return await to_thread.run_sync(self._store.apply, token, batch)

    async def beat(self, token: int) -> None:
        await to_thread.run_sync(self._store.beat, token)

    async def release(self, token: int) -> None:
        await to_thread.run_sync(self._store.release, token)


def _awaited(store: AsyncStore | Store) -> AsyncStore:
    awaited = inspect.iscoroutinefunction(store.load)
    return cast("AsyncStore", store) if awaited else _InThread(cast("Store", store))
