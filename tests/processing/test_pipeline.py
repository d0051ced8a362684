"""One entity's way through policies and processors."""

from collections.abc import Sequence

from callboard.errors import InvalidEntity, NotAllowed, Unreadable, place_of
from callboard.extend import Policy, Processor, Reader, Relation, Run
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import LocationRef
from callboard.model.rules import AllowedKind, LocationMatch, Rule, Rules
from callboard.processing.pipeline import Broken, Completed, Pipeline
from tests.harness import ALL_KINDS, component

ANYTHING = Rules([Rule(tuple(AllowedKind(kind, None) for kind in ALL_KINDS), None)])


class Accepts(Processor):
    """Finds every entity valid, and notes the steps in the order in which they come."""

    name = "accepts"

    def __init__(self, *, reads: bool = True) -> None:
        self.steps: list[str] = []
        self._reads = reads

    async def pre_process(self, entity: JsonObject, run: Run) -> JsonObject:
        self.steps.append("pre_process")
        return entity

    async def validate_kind(self, entity: JsonObject, run: Run) -> bool:
        self.steps.append("validate_kind")
        return True

    async def read_location(self, location: LocationRef, run: Run, *, optional: bool) -> bool:
        self.steps.append(f"read {location}{' if it is there' if optional else ''}")
        return self._reads

    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        self.steps.append("post_process")
        return entity


class Fails(Processor):
    """Raises something in its last step."""

    name = "fails"

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        run.emit_relation(Relation("a", "b", "c"))
        raise self._error


class Emits(Processor):
    """Emits children."""

    name = "emits"

    def __init__(self, *children: JsonObject, line: int | None = None) -> None:
        self._children = children
        self._line = line

    async def post_process(self, entity: JsonObject, run: Run) -> JsonObject:
        for child in self._children:
            run.emit_entity(child, line=self._line)
        return entity


class Renames(Policy):
    """A policy that does what none may."""

    name = "renames"

    def enforce(self, entity: JsonObject) -> JsonObject:
        metadata = entity["metadata"]
        assert isinstance(metadata, dict)
        return {**entity, "metadata": {**metadata, "name": "other"}}


class Refuses(Policy):
    """A policy that nothing satisfies."""

    name = "refuses"

    def enforce(self, entity: JsonObject) -> JsonObject:
        raise InvalidEntity("never")


def pipeline(
    *processors: Processor, policies: Sequence[Policy] = (), rules: Rules = ANYTHING, readers: Sequence[Reader] = ()
) -> Pipeline:
    return Pipeline(processors, policies, rules, {reader.type: reader for reader in readers})


def location(**spec: JsonValue) -> JsonObject:
    return {**component("l", location="url:https://host/dir/l.yaml"), "kind": "Location", "spec": spec}


async def errors_of(made: Pipeline, entity: JsonObject) -> list[str]:
    outcome = await made.process(entity, {})
    assert isinstance(outcome, Broken)
    return [str(error) for error in outcome.errors]


async def test_the_steps_come_in_their_order() -> None:
    processor = Accepts()

    await pipeline(processor).process(component("a"), {})

    assert processor.steps == ["pre_process", "validate_kind", "post_process"]


async def test_a_location_is_read_between_validation_and_the_last_step() -> None:
    processor = Accepts()

    await pipeline(processor).process(location(targets=["https://host/x.yaml"], type="url"), {})

    assert processor.steps == ["pre_process", "validate_kind", "read url:https://host/x.yaml", "post_process"]


async def test_target_and_targets_of_a_location_are_all_read() -> None:
    processor = Accepts()

    await pipeline(processor).process(
        location(target="https://host/1", targets=["https://host/2", "", "https://host/3"], presence="optional"), {}
    )

    assert processor.steps[2:-1] == [f"read url:https://host/{number} if it is there" for number in (1, 2, 3)]


async def test_a_location_that_was_read_from_nowhere_names_urls() -> None:
    processor = Accepts()
    written = component("l", location="provider:ci")
    written |= {"kind": "Location", "spec": {"target": "https://host/1"}}

    await pipeline(processor).process(written, {})

    assert processor.steps[2] == "read url:https://host/1"


async def test_an_entity_that_no_processor_knows_is_broken() -> None:
    assert (
        "No processor recognized the entity component:default/a"
        in (await errors_of(pipeline(Emits()), component("a")))[0]
    )


async def test_all_that_a_broken_run_has_emitted_is_void_and_its_processor_is_named() -> None:
    outcome = await pipeline(Accepts(), Fails(InvalidEntity("no good"))).process(component("a"), {})

    assert isinstance(outcome, Broken)
    assert [str(error) for error in outcome.errors] == [
        "Processor fails threw an error while postprocessing; caused by InputError: no good"
    ]


async def test_what_is_wrong_with_the_entity_does_not_change_by_waiting() -> None:
    outcome = await pipeline(Accepts(), Fails(InvalidEntity("no good"))).process(component("a"), {})

    assert isinstance(outcome, Broken)
    assert not outcome.outside


async def test_what_nobody_expected_is_worth_another_attempt() -> None:
    for error in (KeyError("surprise"), Unreadable("a host is down")):
        outcome = await pipeline(Accepts(), Fails(error)).process(component("a"), {})

        assert isinstance(outcome, Broken)
        assert outcome.outside


async def test_an_entity_without_location_annotations_is_broken() -> None:
    entity = component("a")
    entity["metadata"] = {"name": "a"}

    assert "backstage.io/managed-by-location" in (await errors_of(pipeline(Accepts()), entity))[0]


async def test_a_policy_that_refuses_says_so() -> None:
    assert await errors_of(pipeline(Accepts(), policies=[Refuses()]), component("a")) == [
        "Policy check failed for component:default/a; caused by InputError: never"
    ]


async def test_nobody_may_rename_an_entity_on_its_way() -> None:
    (message,) = await errors_of(pipeline(Accepts(), policies=[Renames()]), component("a"))

    assert "name changed during processing" in message


async def test_a_child_of_a_kind_that_the_rules_do_not_allow_breaks_its_parent() -> None:
    rules = Rules([Rule((AllowedKind("API", None),), None)])

    outcome = await pipeline(Accepts(), Emits(component("b")), rules=rules).process(component("a"), {})

    assert isinstance(outcome, Broken)
    assert [type(error) for error in outcome.errors] == [NotAllowed]
    assert "component:default/b" in str(outcome.errors[0])


async def test_a_rule_for_another_location_does_not_count() -> None:
    component_there = Rule((AllowedKind("Component", None),), (LocationMatch("url", exact="https://elsewhere"),))

    assert await errors_of(pipeline(Accepts(), Emits(component("b")), rules=Rules([component_there])), component("a"))


async def test_an_entity_that_emits_itself_is_not_its_own_child() -> None:
    outcome = await pipeline(Accepts(), Emits(component("a"), component("b"))).process(component("a"), {})

    assert isinstance(outcome, Completed)
    assert [child.entity["metadata"] for child in outcome.run.children] == [component("b")["metadata"]]


async def test_of_two_children_with_the_same_ref_in_one_file_the_first_counts() -> None:
    outcome = await pipeline(Accepts(), Emits(component("b", type="first"), component("B", type="second"))).process(
        component("a"), {}
    )

    assert isinstance(outcome, Completed)
    assert [child.entity["spec"] for child in outcome.run.children] == [component("b", type="first")["spec"]]


async def test_a_child_that_is_no_entity_breaks_its_parent() -> None:
    (message,) = await errors_of(pipeline(Accepts(), Emits({"kind": "Component"})), component("a"))

    assert message.startswith("url:https://host/a.yaml holds something that is not an entity")


async def test_what_is_wrong_with_a_child_is_where_the_child_begins() -> None:
    processor = Emits({"apiVersion": "v1", "kind": "Component", "metadata": {}}, component("b"), line=7)
    only_apis = Rules([Rule((AllowedKind("API", None),), None)])

    outcome = await pipeline(Accepts(), processor, rules=only_apis).process(component("a"), {})

    assert isinstance(outcome, Broken)
    assert [place_of(error) for error in outcome.errors] == [
        {"location": "url:https://host/a.yaml", "line": 7, "pointer": "/metadata"},
        {"location": "url:https://host/a.yaml", "line": 7},
    ]


async def test_a_target_that_nobody_can_read_is_pointed_at() -> None:
    entity = location(target="ftp://host/1", targets=["", "ftp://host/2"], type="ftp")

    outcome = await pipeline(Accepts(reads=False)).process(entity, {})

    assert isinstance(outcome, Broken)
    assert [place_of(error) for error in outcome.errors] == [
        {"pointer": "/spec/target"},
        {"pointer": "/spec/targets/1"},
    ]


async def test_other_processors_policies_or_rules_make_another_fingerprint() -> None:
    newer = Accepts()
    newer.version = "2"

    made = [
        pipeline(Accepts()),
        pipeline(newer),
        pipeline(Accepts(), Emits()),
        pipeline(Accepts(), policies=[Refuses()]),
        pipeline(Accepts(), rules=Rules([])),
    ]

    assert len({one.fingerprint for one in made}) == len(made)
    assert pipeline(Accepts()).fingerprint == made[0].fingerprint


async def test_only_what_the_configuration_named_leads_to_files_of_this_machine() -> None:
    processor = Accepts()
    inside = location(type="file", target="/srv/catalog.yaml")
    outside = location(type="file", target="/etc/passwd")
    origin = "file:/srv/all.yaml"
    inside["metadata"] = component("l", location=origin)["metadata"]

    allowed = await pipeline(processor).process(inside, {})
    [refused] = await errors_of(pipeline(processor), outside)

    assert isinstance(allowed, Completed)
    assert "file:/etc/passwd can't be read for url:https://host/dir/l.yaml" in refused
    assert not [step for step in processor.steps if "passwd" in step]
