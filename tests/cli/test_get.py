import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callboard.model import json
from callboard.model.documents import parse_documents
from callboard.model.json import JsonObject
from callboard.model.notation import as_yaml
from tests.cli.conftest import CALLBOARD, Run, Server

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6).map(lambda x: round(x, 3)) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS.filter(bool), inner, max_size=4),
    max_leaves=10,
)


def test_get_prints_yaml_that_begins_with_what_it_is(server: Server, callboard: Run) -> None:
    printed = callboard("get", "Component:cashier", "--server", server.url)

    assert printed.returncode == 0
    assert printed.stdout.startswith("apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: cashier\n")
    assert "  owner: coin-counters\n" in printed.stdout


def test_get_prints_the_same_as_json(server: Server, callboard: Run) -> None:
    as_json = callboard("get", "component:default/cashier", "--output", "json", "--server", server.url)
    yaml = callboard("get", "component:default/cashier", "--server", server.url)

    assert as_json.stdout.count("\n") == 1
    assert json.decode(as_json.stdout) == parse_documents(yaml.stdout)[0].value


def test_get_of_what_is_not_there_fails_with_the_servers_words(server: Server, callboard: Run) -> None:
    missing = callboard("get", "component:nobody", "--server", server.url)

    assert missing.returncode == 1
    assert missing.stdout == ""
    assert missing.stderr == (
        "callboard: No entity named 'nobody' found, with kind 'component' in namespace 'default'\n"
    )


def test_get_without_a_server_says_which_one_it_can_not_reach(callboard: Run) -> None:
    # The port is held and nobody listens.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"

        failed = callboard("get", "component:cashier", "--server", url)

    assert failed.returncode == 1
    assert failed.stderr.startswith(f"callboard: can't reach {url}: ")
    assert "Traceback" not in failed.stderr


@pytest.fixture
def guarded() -> Iterator[str]:
    """A server that shows one entity to whoever has the token `open sesame`."""

    class Guard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["authorization"] == "Bearer open sesame"
            body = b'{"kind":"Component"}' if known else b'{"error":{"message":"Missing credentials"}}'
            self.send_response(200 if known else 401)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called above
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Guard) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("way", ["flag", "environment"])
def test_get_says_who_asks(way: str, guarded: str, environment: dict[str, str]) -> None:
    flags = ["--token", "open sesame"] if way == "flag" else []
    told = {"CALLBOARD_TOKEN": "open sesame"} if way == "environment" else {}

    printed = subprocess.run(
        [*CALLBOARD, "get", "component:a", "--server", guarded, *flags],
        env=environment | told,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (printed.returncode, printed.stdout, printed.stderr) == (0, "kind: Component\n", "")


@pytest.mark.parametrize("command", ["get component:a", "tail"])
def test_a_server_that_does_not_know_who_asks_is_quoted(command: str, guarded: str, callboard: Run) -> None:
    refused = callboard(*command.split(), "--server", guarded)

    assert (refused.returncode, refused.stderr) == (1, "callboard: Missing credentials\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["cashier"], "missing or empty kind"), (["component:a", "--server", "portal"], "not the URL of a server")],
)
def test_get_refuses_what_it_can_not_use(arguments: list[str], words: str, callboard: Run) -> None:
    refused = callboard("get", *arguments)

    assert refused.returncode == 1
    assert words in refused.stderr


def test_yaml_has_the_order_in_which_people_write() -> None:
    entity = {
        "metadata": {"uid": "u", "etag": "e", "x": 1, "tags": [], "title": "T", "name": "n", "namespace": "default"},
        "relations": [],
        "more": True,
        "spec": {"owner": "o"},
        "apiVersion": "v1",
        "kind": "K",
    }

    keys = [line.split(":")[0].strip() for line in as_yaml(entity).splitlines()]

    assert keys == [
        *("apiVersion", "kind", "metadata"),
        *("name", "namespace", "title", "tags", "x", "uid", "etag"),
        *("spec", "owner", "relations", "more"),
    ]


def test_a_text_of_several_lines_stays_readable() -> None:
    assert as_yaml({"spec": {"definition": "openapi: 3\ninfo: {}\n"}}) == (
        "spec:\n  definition: |\n    openapi: 3\n    info: {}\n"
    )


def test_equal_parts_are_written_out_each_time() -> None:
    shared = {"a": "b"}

    assert "&" not in as_yaml({"spec": {"one": shared, "two": shared}})


@given(st.dictionaries(st.sampled_from(["kind", "metadata", "spec", "0"]), VALUES))
@example(
    {"spec": ["yes", "1e3", "0o17", "012", "2024-01-02", ".inf", "<<", "=", "~", "", " a", "a: b", "# a", "1_000"]}
)
@example({"spec": {"1e3": "a\n\n b \n", "null": "\n", "on": "x" * 300}})
@settings(max_examples=60, deadline=None)
def test_the_yaml_of_an_entity_means_that_entity(entity: JsonObject) -> None:
    assert parse_documents(as_yaml(entity))[0].value == entity
