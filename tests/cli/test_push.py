"""`callboard push` against a server with an engine. Each test writes a provider of its own."""

import os
import pty
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from callboard.client import CatalogClient
from callboard.model import json
from callboard.model.json import JsonObject
from tests.cli.conftest import CALLBOARD, Run, Server

COMPONENT = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
spec:
  type: service
  lifecycle: production
  owner: {owner}
"""


def component(name: str, owner: str = "team-a") -> str:
    return COMPONENT.format(name=name, owner=owner)


def yaml(*documents: str) -> str:
    return "---\n".join(documents)


@pytest.fixture
def push(callboard: Run, writable: Server, tmp_path: Path) -> Run:
    """Runs `callboard push` in a folder of its own."""

    def run(
        *arguments: str | Path, stdin: str | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return callboard("push", *arguments, "--server", writable.url, stdin=stdin, cwd=cwd or tmp_path)

    return run


def decoded(printed: subprocess.CompletedProcess[str]) -> JsonObject:
    value = json.decode(printed.stdout)
    assert isinstance(value, dict)
    return value


def held(writable: Server, provider: str) -> list[str]:
    with CatalogClient(writable.url) as catalog:
        return [entity["metadata"]["name"] for entity in catalog.iterate_provider_entities(provider)]


def test_what_is_pushed_is_visible_when_the_command_ends(push: Run, writable: Server, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml(component("push-a"), component("push-b")))

    pushed = push("visible", "a.yaml")

    assert pushed.returncode == 0
    counts, settled = pushed.stdout.splitlines()
    assert counts == "2 added, 0 changed, 0 removed, 0 unchanged (visible has 2 now)"
    assert settled.startswith("settled at offset ")
    assert settled.endswith(": 2 visible, 0 failed")
    assert pushed.stderr.splitlines() == ["reading 1 file", "sending 2 entities", "waiting for the catalog"]
    with CatalogClient(writable.url) as catalog:
        assert catalog.get_entity_by_ref("component:push-a")["metadata"]["name"] == "push-a"


def test_a_dry_run_shows_the_difference_as_people_read_it(push: Run, writable: Server, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml(component("dry-a"), component("dry-b"), component("dry-c")))
    push("dry", "a.yaml", "--no-wait")
    (tmp_path / "a.yaml").write_text(yaml(component("dry-b", "team-b"), component("dry-c"), component("dry-d")))

    tried = push("dry", "a.yaml", "--dry-run")

    assert tried.returncode == 0
    assert tried.stdout.splitlines() == [
        "- component:default/dry-a",
        "~ component:default/dry-b",
        "    spec.owner: team-a → team-b",
        "+ component:default/dry-d",
        "1 added, 1 changed, 1 removed, 1 unchanged (dry run, nothing was stored)",
    ]
    assert held(writable, "dry") == ["dry-a", "dry-b", "dry-c"]


def test_of_many_changes_the_old_values_are_told_as_well(push: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml(*(component(f"many-{number}") for number in range(60))))
    push("many", "a.yaml", "--no-wait")
    (tmp_path / "a.yaml").write_text(yaml(*(component(f"many-{number}", "team-b") for number in range(60))))

    tried = push("many", "a.yaml", "--dry-run")

    assert tried.stdout.count("    spec.owner: team-a → team-b\n") == 60


def test_programs_get_the_difference_as_json(push: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("json-a"))
    push("json", "a.yaml", "--no-wait")
    (tmp_path / "a.yaml").write_text(yaml(component("json-b"), component("json-a", "team-b")))

    told = decoded(push("json", "a.yaml", "--dry-run", "--output", "json"))

    assert told["difference"] == [
        {
            "entityRef": "component:default/json-a",
            "file": "a.yaml",
            "line": 10,
            "change": "changed",
            "changes": [{"path": "spec.owner", "change": "changed", "before": "team-a", "after": "team-b"}],
        },
        {"entityRef": "component:default/json-b", "file": "a.yaml", "line": 1, "change": "added"},
    ]
    assert {name: told[name] for name in ("stored", "dryRun", "added", "changed", "removed")} == {
        "stored": False,
        "dryRun": True,
        "added": 1,
        "changed": 1,
        "removed": 0,
    }


def test_an_entity_that_fails_is_told_with_its_file_and_line(push: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml(component("fails-a"), component("fails-b").replace("  owner: team-a\n", "")))

    pushed = push("fails", "a.yaml")
    again = push("fails", "a.yaml", "--output", "json")

    assert (pushed.returncode, again.returncode) == (1, 1)
    failure = pushed.stdout.splitlines()[1]
    assert failure.startswith("a.yaml:10: [component:default/fails-b] ")
    assert "must have required property 'owner'" in failure
    assert pushed.stdout.splitlines()[2].endswith("1 visible, 1 failed")
    status = decoded(again)["status"]
    assert isinstance(status, dict)
    failures = status["failures"]
    assert isinstance(failures, list)
    assert [{**told, "errors": []} for told in failures if isinstance(told, dict)] == [
        {
            "entityRef": "component:default/fails-b",
            "file": "a.yaml",
            "line": 10,
            "visible": False,
            "errors": [],
        }
    ]


def test_the_line_of_an_entity_from_standard_input_is_told_as_well(push: Run) -> None:
    bad = '{"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "stdin-a"}}'

    pushed = push("stdin", "-", stdin=f"[\n\n  {bad}\n]")

    assert pushed.stdout.splitlines()[1].startswith("(stdin):3: [component:default/stdin-a] ")


def test_an_entity_that_another_source_has_is_a_conflict_and_no_failure(push: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("wanted"))
    push("winner", "a.yaml")

    pushed = push("rival", "a.yaml")

    assert pushed.returncode == 0
    assert "a.yaml:1: [component:default/wanted] another source keeps it" in pushed.stdout
    assert pushed.stdout.splitlines()[-1].endswith(", 1 conflict")


def test_nothing_is_sent_when_any_entity_is_malformed(push: Run, writable: Server, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(component("good"))
    (tmp_path / "bad.yaml").write_text(yaml(component("fine"), "kind: Component\n"))

    refused = push("malformed", ".")
    told = decoded(push("malformed", ".", "--output", "json"))

    assert refused.returncode == 1
    complaint, verdict = refused.stdout.splitlines()
    assert complaint.startswith("bad.yaml:10: <root> must have required property")
    assert verdict == "nothing was sent: 1 problem, 3 entities"
    assert (told["stored"], told["rejectedCount"]) == (False, 1)
    with CatalogClient(writable.url) as catalog:
        assert "malformed" not in [provider.name for provider in catalog.get_providers()]


def test_with_partial_the_good_ones_are_stored_and_the_others_are_not_withdrawn(
    push: Run, writable: Server, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(yaml(component("part-a"), component("part-b"), component("part-c")))
    push("part", "a.yaml", "--no-wait")
    broken = component("part-b").replace("apiVersion: backstage.io/v1alpha1\n", "")
    (tmp_path / "a.yaml").write_text(yaml(component("part-a", "team-b"), broken))

    pushed = push("part", "a.yaml", "--partial", "--no-wait")

    assert pushed.returncode == 1
    assert pushed.stdout.splitlines()[0].startswith("a.yaml:10: [component:default/part-b] ")
    assert "0 added, 1 changed, 1 removed, 0 unchanged, 1 rejected" in pushed.stdout
    assert held(writable, "part") == ["part-a", "part-b"]


@pytest.mark.parametrize("text", ["kind: [\n", "apiVersion: v1\nkind: Component\nmetadata: {}\n"])
def test_with_partial_what_has_no_name_withdraws_nothing(
    text: str, push: Run, writable: Server, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(component("keep-a"))
    (tmp_path / "b.yaml").write_text(component("keep-b"))
    push("keep", ".", "--no-wait")
    (tmp_path / "b.yaml").write_text(text)

    refused = push("keep", ".", "--partial", "--no-wait")

    assert refused.returncode == 1
    assert refused.stdout.splitlines()[-1].startswith("nothing was sent: 1 problem, ")
    assert held(writable, "keep") == ["keep-a", "keep-b"]


def test_a_delta_leaves_the_others_as_they_are(push: Run, writable: Server, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml(component("delta-a"), component("delta-b")))
    push("delta", "a.yaml", "--no-wait")

    pushed = push("delta", "-", "--delta", "--remove", "component:delta-b", stdin=component("delta-c"))

    assert pushed.returncode == 0
    assert pushed.stdout.splitlines()[0] == "1 added, 0 changed, 1 removed, 0 unchanged (delta has 2 now)"
    assert held(writable, "delta") == ["delta-a", "delta-c"]


def test_a_delta_of_any_size_is_sent_in_pieces(push: Run) -> None:
    lines = "".join(
        f'{{"apiVersion":"v1","kind":"Component","metadata":{{"name":"piece-{number}"}}}}\n' for number in range(1_100)
    )

    pushed = push("pieces", "-", "--delta", "--no-wait", "--idempotency-key", "x", stdin=lines)
    again = push("pieces", "-", "--delta", "--no-wait", "--idempotency-key", "x", stdin=lines)

    assert pushed.stdout == "1,100 added, 0 changed, 0 removed, 0 unchanged (pieces has 1,100 now)\n"
    assert "as an earlier push under this key has told" in again.stdout


def test_a_delta_is_not_to_blame_for_what_else_has_failed(push: Run, tmp_path: Path) -> None:
    push("blame", "-", stdin=component("blame-a").replace("  owner: team-a\n", ""))

    pushed = push("blame", "-", "--delta", stdin=component("blame-b"))

    assert pushed.returncode == 0
    assert pushed.stdout.splitlines()[-1].endswith("1 visible, 0 failed")


def test_of_two_who_change_one_version_the_second_one_is_told(push: Run, writable: Server) -> None:
    push("race", "-", "--no-wait", stdin=component("race"))
    with CatalogClient(writable.url) as catalog:
        etag = catalog.get_provider_entity("race", "component:race").etag
    flags = ["--delta", "--no-wait", "--if-match", etag]

    first = push("race", "-", *flags, stdin=component("race", "team-b"))
    second = push("race", "-", *flags, stdin=component("race", "team-c"))

    assert (first.returncode, second.returncode) == (0, 1)
    assert first.stdout.startswith('0 added, 1 changed, 0 removed, 0 unchanged (race has 1 now, etag "')
    assert second.stderr.splitlines()[-1].startswith("callboard: component:default/race has changed: it is ")


def test_a_push_is_done_once_under_its_key(push: Run) -> None:
    first = push("once", "-", "--idempotency-key", "build-7", "--no-wait", stdin=component("once"))
    again = push("once", "-", "--idempotency-key", "build-7", "--no-wait", stdin=component("once"))
    other = push("once", "-", "--idempotency-key", "build-7", "--no-wait", stdin=component("twice"))

    assert first.stdout == "1 added, 0 changed, 0 removed, 0 unchanged (once has 1 now)\n"
    assert "as an earlier push under this key has told" in again.stdout
    assert (other.returncode, "has stood for another request" in other.stderr) == (1, True)


def test_the_guard_refuses_until_somebody_lets_it_through(push: Run, callboard: Run, writable: Server) -> None:
    push("guarded", "-", "--no-wait", stdin=yaml(*(component(f"guarded-{name}") for name in "abc")))
    less = component("guarded-a")

    tried = push("guarded", "-", "--dry-run", stdin=less)
    refused = push("guarded", "-", "--no-wait", stdin=less)
    listed = callboard("providers", "guarded", "--server", writable.url)
    allowed = callboard("providers", "guarded", "--let-through", "--server", writable.url)
    pushed = push("guarded", "-", "--no-wait", stdin=less)

    assert (tried.returncode, "the removal guard would refuse this: " in tried.stdout) == (1, True)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1].endswith(
        "If this is meant: callboard providers guarded --let-through, and then the same again"
    )
    assert "it would withdraw 2 of the 3 entities" in listed.stdout
    assert "let through:    the next removal that the guard would refuse" in allowed.stdout
    assert pushed.stdout == "0 added, 0 changed, 2 removed, 1 unchanged (guarded has 1 now)\n"


def test_files_without_any_entity_withdraw_nothing(push: Run, writable: Server, tmp_path: Path) -> None:
    push("empty", "-", "--no-wait", stdin=component("empty"))
    (tmp_path / "a.yaml").write_text("---\n")

    refused = push("empty", ".")

    assert refused.returncode == 1
    assert "an empty set would withdraw everything" in refused.stderr
    assert held(writable, "empty") == ["empty"]


def test_who_does_not_wait_long_enough_is_told_what_is_pending(push: Run) -> None:
    lines = "".join(
        f'{{"apiVersion":"backstage.io/v1alpha1","kind":"Location","metadata":{{"name":"slow-{number}"}},"spec":{{}}}}\n'
        for number in range(400)
    )

    pushed = push("slow", "-", "--timeout", "0", stdin=lines)

    assert pushed.returncode == 1
    assert "not settled yet: " in pushed.stdout
    assert " still pending" in pushed.stdout
    assert push("slow", "-", "--timeout", "50", stdin=component("slow")).returncode == 0


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes everything and shows nothing."""

    class Silent(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            counts = {"entities": 1, "added": 1, "changed": 0, "removed": 0, "unchanged": 0, "conflicts": []}
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self._answer(200, {"provider": "ci", **counts})

        def do_GET(self) -> None:
            self._answer(403, {"error": {"name": "NotAllowedError", "message": "not for you"}})

        def _answer(self, status: int, value: object) -> None:
            body = json.encode(value)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called above
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_who_may_write_and_not_look_is_told_that_the_push_is_done(silent: str, callboard: Run) -> None:
    pushed = callboard("push", "ci", "-", "--server", silent, stdin=component("blind"))
    unseen = callboard("push", "ci", "-", "--no-wait", "--server", silent, stdin=component("blind"))

    assert (pushed.returncode, unseen.returncode) == (1, 0)
    assert pushed.stdout.splitlines() == [
        "1 added, 0 changed, 0 removed, 0 unchanged (ci has 1 now)",
        "more can't be told without the permission catalog.ingestion.read: not for you",
    ]


def test_on_a_terminal_there_is_a_bar(writable: Server, environment: dict[str, str]) -> None:
    ours, theirs = pty.openpty()

    process = subprocess.Popen(
        [*CALLBOARD, "push", "bar", "-", "--no-wait", "--server", writable.url],
        env=environment | {"TERM": "xterm", "COLUMNS": "80"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    printed, _ = process.communicate(component("bar").encode(), timeout=60)
    drawn = b""
    try:
        while piece := os.read(ours, 65_536):
            drawn += piece
    except OSError:
        # What Linux says when the other end of a terminal is closed.
        pass
    finally:
        os.close(ours)

    assert printed == b"1 added, 0 changed, 0 removed, 0 unchanged (bar has 1 now)\n"
    assert "━" in drawn.decode()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ci"], "Name at least one FILE."),
        (["ci", "nothing.yaml"], "does not exist"),
        (["ci", "-", "--remove", "component:a"], "need --delta"),
        (["ci", "-", "--if-match", "x"], "need --delta"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(arguments: list[str], words: str, push: Run) -> None:
    refused = push(*arguments, stdin="")

    assert (refused.returncode, refused.stdout) == (2, "")
    assert words in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["c/i", "-"], "c/i"),
        (["ci-", "-"], "'ci-' can't name a provider"),
        (["locations", "-"], "is not written over HTTP"),
        (["ci", "-", "--delta", "--if-match", "x", "--remove", "component:a"], "--if-match is for one entity"),
        (["ci", "-", "--delta", "--remove", "nokind"], "missing or empty kind"),
    ],
)
def test_what_can_not_be_done_is_one_line(arguments: list[str], words: str, push: Run) -> None:
    refused = push(*arguments, stdin=component("x"))

    assert refused.returncode == 1
    assert words in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr
