import datetime as dt

from callboard.cli.providers import as_json, details, table
from callboard.client import CatalogClient, Ingestion, Provider
from callboard.model import json
from tests.cli.conftest import Run, Server

ENTITY = {"apiVersion": "v1", "kind": "API", "metadata": {"name": "listed"}}


def test_providers_are_listed_with_what_they_have(writable: Server, callboard: Run) -> None:
    with CatalogClient(writable.url) as catalog:
        catalog.push_entities("listed", [ENTITY])

    printed = callboard("providers", "--server", writable.url)

    heading, *rows = printed.stdout.splitlines()
    assert printed.returncode == 0
    assert heading.split() == ["NAME", "KIND", "ENTITIES", "OWNER", "LAST", "MUTATION", "REFUSED"]
    assert {row.split()[0]: row.split()[1:4] for row in rows}["listed"] == ["http", "1", "-"]


def test_one_provider_is_shown_in_full_and_as_json(writable: Server, callboard: Run) -> None:
    with CatalogClient(writable.url) as catalog:
        catalog.push_entities("shown", [{**ENTITY, "metadata": {"name": "shown"}}])

    text = callboard("providers", "shown", "--server", writable.url)
    told = json.decode(callboard("providers", "shown", "--output", "json", "--server", writable.url).stdout)

    assert "last mutation:  " in text.stdout
    assert "full set: 1 offered, 1 changed, 0 removed, 0 rejected" in text.stdout
    assert isinstance(told, dict)
    assert (told["name"], told["kind"], told["entities"], told["letThrough"]) == ("shown", "http", 1, False)


def test_a_provider_is_forgotten(writable: Server, callboard: Run) -> None:
    with CatalogClient(writable.url) as catalog:
        catalog.push_entities("gone", [{**ENTITY, "metadata": {"name": "gone"}}])

    forgotten = callboard("providers", "gone", "--forget", "--server", writable.url)
    missing = callboard("providers", "gone", "--server", writable.url)

    assert (forgotten.returncode, forgotten.stdout) == (0, "gone is forgotten; it had 1 entity\n")
    assert (missing.returncode, missing.stderr) == (1, "callboard: There is no provider gone\n")


def test_a_guarded_provider_is_forgotten_all_the_same(writable: Server, callboard: Run) -> None:
    with CatalogClient(writable.url) as catalog:
        catalog.push_entities("kept", [{**ENTITY, "metadata": {"name": "kept"}}])

    forgotten = callboard("providers", "kept", "--forget", "--server", writable.url)

    assert (forgotten.returncode, forgotten.stdout) == (0, "kept is forgotten; it had 1 entity\n")


def test_what_is_to_be_done_needs_a_name(callboard: Run) -> None:
    refused = [callboard("providers", "--forget"), callboard("providers", "a", "--forget", "--let-through")]

    assert [each.returncode for each in refused] == [2, 2]


def test_an_incremental_provider_is_shown_with_its_round_and_what_keeps_it() -> None:
    at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    stand = Ingestion(
        round=7, pages=12, started_at=at, completed_at=None, error="TimeoutError: no\nanswer", failures=3, next_at=at
    )
    provider = Provider(
        name="large",
        kind="engine",
        owner=None,
        created_at=at,
        entities=2,
        last_mutation=None,
        refused=None,
        let_through=False,
        ingestion=stand,
    )

    *_, ingestion, error = details(provider)
    assert ingestion == (
        "ingestion:      round 7: 12 pages, begun 2026-11-01T00:00:00Z; last whole round none;"
        " next page 2026-11-01T00:00:00Z"
    )
    assert error == "error:          TimeoutError: no answer (3 in a row)"
    assert as_json(provider)["ingestion"] == {
        "round": 7,
        "pages": 12,
        "startedAt": at.isoformat(),
        "completedAt": None,
        "error": "TimeoutError: no\nanswer",
        "failures": 3,
        "nextAt": at.isoformat(),
    }


def test_the_columns_are_as_wide_as_what_is_in_them() -> None:
    at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    provider = Provider(
        name="cmdb",
        kind="http",
        owner="external:inventory",
        created_at=at,
        entities=12_000,
        last_mutation=None,
        refused=None,
        let_through=False,
    )

    assert list(table([provider])) == [
        "NAME  KIND  ENTITIES  OWNER               LAST MUTATION  REFUSED",
        "cmdb  http    12,000  external:inventory  -              -",
    ]
