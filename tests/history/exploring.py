"""Exploring: all states that a small model can reach, breadth first: what is found is found in the fewest steps."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)

Steps = Callable[[S], Iterable[tuple[str, S]]]
"""What can happen next, by name."""
Wrong = Callable[[S], str | None]
"""The invariant that does not hold in a state."""


@dataclass(frozen=True, slots=True)
class Found(Generic[S]):
    """What came of exploring."""

    states: int
    wrong: str | None = None
    trace: tuple[str, ...] = ()
    """How to get there."""
    state: S | None = None


def explore(start: S, steps: Steps[S], wrong: Wrong[S]) -> Found[S]:
    """Look at every state that can be reached from *start*, until an invariant does not hold."""
    came_from: dict[S, tuple[S, str] | None] = {start: None}
    pending = deque([start])
    while pending:
        state = pending.popleft()
        if broken := wrong(state):
            return Found(len(came_from), broken, _trace(came_from, state), state)
        for name, reached in steps(state):
            if reached not in came_from:
                came_from[reached] = (state, name)
                pending.append(reached)
    return Found(len(came_from))


def _trace(came_from: dict[S, tuple[S, str] | None], state: S) -> tuple[str, ...]:
    names: list[str] = []
    while (before := came_from[state]) is not None:
        state, name = before
        names.append(name)
    return tuple(reversed(names))
