"""Gathering: many questions at the same time become few requests."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from callboard.clock import Clock
from callboard.errors import CallboardError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Ask = Callable[[Sequence[K]], Awaitable[Mapping[K, V | CallboardError]]]
"""Answers several questions with one request; what it says nothing about is a defect of the host."""


class Gathering(Generic[K, V]):
    """Asks what others ask at the same moment together with them.

    The first question is sent at once. Those that come while as many requests as may be are on their way wait, and go
    together; so there is no delay when there is little to do, and there are large requests when there is much. A
    question never joins a request that is on its way already: that might not know yet what has just changed.

    *spacing* says how many seconds are to lie between two requests that could be larger; a full one is sent at once.
    """

    def __init__(
        self, ask: Ask[K, V], *, most: int, at_once: int, clock: Clock, spacing: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._ask = ask
        self._most = most
        self._at_once = at_once
        self._clock = clock
        self._spacing = spacing
        self._sent_at: float | None = None
        self._resting: asyncio.Task[None] | None = None
        self._waiting: dict[K, asyncio.Future[V]] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def of(self, question: K) -> V:
        """The answer to *question*. Raises the error that it has led to."""
        waiting = self._waiting.get(question)
        if waiting is None:
            waiting = self._waiting[question] = asyncio.get_running_loop().create_future()
            # Whoever runs in this turn of the loop may have a question too.
            asyncio.get_running_loop().call_soon(self._send)
        try:
            # Others wait for the same answer: who gives up must not take it from them.
            return await asyncio.shield(waiting)
        except CallboardError as error:
            # Each gets an error of its own, which may learn where it was met.
            raise copy.copy(error) from error.__cause__

    def _send(self) -> None:
        while self._waiting and len(self._under_way) < self._at_once:
            early = self._early()
            if early > 0 and len(self._waiting) < self._most:
                if self._resting is None:
                    self._resting = asyncio.get_running_loop().create_task(self._rest(early))
                return
            self._sent_at = self._clock.monotonic()
            batch = dict(list(self._waiting.items())[: self._most])
            for question in batch:
                del self._waiting[question]
            task = asyncio.get_running_loop().create_task(self._answer(batch))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _early(self) -> float:
        """Seconds before the next request is due."""
        return 0.0 if self._sent_at is None else self._sent_at + self._spacing() - self._clock.monotonic()

    async def _rest(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._resting = None
        self._send()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._send()

    async def _answer(self, batch: Mapping[K, "asyncio.Future[V]"]) -> None:
        try:
            answers = await self._ask(list(batch))
        except BaseException as error:
            for waiting in batch.values():
                _fail(waiting, error)
            if not isinstance(error, Exception):
                raise
            return
        for question, waiting in batch.items():
            answer = answers[question]
            if isinstance(answer, CallboardError):
                _fail(waiting, answer)
            elif not waiting.done():
                waiting.set_result(answer)


def _fail(waiting: "asyncio.Future[V]", error: BaseException) -> None:
    if waiting.done():
        return
    if isinstance(error, Exception):
        waiting.set_exception(error)
        # Nobody may be waiting any more, and then nobody has to hear of it.
        waiting.exception()
    else:
        waiting.cancel()
