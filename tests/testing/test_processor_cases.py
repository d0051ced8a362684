"""The cases of processors tell each that is wrong what it is."""

import asyncio
import itertools

import pytest

from callboard.extend import (
    Child,
    JsonObject,
    JsonValue,
    Processor,
    Relation,
    Run,
)
from callboard.model.refs import LocationRef
from callboard.testing.conformance import (
    ProcessorCases,
)
from tests.testing.verdicts import verdicts


class Shout(Processor):
    """A processor as it should be: titles for components, and a relation."""

    name = "shout"

    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        metadata = entity["metadata"]
        if entity["kind"] == "Component" and isinstance(metadata, dict):
            metadata["title"] = str(metadata["name"]).upper()
        return entity

    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        if entity["kind"] == "Component":
            run.emit_relation(Relation(str(run.ref), "heardBy", "group:default/everybody"))
        return entity


class ShoutCases(ProcessorCases):
    patience = 0.2
    kind: type[Processor] = Shout

    def make(self) -> Processor:
        return self.kind()


def test_a_processor_as_it_should_be_passes() -> None:
    assert verdicts(ShoutCases()) == {}


class Trusting(Shout):
    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        entity["spec"]["owner"].lower()  # type: ignore[index, union-attr, call-overload]
        return entity


class Hanging(Shout):
    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        if not isinstance(entity.get("spec"), dict):
            await asyncio.Event().wait()
        return entity


class Forgetful(Shout):
    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        return None  # type: ignore[return-value]


class Renaming(Shout):
    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        return {**entity, "kind": "Other"}


class Meddling(Shout):
    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        entity["seen"] = True
        return entity


class Greedy(Shout):
    async def validate_kind(self, entity: JsonObject, run: Run) -> bool:
        return True


class ReadingAll(Shout):
    async def read_location(self, location: LocationRef, run: Run, *, optional: bool) -> bool:
        return True


class Sharing(Shout):
    seen: list[JsonValue]

    def __init__(self) -> None:
        self.seen = []

    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        if entity["kind"] == "Component":
            self.seen.append(str(run.ref))
            entity["seen"] = self.seen
        return entity


class Stamping(Shout):
    numbers = itertools.count()

    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        if entity["kind"] == "Component":
            entity["processed"] = next(self.numbers)
        return entity


class Relating(Shout):
    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        run.emit_relation(Relation(str(run.ref), "heardBy", "Group:Everybody"))
        return entity


class OwnChild(Shout):
    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        run.children.append(Child(entity, run.location, None))
        return entity


class NamelessChild(Shout):
    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        run.emit_entity({"kind": "Component"})
        return entity


class Versions(Shout):
    numbers = itertools.count()

    def __init__(self) -> None:
        self.version = str(next(self.numbers))


class Blocking(Shout):
    def post_process(self, entity: JsonObject, run: Run) -> JsonObject:  # type: ignore[override]
        return entity


@pytest.mark.parametrize(
    ("kind", "case", "words"),
    [
        (Trusting, "odd_entities_are_passed_on_or_refused", "raised KeyError: 'spec'; expected a CallboardError"),
        (Hanging, "odd_entities_are_passed_on_or_refused", "was not through after 0.2 s"),
        (Forgetful, "an_entity_keeps_its_kind_and_name", "post_process must return the entity, got None"),
        (Renaming, "an_entity_keeps_its_kind_and_name", "component:default/sample became other:default/sample"),
        (Meddling, "an_entity_of_another_kind_is_left_alone", "say enriches_every_kind = True"),
        (Greedy, "an_entity_of_another_kind_is_left_alone", "validate_kind must return True for its own kinds only"),
        (ReadingAll, "a_location_of_another_type_is_left_alone", "read_location must return False for a type that is"),
        (Sharing, "entities_that_are_done_stay_as_they_are", "was changed while another entity was processed"),
        (Stamping, "the_same_entity_comes_out_the_same", "component:default/sample came out differently the second"),
        (Relating, "what_it_emits_can_be_used", "a relation needs refs such as component:default/cart, in lower case"),
        (OwnChild, "what_it_emits_can_be_used", "was emitted as its own child"),
        (NamelessChild, "what_it_emits_can_be_used", "is not an entity: "),
        (Versions, "its_name_and_version_are_fit_and_always_the_same", "version must be the same for every object"),
        (Blocking, "its_steps_are_async", "post_process must be `async def`"),
    ],
)
def test_a_processor_that_is_wrong_is_told_what(kind: type[Processor], case: str, words: str) -> None:
    cases = ShoutCases()
    cases.kind = kind

    assert words in verdicts(cases)[case]
