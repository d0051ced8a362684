"""The catalog that the benchmarks generate."""

import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import generate
from callboard.builtin.policies import default_policies
from callboard.model import json, kinds
from callboard.model.documents import parse_entities
from callboard.model.entities import check_envelope, entity_ref, location_of, origin_of
from callboard.model.json import JsonObject
from callboard.model.refs import LocationRef

COUNT = 200


@pytest.fixture
def catalog() -> list[JsonObject]:
    """A small generated catalog."""
    return list(generate.entities(COUNT))


def refs_of(entities: list[JsonObject]) -> list[str]:
    """Who they are."""
    return [str(entity_ref(entity)) for entity in entities]


def test_every_generated_entity_is_valid(catalog: list[JsonObject]) -> None:
    for entity in catalog:
        check_envelope(entity)
        for policy in default_policies():
            policy.enforce(entity)
        definition = kinds.builtin().find(entity)

        assert definition is not None
        definition.check(entity)
        assert location_of(entity) == origin_of(entity) == LocationRef.parse(generate.LOCATION)


def test_every_relation_leads_to_an_entity_of_the_catalog(catalog: list[JsonObject]) -> None:
    refs = set(refs_of(catalog))

    targets = {
        end
        for entity in catalog
        for edge in kinds.builtin().relations_of(entity, entity_ref(entity))
        for end in edge[::2]
    }

    assert targets <= refs
    assert len(targets) > COUNT / 2


def test_the_mix_adds_up(catalog: list[JsonObject]) -> None:
    found = Counter(str(entity["kind"]) for entity in catalog)

    assert found == {"Component": 110, "API": 24, "Resource": 24, "User": 20, "System": 12, "Group": 8, "Domain": 2}
    assert len(set(refs_of(catalog))) == COUNT


def test_the_same_seed_gives_the_same_catalog(catalog: list[JsonObject]) -> None:
    again = list(generate.entities(COUNT))
    another = list(generate.entities(COUNT, seed=2))

    assert json.encode(again) == json.encode(catalog)
    assert json.encode(another) != json.encode(catalog)


def test_an_edited_entity_differs_in_nothing_but_its_description(catalog: list[JsonObject]) -> None:
    before = catalog[0]

    after = generate.revised(before, 7)

    assert re.sub(rb"Revision 7\. ", b"", json.encode(after)) == json.encode(before)
    assert json.encode(after) != json.encode(before)


def test_the_files_hold_the_catalog_without_a_providers_annotations(tmp_path: Path) -> None:
    pattern = generate.write_files(COUNT, tmp_path, per_file=30)

    files = sorted(tmp_path.glob(str(Path(pattern).relative_to(tmp_path))))
    found = [raw.entity for file in files for raw in parse_entities(file.read_bytes(), LocationRef("file", str(file)))]
    assert len(files) == 7
    assert json.encode(found) == json.encode(list(generate.entities(COUNT, managed=False)))
