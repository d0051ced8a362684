"""The pipeline: the fixed order of steps over processors and policies, for one entity at a time. No SQL."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from callboard.errors import CallboardError, Conflict, InvalidEntity, InvalidInput, InvalidRef, NotAllowed
from callboard.extend import Child, Policy, Processor, Reader, Relation, Run
from callboard.model import json
from callboard.model.entities import check_envelope, entity_ref, location_of, origin_of
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef, LocationRef
from callboard.model.rules import Rules, refusal

_log = structlog.get_logger(__name__)

_LOCAL = "file"
"""The type of locations on this machine. Whoever may register a URL must not look at its files by that."""

_USUAL = "url"
"""The type of locations that nobody has said the type of."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Completed:
    """A run without errors: the processed entity and what was emitted."""

    entity: JsonObject
    run: Run


@dataclass(frozen=True, slots=True)
class Broken:
    """A run with errors. All that it emitted is void; *outside* says whether the next attempt may end otherwise."""

    errors: list[Exception]
    outside: bool
    relations: frozenset[Relation] | None = None
    """What the entity is related to where only a last policy keeps it from being shown, as with Backstage."""
    refresh_keys: frozenset[str] = frozenset()
    """What the run has looked at: when that changes, the next attempt may end otherwise."""


Outcome = Completed | Broken


def _overriding(processors: Sequence[Processor], step: str) -> tuple[Processor, ...]:
    return tuple(p for p in processors if getattr(type(p), step) is not getattr(Processor, step))


@dataclass(slots=True)
class Pipeline:
    """What an installation does with each entity."""

    processors: Sequence[Processor]
    policies: Sequence[Policy]
    rules: Rules
    readers: Mapping[str, Reader]
    last_policies: Sequence[Policy] = ()
    """Enforced when everything else has gone well: an entity that breaks one is not shown, but its relations are."""
    fingerprint: str = field(init=False)
    """Changes when the same entity may come out differently: other processors, versions, policies or rules."""
    _pre: tuple[Processor, ...] = field(init=False)
    _validate: tuple[Processor, ...] = field(init=False)
    _read: tuple[Processor, ...] = field(init=False)
    _post: tuple[Processor, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._pre = _overriding(self.processors, "pre_process")
        self._validate = _overriding(self.processors, "validate_kind")
        self._read = _overriding(self.processors, "read_location")
        self._post = _overriding(self.processors, "post_process")
        made_of = [f"{p.name} {p.version}" for p in self.processors]
        made_of += [policy.name for policy in (*self.policies, *self.last_policies)]
        self.fingerprint = hashlib.sha256(repr((made_of, self.rules.stated)).encode()).hexdigest()[:16]

    async def process(self, entity: JsonObject, known: Mapping[str, JsonValue]) -> Outcome:
        """Take one entity through all steps. Never raises for what is wrong with the entity or the outside."""
        try:
            check_envelope(entity)
            ref = entity_ref(entity)
            run = Run(ref=ref, location=location_of(entity), origin=origin_of(entity), known=known)
        except InvalidInput as error:
            return Broken([error], outside=False)
        try:
            entity = await self._steps(entity, run)
            self._check_children(run)
        except Exception as error:  # noqa: BLE001 - a processor may raise anything; it becomes the entity's error
            run.errors.append(error)
        if run.errors:
            unexpected = not all(isinstance(error, InvalidInput | NotAllowed) for error in run.errors)
            return Broken(run.errors, outside=run.outside or unexpected, refresh_keys=frozenset(run.refresh_keys))
        try:
            entity = self._enforce(entity, run.ref, self.last_policies)
        except InvalidInput as error:
            return Broken(
                [error],
                outside=run.outside,
                relations=frozenset(run.relations),
                refresh_keys=frozenset(run.refresh_keys),
            )
        return Completed(entity, run)

    async def _steps(self, entity: JsonObject, run: Run) -> JsonObject:
        for processor in self._pre:
            entity = await _guarded("preprocessing", processor, processor.pre_process, entity, run)
        entity = self._enforce(entity, run.ref, self.policies)
        if entity_ref(entity) != run.ref:
            raise Conflict("Fatal: The entity kind, namespace, or name changed during processing")
        check_envelope(entity)
        await self._validate_kind(entity, run)
        if run.ref.kind == "location":
            await self._read_targets(entity, run)
        for processor in self._post:
            entity = await _guarded("postprocessing", processor, processor.post_process, entity, run)
        return entity

    def _enforce(self, entity: JsonObject, ref: EntityRef, policies: Sequence[Policy]) -> JsonObject:
        for policy in policies:
            try:
                entity = policy.enforce(entity)
            except InvalidInput as error:
                raise InvalidEntity(f"Policy check failed for {ref}; caused by {error.name}: {error}") from error
        return entity

    async def _validate_kind(self, entity: JsonObject, run: Run) -> None:
        found = False
        for processor in self._validate:
            during = f"validating the entity {run.ref}"
            found |= await _guarded(during, processor, processor.validate_kind, entity, run)
        if not found:
            raise InvalidEntity(
                f"No processor recognized the entity {run.ref} as valid,"
                " possibly caused by a foreign kind or apiVersion",
                pointer="/kind",
            )

    async def _read_targets(self, entity: JsonObject, run: Run) -> None:
        spec = entity.get("spec")
        if not isinstance(spec, dict):
            return
        optional = spec.get("presence") == "optional"
        # What a provider has made up was read from nowhere; its targets are URLs then.
        own = run.location.type
        kind = spec.get("type") or (own if own in self.readers else _USUAL)
        for pointer, target in _targets(spec):
            obstacle = await self._read_target(str(kind), target, run, optional=optional)
            if obstacle is not None:
                obstacle.pointer = pointer
                run.emit_error(obstacle)

    async def _read_target(self, kind: str, target: str, run: Run, *, optional: bool) -> CallboardError | None:
        """Let it be read; returns what keeps everybody from reading it."""
        try:
            location = self._resolve(kind, target, run.location)
        except InvalidRef as error:
            return error
        if location.type == _LOCAL and run.origin.type != _LOCAL:
            return NotAllowed(f"{location} can't be read for {run.origin}: only the configuration names files")
        for processor in self._read:
            if await _guarded("reading", processor, processor.read_location, location, run, optional=optional):
                return None
        return InvalidEntity(f"No processor was able to handle reading of {location}")

    def _resolve(self, kind: str, target: str, base: LocationRef) -> LocationRef:
        reader = self.readers.get(kind)
        if reader is None or kind != base.type:
            return LocationRef(kind, target)
        return LocationRef(kind, reader.resolve(base.target, target))

    def _check_children(self, run: Run) -> None:
        """Every child must be an entity of an allowed kind; what emits itself is ignored."""
        kept: dict[tuple[str, str | None], Child] = {}
        for child in run.children:
            try:
                check_envelope(child.entity)
                ref = entity_ref(child.entity)
            except InvalidInput as error:
                reason = f"{child.location} holds something that is not an entity: {error}"
                run.emit_error(InvalidEntity(reason, pointer=error.pointer).at(str(child.location), child.line))
                continue
            if ref == run.ref:
                _log.warning("processing.own_child_ignored", ref=str(ref), location=str(child.location))
                continue
            self._check_rules(child, ref, run)
            if kept.setdefault((str(ref), child.location_key), child) is not child:
                _log.warning("processing.duplicate_ignored", ref=str(ref), location=str(child.location))
        run.children = list(kept.values())

    def _check_rules(self, child: Child, ref: EntityRef, run: Run) -> None:
        spec = child.entity.get("spec")
        spec_type = spec.get("type") if isinstance(spec, dict) else None
        if not self.rules.allows(ref.kind, spec_type if isinstance(spec_type, str) else None, run.origin):
            refused = NotAllowed(refusal(ref, child.location, run.origin))
            run.emit_error(refused.at(str(child.location), child.line))


def _targets(spec: JsonObject) -> list[tuple[str, str]]:
    """What a Location names, each with the pointer to it."""
    more = spec.get("targets")
    found = [("/spec/target", spec.get("target"))]
    found += [(f"/spec/targets/{index}", target) for index, target in enumerate(more if isinstance(more, list) else [])]
    return [(pointer, str(target)) for pointer, target in found if target]


async def _guarded(
    during: str,
    processor: Processor,
    step: Callable[Concatenate[P], Awaitable[T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """What the step returns; its exception says which processor raised it, and where."""
    try:
        return await step(*args, **kwargs)
    except Exception as error:
        name = getattr(error, "name", type(error).__name__)
        message = f"Processor {processor.name} threw an error while {during}; caused by {name}: {error}"
        wrapped: Exception = InvalidEntity(message) if isinstance(error, InvalidInput) else RuntimeError(message)
        raise wrapped from error


def parse_unprocessed(content: str) -> JsonObject:
    """The entity that was stored at ingestion."""
    entity = json.decode(content)
    assert isinstance(entity, dict)
    return entity
