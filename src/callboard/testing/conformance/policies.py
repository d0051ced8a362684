"""The cases of policies."""

import copy
import inspect
from collections.abc import Sequence

from callboard.builtin.policies import default_policies
from callboard.errors import InvalidInput
from callboard.extend import JsonObject, Policy
from callboard.model import json
from callboard.model.entities import entity_ref
from callboard.testing.conformance import samples
from callboard.testing.conformance.verdicts import Cases, allowed, must, must_be_name, not_json


class PolicyCases(Cases):
    """What a `Policy` must do. Override `make`, and `refused` with what it is there to refuse."""

    def make(self) -> Policy:
        """A new policy."""
        raise NotImplementedError("make must return a new policy")

    def refused(self) -> Sequence[JsonObject]:
        """Entities that it refuses."""
        return ()

    def test_its_name_is_fit_and_always_the_same(self) -> None:
        """It is part of every result."""
        must_be_name(self.make(), self.make())

    def test_enforce_is_no_coroutine(self) -> None:
        """Policies compute, and wait for nothing."""
        must(not inspect.iscoroutinefunction(self.make().enforce), "enforce must be a plain `def`, and is `async def`")

    def test_an_entity_keeps_its_kind_and_name(self) -> None:
        """A policy returns the entity that it was given, perhaps completed."""
        for sample in (*samples.valid(), samples.foreign()):
            result = self._enforced(sample)
            if result is None:
                continue
            must(isinstance(result, dict), f"enforce must return the entity, got {result!r}")
            kept, ref = entity_ref(result), entity_ref(sample)
            must(kept == ref, f"{ref} became {kept}: kind, namespace and name must stay")
            must(not (reason := not_json(result)), f"{ref} comes out as something that is not JSON: {reason}")

    def test_odd_entities_are_passed_on_or_refused(self) -> None:
        """Anything but InvalidEntity counts as a failure of the policy, and is tried again and again.

        What the built-in policies refuse never gets here.
        """
        for sample in samples.odd():
            if _gets_here(sample):
                self._enforced(sample)

    def test_what_it_is_for_is_refused(self) -> None:
        """With InvalidEntity."""
        for sample in self.refused():
            result = self._enforced(sample)
            must(result is None, f"{entity_ref(sample)} with {json.encode(sample).decode()[:200]} was not refused")

    def test_the_same_entity_comes_out_the_same(self) -> None:
        """Otherwise every run is a change."""
        one, other = self.make(), self.make()
        for sample in samples.valid():
            first, second = self._enforced(sample, one), self._enforced(sample, other)
            must(first == second, f"{entity_ref(sample)} came out differently the second time")

    def _enforced(self, sample: JsonObject, policy: Policy | None = None) -> JsonObject | None:
        """What it returns; None when it refuses."""
        spec = json.encode(sample.get("spec"))[:80].decode()
        try:
            result: JsonObject | None = (policy or self.make()).enforce(copy.deepcopy(sample))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            allowed(error, f"enforce of {entity_ref(sample)} with the spec {spec}", InvalidInput)
            return None
        must(result is not None, "enforce must return the entity, got None")
        return result


def _gets_here(sample: JsonObject) -> bool:
    entity = copy.deepcopy(sample)
    try:
        for policy in default_policies():
            entity = policy.enforce(entity)
    except InvalidInput:
        return False
    return True
