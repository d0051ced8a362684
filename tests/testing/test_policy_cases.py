"""The cases of policies tell each that is wrong what it is."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from callboard.errors import InvalidEntity
from callboard.extend import (
    JsonObject,
)
from callboard.testing.conformance import (
    PolicyCases,
)
from callboard.testing.conformance.samples import entity
from tests.testing.verdicts import verdicts


class NoVerbs:
    """A policy as it should be."""

    name = "no-verbs"

    def enforce(self, entity: JsonObject) -> JsonObject:
        metadata = entity["metadata"]
        assert isinstance(metadata, dict)
        if str(metadata["name"]).endswith("ing"):
            raise InvalidEntity("a component is no verb")
        return entity


class VerbCases(PolicyCases):
    kind: type[Any] = NoVerbs

    def make(self) -> Any:
        return self.kind()

    def refused(self) -> Sequence[JsonObject]:
        return [entity("Component", "cooking")]


def test_a_policy_as_it_should_be_passes() -> None:
    assert verdicts(VerbCases()) == {}


class AllVerbs(NoVerbs):
    def enforce(self, entity: JsonObject) -> JsonObject:
        return entity


class Silently(NoVerbs):
    def enforce(self, entity: JsonObject) -> JsonObject:
        return None  # type: ignore[return-value]


class Fragile(NoVerbs):
    def enforce(self, entity: JsonObject) -> JsonObject:
        entity["spec"]["type"]  # type: ignore[index, call-overload]
        return super().enforce(entity)


class Waiting(NoVerbs):
    async def enforce(self, entity: JsonObject) -> JsonObject:  # type: ignore[override]
        return entity


class Numbering(NoVerbs):
    numbers = itertools.count()

    def enforce(self, entity: JsonObject) -> JsonObject:
        return super().enforce({**entity, "number": next(self.numbers)})


class Replacing(NoVerbs):
    def enforce(self, entity: JsonObject) -> JsonObject:
        return {**super().enforce(entity), "kind": "Noun"}


@pytest.mark.parametrize(
    ("kind", "case", "words"),
    [
        (AllVerbs, "what_it_is_for_is_refused", "component:default/cooking with"),
        (Silently, "an_entity_keeps_its_kind_and_name", "enforce must return the entity, got None"),
        (Fragile, "odd_entities_are_passed_on_or_refused", "raised KeyError: 'spec'; expected InvalidInput of"),
        (Waiting, "enforce_is_no_coroutine", "enforce must be a plain `def`"),
        (Numbering, "the_same_entity_comes_out_the_same", "came out differently the second time"),
        (Replacing, "an_entity_keeps_its_kind_and_name", "became noun:default/sample"),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
def test_a_policy_that_is_wrong_is_told_what(kind: type[Any], case: str, words: str) -> None:
    cases = VerbCases()
    cases.kind = kind

    assert words in verdicts(cases)[case]
