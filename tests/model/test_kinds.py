import copy
from typing import Any

import pytest

from callboard.errors import InvalidEntity
from callboard.model import kinds
from callboard.model.entities import entity_ref

PROFILE = {"displayName": "Ada", "email": "ada@host", "picture": "https://host/ada.png"}

MINIMAL: dict[str, dict[str, Any]] = {
    "Component": {"type": "service", "lifecycle": "production", "owner": "me"},
    "API": {"type": "openapi", "lifecycle": "production", "owner": "me", "definition": "openapi: 3.1.0"},
    "Resource": {"type": "database", "owner": "me"},
    "System": {"owner": "me"},
    "Domain": {"owner": "me"},
    "Group": {"type": "team", "children": []},
    "User": {"memberOf": []},
    "Location": {},
    "Template": {"type": "service", "steps": []},
}
OPTIONAL: dict[str, dict[str, Any]] = {
    "Component": {
        "system": "s",
        "subcomponentOf": "c",
        "providesApis": ["a"],
        "consumesApis": ["a"],
        "dependsOn": ["component:c"],
        "dependencyOf": ["component:c"],
    },
    "API": {"system": "s"},
    "Resource": {"system": "s", "dependsOn": ["component:c"], "dependencyOf": ["component:c"]},
    "System": {"domain": "d", "type": "t"},
    "Domain": {"subdomainOf": "d", "type": "t"},
    "Group": {"parent": "p", "members": ["ada"], "profile": PROFILE},
    "User": {"profile": PROFILE},
    "Location": {"type": "url", "target": "./a", "targets": ["./b"], "presence": "optional"},
    "Template": {
        "owner": "me",
        "parameters": [{"title": "About it"}],
        "steps": [{"id": "fetch", "name": "Fetch", "action": "fetch:template", "input": {}}],
        "output": {"links": []},
    },
}
SPECS = [(kind, field) for kind, spec in MINIMAL.items() for field in spec]
FIELDS = [(kind, field) for kind in MINIMAL for field in {**MINIMAL[kind], **OPTIONAL[kind]}]


def entity(kind: str, spec: Any, namespace: str = "default", name: str = "x") -> dict[str, Any]:
    version = "scaffolder.backstage.io/v1beta3" if kind == "Template" else "backstage.io/v1alpha1"
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": copy.deepcopy(spec)}


def check(value: dict[str, Any]) -> None:
    definition = kinds.builtin().find(value)
    assert definition is not None
    definition.check(value)


def refusal_of(value: dict[str, Any]) -> InvalidEntity:
    with pytest.raises(InvalidEntity) as caught:
        check(value)
    return caught.value


@pytest.mark.parametrize("kind", MINIMAL)
def test_every_kind_accepts_what_it_must_and_may_have(kind: str) -> None:
    check(entity(kind, MINIMAL[kind]))
    check(entity(kind, {**MINIMAL[kind], **OPTIONAL[kind], "anything": {"else": [1]}}))


@pytest.mark.parametrize(("kind", "field"), SPECS)
def test_a_required_field_is_missed_by_name(kind: str, field: str) -> None:
    spec = {name: value for name, value in MINIMAL[kind].items() if name != field}

    error = refusal_of(entity(kind, spec))

    assert str(error) == f"/spec must have required property '{field}' - missingProperty: {field}"
    assert error.pointer == "/spec"


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_a_known_field_of_another_type_is_refused(kind: str, field: str) -> None:
    error = refusal_of(entity(kind, {**MINIMAL[kind], **OPTIONAL[kind], field: 5}))

    assert error.pointer == f"/spec/{field}"


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_a_known_field_is_never_null(kind: str, field: str) -> None:
    error = refusal_of(entity(kind, {**MINIMAL[kind], **OPTIONAL[kind], field: None}))

    assert error.pointer == f"/spec/{field}"


@pytest.mark.parametrize("kind", MINIMAL)
def test_every_kind_needs_a_spec(kind: str) -> None:
    value = entity(kind, {})
    del value["spec"]

    assert str(refusal_of(value)) == "<root> must have required property 'spec' - missingProperty: spec"


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        ("Component", {"owner": 5}, "/spec/owner must be string - type: string"),
        ("Component", {"owner": ""}, "/spec/owner must NOT have fewer than 1 characters - limit: 1"),
        ("Component", {"dependsOn": [""]}, "/spec/dependsOn/0 must NOT have fewer than 1 characters - limit: 1"),
        ("User", {"memberOf": "not-a-list"}, "/spec/memberOf must be array - type: array"),
        ("User", {"profile": {"email": 5}}, "/spec/profile/email must be string - type: string"),
        (
            "Location",
            {"presence": "maybe"},
            "/spec/presence must be equal to one of the allowed values - allowedValues: required,optional",
        ),
        ("Template", {"steps": [{}]}, "/spec/steps/0 must have required property 'action' - missingProperty: action"),
    ],
)
def test_a_refusal_names_the_field_and_the_rule(kind: str, spec: dict[str, Any], message: str) -> None:
    assert str(refusal_of(entity(kind, {**MINIMAL[kind], **spec}))) == message


def test_everything_that_is_wrong_is_named_at_once() -> None:
    error = refusal_of(entity("Component", {"type": "service", "system": 5}))

    assert str(error) == (
        "/spec must have required property 'lifecycle' - missingProperty: lifecycle; "
        "/spec must have required property 'owner' - missingProperty: owner; "
        "/spec/system must be string - type: string"
    )


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("component", "backstage.io/v1alpha1"),
        ("Unicorn", "backstage.io/v1alpha1"),
        ("Component", "backstage.io/v9"),
        ("Component", "example.com/v1"),
        ("Template", "backstage.io/v1alpha1"),
        ("Component", "scaffolder.backstage.io/v1beta3"),
    ],
)
def test_another_case_or_version_is_a_foreign_kind(kind: str, version: str) -> None:
    assert kinds.builtin().find({"apiVersion": version, "kind": kind}) is None


@pytest.mark.parametrize("kind", [kind for kind in MINIMAL if kind != "Template"])
def test_the_first_beta_version_is_the_same(kind: str) -> None:
    assert kinds.builtin().find({"apiVersion": "backstage.io/v1beta1", "kind": kind}) is not None


@pytest.mark.parametrize(
    ("kind", "field", "value", "relation", "target", "inverse"),
    [
        ("Component", "owner", "me", "ownedBy", "group:shop/me", "ownerOf"),
        ("API", "owner", "user:me", "ownedBy", "user:shop/me", "ownerOf"),
        ("Resource", "owner", "other/me", "ownedBy", "group:other/me", "ownerOf"),
        ("System", "owner", "Group:Default/ME", "ownedBy", "group:default/me", "ownerOf"),
        ("Domain", "owner", "me", "ownedBy", "group:shop/me", "ownerOf"),
        ("Template", "owner", "me", "ownedBy", "group:shop/me", "ownerOf"),
        ("Component", "owner", "a:b:c/D/e", "ownedBy", "a:b:c/d/e", "ownerOf"),
        ("Component", "subcomponentOf", "big", "partOf", "component:shop/big", "hasPart"),
        ("Component", "system", "s", "partOf", "system:shop/s", "hasPart"),
        ("API", "system", "s", "partOf", "system:shop/s", "hasPart"),
        ("Resource", "system", "s", "partOf", "system:shop/s", "hasPart"),
        ("System", "domain", "d", "partOf", "domain:shop/d", "hasPart"),
        ("Domain", "subdomainOf", "d", "partOf", "domain:shop/d", "hasPart"),
        ("Component", "providesApis", ["a"], "providesApi", "api:shop/a", "apiProvidedBy"),
        ("Component", "consumesApis", ["a"], "consumesApi", "api:shop/a", "apiConsumedBy"),
        ("Component", "dependsOn", ["resource:r"], "dependsOn", "resource:shop/r", "dependencyOf"),
        ("Component", "dependencyOf", ["resource:r"], "dependencyOf", "resource:shop/r", "dependsOn"),
        ("Resource", "dependsOn", ["resource:r"], "dependsOn", "resource:shop/r", "dependencyOf"),
        ("Resource", "dependencyOf", ["resource:r"], "dependencyOf", "resource:shop/r", "dependsOn"),
        ("User", "memberOf", ["team"], "memberOf", "group:shop/team", "hasMember"),
        ("Group", "parent", "p", "childOf", "group:shop/p", "parentOf"),
        ("Group", "children", ["c"], "parentOf", "group:shop/c", "childOf"),
        ("Group", "members", ["ada"], "hasMember", "user:shop/ada", "memberOf"),
    ],
)
def test_a_field_relates_in_both_directions(
    kind: str, field: str, value: Any, relation: str, target: str, inverse: str
) -> None:
    declared = entity(kind, {field: value}, namespace="Shop", name="X")

    edges = kinds.builtin().relations_of(declared, entity_ref(declared))

    source = f"{kind.lower()}:shop/x"
    assert edges == {(source, relation, target), (target, inverse, source)}


def test_an_entity_may_relate_to_itself() -> None:
    loop = entity("Component", {"dependsOn": ["component:x"]})

    edges = kinds.builtin().relations_of(loop, entity_ref(loop))

    itself = "component:default/x"
    assert edges == {(itself, "dependsOn", itself), (itself, "dependencyOf", itself)}


def test_two_ways_to_say_one_relation_are_one() -> None:
    twice = entity("Component", {"consumesApis": ["a", "api:default/A"]})

    assert len(kinds.builtin().relations_of(twice, entity_ref(twice))) == 2


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("dependsOn", ["component:fine", "no-kind"], "/spec/dependsOn/1"),
        ("dependencyOf", ["resource:"], "/spec/dependencyOf/0"),
        ("owner", "group:", "/spec/owner"),
    ],
)
def test_a_text_that_is_no_ref_is_refused_where_it_stands(field: str, value: Any, pointer: str) -> None:
    wrong = entity("Component", {field: value})

    with pytest.raises(InvalidEntity, match="Entity reference") as caught:
        kinds.builtin().relations_of(wrong, entity_ref(wrong))

    assert caught.value.pointer == pointer


def test_foreign_kinds_and_locations_relate_to_nothing() -> None:
    for kind in ("Unicorn", "Location"):
        value = entity(kind, {"owner": "me", "targets": ["./a"]})

        assert kinds.builtin().relations_of(value, entity_ref(value)) == set()


def test_lists_of_refs_are_sorted_and_other_lists_are_not() -> None:
    value = entity(
        "Component",
        {
            "consumesApis": ["pricing-api", "api:default/missing-api"],
            "dependsOn": ["resource:db", "component:b", "Component:a"],
            "tags": ["b", "a"],
        },
    )

    kinds.builtin().sort_relation_fields(value)

    assert value["spec"] == {
        "consumesApis": ["api:default/missing-api", "pricing-api"],
        "dependsOn": ["Component:a", "component:b", "resource:db"],
        "tags": ["b", "a"],
    }


@pytest.mark.parametrize("spec", [None, [], {"dependsOn": "b"}, {"dependsOn": ["b", 1, "a"]}, {"dependsOn": None}])
def test_what_is_not_valid_is_left_for_the_schema_to_refuse(spec: Any) -> None:
    value = entity("Component", spec)

    kinds.builtin().sort_relation_fields(value)

    assert value["spec"] == spec
