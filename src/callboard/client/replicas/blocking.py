"""The synchronous face of a replica."""

import contextlib
import time
from collections.abc import Callable, Generator
from typing import Unpack, assert_never

from callboard.client.blocking import CatalogClient
from callboard.client.replicas.batches import Applied
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
from callboard.client.replicas.stores import Store
from callboard.errors import CallboardError


class Replica:
    """Keeps a copy of the catalog, or of a part of it, in a *store*, equal to what readers see.

    What is told and the position behind it are stored in one transaction, so that a crash of anybody at any time
    loses nothing, and nothing is told twice.
    """

    def __init__(
        self,
        catalog: CatalogClient,
        store: Store,
        *,
        sleep: Callable[[float], None] = time.sleep,
        **options: Unpack[ReplicaOptions],
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._sleep = sleep
        self._replicating = Replicating(**options)

    def run(self, *, until_caught_up: bool = False) -> None:
        """Keep the copy up to date, for ever or until it is equal to the catalog. Raises what `follow` does."""
        for _ in self.follow(until_caught_up=until_caught_up):
            pass

    def follow(self, *, until_caught_up: bool = False) -> Generator[Applied, None, None]:
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
                    outcome = self._do(step)
                except CallboardError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(outcome)
        except StopIteration:
            return
        finally:
            self._let_go()

    def _do(self, step: Step) -> Outcome:
        match step:
            case Load():
                return self._store.load()
            case TakeOver(seen, held_for):
                return self._store.take_over(seen, held_for)
            case Ask(call):
                return self._catalog.send(call)
            case Apply(token, batch):
                return self._store.apply(token, batch)
            case Beat(token):
                self._store.beat(token)
            case Pause(seconds):
                self._sleep(seconds)
            case Tell():
                pass
            case _:
                assert_never(step)
        return None

    def _let_go(self) -> None:
        """Let the next one take over at once."""
        token, self._replicating.token = self._replicating.token, None
        if token is not None:
            # If that can't be said, it is found out by the silence.
            with contextlib.suppress(CallboardError):
                self._store.release(token)
