"""Handlers: functions of a plugin that engines call with what has changed."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar, Unpack, cast, overload

from callboard.extend.sinks import Event
from callboard.model.json import JsonObject
from callboard.model.predicates import parse_filters, parse_query
from callboard.model.projection import parse_fields

Start: TypeAlias = Literal["now", 0]
"""Where a new handler begins: with the next change, or with the whole catalog."""


class Told(TypedDict, total=False):
    """What a handler is told."""

    filter: str | Sequence[str]
    """Which entities, as in `GET /entities`: one filter, or alternatives. All of them without it."""
    query: JsonObject | None
    """A predicate that must hold beside the filter."""
    fields: str | Sequence[str]
    """Dotted paths of the entities to keep; everything by default."""
    start: Start
    """Matters when an installation sees the handler for the first time: `now` as a rule."""
    name: str
    """The name of the handler, if it is not that of the function: the old one, when the function is renamed."""


Single = TypeVar("Single", bound=Callable[[Event], Awaitable[None] | None])
Several = TypeVar("Several", bound=Callable[[Sequence[Event]], Awaitable[None] | None])

_PLUGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_HANDLER = re.compile(r"[A-Za-z0-9_-]{1,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A function, and what it is told."""

    name: str
    """Together with the name of the plugin it identifies the place up to which everything has been told, for ever."""
    function: Callable[[Any], Awaitable[None] | None]
    takes_several: bool
    """Whether it is called with a sequence of events."""
    filters: tuple[str, ...] = ()
    query: JsonObject | None = None
    fields: tuple[str, ...] = ()
    start: Start = "now"


class Plugin:
    """Code that reacts to changes: name it in `callboard.plugins`, and its handlers are called.

    Each handler is told of every change that it asks for, at least once, by one engine at a time, and of one entity in
    the order of its changes. What it has been told is written down, so that another engine, or the next start, goes on
    there. A handler that raises is told the same again, after a pause that grows; one that raises `Gone` is done.
    """

    def __init__(self, name: str) -> None:
        if not _PLUGIN.fullmatch(name):
            raise ValueError(
                "expected the name of a plugin to be of letters, digits, underscores and hyphens, at most 63,"
                f" got {name!r}"
            )
        self.name = name
        self.handlers: list[Handler] = []

    @overload
    def on_event(self, function: Single, /) -> Single: ...

    @overload
    def on_event(self, **told: Unpack[Told]) -> Callable[[Single], Single]: ...

    def on_event(self, *function: Any, **told: Any) -> Any:
        """Call the function with each change: `@plugin.on_event`, or `@plugin.on_event(…)` with words on which.

        One that is not async is called in a thread of its own. Raises TypeError, ValueError and InvalidInput for what
        can't be meant.
        """
        return self._adding(told, takes_several=False, at=function)

    @overload
    def on_events(self, function: Several, /) -> Several: ...

    @overload
    def on_events(self, **told: Unpack[Told]) -> Callable[[Several], Several]: ...

    def on_events(self, *function: Any, **told: Any) -> Any:
        """As `on_event`, with up to `callboard.subscriptions.batchSize` changes at a time.

        All of them come again when the function raises.
        """
        return self._adding(told, takes_several=True, at=function)

    def _adding(self, told: dict[str, Any], *, takes_several: bool, at: tuple[Any, ...]) -> Any:
        """What adds a function, or the function that it stands *at*, when that has been added."""

        def add(function: Callable[[Any], Awaitable[None] | None]) -> Callable[[Any], Awaitable[None] | None]:
            self.handlers.append(self._handler(function, cast("Told", told), takes_several=takes_several))
            return function

        return add(*at) if at else add

    def _handler(
        self, function: Callable[[Any], Awaitable[None] | None], told: Told, *, takes_several: bool
    ) -> Handler:
        known = Told.__annotations__
        if unknown := sorted(set(told) - set(known)):
            raise TypeError(f"expected nothing but {', '.join(known)} to be said of a handler, got {unknown[0]!r}")
        name, start = told.get("name", getattr(function, "__name__", "")), told.get("start", "now")
        if not _HANDLER.fullmatch(name):
            raise ValueError(
                "expected the name of a handler to be of letters, digits, underscores and hyphens, at most 63,"
                f" got {name!r}"
            )
        if any(handler.name == name for handler in self.handlers):
            raise ValueError(
                f"expected a handler with a name of its own, and {self.name} has another one called {name!r}"
            )
        if start not in ("now", 0):
            raise ValueError(f"expected the handler {name} to start now, or at 0, got {start!r}")
        filters, query, fields = _texts(told.get("filter", ())), told.get("query"), _texts(told.get("fields", ()))
        _ = parse_filters(filters), parse_fields(fields), query is None or parse_query(query)
        return Handler(
            name=name,
            function=function,
            takes_several=takes_several,
            filters=filters,
            query=query,
            fields=fields,
            start=start,
        )

    def __repr__(self) -> str:
        return f"Plugin({self.name!r})"


def _texts(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
