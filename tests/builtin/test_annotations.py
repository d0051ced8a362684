from collections.abc import Mapping

import pytest

from callboard.builtin import annotations
from callboard.extend import Run
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef, LocationRef

HERE = LocationRef("url", "https://host/team/catalog-info.yaml")
ROOT = LocationRef("file", "all.yaml")


def run_at(location: LocationRef) -> Run:
    return Run(ref=EntityRef.parse("component:cart"), location=location, origin=ROOT)


def with_annotations(own: JsonValue) -> JsonObject:
    return {"kind": "Component", "metadata": {"name": "cart", "annotations": own}}


def annotations_of(entity: JsonObject) -> list[tuple[str, JsonValue]]:
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    found = metadata["annotations"]
    assert isinstance(found, dict)
    return list(found.items())


async def test_an_entity_from_a_url_gets_its_places_before_its_own_annotations() -> None:
    entity = await annotations.AnnotateLocationProcessor().pre_process(with_annotations({"a": "b"}), run_at(HERE))

    assert annotations_of(entity) == [
        ("backstage.io/managed-by-location", "url:https://host/team/catalog-info.yaml"),
        ("backstage.io/managed-by-origin-location", "file:all.yaml"),
        ("backstage.io/view-url", "https://host/team/catalog-info.yaml"),
        ("a", "b"),
    ]


async def test_existing_annotations_win() -> None:
    own: JsonObject = {"a": "b", "backstage.io/view-url": "https://wiki", "backstage.io/managed-by-location": "url:x"}

    entity = await annotations.AnnotateLocationProcessor().pre_process(with_annotations(own), run_at(HERE))

    assert annotations_of(entity) == [
        ("backstage.io/managed-by-location", "url:x"),
        ("backstage.io/managed-by-origin-location", "file:all.yaml"),
        ("backstage.io/view-url", "https://wiki"),
        ("a", "b"),
    ]


async def test_an_entity_from_a_file_gets_no_view_url() -> None:
    entity = await annotations.AnnotateLocationProcessor().pre_process(with_annotations(None), run_at(ROOT))

    assert [name for name, _ in annotations_of(entity)] == [
        "backstage.io/managed-by-location",
        "backstage.io/managed-by-origin-location",
    ]


async def test_a_code_host_can_add_its_links() -> None:
    def links(location: LocationRef) -> Mapping[str, str]:
        return {"backstage.io/edit-url": location.target.replace("/team/", "/edit/team/")}

    entity = await annotations.AnnotateLocationProcessor(links).pre_process(with_annotations({"a": "b"}), run_at(HERE))

    assert annotations_of(entity)[2:] == [
        ("backstage.io/view-url", "https://host/team/catalog-info.yaml"),
        ("backstage.io/edit-url", "https://host/edit/team/catalog-info.yaml"),
        ("a", "b"),
    ]


def test_a_fresh_entity_can_not_claim_another_place() -> None:
    entity = with_annotations({"a": "b", "backstage.io/managed-by-origin-location": "url:https://elsewhere"})

    annotations.mark_managed(entity, HERE, ROOT)

    assert annotations_of(entity) == [
        ("backstage.io/managed-by-location", "url:https://host/team/catalog-info.yaml"),
        ("backstage.io/managed-by-origin-location", "file:all.yaml"),
        ("a", "b"),
    ]


@pytest.mark.parametrize(
    "entity",
    [{}, {"metadata": None}, {"metadata": "text"}, {"metadata": {"annotations": ["a"]}}],
)
async def test_an_entity_without_a_place_for_annotations_is_left_to_the_envelope_check(entity: JsonObject) -> None:
    before = repr(entity)

    annotations.mark_managed(entity, HERE, ROOT)
    processed = await annotations.AnnotateLocationProcessor().pre_process(entity, run_at(HERE))

    assert repr(processed) == before
