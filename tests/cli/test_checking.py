from pathlib import Path

from callboard.cli.checking import Problem, Rules, check
from callboard.model.refs import LocationRef
from tests.harness import component_yaml

ENVELOPE = "apiVersion: backstage.io/v1alpha1\nkind: Component\n"


async def problems(text: str, folder: Path = Path("/nowhere")) -> list[tuple[int, str, str]]:
    checked = await check(text.encode(), LocationRef("file", str(folder / "catalog-info.yaml")), Rules())
    return [(problem.line, problem.field, problem.reason) for problem in checked.problems]


async def test_a_good_entity_has_no_problems() -> None:
    assert await problems(component_yaml("cart")) == []


async def test_empty_documents_are_no_entities() -> None:
    checked = await check(b"---\n---\n# nothing\n", LocationRef("file", "/a.yaml"), Rules())

    assert (checked.entities, checked.problems) == (0, [])


async def test_what_is_not_yaml_is_one_problem_of_the_file() -> None:
    checked = await check(b"kind: Component\n\tname: x\n", LocationRef("file", "/a.yaml"), Rules())

    (problem,) = checked.problems
    assert (problem.line, problem.entity, problem.field) == (2, "", "")
    assert "tab" in problem.reason


async def test_a_document_that_is_no_object_is_named_by_its_number() -> None:
    checked = await check((component_yaml("a") + "---\n- 1\n").encode(), LocationRef("file", "/a.yaml"), Rules())

    assert checked.problems == [
        Problem(line=10, entity="document 2", field="", reason="is not an object, and so not an entity")
    ]


async def test_all_that_is_missing_is_told() -> None:
    found = await problems(ENVELOPE + "metadata:\n  name: a\nspec:\n  type: service\n")

    assert found == [
        (6, "spec", "must have required property 'lifecycle'"),
        (6, "spec", "must have required property 'owner'"),
    ]


async def test_an_entity_without_a_name_is_looked_at_no_further() -> None:
    found = await problems(ENVELOPE + "metadata:\n  title: 3\nspec: {}\n")

    assert found == [
        (4, "metadata", "must have required property 'name'"),
        (4, "metadata.title", "must be string"),
    ]


async def test_a_kind_with_a_separator_is_refused_as_ingestion_refuses_it() -> None:
    found = await problems("apiVersion: v1\nkind: a:b\nmetadata:\n  name: x\n")

    assert [(line, field) for line, field, _ in found] == [(2, "kind")]


async def test_wrong_types_do_not_hide_what_the_kind_asks_for() -> None:
    found = await problems(
        component_yaml("a").replace("name: a", "name: a\n  tags: x").replace("type: service", "type: 1")
    )

    assert found == [(5, "metadata.tags", "must be array"), (7, "spec.type", "must be string")]


async def test_each_tag_is_told_at_its_own_line() -> None:
    found = await problems(component_yaml("a").replace("name: a", "name: a\n  tags:\n    - A\n    - b\n    - C d"))

    assert [(line, field) for line, field, _ in found] == [(6, "metadata.tags.0"), (8, "metadata.tags.2")]


async def test_a_key_with_a_slash_is_shown_as_it_is_written() -> None:
    found = await problems(component_yaml("a").replace("name: a", "name: a\n  annotations:\n    A/b/c: x"))

    assert [(line, field) for line, field, _ in found] == [(6, "metadata.annotations.A/b/c")]


async def test_texts_that_are_no_refs_are_told_field_by_field() -> None:
    found = await problems(component_yaml("a", owner="'group:'", system="'a/'", dependsOn="[nothing]"))

    assert [(line, field) for line, field, _ in found] == [
        (8, "spec.owner"),
        (9, "spec.system"),
        (10, "spec.dependsOn.0"),
    ]


async def test_what_has_the_wrong_type_is_not_tried_as_a_ref() -> None:
    found = await problems(component_yaml("a", owner="7", system="'a/'"))

    assert [(line, field) for line, field, _ in found] == [(8, "spec.owner"), (9, "spec.system")]


async def test_a_choice_is_told_with_what_there_is_to_choose() -> None:
    found = await problems(component_yaml("a").replace("kind: Component", "kind: Location") + "  presence: maybe\n")

    assert found == [
        (9, "spec.presence", "must be equal to one of the allowed values (allowedValues: required,optional)")
    ]


async def test_a_foreign_kind_is_told() -> None:
    found = await problems(component_yaml("a").replace("v1alpha1", "v9"))

    assert found == [(2, "kind", "no kind 'Component' is known with apiVersion 'backstage.io/v9'")]


async def test_the_content_of_a_placeholder_is_checked_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "owner.json").write_text("7")

    found = await problems(component_yaml("a", owner="{$json: ./owner.json}"), tmp_path)

    assert found == [(8, "spec.owner", "must be string")]


async def test_every_placeholder_that_names_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    found = await problems(
        component_yaml("a", "{$text: ./no}", system="{$text: ./folder}", x="[{$json: ./no}]"), tmp_path
    )

    assert [(line, field) for line, field, _ in found] == [(8, "spec.owner"), (9, "spec.system"), (10, "spec.x.0")]
    assert "does not exist" in found[0][2]


async def test_files_further_up_and_urls_are_taken_on_trust(tmp_path: Path) -> None:
    (tmp_path / "owner.txt").write_text("team")

    found = await problems(
        component_yaml("a", "{$text: ../owner.txt}", system="{$text: 'https://host/a'}", x="{$yaml: 'https://host/b'}"),
        tmp_path / "below",
    )

    assert found == []


async def test_definitions_are_put_together_from_the_files_that_are_here(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text("openapi: 3.1.0\npaths: {$ref: paths.yaml}")
    (tmp_path / "broken.yaml").write_text("paths: {$ref: none.yaml}")
    (tmp_path / "paths.yaml").write_text("{}")

    found = await problems(
        component_yaml(
            "a", x="{$openapi: ./api.yaml}", y="{$openapi: ./broken.yaml}", z="{$asyncapi: 'https://host/b'}"
        ),
        tmp_path,
    )

    assert [(field, "none.yaml does not exist" in reason) for _, field, reason in found] == [("spec.y", True)]


async def test_content_that_is_not_known_is_not_checked() -> None:
    found = await problems(component_yaml("a", providesApis="{$yaml: ./no}", dependsOn="{$yaml: 'https://host/b'}"))

    assert [(line, field) for line, field, _ in found] == [(9, "spec.providesApis")]


async def test_only_the_first_hundred_problems_of_a_file_get_a_line_of_their_own() -> None:
    bad = component_yaml("a").replace("type: service", "type: 1")

    found = await problems("---\n".join([bad] * 102))

    assert {line % 9 for line, *_ in found[:100]} == {6}
    assert {line % 9 for line, *_ in found[100:]} == {1}
