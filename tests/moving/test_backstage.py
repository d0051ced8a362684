"""Another catalog is read page by page, and whatever keeps us from that is said in its words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from callboard.client import CatalogClient
from callboard.errors import CallboardError, NotAllowed, NotFound, Unauthenticated, Unavailable, Unreadable
from callboard.ingestion import written
from callboard.model import json
from callboard.moving import copying
from callboard.moving.backstage import Backstage, Unprocessed
from callboard.moving.plans import Fate, Known, Plan
from tests.harness import component, plain
from tests.moving.backstages import FakeBackstage, shown

RECORDED = Path(__file__).parents[3] / "shared/conformance/recorded/backstage-4.0.json"
URL = "http://backstage:7007"


def reading(transport: httpx2.BaseTransport, token: str | None = None) -> Backstage:
    client = CatalogClient(URL, token=token, transport=transport, retries=1, sleep=lambda seconds: None)
    return Backstage(client, URL)


def names(backstage: Backstage) -> list[str]:
    return [str(each["metadata"]["name"]) for page in backstage.pages() for each in page]  # type: ignore[index, call-overload]


def test_all_pages_are_read_in_turn() -> None:
    fake = FakeBackstage(entities=[shown(component(f"c{number}")) for number in range(30)])

    backstage = reading(fake.transport)

    assert backstage.count() == 30
    assert names(backstage) == [f"c{number}" for number in range(30)]


def test_what_is_unprocessed_is_named_although_backstage_leaves_out_its_ref() -> None:
    row: Any = {
        "entity_id": None,
        "entity_ref": None,
        "unprocessed_entity": plain("cart"),
        "errors": [{"message": "no"}],
    }
    nameless: Any = {"entity_id": None, "entity_ref": None, "unprocessed_entity": None, "errors": None}

    found = reading(FakeBackstage(pending=[row, nameless]).transport).unprocessed()

    assert found == [Unprocessed("component:default/cart", "no"), Unprocessed("an entity without a name", "is pending")]


def test_without_the_module_that_tells_nothing_is_known_of_what_is_unprocessed() -> None:
    assert reading(FakeBackstage().transport).unprocessed() is None


def test_a_token_is_asked_for_where_one_is_needed() -> None:
    fake = FakeBackstage(token="s3cret")

    with pytest.raises(Unauthenticated, match=r"http://backstage:7007 wants to know who asks .*--from-token"):
        reading(fake.transport).count()

    assert reading(fake.transport, "s3cret").count() == 0


def test_a_catalog_that_goes_away_in_the_middle_is_told_with_what_to_do() -> None:
    fake = FakeBackstage(entities=[shown(component(f"c{number}")) for number in range(30)], down_after=2)

    with pytest.raises(Unavailable, match=r"can't be read now, and nothing is lost: .*Run the same again"):
        names(reading(fake.transport))


@pytest.mark.parametrize(
    ("status", "content", "expected", "words"),
    [
        (404, b"nope", NotFound, "there is no catalog at http://backstage:7007"),
        (403, b"", NotAllowed, "does not allow it"),
        (500, b"", CallboardError, "fails to answer"),
        (200, b"<!doctype html>", Unreadable, "does not answer as a Backstage catalog does"),
        (200, b'{"items": {}}', Unreadable, "does not answer as a Backstage catalog does"),
        (200, b"[]", Unreadable, "does not answer as a Backstage catalog does"),
    ],
)
def test_what_is_no_catalog_is_told_apart(
    status: int, content: bytes, expected: type[CallboardError], words: str
) -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(status, content=content))

    with pytest.raises(expected, match=words):
        reading(transport).count()


def test_what_is_no_entity_is_told() -> None:
    fake = FakeBackstage(entities=[{"kind": "Component"}])

    with pytest.raises(Unreadable, match="shows something that is not an entity"):
        names(reading(fake.transport))


@pytest.fixture
def recorded() -> FakeBackstage:
    if not RECORDED.is_file():
        pytest.skip("the recorded answers are not beside the project")
    cases: Any = json.decode(RECORDED.read_bytes())
    bodies = {name: case["body"] for name, case in cases["cases"].items()}
    return FakeBackstage(
        entities=bodies["all-full"],
        locations=[each["data"] for each in bodies["lo-list"]],
        pending=bodies["rt-unprocessed-pending"]["entities"],
    )


@pytest.fixture
def seen() -> list[int]:
    return []


def test_all_that_a_real_backstage_shows_has_a_fate_and_its_copies_can_be_written(
    recorded: FakeBackstage, seen: list[int], tmp_path: Path
) -> None:
    backstage = reading(recorded.transport)
    plan = Plan(Known(), backstage.locations())

    rows = copying.gather(backstage, plan, tmp_path / "rows", seen.append)

    offered = [written.offered("imported", json.decode(row)) for row in rows]
    assert sum(rows.fates.values()) == sum(seen) == len(recorded.entities)
    assert len(offered) == rows.fates[Fate.COPIED] > 0
    assert rows.fates[Fate.BROUGHT] > rows.fates[Fate.COPIED]
    assert {str(each.entity["kind"]) for each in offered} == {"Location"}
    assert backstage.unprocessed()


def test_a_real_backstage_whose_locations_are_configured_here_leaves_nothing_to_copy(
    recorded: FakeBackstage, seen: list[int], tmp_path: Path
) -> None:
    backstage = reading(recorded.transport)
    origins = {f"url:{each}" for each in targets(recorded)}
    plan = Plan(Known(origins=origins), backstage.locations())

    rows = copying.gather(backstage, plan, tmp_path / "rows", seen.append)

    assert rows.fates[Fate.COPIED] == 0


def targets(fake: FakeBackstage) -> Iterator[str]:
    """What the Locations at the root of each chain lead to."""
    for entity in fake.entities:
        spec = entity.get("spec")
        if entity["kind"] == "Location" and isinstance(spec, dict) and "target" in spec:
            yield str(spec["target"])
