"""Verdicts: how a case is run, and how it says what is wrong."""

import asyncio
import inspect
import math
import unittest
from collections.abc import Awaitable, Coroutine
from typing import NoReturn, TypeVar

from callboard.errors import CallboardError

T = TypeVar("T")


class Cases:
    """What all cases have in common."""

    patience: float = 10.0
    """Seconds after which something hangs, as far as the cases are concerned."""

    def run_case(self, case: Coroutine[object, object, None]) -> None:
        """Run *case* in an event loop of its own; tasks that it leaves behind are cancelled."""
        asyncio.run(case)

    async def in_time(self, work: Awaitable[T], what: str) -> T:
        """The result of *work*, which must not take longer than `patience`."""
        own = asyncio.timeout(self.patience)
        try:
            async with own:
                return await work
        except TimeoutError:
            if not own.expired():
                raise
        return fail(f"{what} was not through after {self.patience:g} s: long-running work belongs in a task")


def must(holds: object, message: str) -> None:
    """Fail the case with *message* unless it *holds*. An assert would be silent under `python -O`."""
    __tracebackhide__ = True
    if not holds:
        fail(message)


def fail(message: str, because: BaseException | None = None) -> NoReturn:
    """Fail the case with *message*."""
    __tracebackhide__ = True
    raise AssertionError(message) from because


def skip(reason: str) -> NoReturn:
    """Leave the case out. pytest understands that of unittest, which is always there."""
    raise unittest.SkipTest(reason)


def allowed(error: Exception, what: str, *expected: type[CallboardError]) -> CallboardError:
    """*error*, which *what* has raised. Fails the case unless it is one of those that are *expected*."""
    __tracebackhide__ = True
    if not isinstance(error, CallboardError) or not isinstance(error, expected or CallboardError):
        names = " or ".join(each.__name__ for each in expected) or "a CallboardError"
        fail(f"{what} raised {type(error).__name__}: {error}; expected {names} of callboard.errors", error)
    return error


def must_be_async(made: object, method: str) -> None:
    """Fail the case unless *method* is a coroutine function."""
    __tracebackhide__ = True
    found = getattr(made, method, None)
    must(inspect.iscoroutinefunction(found), f"{method} must be `async def`, got {found!r}")


def must_be_name(made: object, again: object, field: str = "name") -> None:
    """Fail the case unless both have the same text as their name."""
    __tracebackhide__ = True
    first, second = getattr(made, field, None), getattr(again, field, None)
    must(isinstance(first, str) and first, f"{field} must be a text that is not empty, got {first!r}")
    must(
        first == second,
        f"{field} must be the same for every object, in every process, for ever; got {first!r}, and then {second!r}",
    )


def not_json(value: object, pointer: str = "") -> str | None:
    """Where and why *value* is no JSON; None if it is. Unlike an encoder it takes nothing for what it is not."""
    here = pointer or "the value itself"
    match value:
        case None | bool() | str() | int():
            return None
        case float():
            return None if math.isfinite(value) else f"{here} is {value}, which JSON has not"
        case dict():
            for key, member in value.items():
                if not isinstance(key, str):
                    return f"{here} has the key {key!r}, and keys are texts"
                if found := not_json(member, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"):
                    return found
            return None
        case list():
            return next((found for i, each in enumerate(value) if (found := not_json(each, f"{pointer}/{i}"))), None)
        case _:
            return f"{here} is {value!r}, of the type {type(value).__name__}"
