"""The consumer of the tutorial and those of the examples, against real servers that are killed as well."""

import contextlib
import json
import re
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from benchmarks.launch import free_port
from callboard.client import CatalogClient
from callboard.model.json import JsonObject
from tests.client.replicas.crashing import Contents, read_folder, read_sqlite
from tests.conftest import Lend
from tests.consumers import ROOT, Consumer, consumer
from tests.flows.started import Server, started
from tests.harness import plain

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs/tutorial/follow-the-catalog.md"
EXAMPLES = ROOT / "examples/consumers"

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def catalog_of(url: str, kind: str | None = None) -> Contents:
    """What the stream tells of the catalog."""
    with CatalogClient(url) as catalog:
        events = catalog.events(0, mode="compacted", limit=1000, filters={"kind": kind} if kind else ()).events
    return {event.ref: event.entity for event in events if event.entity is not None}


def push(url: str, *entities: JsonObject) -> int:
    """Let these be all that there is; the offset at which that can be seen."""
    with CatalogClient(url) as catalog:
        pushed = catalog.push_entities("ci", entities, wait=30)
        assert pushed.status is not None
        return pushed.status.offset


def api(name: str, definition: str, owner: str = "a-team") -> JsonObject:
    spec: JsonObject = {"type": "openapi", "lifecycle": "production", "owner": owner, "definition": definition}
    return {"apiVersion": "backstage.io/v1alpha1", "kind": "API", "metadata": {"name": name}, "spec": spec}


def test_the_consumer_of_the_tutorial_is_exact_whatever_is_killed(tmp_path: Path, lend_database: Lend) -> None:
    [program] = _BLOCK.findall(PAGE.read_text("utf-8"))
    (tmp_path / "follow.py").write_text(program)
    assert len(program.splitlines()) < 40
    port = free_port()

    def follow() -> contextlib.AbstractContextManager[Consumer]:
        return consumer(["follow.py"], cwd=tmp_path, environment={"CALLBOARD_SERVER": f"http://127.0.0.1:{port}"})

    with lend_database() as url:
        with started(tmp_path, url, engines=1, port=port) as server:
            offset = push(server.url, plain("cart"), plain("orders"), plain("tax"))
            with follow() as first:
                first.until(says(offset))
                first.kill()
            push(server.url, plain("cart", owner="b-team"), plain("tax"))
            with follow() as second:
                second.until(lambda line: line == "component:default/orders is gone")
                server.kill_api()
                second.until(says(push(server.url, plain("cart"), plain("billing"))))
                second.kill()
        with started(tmp_path, url, engines=1, port=port) as server:
            offset = push(server.url, plain("payments"), plain("billing", owner="c-team"))
            with follow() as third:
                third.until(says(offset))
            told = catalog_of(server.url, "component")

    assert read_sqlite(tmp_path / "components.db", "components") == told
    assert told.keys() == {"component:default/payments", "component:default/billing"}


def says(offset: int) -> Callable[[str], bool]:
    """Whether a line says that the copy has come so far."""

    def does(line: str) -> bool:
        found = re.search(r"offset (\d+)", line)
        return found is not None and int(found[1]) >= offset

    return does


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, lend_database: Lend) -> Iterator[Server]:
    with lend_database() as url, started(tmp_path_factory.mktemp("consumers"), url, engines=1) as server:
        yield server


def test_the_search_index_finds_what_is_there_and_nothing_else(server: Server, tmp_path: Path) -> None:
    environment = {"CALLBOARD_SERVER": server.url, "SEARCH_DB": str(tmp_path / "search.db")}
    index = str(EXAMPLES / "search_index.py")
    bread, cash = described("oven", "Bakes the bread."), described("till", "Takes the cash.")
    with consumer([index, "keep"], environment=environment) as keeping:
        keeping.until(says(push(server.url, bread, cash)))
        keeping.until(says(push(server.url, described("oven", "Bakes the cake."))))

    with consumer([index, "find", "cake OR cash OR bread"], environment=environment) as finding:
        finding.process.wait(30)
        finding.until(lambda line: True)

    assert finding.lines == ["component:default/oven Bakes the cake."]
    assert read_sqlite(tmp_path / "search.db") == catalog_of(server.url)


def described(name: str, description: str) -> JsonObject:
    return {**plain(name), "metadata": {"name": name, "description": description}}


class Chat:
    """A chat that takes incoming webhooks; it is away for the first ones that come."""

    def __init__(self, away: int) -> None:
        chat = self
        self.texts: list[str] = []
        self.away = away

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                chat.away -= 1
                if chat.away < 0:
                    chat.texts.append(body["text"])
                self.send_response(200 if chat.away < 0 else 503)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return None

        self.server = HTTPServer(("127.0.0.1", 0), Hook)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat(away=1)
    serving = threading.Thread(target=chat.server.serve_forever, daemon=True)
    serving.start()
    yield chat
    chat.server.shutdown()
    serving.join()
    chat.server.server_close()


def test_owners_are_told_of_each_other_definition_although_the_chat_was_away(
    server: Server, chat: Chat, tmp_path: Path
) -> None:
    environment = {"CALLBOARD_SERVER": server.url, "NOTICES_DB": str(tmp_path / "notices.db"), "WEBHOOK": chat.url}
    notices = [str(EXAMPLES / "owner_notices.py")]
    push(server.url, api("orders", "openapi: 3\npaths: {}\n"), api("tax", "a"))
    with consumer(notices, environment=environment) as first:
        until_stored(tmp_path / "notices.db", "apis", 2)
        push(server.url, api("orders", "openapi: 3\npaths: {/a: {}}\n"), api("tax", "a", owner="b-team"))
        # The chat does not take it, and the program ends.
        first.process.wait(60)
    with consumer(notices, environment=environment) as second:
        second.until(lambda line: line.startswith("a-team: "))

    [text] = chat.texts
    assert text.splitlines() == [
        "a-team: the definition of api:default/orders is another one (changed)",
        *("--- before", "+++ after", "@@ -1,2 +1,2 @@", " openapi: 3", "-paths: {}", "+paths: {/a: {}}"),
    ]


def until_stored(file: Path, table: str, count: int) -> None:
    """Wait until a table has so many rows."""
    deadline = threading.Event()
    for _ in range(600):
        if file.exists() and len(_rows(file, table)) == count:
            return
        deadline.wait(0.1)
    raise AssertionError(f"{file} has no {count} rows")


def _rows(file: Path, table: str) -> Contents:
    try:
        return read_sqlite(file, table)
    except sqlite3.OperationalError:
        # It is being made.
        return {}


def test_the_backup_has_a_commit_for_each_change_with_its_cause(server: Server, tmp_path: Path) -> None:
    push(server.url, plain("cart"), plain("tax"))
    backup = [str(EXAMPLES / "git_backup.py"), str(tmp_path / "backup")]
    with consumer(backup, environment={"CALLBOARD_SERVER": server.url}) as first:
        first.until(lambda line: " changes up to " in line)
        push(server.url, plain("cart"), plain("orders"), plain("tax"))
        first.until(lambda line: line == "component:default/orders added (changed from provider:ci)")
        first.kill()
    push(server.url, plain("orders"), plain("tax"))
    with consumer(backup, environment={"CALLBOARD_SERVER": server.url}) as second:
        second.until(lambda line: line == "component:default/cart removed (withdrawn from provider:ci)")

    status = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path / "backup", capture_output=True, check=True)
    assert status.stdout == b""
    assert read_folder(tmp_path / "backup") == catalog_of(server.url)
