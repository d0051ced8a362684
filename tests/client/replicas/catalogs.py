"""A catalog of three lines, for what the real one would take too long to get into."""

from dataclasses import dataclass, field

import httpx2

from callboard.client import CatalogClient
from callboard.model import json
from callboard.model.json import JsonObject


@dataclass(frozen=True, slots=True)
class Told:
    """A change."""

    type: str
    name: str
    uid: str
    owner: str = "team"


@dataclass(slots=True)
class Catalog:
    """Its changes, of which two are in one answer."""

    log: list[Told] = field(default_factory=list)
    epoch: str = "e1"
    asked: list[dict[str, str]] = field(default_factory=list)
    failing: int = 0
    """So many requests come to nothing."""
    refusing: bool = False
    """Whether it says of every offset that it is forgotten."""

    @property
    def client(self) -> CatalogClient:
        return CatalogClient("http://catalog", transport=httpx2.MockTransport(self._answer), sleep=lambda _: None)

    def put(self, name: str, uid: str = "u1", owner: str = "team") -> None:
        self.log.append(Told("updated", name, uid, owner))

    def remove(self, name: str) -> None:
        self.log.append(Told("removed", name, "u1"))

    def restore(self, *names: str) -> None:
        """Begin another epoch, with nothing but these."""
        self.epoch = f"{self.epoch}+"
        self.log = [Told("updated", name, "u9") for name in names]

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(dict(request.url.params))
        if self.failing > 0:
            self.failing -= 1
            raise httpx2.ConnectError("[Errno 111] Connection refused", request=request)
        offset, epoch = int(request.url.params["offset"]), request.url.params.get("epoch", self.epoch)
        if self.refusing or epoch != self.epoch:
            return _refused(410, "offset_expired")
        if offset > len(self.log):
            return _refused(409, "offset_in_the_future")
        told = range(offset + 1, min(offset + 2, len(self.log)) + 1)
        upto = max(told, default=offset)
        content = {
            "events": [_event(number, self.log[number - 1]) for number in told],
            "lastEventOffset": len(self.log),
            "nextOffset": upto,
            "epoch": self.epoch,
            "caughtUp": upto == len(self.log),
        }
        return httpx2.Response(200, content=json.encode(content))


def _refused(status: int, code: str) -> httpx2.Response:
    return httpx2.Response(status, content=json.encode({"error": {"name": "E", "message": code, "code": code}}))


def entity(change: Told) -> JsonObject:
    """The entity after a change."""
    return {"kind": "Component", "metadata": {"name": change.name, "uid": change.uid}, "spec": {"owner": change.owner}}


def _event(offset: int, change: Told) -> JsonObject:
    event: JsonObject = {
        "offset": offset,
        "type": change.type,
        "entityRef": f"component:default/{change.name}",
        "uid": change.uid,
        "at": "2026-01-01T00:00:00+00:00",
    }
    return event if change.type == "removed" else {**event, "entity": entity(change)}
