"""The seed catalog, as a real Backstage catalog 4.0 showed it.

Runs where the recorded answers stand beside the project.
"""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from callboard.settings import LocationSetting, ReadingRule, Settings, defaults
from callboard.stitching.assembly import CONFLICT
from callboard.store.database import Database
from callboard.testing import FakeClock, FakeHost
from tests.harness import Catalog

SHARED = Path(__file__).parents[3] / "shared" / "conformance"

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded answers are not beside the project")


@pytest.fixture
def settings() -> Settings:
    locations = [line.partition(":") for line in (SHARED / "locations.txt").read_text().split()]
    return Catalog.settings(defaults()).overridden(
        {
            "catalog.locations": tuple(LocationSetting(kind, target) for kind, _, target in locations),
            "backend.reading.allow": (ReadingRule("localhost:17999"),),
        }
    )


@pytest.fixture
def host() -> FakeHost:
    served = FakeHost()
    for file in (SHARED / "seed").rglob("*"):
        if file.is_file():
            served.files[f"http://localhost:17999/{file.relative_to(SHARED / 'seed')}"] = file.read_bytes()
    return served


@pytest.fixture
async def seeded(database: Database, clock: FakeClock, host: FakeHost, settings: Settings) -> Any:
    async with httpx2.AsyncClient(transport=host.transport) as client:
        catalog = Catalog(database, clock, host, settings, client)
        await catalog.connect()
        await catalog.settle()
        yield catalog


def recorded() -> dict[str, dict[str, Any]]:
    """What Backstage listed, by ref, without what is different in every installation."""
    answers = json.loads((SHARED / "recorded" / "backstage-4.0.json").read_text())["cases"]
    return {_ref(entity): _comparable(entity) for entity in answers["all-full"]["body"]}


def _ref(entity: dict[str, Any]) -> str:
    metadata = entity["metadata"]
    return f"{entity['kind']}:{metadata.get('namespace', 'default')}/{metadata['name']}".lower()


def _comparable(entity: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in entity["metadata"].items() if key != "uid"}
    if metadata.get("etag") != "hand-written-etag":
        del metadata["etag"]
    shown = {**entity, "metadata": metadata}
    if all(item["type"] == CONFLICT for item in shown.get("status", {}).get("items", ())):
        # Backstage tells its log alone that two files offer an entity.
        shown.pop("status", None)
    return shown


@pytest.mark.slow
async def test_every_entity_that_backstage_shows_is_there(seeded: Catalog) -> None:
    visible = set(seeded.follower.view.refs())

    assert visible == set(recorded())


@pytest.mark.slow
async def test_every_entity_reads_as_backstage_shows_it(seeded: Catalog) -> None:
    expected = recorded()

    different = {
        ref: _comparable(seeded.entity(ref)) for ref in expected if _comparable(seeded.entity(ref)) != expected[ref]
    }

    assert different == {}


@pytest.mark.slow
async def test_everything_that_failed_says_why(seeded: Catalog) -> None:
    failures = await seeded.failures()

    # The registered file that is missing, the one that is not YAML, and every entity that is wrong.
    assert all(failures.values())
    assert "404" in next(text for text in failures.values() if "notfound.yaml" in text)
    assert "YAML" in next(text for text in failures.values() if "syntax.yaml" in text)
    assert "component:default/bad-no-owner" in failures
