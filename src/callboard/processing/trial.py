"""Trials: what processing would make of an entity, without storing anything of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from callboard import errors
from callboard.errors import InvalidEntity, InvalidInput, InvalidLocation
from callboard.extend import Processor, Run
from callboard.model import json
from callboard.model.entities import check_envelope, entity_ref, location_of
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef, LocationRef
from callboard.processing.pipeline import Broken, Completed, Outcome, Pipeline

_TOLD = 100
"""So many errors are told; nobody reads more."""

_Found: TypeAlias = tuple[JsonObject, int | None]
"""An entity, and the line of its file that it begins on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a trial may go: somebody waits for its end, and all of it is held in memory."""

    entities: int = 10_000
    depth: int = 32
    """Entities on the longest way from the first one to one that it led to."""
    seconds: float = 60.0
    at_once: int = 20
    """Entities that are processed at the same time."""


async def check(pipeline: Pipeline, entity: JsonObject, limits: Limits) -> Sequence[Exception]:
    """What is wrong with *entity* by itself. What it leads to is read, and not processed."""
    watched = replace(pipeline, processors=[_Bounds(limits.entities), *pipeline.processors])
    try:
        async with asyncio.timeout(limits.seconds):
            outcome = await _process(watched, entity)
    except TimeoutError:
        return [InvalidInput(_too_slow(limits))]
    return outcome.errors if isinstance(outcome, Broken) else []


async def follow(pipeline: Pipeline, entity: JsonObject, limits: Limits) -> list[JsonObject]:
    """The processed *entity* and all that it leads to, parents first.

    Raises InvalidInput for an entity that comes twice and for what goes beyond the *limits*, and InvalidLocation with
    the errors of all entities that are as far from the first one as the nearest with an error.
    """
    twins = _Twins()
    watched = replace(pipeline, processors=[_Bounds(limits.entities), *pipeline.processors, twins])
    try:
        async with asyncio.timeout(limits.seconds):
            return await _descend(watched, entity, limits, twins)
    except TimeoutError:
        raise InvalidInput(_too_slow(limits)) from None


async def _descend(pipeline: Pipeline, entity: JsonObject, limits: Limits, twins: "_Twins") -> list[JsonObject]:
    processed: list[JsonObject] = []
    seen: set[EntityRef] = set()
    level: list[_Found] = [(entity, None)]
    for _ in range(limits.depth):
        for ref in [*(entity_ref(found) for found, _ in level), *twins.found]:
            if ref in seen:
                raise InvalidInput(f"Duplicate nested entity: {ref}")
            seen.add(ref)
        if len(seen) > limits.entities:
            raise InvalidInput(_too_many(entity_ref(entity), limits.entities))
        results = await _process_all(pipeline, level, limits)
        processed += [completed.entity for completed in results]
        level = [(child.entity, child.line) for completed in results for child in completed.run.children]
        if not level:
            return processed
    raise InvalidInput(f"{entity_ref(entity)} leads to entities that are nested deeper than {limits.depth} levels")


async def _process_all(pipeline: Pipeline, entities: Sequence[_Found], limits: Limits) -> list[Completed]:
    """The results of all *entities*. Raises InvalidLocation with the errors of all."""
    slots = asyncio.Semaphore(limits.at_once)

    async def process(entity: JsonObject) -> Outcome:
        async with slots:
            return await _process(pipeline, entity)

    outcomes = await asyncio.gather(*(process(entity) for entity, _ in entities))
    wrong = [
        (found, error)
        for found, outcome in zip(entities, outcomes, strict=True)
        if isinstance(outcome, Broken)
        for error in outcome.errors
    ]
    if wrong:
        raise InvalidLocation([_described(*each) for each in wrong[:_TOLD]], len(wrong))
    return [outcome for outcome in outcomes if isinstance(outcome, Completed)]


async def _process(pipeline: Pipeline, entity: JsonObject) -> Outcome:
    outcome = await pipeline.process(entity, {})
    if isinstance(outcome, Completed):
        try:
            json.encode(outcome.entity)
        except TypeError as error:
            # A processor has put in what it should not have.
            return Broken([InvalidEntity(f"{outcome.run.ref} can't be written as JSON: {error}")], outside=False)
    return outcome


class _Bounds(Processor):
    """Asked before all others, so that nothing is read for which there is no room any more."""

    name = "trial-bounds"

    def __init__(self, entities: int) -> None:
        self._entities = entities

    async def read_location(self, location: LocationRef, run: Run, *, optional: bool) -> bool:
        """Raise for what is beyond the bounds, and leave the rest to others."""
        if len(run.children) > self._entities:
            raise InvalidEntity(_too_many(run.ref, self._entities))
        return False


class _Twins(Processor):
    """Asked after all others: of two entities with one name in a file the catalog takes the first, without an error."""

    name = "trial-twins"

    def __init__(self) -> None:
        self.found: list[EntityRef] = []

    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        """Note what is emitted twice."""
        seen: set[EntityRef] = set()
        for child in run.children:
            try:
                check_envelope(child.entity)
            except InvalidInput:
                continue
            ref = entity_ref(child.entity)
            (self.found.append if ref in seen else seen.add)(ref)
        return entity


def _described(found: _Found, error: Exception) -> dict[str, object]:
    """*error* as it would stand with the entity, and which one that is."""
    entity, line = found
    try:
        location = str(location_of(entity))
    except InvalidInput:
        location = None
    return {**errors.describe_with_places(error, location, line), "entityRef": str(entity_ref(entity))}


def _too_many(ref: EntityRef, entities: int) -> str:
    return f"{ref} leads to more than {entities} entities"


def _too_slow(limits: Limits) -> str:
    return f"There was no result within {limits.seconds:g} seconds"
