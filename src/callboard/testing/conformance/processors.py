"""The cases of processors."""

import copy
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from callboard.errors import CallboardError, InvalidInput
from callboard.extend import EntityRef, JsonObject, Processor, Run
from callboard.model import json
from callboard.model.entities import check_envelope, entity_ref, location_of, origin_of
from callboard.model.refs import LocationRef
from callboard.testing.conformance import samples
from callboard.testing.conformance.verdicts import (
    Cases,
    T,
    allowed,
    fail,
    must,
    must_be_async,
    must_be_name,
    not_json,
)

_STEPS = ("pre_process", "validate_kind", "read_location", "post_process")
_NOBODYS = LocationRef("callboard-conformance", "nowhere")


@dataclass(slots=True)
class _Outcome:
    """What a processor has made of an entity."""

    entity: JsonObject
    run: Run
    is_mine: bool = False
    refusal: CallboardError | None = None

    def told(self) -> bytes:
        """All of it that gets into the catalog, to be compared."""
        run = self.run
        children = sorted(json.encode_sorted([each.entity, str(each.location)]).decode() for each in run.children)
        relations = sorted([*each] for each in run.relations)
        emitted = [children, relations, sorted(run.refresh_keys), run.remembered]
        return json.encode_sorted([self.entity, self.is_mine, str(self.refusal), *emitted])


class ProcessorCases(Cases):
    """What a `Processor` must do. Override `make`, and `entities` with what it is for."""

    enriches_every_kind: bool = False
    """True for a processor that means to add something to entities whose kind it does not know."""

    def make(self) -> Processor:
        """A new processor."""
        raise NotImplementedError("make must return a new processor")

    def entities(self) -> Sequence[JsonObject]:
        """Valid entities that it does something about, with both annotations about their location."""
        return ()

    def test_its_name_and_version_are_fit_and_always_the_same(self) -> None:
        """Both are part of every result: what changes from start to start has everything processed anew."""

        async def case() -> None:
            processor, again = self.make(), self.make()
            must(isinstance(processor, Processor), f"expected a Processor of callboard.extend, got {processor!r}")
            must_be_name(processor, again)
            must_be_name(processor, again, "version")

        self.run_case(case())

    def test_its_steps_are_async(self) -> None:
        """They are awaited."""

        async def case() -> None:
            for step in _STEPS:
                must_be_async(self.make(), step)

        self.run_case(case())

    def test_an_entity_keeps_its_kind_and_name(self) -> None:
        """Who changes them fails the entity. To make another one, emit it."""

        async def case() -> None:
            for sample in self._all():
                outcome = await self._processed(self.make(), sample)
                must(isinstance(outcome.entity, dict), f"a step must return the entity, got {outcome.entity!r}")
                kept, ref = entity_ref(outcome.entity), entity_ref(sample)
                must(kept == ref, f"{ref} became {kept}: kind, namespace and name must stay")

        self.run_case(case())

    def test_odd_entities_are_passed_on_or_refused(self) -> None:
        """Whatever has kind and name comes here; one that a processor stumbles over counts as its failure."""

        async def case() -> None:
            processor = self.make()
            for sample in samples.odd():
                await self._step(processor.pre_process(copy.deepcopy(sample), _run(sample)), "pre_process", sample)

        self.run_case(case())

    def test_an_entity_of_another_kind_is_left_alone(self) -> None:
        """It belongs to another processor: no step changes it, refuses it or claims its kind."""

        async def case() -> None:
            sample = samples.foreign()
            outcome = await self._processed(self.make(), sample)
            must(
                not outcome.is_mine, "validate_kind must return True for its own kinds only, and did for a foreign one"
            )
            must(outcome.refusal is None, f"an entity of a foreign kind was refused: {outcome.refusal}")
            if not self.enriches_every_kind:
                must(
                    outcome.entity == sample,
                    "an entity of a foreign kind was changed; if that is meant, say enriches_every_kind = True",
                )

        self.run_case(case())

    def test_a_location_of_another_type_is_left_alone(self) -> None:
        """read_location returns False for it, and reads nothing."""

        async def case() -> None:
            run = _run(samples.entity("Location", type="url", targets=[]))
            found: object = await self.in_time(
                self.make().read_location(_NOBODYS, run, optional=False), f"read_location({_NOBODYS})"
            )
            must(found is False, f"read_location must return False for a type that is not its own, got {found!r}")
            must(not run.children and not run.errors, "read_location emitted something for a type that is not its own")

        self.run_case(case())

    def test_the_same_entity_comes_out_the_same(self) -> None:
        """Otherwise every run is a change, for everybody who follows the catalog."""

        async def case() -> None:
            one, other = self.make(), self.make()
            for sample in self._all():
                first, second = await self._processed(one, sample), await self._processed(other, sample)
                must(
                    first.told() == second.told(),
                    f"{entity_ref(sample)} came out differently the second time: a result may depend on nothing but the"
                    " entity and what was read",
                )

        self.run_case(case())

    def test_entities_that_are_done_stay_as_they_are(self) -> None:
        """A processor is one object for all entities, many at once: what it keeps of one must not reach another."""

        async def case() -> None:
            processor = self.make()
            done = [await self._processed(processor, sample) for sample in self._all()]
            before = [outcome.told() for outcome in done]
            for sample in self._all():
                await self._processed(processor, sample)
            for outcome, told in zip(done, before, strict=True):
                must(
                    outcome.told() == told,
                    f"{outcome.run.ref} was changed while another entity was processed: copy what is kept",
                )

        self.run_case(case())

    def test_what_it_emits_can_be_used(self) -> None:
        """Children with kind and name, relations between refs, refresh keys that are texts, and memory that is JSON."""

        async def case() -> None:
            for sample in self._all():
                outcome = await self._processed(self.make(), sample)
                _usable(outcome)

        self.run_case(case())

    def _all(self) -> list[JsonObject]:
        return [copy.deepcopy(each) for each in (*self.entities(), *samples.valid())]

    async def _processed(self, processor: Processor, sample: JsonObject) -> _Outcome:
        """What becomes of *sample*, in the order of the steps."""
        run = _run(sample)
        outcome = _Outcome(copy.deepcopy(sample), run)
        for step in ("pre_process", "validate_kind", "post_process"):
            work = getattr(processor, step)(outcome.entity, run)
            result, outcome.refusal = await self._step(work, step, sample)
            if outcome.refusal is not None:
                break
            if step == "validate_kind":
                must(isinstance(result, bool), f"validate_kind must return True or False, got {result!r}")
                outcome.is_mine = result is True
            else:
                if not isinstance(result, dict):
                    fail(f"{step} must return the entity, got {result!r}")
                outcome.entity = result
        return outcome

    async def _step(self, work: Awaitable[T], step: str, sample: JsonObject) -> tuple[T | None, CallboardError | None]:
        spec = json.encode(sample.get("spec"))[:80].decode()
        what = f"{step} of {entity_ref(sample)} with the spec {spec}"
        try:
            return await self.in_time(work, what), None
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            return None, allowed(error, what)


def _run(sample: JsonObject) -> Run:
    return Run(ref=entity_ref(sample), location=location_of(sample), origin=origin_of(sample))


def _usable(outcome: _Outcome) -> None:
    run = outcome.run
    if reason := not_json(outcome.entity):
        fail(f"{run.ref} comes out as something that is not JSON: {reason}")
    for child in run.children:
        must(child.entity is not outcome.entity, f"{run.ref} was emitted as its own child; copy it and change its name")
        try:
            check_envelope(child.entity)
        except InvalidInput as error:
            fail(f"a child of {run.ref} is not an entity: {error}", error)
        if reason := not_json(child.entity):
            fail(f"a child of {run.ref} is not JSON: {reason}")
    for relation in run.relations:
        for end in (relation.source, relation.target):
            must(
                _is_canonical(end), f"a relation needs refs such as component:default/cart, in lower case; got {end!r}"
            )
        must(relation.type and isinstance(relation.type, str), f"a relation needs a type, got {relation.type!r}")
    for key in run.refresh_keys:
        must(isinstance(key, str) and key, f"a refresh key is a text such as url:https://…, got {key!r}")
    if reason := not_json(run.remembered):
        fail(f"what {run.ref} remembers is not JSON: {reason}")


def _is_canonical(ref: object) -> bool:
    try:
        return isinstance(ref, str) and str(EntityRef.parse(ref)) == ref
    except InvalidInput:
        return False
