"""Worst cases: what makes a page of the web page hard, put beside a generated catalog."""

import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks import servers
from benchmarks.launch import until
from benchmarks.servers import Server
from callboard.extend import Delta, Full, Offered
from callboard.ingestion.connections import Connection
from callboard.model import json
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION
from callboard.model.json import JsonObject

_CATALOG = "/api/catalog"
_SOURCE = "url:https://git.example.com/acme/worst/blob/main/all.yaml"
_HUB = "component:default/worst-hub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many there are of what makes a page hard."""

    located: int = 3_000
    """Entities that hang below one registered location."""
    failed: int = 10_000
    conflicts: int = 10_000
    """All depend on one entity, and each has a tag of its own."""
    orphans: int = 10_000
    versions: int = 300
    """Of one entity."""
    subscriptions: int = 500

    def shared(self, share: float) -> "Sizes":
        """A *share* of all that."""
        return Sizes(**{name: max(1, round(getattr(self, name) * share)) for name in self.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Files:
    """What is served over HTTP on this machine, to be registered."""

    host: str
    texts: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def put(self, path: str, entities: Iterator[JsonObject]) -> str:
        """Serve *entities* at *path* from now on; returns the address."""
        # JSON is YAML.
        self.texts[path] = b"\n---\n".join(map(json.encode, entities))
        return f"http://{self.host}{path}"


@contextlib.contextmanager
def served() -> Iterator[Files]:
    """Files that can be changed, at a port of this machine that is free."""
    texts: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = texts.get(self.path)
            self.send_response(404 if text is None else 200)
            self.send_header("content-length", str(len(text or b"")))
            self.end_headers()
            self.wfile.write(text or b"")

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Files(f"127.0.0.1:{server.server_address[1]}", texts)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.asynccontextmanager
async def filled(
    count: int, sizes: Sizes, told: Callable[[str], None]
) -> AsyncIterator[tuple[Server, Mapping[str, str]]]:
    """A new server with *count* generated entities and the worst cases of these *sizes*; with the pages to look at."""
    with served() as files:
        async with servers.fresh(reads=[files.host]) as server:
            told(f"fill with {count:,}")
            await servers.fill(server, count)
            yield server, await _add(server, files, sizes, told)


async def _add(server: Server, files: Files, sizes: Sizes, told: Callable[[str], None]) -> Mapping[str, str]:
    told("worst cases: locations")
    location = await _register(server, files.put("/located.yaml", _components("located", sizes.located)))
    orphaned = await _register(server, files.put("/orphaned.yaml", _components("orphaned", sizes.orphans)))
    await _seen(server, "metadata.namespace=located", sizes.located)
    await _seen(server, "metadata.namespace=orphaned", sizes.orphans)
    files.put("/orphaned.yaml", _components("other", 1))
    (await server.http.post(f"{_CATALOG}/refresh", json={"entityRef": orphaned})).raise_for_status()
    told("worst cases: failures, conflicts, subscriptions")
    await _offer(server, "worst-failed", _components("failed", sizes.failed, lifecycle=None))
    await _offer(server, "worst", _contested(sizes.conflicts, "one"), key="one")
    await _offer(server, "worst-rival", _contested(sizes.conflicts, "other"), key="other")
    await _subscribe(server, sizes.subscriptions)
    await _seen(server, "metadata.annotations.backstage.io/orphan=true", sizes.orphans)
    await server.settled()
    told("worst cases: versions")
    await _change(server, sizes.versions)
    await server.settled()
    return _pages(location, sizes)


def _pages(location: str, sizes: Sizes) -> Mapping[str, str]:
    member, root = "/catalog/located/component/c00000", f"/catalog/default/location/{location.rpartition('/')[2]}"
    hub, contested, changing = (f"/catalog/default/component/worst-{name}" for name in ("hub", "00000", "changing"))
    failed, last = "/operations/unprocessed", max(0, sizes.failed - 50)
    return {
        "unregister a large location": f"{member}/unregister",
        "unregister, second page": f"{member}/unregister?from=50",
        "delete a large location": f"{root}/delete",
        **_tabs("large location", root, ("", "/relations", "/inspect")),
        "failed": failed,
        "failed, last page": f"{failed}?from={last}",
        "failed, of an owner": f"{failed}?owner=team",
        "pending": f"{failed}?type=pending",
        "conflicts": "/operations/conflicts",
        "orphans": "/catalog?kind=all&orphan=true",
        "orphan, inspect": "/catalog/orphaned/component/c00000/inspect",
        "delete an orphan": "/catalog/orphaned/component/c00000/delete",
        **_tabs("hub", hub, ("", "/relations", "/inspect", "/history", "/delete")),
        **_tabs("in conflict", contested, ("", "/inspect")),
        "choices among all tags": "/catalog/-/choices/tag?kind=component",
        "components": "/catalog?kind=component",
        **_tabs("many versions", changing, ("/history", "/events", "/inspect")),
        "provider of everything": "/operations/providers/bench",
        "subscriptions": "/operations/stream",
        "locations": "/operations/locations",
        "operations": "/operations",
    }


def _tabs(name: str, path: str, tabs: tuple[str, ...]) -> Mapping[str, str]:
    return {f"{name}, {tab[1:] or 'overview'}": path + tab for tab in tabs}


def _components(namespace: str, count: int, *, lifecycle: str | None = "production") -> Iterator[JsonObject]:
    for number in range(count):
        yield _component(f"c{number:05}", namespace, lifecycle=lifecycle)


def _component(
    name: str, namespace: str = "default", *, lifecycle: str | None = "production", **more: Any
) -> JsonObject:
    metadata = {"name": name, "namespace": namespace, **more.pop("metadata", {})}
    spec = {"type": "service", "owner": "team", **({"lifecycle": lifecycle} if lifecycle else {}), **more}
    return {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": metadata, "spec": spec}


def _contested(count: int, words: str) -> Iterator[JsonObject]:
    yield _component("worst-hub")
    for number in range(count):
        metadata = {"tags": [f"tag-{number}"], "description": f"As {words} has it"}
        yield _component(f"worst-{number:05}", metadata=metadata, dependsOn=[_HUB])


async def _register(server: Server, address: str) -> str:
    """Register the file at this address; returns the ref of its Location."""
    location = {"type": "url", "target": address}
    answer = await server.http.post(f"{_CATALOG}/locations", json=location)
    answer.raise_for_status()
    found = await server.http.get(f"{_CATALOG}/locations/{answer.json()['location']['id']}")
    return str(found.json()["entityRef"])


async def _offer(server: Server, provider: str, entities: Iterator[JsonObject], *, key: str | None = None) -> None:
    offered = [Offered(_managed(entity), key) for entity in entities]
    await Connection(server.database, provider).apply(Full(offered))
    await server.settled()


def _managed(entity: JsonObject) -> JsonObject:
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    annotations: JsonObject = {MANAGED_BY_LOCATION: _SOURCE, MANAGED_BY_ORIGIN_LOCATION: _SOURCE}
    return {**entity, "metadata": {**metadata, "annotations": annotations}}


async def _subscribe(server: Server, count: int) -> None:
    for number in range(count):
        answer = await server.http.put(f"{_CATALOG}/subscriptions/worst-{number}", json={})
        answer.raise_for_status()


async def _change(server: Server, versions: int) -> None:
    """Let one entity have so many versions, each seen before the next one comes."""
    connection = Connection(server.database, "worst-changing")
    path = f"{_CATALOG}/entities/by-name/component/default/worst-changing"
    for number in range(versions):
        words = f"Version {number}"
        entity = _component("worst-changing", metadata={"description": words})
        await connection.apply(Delta(added=[Offered(_managed(entity))]))

        async def came(words: str = words) -> bool:
            answer = await server.http.get(path)
            return answer.status_code == 200 and answer.json()["metadata"].get("description") == words

        await until(came, every=0.01)


async def _seen(server: Server, condition: str, count: int) -> None:
    async def all_there() -> bool:
        page = await server.get(f"{_CATALOG}/entities/by-query", filter=condition, limit=0)
        return int(str(page["totalItems"])) >= count

    await until(all_there, every=0.5)
