"""`callboard import`: what another catalog has is copied once, and held against what is here."""

import json

import pytest
from click.testing import CliRunner

from callboard.cli import program
from callboard.client import CatalogClient
from callboard.model.json import JsonObject
from tests.cli.conftest import ENTITIES, Run, Server
from tests.flows.web import web_host
from tests.harness import component, component_yaml
from tests.moving.backstages import FakeBackstage, shown

LOCATIONS = 12
"""So many of the example's entities are Locations of files, which stay where the files are."""


def test_a_catalog_is_copied_and_is_the_same_here_and_a_second_run_copies_nothing(
    callboard: Run, server: Server, writable: Server
) -> None:
    there = ("import", "backstage", server.url, "--server", writable.url, "--provider", "moved", "--output", "json")

    tried = callboard(*there, "--dry-run", "--compare")
    first = callboard(*there, "--compare")
    again = callboard(*there, "--compare")
    with CatalogClient(writable.url) as catalog:
        till = catalog.get_provider_entity("moved", "component:default/cashier").entity
        till["metadata"]["title"] = "Another till"
        catalog.put_provider_entity("moved", till, wait=20)
        changed = callboard("import", "backstage", server.url, "--server", writable.url, "--dry-run", "--compare")
        catalog.forget_provider("moved")

    would, did, unchanged = (json.loads(run.stdout) for run in (tried, first, again))
    count = ENTITIES - LOCATIONS
    assert (tried.returncode, would["written"]["added"], would["differingCount"]) == (1, count, count)
    assert (first.returncode, did["written"]["added"], did["differing"]) == (0, count, [])
    assert did["entities"] == {"unreadable": LOCATIONS, "copied": count}
    assert [each["entityRef"] for each in did["unprocessed"]] == ["component:default/nobodys-robot"]
    assert (again.returncode, unchanged["written"]["added"], unchanged["written"]["unchanged"]) == (0, 0, count)
    assert "component:default/cashier:\n  metadata.title: " in changed.stdout
    assert f"compared: {count - 1} of {count} entities are as they are there" in changed.stdout
    assert changed.returncode == 1


def test_locations_are_registered_and_what_cannot_be_read_is_named(callboard: Run, writable: Server) -> None:
    location: dict[str, object] = {"id": "1", "type": "url", "target": "https://nowhere.example/all.yaml"}
    files: dict[str, object] = {"id": "2", "type": "file", "target": "/srv/all.yaml"}
    brought = shown(component("brought", location="url:https://nowhere.example/all.yaml"))
    fake = FakeBackstage(entities=[brought], locations=[location, files], token="s3cret")  # type: ignore[list-item]

    with fake.served() as url:
        refused = callboard("import", "backstage", url, "--server", writable.url, CALLBOARD_FROM_TOKEN="wrong")
        moved = callboard(
            *("import", "backstage", url, "--server", writable.url, "--provider", "nothing", "--compare"),
            *("--timeout", "20", "--from-token", "s3cret"),
        )

    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith(f"callboard: {url} wants to know who asks (Missing credentials)")
    with CatalogClient(writable.url) as catalog:
        registered = [each for each in catalog.get_locations() if each.target == "https://nowhere.example/all.yaml"]
        catalog.remove_location(registered[0].id)
    assert "locations: 2 there, 1 registered, 0 here already\n  ! file:/srv/all.yaml: " in moved.stdout
    assert "component:default/brought: is not here" in moved.stdout
    assert moved.returncode == 1


def test_a_copy_is_handed_over_to_a_source_that_has_begun_to_bring_it(callboard: Run, writable: Server) -> None:
    fake = FakeBackstage(entities=[shown(component(name, location="ldap://people")) for name in ("ann", "bob")])
    with fake.served() as url, CatalogClient(writable.url) as catalog:
        again = ("import", "backstage", url, "--server", writable.url, "--provider", "handing", "--output", "json")
        callboard(*again)
        catalog.push_delta("directory", [component("ann", title="Ann")], (), wait=20)

        answer = callboard(*again)
        catalog.provider_status("directory", wait=20)

        ann = catalog.get_entity_by_ref("component:default/ann")
        left = [each["metadata"]["name"] for each in catalog.iterate_provider_entities("handing")]
        for name in ("handing", "directory"):
            catalog.forget_provider(name)
    told = json.loads(answer.stdout)
    assert told["entities"] == {"there": 1, "copied": 1}
    assert told["written"]["removed"] == 1
    assert (ann["spec"]["title"], left) == ("Ann", ["bob"])


def test_what_several_sources_claim_is_given_to_whom_it_has_there_and_stays_a_conflict(
    callboard: Run, writable: Server
) -> None:
    with web_host() as web, CatalogClient(writable.url) as catalog:
        target = web.put("clash.yaml", component_yaml("clash"))
        origin = f"url:{target}"
        location = catalog.add_location(target).location
        catalog.location_status(location.id, wait=20)
        read: JsonObject = {
            **component(str(location.entity_ref).partition("/")[2], location=origin),
            "kind": "Location",
        }
        there = [
            shown({**read, "spec": {"type": "url", "target": target}}),
            shown(component("clash", location="ldap://people", owner="directory")),
        ]
        broken = web.put("broken.yaml", component_yaml("broken-clash", owner=""))
        fake = FakeBackstage(
            entities=there,
            locations=[{"id": "1", "type": "url", "target": target}, {"id": "2", "type": "url", "target": broken}],
            pending=[{"entity_ref": "component:default/broken-clash", "unprocessed_entity": None, "errors": None}],
        )
        with fake.served() as url:
            again = ("import", "backstage", url, "--server", writable.url, "--provider", "clashing")
            first = callboard(*again)
            second = callboard(*again, "--output", "json")

        [conflict] = catalog.get_conflicts(ref="component:clash").items
        clash = catalog.get_entity_by_ref("component:clash")
        catalog.forget_provider("clashing")
        for each in catalog.get_locations():
            if each.target in (target, broken):
                catalog.remove_location(each.id)
    told = json.loads(second.stdout)
    # What fails there as well is no failure of the move.
    assert "  ! component:default/broken-clash: Processor builtin-kinds threw" in first.stdout
    assert "conflicts: 1 here, 1 handed over to whom it has there\n" in first.stdout
    assert f"  ~ component:default/clash: {origin} → provider:clashing\n" in first.stdout
    assert [(each["outcome"], each["before"]) for each in told["conflicts"]] == [("same", "provider:clashing")]
    assert (told["written"]["unchanged"], first.returncode, second.returncode) == (1, 0, 0)
    assert (conflict.winner.source, [each.location_key for each in conflict.rivals]) == ("provider:clashing", [origin])
    assert clash["spec"]["owner"] == "directory"


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    answer = CliRunner().invoke(program, ["import", "backstage", "http://jane:s3cret@backstage:7007"])

    assert answer.exit_code == 2
    assert "no user and no password" in answer.output
    assert "s3cret" not in answer.output


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:7007/api/catalog", "is the catalog itself; expected another one"),
        ("backstage:7007", "is not the URL of a server; expected something like http"),
        ("http://[", "is not the URL of a server"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(url: str, words: str) -> None:
    answer = CliRunner().invoke(program, ["import", "backstage", url, "--server", "http://127.0.0.1:7007"])

    assert answer.exit_code == 1
    assert words in answer.output
