import pytest

from callboard.model.facts import facts_of, scalar_text
from callboard.model.json import JsonObject, JsonValue


def component(**parts: JsonValue) -> JsonObject:
    return {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "cart"}, **parts}


def test_every_leaf_is_a_fact_under_its_path() -> None:
    entity = component(spec={"nested": {"deep": [{"a": 1}, {"a": 2}, "Plain"]}, "Owner": "Team-A", "yes": True})

    facts = facts_of(entity)

    assert facts == {
        "apiversion": ("backstage.io/v1alpha1",),
        "kind": ("Component",),
        "metadata.name": ("cart",),
        "metadata.namespace": ("default",),
        "spec.nested.deep.a": ("1", "2"),
        "spec.nested.deep": ("Plain",),
        "spec.nested.deep.plain": ("true",),
        "spec.owner": ("Team-A",),
        "spec.yes": ("true",),
    }


def test_keys_with_dots_and_slashes_need_no_quoting() -> None:
    entity = component(metadata={"name": "x", "annotations": {"example.com/a.B": "1"}, "dotted.key": "2"})

    facts = facts_of(entity)

    assert facts["metadata.annotations.example.com/a.b"] == ("1",)
    assert facts["metadata.dotted.key"] == ("2",)


def test_a_list_gives_its_elements_and_a_mark_for_each_text() -> None:
    entity = component(metadata={"name": "x", "tags": ["Java", "go"], "mixed": [1, "One", True, None]})

    facts = facts_of(entity)

    assert facts["metadata.tags"] == ("Java", "go")
    assert facts["metadata.tags.java"] == ("true",)
    assert facts["metadata.mixed"] == ("1", "One", "true")
    assert facts["metadata.mixed.one"] == ("true",)
    assert "metadata.mixed.1" not in facts


def test_lists_in_lists_are_flattened() -> None:
    assert facts_of(component(spec={"list": [[1, 2], [["x"]]]}))["spec.list"] == ("1", "2", "x")


@pytest.mark.parametrize("nothing", [{}, [], {"inner": {}}])
def test_what_holds_no_leaf_is_not_there(nothing: JsonValue) -> None:
    assert not [key for key in facts_of(component(spec={"empty": nothing})) if key.startswith("spec")]


def test_a_null_is_there_without_a_value() -> None:
    assert facts_of(component(spec={"system": None}))["spec.system"] == ()


def test_values_up_to_200_characters_are_known() -> None:
    facts = facts_of(component(spec={"long": "L" * 200, "longer": "L" * 201}))

    assert facts["spec.long"] == ("L" * 200,)
    assert facts["spec.longer"] == ()


def test_keys_up_to_200_characters_are_known() -> None:
    fits, too_long = "k" * 195, "k" * 196

    facts = facts_of(component(spec={fits: "1", too_long: "2", "x" * 300: {"deeper": "3"}, "list": ["e" * 195]}))

    assert [key for key in facts if key.startswith("spec")] == [f"spec.{fits}", "spec.list"]


def test_values_that_differ_in_case_only_count_once() -> None:
    assert facts_of(component(metadata={"name": "x", "tags": ["Java", "java", "JAVA"]}))["metadata.tags"] == ("Java",)


def test_keys_that_differ_in_case_only_share_their_values() -> None:
    assert facts_of(component(spec={"Type": "a", "type": "b"}))["spec.type"] == ("a", "b")


def test_relations_are_facts_by_their_type() -> None:
    entity = component(
        relations=[
            {"type": "ownedBy", "targetRef": "group:default/a"},
            {"type": "dependsOn", "targetRef": "resource:default/x"},
            {"type": "dependsOn", "targetRef": "resource:default/y"},
        ]
    )

    facts = facts_of(entity)

    assert facts["relations.ownedby"] == ("group:default/a",)
    assert facts["relations.dependson"] == ("resource:default/x", "resource:default/y")
    assert "relations.type" not in facts


def test_a_status_is_known_by_level_and_type() -> None:
    entity = component(
        status={"items": [{"type": "backstage.io/catalog-processing", "level": "error", "message": "no"}] * 2}
    )

    facts = facts_of(entity)

    assert facts["status.level"] == ("error",)
    assert facts["status.type"] == ("backstage.io/catalog-processing",)
    assert "status.items.message" not in facts


def test_attachments_and_the_etag_are_not_searched() -> None:
    facts = facts_of(component(attachments={"x": "1"}, metadata={"name": "x", "uid": "u", "etag": "e"}))

    assert not [key for key in facts if key.startswith("attachments") or key == "metadata.etag"]
    assert facts["metadata.uid"] == ("u",)


def test_only_the_top_level_skips_names() -> None:
    assert facts_of(component(spec={"status": "up", "etag": "e"}))["spec.status"] == ("up",)


def test_deep_nesting_ends_with_the_longest_key() -> None:
    lists: JsonValue = "x"
    objects: JsonValue = "x"
    for _ in range(5000):
        lists, objects = [lists], {"": objects}

    facts = facts_of(component(spec={"lists": lists, "objects": objects}))

    assert facts["spec.lists"] == ("x",)
    assert not [key for key in facts if key.startswith("spec.objects")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (42, "42"),
        (-7, "-7"),
        (3.14, "3.14"),
        (1000.0, "1000"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (0.000001, "0.000001"),
        (0.0000001, "1e-7"),
        (1.5e-9, "1.5e-9"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.25e21, "1.25e+21"),
        (12345678901234567890, "12345678901234567000"),
        (9007199254740993, "9007199254740992"),
        (123456.789, "123456.789"),
        (float("inf"), "Infinity"),
    ],
)
def test_scalars_are_written_as_javascript_does(value: float, text: str) -> None:
    assert scalar_text(value) == text
