"""A Backstage catalog as far as an import asks it, with pages as Backstage cuts them."""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import httpx2

from callboard.model import json
from callboard.model.entities import entity_ref
from callboard.model.json import JsonObject, JsonValue

_MOUNT = "/api/catalog"
_MOST = 7
"""Entities in a page, whatever is asked for, so that there are several."""


@dataclass
class FakeBackstage:
    """Answers as Backstage 4.0 does: no offsets, cursors in base64, the ref of pending rows missing."""

    entities: list[JsonObject] = field(default_factory=list)
    locations: list[JsonObject] = field(default_factory=list)
    pending: list[JsonObject] | None = None
    """None: the module that tells is not installed."""
    token: str | None = None
    down_after: int | None = None
    """So many requests are answered."""
    asked: list[str] = field(default_factory=list)

    def answer(self, target: str, authorization: str | None, body: bytes = b"") -> tuple[int, JsonValue]:
        """Status and body for a GET, or for a POST with a *body*."""
        parts = urlsplit(target)
        self.asked.append(target)
        if self.down_after is not None and len(self.asked) > self.down_after:
            return 503, {"error": {"name": "ServiceUnavailableError", "message": "Service has not started up yet"}}
        if self.token is not None and authorization != f"Bearer {self.token}":
            return 401, {"error": {"name": "AuthenticationError", "message": "Missing credentials"}}
        match parts.path.removeprefix(_MOUNT):
            case "/entities/by-query":
                return 200, self._page({key: values[-1] for key, values in parse_qs(parts.query).items()})
            case "/entities/by-refs":
                return 200, {"items": [*self._by_refs(json.decode(body))]}
            case "/locations":
                return 200, [{"data": location} for location in self.locations]
            case "/entities/unprocessed/failed" if self.pending is not None:
                return 200, {"type": "failed", "entities": []}
            case "/entities/unprocessed/pending" if self.pending is not None:
                return 200, {"type": "pending", "entities": [*self.pending]}
            case _:
                return 404, {"error": {"name": "NotFoundError", "message": "Not found"}}

    def _by_refs(self, asked: JsonValue) -> Iterator[JsonValue]:
        assert isinstance(asked, dict)
        refs = asked["entityRefs"]
        assert isinstance(refs, list)
        found = {str(entity_ref(entity)): entity for entity in self.entities}
        return (found.get(str(ref)) for ref in refs)

    def _page(self, wanted: dict[str, str]) -> JsonValue:
        state = json.decode(base64.b64decode(wanted["cursor"])) if "cursor" in wanted else {"from": 0, **wanted}
        assert isinstance(state, dict)
        meant = [each for each in self.entities if "filter" not in state or str(each["kind"]).lower() == "location"]
        start, limit = state["from"], min(int(wanted.get("limit", "200")), _MOST)
        assert isinstance(start, int)
        info: JsonObject = {}
        if limit and start + limit < len(meant):
            info["nextCursor"] = base64.b64encode(json.encode({**state, "from": start + limit})).decode()
        items: Sequence[JsonObject] = meant[start : start + limit]
        return {"items": [*items], "totalItems": len(meant), "pageInfo": info}

    @property
    def transport(self) -> httpx2.MockTransport:
        """Answers without a network."""

        def answer(request: httpx2.Request) -> httpx2.Response:
            status, body = self.answer(str(request.url), request.headers.get("authorization"), request.content)
            return httpx2.Response(status, content=json.encode(body))

        return httpx2.MockTransport(answer)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Answers on a port of this machine, for other processes."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.rfile.read(int(self.headers.get("content-length", "0")))
                status, body = fake.answer(self.path, self.headers.get("authorization"), asked)
                content = json.encode(body)
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *args: object) -> None:
                """Nothing: the test says what matters."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join()


def shown(entity: JsonObject, **annotations: str) -> JsonObject:
    """*entity* as a catalog shows it."""
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    own = metadata.get("annotations")
    added: JsonObject = {
        "uid": f"uid-{metadata['name']}",
        "etag": f"etag-{metadata['name']}",
        "annotations": {**(own if isinstance(own, dict) else {}), **annotations},
    }
    return {**entity, "metadata": {**metadata, **added}, "relations": []}
