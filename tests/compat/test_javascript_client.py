"""The official JavaScript client of the Backstage catalog works against a started Callboard, each method of it."""

import functools
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from callboard.client import CatalogClient, Event
from tests.cli.conftest import CALLBOARD, ended_after, serve_flags
from tests.client.test_names import PYTHON_NAMES

HERE = Path(__file__).parent / "javascript"
CLIENT = HERE / "node_modules/@backstage/catalog-client/package.json"
TOKEN = "a-token-for-a-test"
UNDEFINED = "(undefined)"
SHOP = {f"{kind}:default/{name}" for kind, name in [("group", "sellers"), ("api", "orders")]} | {
    f"component:default/{name}" for name in ("basket", "orders", "storefront")
}

pytestmark = pytest.mark.slow


class Files(SimpleHTTPRequestHandler):
    """Serves files and says nothing about it."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called above
        """Say nothing."""


def unavailable(reason: str) -> None:
    """There is no official client on this machine: a gap for a developer, a failure where it was promised."""
    if os.environ.get("CALLBOARD_REQUIRE_NODE"):
        pytest.fail(reason)
    pytest.skip(reason)


def wanted_version() -> str:
    return str(json.loads((HERE / "package.json").read_text())["dependencies"]["@backstage/catalog-client"])


def has_client() -> bool:
    return CLIENT.exists() and json.loads(CLIENT.read_text())["version"] == wanted_version()


@pytest.fixture(scope="module")
def node() -> str:
    """Node, with the official client beside the script."""
    found = shutil.which("node")
    if found is None:
        unavailable("there is no node here")
    if not has_client():
        npm = shutil.which("npm")
        if npm is None:
            unavailable("there is no npm here to fetch @backstage/catalog-client with")
        done = subprocess.run([str(npm), "install"], cwd=HERE, capture_output=True, text=True, timeout=300)
        if done.returncode != 0 or not has_client():
            unavailable(f"npm could not fetch @backstage/catalog-client: {done.stderr[-500:]}")
    return str(found)


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    """Where the catalog files are served."""
    handler = functools.partial(Files, directory=HERE / "catalog")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def callboard_url(files: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Callboard that wants a token and has the shop in its catalog."""
    folder = tmp_path_factory.mktemp("javascript")
    (folder / "app-config.yaml").write_text(
        json.dumps(
            {
                "backend": {
                    "reading": {"allow": [{"host": files.removeprefix("http://")}]},
                    "auth": {
                        "externalAccess": [{"type": "static", "options": {"token": TOKEN, "subject": "javascript"}}]
                    },
                },
                "catalog": {
                    "rules": [{"allow": ["Component", "API", "Group", "Location"]}],
                    "locations": [{"type": "url", "target": f"{files}/shop.yaml"}],
                },
            }
        )
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("CALLBOARD_", "APP_CONFIG_"))}
    command = [*CALLBOARD, *serve_flags(folder, folder / "data", port)]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, env=own, stdout=log, stderr=log) as process:
        try:
            wait_for_the_shop(f"http://127.0.0.1:{port}", process, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_for_the_shop(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Follow the stream until all of the shop has come, or the server has died."""

    def must_live(error: Exception, pause: float) -> None:
        assert process.poll() is None, log.read_text()

    missing = set(SHOP)
    with CatalogClient(url, token=TOKEN) as catalog, ended_after(60, process):
        for news in catalog.follow(wait=5, on_retry=must_live):
            missing -= {news.ref} if isinstance(news, Event) else set()
            if not missing:
                return


@pytest.fixture(scope="module")
def report(node: str, callboard_url: str, files: str) -> dict[str, Any]:
    """What the script says about each of its steps."""
    environment = os.environ | {"CALLBOARD_URL": callboard_url, "CALLBOARD_TOKEN": TOKEN, "CATALOG_FILES": files}
    done = subprocess.run([node, "client.mjs"], cwd=HERE, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def value(report: dict[str, Any], step: str) -> Any:
    """What the method gave back."""
    assert "error" not in report[step], report[step]["error"]
    return report[step]["value"]


def described(location: dict[str, str], target: str) -> bool:
    """Whether it is a location at *target*, with all that a location has."""
    return (
        location["target"] == target
        and location["type"] == "url"
        and location.keys()
        == {
            "id",
            "type",
            "target",
            "entityRef",
        }
    )


def test_every_method_is_tried(report: dict[str, Any]) -> None:
    assert {step.partition(" ")[0] for step in report} - {"error"} == set(PYTHON_NAMES)


def test_get_entities(report: dict[str, Any]) -> None:
    assert value(report, "getEntities") == ["basket", "orders", "orders", "sellers", "storefront"]
    assert value(report, "getEntities filter") == [
        {"kind": "Component", "metadata": {"name": "storefront"}},
        {"kind": "API", "metadata": {"name": "orders"}},
    ]
    assert value(report, "getEntities range") == ["orders", "orders"]


def test_get_entities_by_refs(report: dict[str, Any]) -> None:
    assert value(report, "getEntitiesByRefs") == [{"kind": "Component"}, UNDEFINED, {"kind": "API"}]
    assert value(report, "getEntitiesByRefs filter") == [UNDEFINED, UNDEFINED, "orders"]
    assert value(report, "getEntitiesByRefs query") == ["orders", UNDEFINED, UNDEFINED]
    assert value(report, "getEntitiesByRefs many") == [1501, ["orders"]]


def test_query_entities_goes_there_and_back(report: dict[str, Any]) -> None:
    assert value(report, "queryEntities filter") == {
        "totals": [5, 5, 5],
        "there": [["basket", "orders"], ["orders", "sellers"], ["storefront"]],
        "back": [["orders", "sellers"], ["basket", "orders"]],
    }
    assert value(report, "queryEntities query") == {
        "totals": [4, 4],
        "there": [["basket", "orders"], ["orders", "storefront"]],
        "back": [["basket", "orders"]],
    }


def test_query_entities_selects_and_orders(report: dict[str, Any]) -> None:
    assert value(report, "queryEntities filter and query") == [
        {"metadata": {"name": "basket"}},
        {"metadata": {"name": "orders"}},
    ]
    assert value(report, "queryEntities text") == [["orders"], ["orders"]]
    assert value(report, "queryEntities descending") == [["storefront", "orders", "basket"], 0]
    assert value(report, "queryEntities count") == [{"items": [], "totalItems": 5, "pageInfo": {}}] * 2


def test_stream_entities(report: dict[str, Any]) -> None:
    assert value(report, "streamEntities") == [["basket", "orders"], ["orders", "sellers"], ["storefront"]]
    assert value(report, "streamEntities query") == [["basket", "orders"], ["storefront"]]


def test_get_entity_by_ref(report: dict[str, Any]) -> None:
    assert value(report, "getEntityByRef") == ["Component", "API"]
    assert value(report, "getEntityByRef missing") == UNDEFINED


def test_get_entity_ancestors(report: dict[str, Any]) -> None:
    assert value(report, "getEntityAncestors") == {
        "rootEntityRef": "component:default/orders",
        "kinds": ["Component", "Location"],
        "parents": [1, 0],
    }


def test_get_entity_facets(report: dict[str, Any]) -> None:
    def facet(**counts: int) -> list[dict[str, Any]]:
        return [{"value": name, "count": count} for name, count in counts.items()]

    assert value(report, "getEntityFacets")["facets"] == {
        "kind": facet(API=1, Component=3, Group=1),
        "spec.type": facet(openapi=1, service=2, team=1, website=1),
    }
    assert value(report, "getEntityFacets query")["facets"] == {"metadata.tags": facet(java=2, legacy=1)}


def test_refresh_entity(report: dict[str, Any]) -> None:
    assert value(report, "refreshEntity") == UNDEFINED


def test_add_location(report: dict[str, Any], files: str) -> None:
    tried, added = value(report, "addLocation dryRun"), value(report, "addLocation")

    assert (tried["type"], tried["target"], tried["exists"]) == ("url", f"{files}/till.yaml", False)
    assert "till" in tried["names"]
    assert value(report, "getLocations none") == {"items": []}
    assert described(added["location"], f"{files}/till.yaml")
    assert added["entities"] == []
    assert report["addLocation conflict"]["error"]["cause"]["name"] == "ConflictError"
    assert report["addLocation conflict"]["error"]["statusCode"] == 409
    assert value(report, "addLocation refresh")["location"] == added["location"]
    assert value(report, "addLocation arrives") == f"url:{files}/till.yaml"


def test_get_locations(report: dict[str, Any]) -> None:
    location = value(report, "addLocation")["location"]

    assert value(report, "getLocations") == {"items": [location]}
    for step in ("getLocationById", "getLocationByRef", "getLocationByEntity"):
        assert value(report, step) == location
        assert value(report, f"{step} missing") == UNDEFINED


def test_query_locations(report: dict[str, Any], files: str) -> None:
    assert value(report, "queryLocations") == {
        "totals": [2, 2],
        "targets": [f"{files}/till.yaml?copy=1", f"{files}/till.yaml?copy=2"],
        "end": {},
    }
    assert value(report, "streamLocations") == [2, 1]


def test_update_location(report: dict[str, Any], files: str) -> None:
    before, after = value(report, "addLocation")["location"], value(report, "updateLocation")

    assert described(after, f"{files}/self-checkout.yaml")
    assert after["id"] == before["id"]
    assert value(report, "updateLocation arrives") == ["self-checkout"]
    assert report["updateLocation conflict"]["error"]["cause"]["name"] == "ConflictError"


def test_remove_location_by_id(report: dict[str, Any]) -> None:
    assert value(report, "removeLocationById") == UNDEFINED
    assert value(report, "removeLocationById removes") == UNDEFINED
    assert report["removeLocationById missing"]["error"]["cause"]["name"] == "NotFoundError"


def test_remove_entity_by_uid(report: dict[str, Any]) -> None:
    assert value(report, "removeEntityByUid") is True


def test_validate_entity(report: dict[str, Any]) -> None:
    refused = value(report, "validateEntity invalid")

    assert value(report, "validateEntity") == {"valid": True}
    assert refused["valid"] is False
    assert re.search("lifecycle|owner", refused["errors"][0]["message"])
    assert refused["errors"][0]["name"]


def test_analyze_location(report: dict[str, Any]) -> None:
    analysis, existing = value(report, "analyzeLocation"), value(report, "analyzeLocation existing")

    assert analysis["existingEntityFiles"] == []
    assert analysis["generateEntities"][0]["entity"]["metadata"]["name"] == "draft"
    assert {"basket", "orders", "sellers", "storefront"} <= set(existing["names"])
    assert existing["drafts"] == 0


@pytest.mark.parametrize(
    ("step", "status", "name"),
    [
        ("error input", 400, "InputError"),
        ("error predicate", 400, "InputError"),
        ("error not found", 404, "NotFoundError"),
        ("error refresh", 404, "NotFoundError"),
        ("error unauthenticated", 401, "AuthenticationError"),
        ("error token", 401, "AuthenticationError"),
    ],
)
def test_an_error_reaches_the_caller_with_its_name(report: dict[str, Any], step: str, status: int, name: str) -> None:
    error = report[step]["error"]

    assert (error["name"], error["statusCode"], error["cause"]["name"]) == ("ResponseError", status, name)
    assert error["cause"]["message"]
