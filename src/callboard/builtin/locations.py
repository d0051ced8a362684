"""The processor that reads locations: what is there comes into the catalog.

A target that still has the version of the last good run is not read again: its entities stand as they are. Nothing is
given up at the first error, so that whoever mends a location sees everything that is wrong with it.
"""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from callboard.builtin import annotations
from callboard.errors import CallboardError, InvalidDocument, InvalidInput, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import Content, NotModified, Processor, Reader, Run
from callboard.extend.processors import ParseEntities, Readers
from callboard.model.documents import RawEntity
from callboard.model.refs import LocationRef

_FILES_AT_ONCE = 100
"""Enough to forget what a thread costs, few enough to parse in a moment."""


@runtime_checkable
class ReadsMany(Protocol):
    """A reader to which many targets cost less in one call than one by one."""

    async def read_many(
        self, targets: Sequence[str], versions: Mapping[str, str]
    ) -> list[Content | NotModified | CallboardError]:
        """For each of *targets* what `read` gives or raises."""
        ...


@dataclass(frozen=True, slots=True)
class Parsed:
    """The entities in one target."""

    target: str
    version: str | None
    entities: list[RawEntity]


Outcome = Parsed | NotModified | CallboardError


class LocationProcessor(Processor):
    """Reads locations of every type that has a reader, and emits what their targets hold."""

    name = "location-reader"

    def __init__(self, readers: Readers, parse: ParseEntities, *, at_once: int = 10) -> None:
        self._readers = readers
        self._parse = parse
        self._at_once = at_once

    async def read_location(self, location: LocationRef, run: Run, *, optional: bool) -> bool:
        """Emit the entities of all targets that *location* stands for, and an error for each that has none to give."""
        reader = self._readers.get(location.type)
        if reader is None:
            return False
        run.depend_on_outside()
        run.emit_refresh_key(str(location))
        for outcome in await self._outcomes(reader, location, run):
            if isinstance(outcome, Parsed):
                _emit_parsed(LocationRef(location.type, outcome.target), outcome, run)
            elif isinstance(outcome, NotModified):
                _emit_standing(LocationRef(location.type, outcome.target), outcome.version, run)
            elif not (optional and isinstance(outcome, LocationNotFound)):
                run.emit_error(outcome)
        return True

    async def _outcomes(self, reader: Reader, location: LocationRef, run: Run) -> list[Outcome]:
        try:
            targets = await reader.expand(location.target)
            if not targets:
                # Not just an empty set: a directory that isn't mounted must not empty the catalog.
                raise LocationNotFound(f"nothing matches {location.target}")
        except CallboardError as error:
            return [_described(error, location)]
        known = {target: version for target in targets if (version := _known_version(location.type, target, run))}
        if isinstance(reader, ReadsMany):
            return await self._read_in_batches(reader, location.type, targets, known)
        return await self._read_one_by_one(reader, location.type, targets, known)

    async def _read_in_batches(
        self, reader: ReadsMany, location_type: str, targets: Sequence[str], known: Mapping[str, str]
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for batch in _batches(targets, _FILES_AT_ONCE):
            results = await reader.read_many(batch, known)
            outcomes += await asyncio.to_thread(self._parse_all, location_type, batch, results)
        return outcomes

    async def _read_one_by_one(
        self, reader: Reader, location_type: str, targets: Sequence[str], known: Mapping[str, str]
    ) -> list[Outcome]:
        slots = asyncio.Semaphore(self._at_once)

        async def read(target: str) -> Outcome:
            async with slots:
                result = await _read(reader, target, known.get(target))
                # In a thread: a file of some megabytes takes seconds, and leases have to be kept alive meanwhile.
                return (await asyncio.to_thread(self._parse_all, location_type, [target], [result]))[0]

        outcomes = await asyncio.gather(*map(read, targets), return_exceptions=True)
        return [_expected(outcome) for outcome in outcomes]

    def _parse_all(
        self, location_type: str, targets: Sequence[str], results: Sequence[Content | NotModified | CallboardError]
    ) -> list[Outcome]:
        return [
            self._parse_one(LocationRef(location_type, target), result)
            for target, result in zip(targets, results, strict=True)
        ]

    def _parse_one(self, location: LocationRef, result: Content | NotModified | CallboardError) -> Outcome:
        if isinstance(result, NotModified):
            return result
        if isinstance(result, CallboardError):
            return _described(result, location)
        try:
            return Parsed(location.target, result.version, self._parse(result.data, location))
        except InvalidDocument as error:
            return _located(error, location)


def _emit_parsed(location: LocationRef, parsed: Parsed, run: Run) -> None:
    run.emit_refresh_key(str(location))
    for raw in parsed.entities:
        annotations.mark_managed(raw.entity, location, run.origin)
        run.emit_entity(raw.entity, location=location, line=raw.line)
    if parsed.version is not None:
        run.remember(str(location), parsed.version)


def _emit_standing(location: LocationRef, version: str, run: Run) -> None:
    run.emit_refresh_key(str(location))
    run.emit_standing(location)
    run.remember(str(location), version)


def _known_version(location_type: str, target: str, run: Run) -> str | None:
    version = run.known.get(f"{location_type}:{target}")
    return version if isinstance(version, str) else None


async def _read(reader: Reader, target: str, version: str | None) -> Content | NotModified | CallboardError:
    try:
        return await reader.read(target, version=version)
    except CallboardError as error:
        return error


def _expected(outcome: Outcome | BaseException) -> Outcome:
    """The outcome, unless it is a defect of a reader, which must not pass for a bad location."""
    if isinstance(outcome, BaseException) and not isinstance(outcome, CallboardError):
        raise outcome
    return outcome


def _described(error: CallboardError, location: LocationRef) -> CallboardError:
    """The same error, with the target in its message and as its place."""
    reason = str(error)
    if location.target not in reason:
        reason = f"{location.target}: {reason}"
    described = _alike(error)(f"Unable to read {location.type}, {reason}")
    described.__cause__ = error
    return described.at(str(location))


def _alike(error: CallboardError) -> type[CallboardError]:
    # A reader may raise classes of its own, whose constructors nobody here knows.
    for kind in (LocationNotFound, NotAllowed, InvalidInput):
        if isinstance(error, kind):
            return kind
    return Unreadable


def _located(error: InvalidDocument, location: LocationRef) -> InvalidDocument:
    """The error with its location as its place, and in the message, where the parser has not put it there."""
    if str(location) in error.reason:
        return error.at(str(location))
    located = InvalidDocument(f"{location}: {error.reason}", line=error.line, column=error.column)
    located.__cause__ = error
    return located.at(str(location))


def _batches(targets: Sequence[str], size: int) -> list[list[str]]:
    remaining = iter(targets)
    return list(iter(lambda: list(itertools.islice(remaining, size)), []))
