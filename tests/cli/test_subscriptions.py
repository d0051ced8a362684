import datetime as dt

from callboard.cli.subscriptions import table
from callboard.client import CatalogClient, Subscription
from callboard.client.subscription_results import Sink
from callboard.model import json
from tests.cli.conftest import Run, Server


def test_subscriptions_are_listed_and_shown(writable: Server, callboard: Run) -> None:
    with CatalogClient(writable.url) as catalog:
        catalog.put_subscription("listed", filters="kind=api", start="now")

    listed = callboard("subscriptions", "--server", writable.url)
    shown = callboard("subscriptions", "listed", "--server", writable.url)
    told = json.decode(callboard("subscriptions", "listed", "--output", "json", "--server", writable.url).stdout)

    heading, *rows = listed.stdout.splitlines()
    assert heading.split() == ["NAME", "STATE", "CURSOR", "LAG", "OWNER", "SINK", "ERROR"]
    assert {row.split()[0]: row.split()[1] for row in rows}["listed"] == "active"
    assert "filter:         kind=api" in shown.stdout
    assert isinstance(told, dict)
    assert (told["name"], told["state"], told["lag"]) == ("listed", "active", 0)


def test_a_subscription_is_paused_resumed_moved_and_forgotten(writable: Server, callboard: Run) -> None:
    with CatalogClient(writable.url) as catalog:
        catalog.put_subscription("moved", start="now")

    def run(*words: str) -> str:
        return callboard("subscriptions", "moved", *words, "--server", writable.url).stdout

    assert "state:          paused" in run("--pause")
    assert "state:          active" in run("--resume")
    assert "cursor:         0," in run("--seek", "0")
    assert run("--delete") == "moved is forgotten\n"
    missing = callboard("subscriptions", "moved", "--server", writable.url)
    assert (missing.returncode, missing.stderr) == (1, "callboard: There is no subscription moved\n")


def test_a_handler_that_no_engine_has_is_told_from_one_that_is_there() -> None:
    found = [
        Subscription(
            name=f"plugin:notices.{name}",
            state="active",
            cursor=3,
            epoch="e",
            lag=0,
            created_at=dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
            sink=Sink(type="handler", connected=name == "here"),
        )
        for name in ("here", "gone")
    ]

    _, here, gone = table(found)

    assert "handler " in here
    assert "in no engine" not in here
    assert "handler, in no engine" in gone


def test_one_thing_is_done_to_one_subscription(callboard: Run) -> None:
    refused = [
        callboard("subscriptions", "--pause"),
        callboard("subscriptions", "a", "--pause", "--delete"),
        callboard("subscriptions", "a", "--seek", "later"),
    ]

    assert [each.returncode for each in refused] == [2, 2, 2]
