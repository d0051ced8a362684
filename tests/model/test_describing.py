"""Kinds that an installation describes in data."""

from typing import Any

import pytest

from callboard.errors import InvalidConfiguration, InvalidEntity
from callboard.model import kinds
from callboard.model.entities import entity_ref
from callboard.model.json import JsonValue
from callboard.model.kinds import Kinds, describing
from callboard.model.kinds.describing import Description

ROBOT: dict[str, Any] = {
    "kind": "Robot",
    "description": "It moves.",
    "apiVersions": ["acme.example/v1"],
    "relations": [
        {"field": "owner", "defaultKind": "Group", "relation": "ownedBy", "inverse": "ownerOf"},
        {"field": "parts.arm", "defaultKind": "Resource", "relation": "dependsOn", "inverse": "dependencyOf"},
    ],
    "schema": {"properties": {"spec": {"type": "object", "required": ["owner"]}}, "required": ["spec"]},
    "types": {
        "flying": {
            "optional": ["owner"],
            "schema": {"properties": {"spec": {"required": ["wings"]}}},
            "relations": [
                {
                    "field": "wings",
                    "relation": "dependsOn",
                    "inverse": "dependencyOf",
                    "defaultKind": "Resource",
                    "allowedKinds": ["Resource", "Component"],
                }
            ],
        }
    },
}


def together(*contents: JsonValue) -> Kinds:
    described = [Description(f"kinds[{number}]", content) for number, content in enumerate(contents)]
    return describing.together(kinds.builtin(), described)


def robot(**spec: Any) -> dict[str, Any]:
    metadata = {"namespace": "default", "name": "r2"}
    return {"apiVersion": "acme.example/v1", "kind": "Robot", "metadata": metadata, "spec": spec}


def refusal(known: Kinds, entity: dict[str, Any]) -> str:
    definition = known.find(entity)
    assert definition is not None
    with pytest.raises(InvalidEntity) as caught:
        definition.check(entity)
    return str(caught.value)


def edges(known: Kinds, entity: dict[str, Any]) -> set[tuple[str, str, str]]:
    return known.relations_of(entity, entity_ref(entity))


def test_a_new_kind_has_its_schema_and_its_relations() -> None:
    known = together(ROBOT)

    assert "must have required property 'owner'" in refusal(known, robot())
    assert ("robot:default/r2", "ownedBy", "group:default/smiths") in edges(known, robot(owner="smiths"))
    assert ("resource:default/arm", "dependencyOf", "robot:default/r2") in edges(known, robot(parts={"arm": "arm"}))


def test_a_type_adds_to_its_kind_and_takes_back_what_it_does_not_need() -> None:
    known = together(ROBOT)

    assert "must have required property 'wings'" in refusal(known, robot(type="flying"))
    assert "owner" not in refusal(known, robot(type="flying"))
    assert ("robot:default/r2", "dependsOn", "resource:default/w") in edges(known, robot(type="flying", wings=["w"]))
    assert edges(known, robot(type="rolling", wings=["w"])) == set()


@pytest.mark.parametrize(
    ("wings", "said"),
    [
        (["user:ann"], "'user:default/ann' can't stand in spec.wings; expected one of the kind Resource, Component"),
        ([7], "7 is not an entity ref"),
        ([""], "not"),
    ],
)
def test_a_ref_that_does_not_belong_there_is_refused_at_its_place(wings: list[Any], said: str) -> None:
    known = together(ROBOT)

    with pytest.raises(InvalidEntity, match=said) as caught:
        edges(known, robot(type="flying", wings=["w", *wings]))

    assert caught.value.pointer == "/spec/wings/1"


def test_a_kind_that_is_there_can_be_extended() -> None:
    known = together(
        {
            "kind": "Component",
            "extend": True,
            "relations": [{"field": "runbook", "defaultKind": "Resource", "relation": "uses", "inverse": "usedBy"}],
            "schema": {"properties": {"spec": {"properties": {"tier": {"enum": [1, 2]}}}}},
        }
    )
    entity = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"namespace": "default", "name": "shop"},
        "spec": {"type": "service", "lifecycle": "production", "owner": "a", "tier": 3, "runbook": "book"},
    }

    assert "/spec/tier must be equal to one of the allowed values" in refusal(known, entity)
    assert ("component:default/shop", "uses", "resource:default/book") in edges(known, entity)
    assert ("component:default/shop", "ownedBy", "group:default/a") in edges(known, entity)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Robot", "kinds[0]: this is not the description of a kind: Expected `object`, got `str`"),
        ({"kind": "Robot"}, "kinds[0]: the kind Robot has no apiVersions"),
        ({**ROBOT, "colour": "red"}, "unknown field `colour`"),
        ({**ROBOT, "relations": [{"field": "owner", "relation": "ownedBy"}]}, "`inverse` - at `$.relations[0]`"),
        ({**ROBOT, "kind": "Component"}, "there is a kind Component already; say `extend: true`"),
        ({**ROBOT, "extend": True}, "there is no kind Robot to extend"),
        ({**ROBOT, "schema": {"type": "robot"}}, "a schema of Robot is no JSON Schema"),
        (
            {**ROBOT, "relations": [{"field": "owner", "relation": "ownedBy", "inverse": "owns"}]},
            "spec.owner of Robot: the inverse of ownedBy is ownerOf, as API says, and not owns",
        ),
        (
            {"kind": "API", "extend": True, "relations": [{"field": "owner", "relation": "a", "inverse": "b"}]},
            "spec.owner of API makes a relation already",
        ),
    ],
)
def test_a_description_that_is_wrong_says_where_and_what(content: JsonValue, said: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        together(content)

    assert said in str(caught.value)


def test_a_type_is_told_once() -> None:
    more: JsonValue = {"kind": "Robot", "extend": True, "types": {"flying": {}}}

    with pytest.raises(InvalidConfiguration, match="Robot has been told before what its type flying is like"):
        together(ROBOT, more)


def test_the_version_says_whether_the_rules_are_others() -> None:
    assert together(ROBOT).version == together(ROBOT).version
    assert together(ROBOT).version != together({**ROBOT, "description": "It stands."}).version
    assert together(ROBOT).version != kinds.builtin().version


@pytest.mark.parametrize("name", describing.packs())
def test_each_pack_goes_with_the_kinds_that_all_have(name: str) -> None:
    known = describing.together(kinds.builtin(), describing.pack(name))

    assert len(known.definitions) >= len(kinds.builtin().definitions)


def test_the_pack_ai_has_apis_without_a_definition_and_skills() -> None:
    known = describing.together(kinds.builtin(), describing.pack("ai"))
    server = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "API",
        "metadata": {"namespace": "default", "name": "tools"},
        "spec": {"type": "mcp-server", "lifecycle": "production", "owner": "a"},
    }
    plugin = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "AiResource",
        "metadata": {"namespace": "default", "name": "helpers"},
        "spec": {"type": "plugin", "lifecycle": "production", "owner": "a", "skills": ["summarise"]},
    }

    assert "must have required property 'remotes'" in refusal(known, server)
    assert "definition" not in refusal(known, server)
    assert ("airesource:default/summarise", "partOf", "airesource:default/helpers") in edges(known, plugin)


def test_a_pack_that_does_not_exist_is_named() -> None:
    with pytest.raises(InvalidConfiguration, match="there is no pack of kinds 'cars'; there are: ai"):
        describing.pack("cars")
