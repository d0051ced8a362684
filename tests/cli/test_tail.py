import contextlib
import datetime as dt
import signal
import subprocess
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from callboard.cli import options
from callboard.cli.tail import as_text, command
from callboard.client import Bookmark, CatalogClient, Cause, Event, EventPage
from callboard.model.changes import ChangeType
from tests.cli.conftest import CALLBOARD, ENTITIES, Run, Server, ended_after


def listen_to_ctrl_c() -> None:
    # Whoever runs the tests in the background of a shell has taught them to ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_tail_from_the_start_shows_every_entity_once(server: Server, callboard: Run) -> None:
    shown = callboard("tail", "--offset", "0", "--until-caught-up", "--server", server.url)

    columns = [line.split() for line in shown.stdout.splitlines()]
    offsets = [int(offset) for offset, *_ in columns]
    assert shown.returncode == 0
    assert len({ref for _, _, _, ref, *_ in columns}) == len(columns) == ENTITIES
    assert offsets == sorted(offsets)
    assert {kind for _, _, kind, *_ in columns} == {"added"}
    assert {why for *_, why in columns} <= {"(changed)", "(conflict)", "(relations)"}


def test_tail_shows_its_text_in_columns_and_without_colours_in_a_pipe(server: Server, callboard: Run) -> None:
    shown = callboard("tail", "--offset", "0", "--until-caught-up", "--server", server.url)

    assert "\x1b" not in shown.stdout
    assert len({line.index("added") for line in shown.stdout.splitlines()}) == 1


@pytest.mark.parametrize(
    ("cause", "end"),
    [
        (Cause(because="refresh", by="external:ci"), "component:default/a  (refresh by external:ci)"),
        (Cause(because="orphaned", source="entity:location:default/l"), "component:default/a  (orphaned)"),
        (None, "component:default/a"),
    ],
)
def test_a_line_ends_with_the_reason_as_far_as_that_is_known(cause: Cause | None, end: str) -> None:
    event = Event(
        offset=7,
        type=ChangeType.UPDATED,
        ref="component:default/a",
        uid="u",
        at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        entity=None,
        cause=cause,
        reason=None,
        source=b"",
    )

    line = click.unstyle(as_text(event))

    assert line == f"        7  2026-01-01T00:00:00Z  updated  {end}"


def test_tail_passes_the_events_on_as_json(server: Server, callboard: Run) -> None:
    shown = callboard("tail", "--offset", "0", "--until-caught-up", "--output", "ndjson", "--server", server.url)

    with CatalogClient(server.url) as catalog:
        told = catalog.events(0, mode="compacted", limit=1000).events
    assert shown.stdout.encode().splitlines() == [event.source for event in told]


def test_tail_without_an_offset_begins_now(server: Server, callboard: Run) -> None:
    shown = callboard("tail", "--until-caught-up", "--server", server.url)

    assert (shown.returncode, shown.stdout) == (0, "")


def test_tail_from_a_position_shows_what_has_happened_since(server: Server, callboard: Run) -> None:
    with CatalogClient(server.url) as catalog:
        head = catalog.events().last_event_offset

    shown = callboard("tail", "--offset", str(head - 2), "--until-caught-up", "--server", server.url)

    assert [int(line.split()[0]) for line in shown.stdout.splitlines()] == [head - 1, head]


def test_tail_goes_on_with_a_first_showing_that_was_broken_off(server: Server, callboard: Run) -> None:
    with CatalogClient(server.url) as catalog:
        first = catalog.events(0, mode="compacted", limit=10)
    position = ["--offset", str(first.next_offset), "--began", str(first.began)]

    rest = callboard("tail", *position, "--epoch", first.epoch, "--until-caught-up", "--server", server.url)

    refs = {line.split()[3] for line in rest.stdout.splitlines()}
    assert rest.returncode == 0
    assert len(refs) == ENTITIES - 10
    assert refs.isdisjoint(event.ref for event in first.events)


def test_a_first_showing_that_is_broken_off_says_both_halves_of_its_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "client_of", lambda server, token: contextlib.nullcontext(BrokenOff()))

    shown = CliRunner().invoke(command, ["--offset", "0"])

    assert shown.exit_code == 130
    assert "callboard tail --offset 12 --epoch e --began 90\n" in shown.stderr


class BrokenOff:
    """A catalog whose second page takes longer than anybody waits."""

    def events(self, offset: int, **_wanted: object) -> EventPage:
        return EventPage(events=(), last_event_offset=90, next_offset=1, epoch="e", caught_up=False, began=90)

    def follow(self, offset: int, **_options: object) -> Iterator[Bookmark]:
        yield Bookmark(offset=12, epoch="e", caught_up=False, began=90)
        raise KeyboardInterrupt


def test_half_of_a_position_is_refused(callboard: Run) -> None:
    refused = callboard("tail", "--began", "7")

    assert refused.returncode == 2
    assert "--began needs the --offset" in refused.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--offset", "1", "--epoch", "another"], ["new epoch", "Begin again with every entity (--offset 0)"]),
        (["--offset", "1000000"], ["Offset 1000000 is beyond the head of the stream"]),
    ],
)
def test_tail_says_what_to_do_about_a_position_that_means_nothing(
    flags: list[str], words: list[str], server: Server, callboard: Run
) -> None:
    refused = callboard("tail", *flags, "--server", server.url)

    assert refused.returncode == 1
    assert all(text in refused.stderr for text in words)


def test_tail_is_live_until_ctrl_c_and_then_says_where_to_go_on(
    server: Server, callboard: Run, environment: dict[str, str]
) -> None:
    file = server.example / "catalog/services/dispatcher/catalog-info.yaml"
    with (
        CatalogClient(server.url) as catalog,
        subprocess.Popen(
            [*CALLBOARD, "tail", "--offset", "0", "--server", server.url],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=listen_to_ctrl_c,
        ) as tail,
        ended_after(30, tail),
    ):
        assert tail.stdout is not None
        assert tail.stderr is not None
        for _ in range(ENTITIES):
            tail.stdout.readline()
        file.write_text(file.read_text().replace("lifecycle: production", "lifecycle: deprecated", 1))
        catalog.refresh_entity("component:dispatcher")
        live = tail.stdout.readline()
        tail.send_signal(signal.SIGINT)
        said = tail.stderr.read()
        code = tail.wait(10)
    resumed = callboard("tail", *said.partition("callboard tail ")[2].split(), "--until-caught-up")

    assert live.split()[2:] == ["updated", "component:default/dispatcher", "(refresh)"]
    assert code == 130
    assert " --epoch " in said
    # Ctrl-C may come between a line and the note of its offset; then the line comes again, and none is lost.
    assert resumed.stdout in ("", live)
