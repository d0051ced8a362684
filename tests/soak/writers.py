"""Writers: who changes the catalog all the time, and remembers what was acknowledged."""

import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from callboard.client import AsyncCatalogClient
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue
from tests.flows.web import WebHost
from tests.soak.following import CLOCK
from tests.soak.replicas import ref_of
from tests.soak.wishes import LIFECYCLES, NAMESPACES, OWNERS, TAGS, TIERS, TYPES

_NAMES = 48
_SHARED = 6
"""Of the names of a writer so many are everybody's: who was first has them."""
_IN_A_FILE = 10
_TIMEOUT = 20.0
_AGAIN = frozenset({502, 503, 504})
_PATIENCE = 120.0

KINDS = ("Component", "API", "Resource")


class Refused(Exception):
    """A write that should have been taken, and was not."""


@dataclass(slots=True)
class Line:
    """The way of a writer to the catalog: every request is sent until it is answered, to any of the processes."""

    http: httpx2.AsyncClient
    chance: random.Random
    pause: float
    """Seconds from one write to the next, on average."""
    writes: int = 0
    again: int = 0
    """Requests that were sent once more, since nobody had answered."""

    async def send(self, method: str, path: str, body: JsonValue = None, *, also: Iterable[int] = ()) -> Any:
        """The answer. A status of *also* counts as success: whoever was killed had done it before."""
        headers = {"idempotency-key": uuid.UUID(int=self.chance.getrandbits(128)).hex}
        until, attempts = CLOCK.monotonic() + _PATIENCE, 0
        while CLOCK.monotonic() < until:
            attempts += 1
            try:
                answer = await self.http.request(method, path, json=body, headers=headers, timeout=_TIMEOUT)
            except httpx2.TransportError:
                answer = None
            if answer is not None and answer.status_code not in _AGAIN:
                if not answer.is_success and not (attempts > 1 and answer.status_code in also):
                    raise Refused(f"{method} {path} was answered {answer.status_code}: {answer.text}")
                self.writes += 1
                return answer.json() if answer.content else None
            self.again += 1
            await CLOCK.sleep(self.chance.uniform(0.1, 0.4))
        raise Refused(f"{method} {path} has found nobody for {_PATIENCE:.0f} s")

    async def rest(self) -> None:
        """Until the next write."""
        await CLOCK.sleep(self.chance.uniform(0, 2 * self.pause))


@dataclass(slots=True)
class Pusher:
    """Writes the entities of a provider over HTTP, in every way that there is."""

    name: str
    number: int
    line: Line
    acknowledged: dict[str, JsonObject] = field(default_factory=dict)

    async def write(self) -> None:
        """Write something."""
        match self.line.chance.choices(["set", "delta", "one", "gone"], [1, 6, 8, 4])[0]:
            case "set":
                await self._set()
            case "delta":
                await self._delta()
            case "one":
                await self._one()
            case _ if self.acknowledged:
                await self._gone()

    async def _set(self) -> None:
        entities = [self._drawn(name) for name in self._some(_NAMES * 3 // 4)]
        await self.line.send("PUT", f"/providers/{self.name}/entities", [*entities])
        self.acknowledged = {ref_of(entity): entity for entity in entities}

    async def _delta(self) -> None:
        added = [self._drawn(name) for name in self._some(4)]
        refs = {ref_of(entity) for entity in added}
        removed = [ref for ref in self._held(2) if ref not in refs]
        await self.line.send("POST", f"/providers/{self.name}/delta", {"added": [*added], "removed": [*removed]})
        self.acknowledged.update({ref_of(entity): entity for entity in added})
        for ref in removed:
            del self.acknowledged[ref]

    async def _one(self) -> None:
        [name] = self._some(1)
        entity = self._drawn(name)
        await self.line.send("PUT", f"/providers/{self.name}/entities/{_path(ref_of(entity))}", entity)
        self.acknowledged[ref_of(entity)] = entity

    async def _gone(self) -> None:
        [ref] = self._held(1)
        await self.line.send("DELETE", f"/providers/{self.name}/entities/{_path(ref)}", also=[404])
        del self.acknowledged[ref]

    def _some(self, count: int) -> list[str]:
        own = [f"w{self.number}-{number}" for number in range(_NAMES - _SHARED)]
        return self.line.chance.sample([*own, *(f"shared-{number}" for number in range(_SHARED))], count)

    def _held(self, count: int) -> list[str]:
        return self.line.chance.sample(sorted(self.acknowledged), min(count, len(self.acknowledged)))

    def _drawn(self, name: str) -> JsonObject:
        return drawn(name, self.line.chance, self.name, self.line.writes)

    async def unsettled(self, catalog: AsyncCatalogClient) -> str:
        """Wait until all that was written is visible. Says what is not; nothing as a rule."""
        status = await catalog.provider_status(self.name, wait=60)
        return "" if status.state == "settled" and not status.failures else f"{self.name}: {status}"


@dataclass(slots=True)
class Filer:
    """Changes files that are registered as locations, registers them and lets them go."""

    name: str
    number: int
    line: Line
    host: WebHost
    location: str | None = None
    """The id of the location, while it is registered."""
    ref: str = ""
    """Of the Location entity that stands for it."""
    acknowledged: dict[str, JsonObject] = field(default_factory=dict)

    async def write(self) -> None:
        """Change the file, and ask for it to be read; now and then let go of the location, or register it again."""
        if self.location is None:
            await self._register()
        elif self.line.chance.random() < 0.06:
            await self._unregister()
        else:
            self._put()
            await self.line.send("POST", "/refresh", {"entityRef": self.ref}, also=[404])

    async def _register(self) -> None:
        self._put()
        found = await self.line.send("POST", "/locations", {"type": "url", "target": self._url()}, also=[409])
        if "location" not in found:
            listed = await self.line.send("GET", "/locations")
            found = {"location": next(each["data"] for each in listed if each["data"]["target"] == self._url())}
        self.location, self.ref = found["location"]["id"], found["location"]["entityRef"]

    async def _unregister(self) -> None:
        await self.line.send("DELETE", f"/locations/{self.location}", also=[404])
        self.location = None
        self.acknowledged = {}

    def _put(self) -> None:
        chance = self.line.chance
        names = chance.sample([f"f{self.number}-{number}" for number in range(_IN_A_FILE * 3 // 2)], _IN_A_FILE)
        entities = [drawn(name, chance, self.name, self.line.writes) for name in names]
        self.host.put(self.name, "\n---\n".join(json.encode(entity).decode() for entity in entities))
        self.acknowledged = {ref_of(entity): entity for entity in entities}

    def _url(self) -> str:
        return self.host.url(self.name)

    async def unsettled(self, catalog: AsyncCatalogClient) -> str:
        """Read the file once more, and wait until all that it holds is visible. Says what is not."""
        if self.location is None:
            return ""
        told = await catalog.refresh_entity(self.ref, wait=60)
        status = told.status
        return "" if status.state == "settled" and not status.failures else f"{self.name}: {status}"


Writer = Pusher | Filer


def drawn(name: str, chance: random.Random, writer: str, number: int) -> JsonObject:
    """An entity of that name, other than it was before. Its kind and its namespace go with the name."""
    where = sum(name.encode())
    kind = KINDS[where % len(KINDS)]
    metadata: JsonObject = {
        "name": name,
        "namespace": NAMESPACES[where // 3 % len(NAMESPACES)],
        "labels": {"tier": chance.choice(TIERS)},
        "tags": [*sorted(chance.sample(TAGS, chance.randrange(3)))],
        "annotations": {"soak/writer": writer, "soak/number": str(number)},
    }
    if chance.random() < 0.4:
        metadata["title"] = f"{name} the {number}th"
    spec: JsonObject = {"type": chance.choice(TYPES), "owner": chance.choice(OWNERS)}
    if kind != "Resource":
        spec["lifecycle"] = chance.choice(LIFECYCLES)
    if kind == "API":
        spec["definition"] = "none"
    return {"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def teams() -> list[JsonObject]:
    """The groups that own what is drawn: each change of an owner changes two of them as well."""
    found: list[JsonObject] = []
    for ref in OWNERS:
        namespace, name = ref.removeprefix("group:").split("/")
        found.append(
            {
                "apiVersion": "backstage.io/v1alpha1",
                "kind": "Group",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"type": "team", "children": []},
            }
        )
    return found


def _path(ref: str) -> str:
    kind, _, rest = ref.partition(":")
    return f"{kind}/{rest}"
