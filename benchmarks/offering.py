"""Offering: a generated catalog as files behind a web server, taken in by a server as a location."""

import contextlib
import functools
import itertools
import tempfile
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import httpx2
import yaml
from rich.progress import Progress

from benchmarks import generate
from benchmarks.launch import CLOCK
from benchmarks.sides import Side
from callboard.model.json import JsonObject

_PER_FILE = 50
_ROOT = "all.yaml"
_LOOK = 0.25
_LATER = 0.03
"""Looks come rarer with time, this part of it apart: counting costs some servers as much as taking entities in."""
_PATIENCE = 300.0
_CALM = 0.05
_CALM_LOOKS = 3
_CALM_PATIENCE = 120
"""Looks until it is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A catalog that can be registered as one location."""

    url: str
    count: int
    namespace: str
    """That of all its entities, which nothing else has: so it can be offered to a server that holds others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How a server took an offer in."""

    side: str
    entities: int
    visible_s: float
    """From the request to register the location until the last entity was seen."""
    cpu_ms_until_visible: float | None
    """For an entity. None where the processes are out of sight."""
    cpu_ms_until_calm: float | None
    """The same, with what is left to do then: relations of what came later, mostly."""
    calm_s: float | None
    """When less than a twentieth of a core was used, three turns long; None if that did not come."""


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files and does not tell of it."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextlib.contextmanager
def offered(count: int, port: int) -> Iterator[Offer]:
    """*count* generated entities, served at this *port* of this machine."""
    namespace = f"compare-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="callboard-bench-offer-") as folder:
        _write(Path(folder), count, namespace)
        handler = functools.partial(_Quiet, directory=folder)
        try:
            server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as error:
            raise click.ClickException(f"--files-port {port}: {error.strerror or error}") from error
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/{_ROOT}"
            yield Offer(url=url, count=count, namespace=namespace)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _write(folder: Path, count: int, namespace: str) -> None:
    """A Location that names the files, and the files."""
    found = (_within(entity, namespace) for entity in generate.entities(count, managed=False))
    targets: list[str] = []
    for number, members in enumerate(iter(lambda: list(itertools.islice(found, _PER_FILE)), [])):
        generate.write_file(folder, number, members)
        targets.append(f"./{number // 1000:03}/{number:06}.yaml")
    root = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {"name": namespace},
        "spec": {"type": "url", "targets": targets},
    }
    (folder / _ROOT).write_text(yaml.safe_dump(root, sort_keys=False), encoding="utf-8")


def _within(entity: JsonObject, namespace: str) -> JsonObject:
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    return {**entity, "metadata": {**metadata, "namespace": namespace}}


@contextlib.asynccontextmanager
async def registered(side: Side, offer: Offer, progress: Progress, look_seconds: float) -> AsyncIterator[Taken]:
    """The server has taken the offer in, and calmed down. It is unregistered at the end, also when that failed."""
    async with side.http() as http:
        before, started = side.cpu_seconds(), time.perf_counter()
        answer = await side.answer(http, "POST", "/locations", json={"type": "url", "target": offer.url})
        try:
            task = progress.add_task(f"ingest: {side.name}", total=offer.count)
            await _until_visible(side, http, offer, lambda seen: progress.update(task, completed=seen))
            visible, used = time.perf_counter() - started, side.cpu_seconds()
            calm = await _calm(side, look_seconds)
            progress.remove_task(task)
            yield Taken(
                side=side.name,
                entities=offer.count,
                visible_s=visible,
                cpu_ms_until_visible=_each(before, used, offer.count),
                cpu_ms_until_calm=_each(before, side.cpu_seconds(), offer.count),
                calm_s=None if calm is None else visible + calm,
            )
        finally:
            await side.answer(http, "DELETE", f"/locations/{answer.json()['location']['id']}")


async def _until_visible(side: Side, http: httpx2.AsyncClient, offer: Offer, told: Callable[[int], None]) -> None:
    seen, started = 0, time.perf_counter()
    progressed = started
    while seen < offer.count:
        await CLOCK.sleep(max(_LOOK, (time.perf_counter() - started) * _LATER))
        now = await _visible(side, http, offer)
        if now != seen:
            seen, progressed = now, time.perf_counter()
            told(seen)
        elif time.perf_counter() - progressed > _PATIENCE:
            raise click.ClickException(
                f"--{side.name} shows {seen:,} of {offer.count:,} entities, and no more for {_PATIENCE:.0f} s. May it"
                f" read {offer.url} (`backend.reading.allow`), and are all kinds allowed (`catalog.rules`)?"
            )


async def _visible(side: Side, http: httpx2.AsyncClient, offer: Offer) -> int:
    page = await side.get(http, "/entities/by-query", {"filter": f"metadata.namespace={offer.namespace}", "limit": 0})
    return int(page["totalItems"])


async def _calm(side: Side, look_seconds: float) -> float | None:
    """Wait until the side has next to nothing to do, and return how long that took."""
    started = time.perf_counter()
    calm = 0
    while time.perf_counter() - started < _CALM_PATIENCE * look_seconds:
        before = side.cpu_seconds()
        await CLOCK.sleep(look_seconds)
        after = side.cpu_seconds()
        if before is None or after is None:
            return None
        calm = calm + 1 if after - before < _CALM * look_seconds else 0
        if calm == _CALM_LOOKS:
            return time.perf_counter() - started - _CALM_LOOKS * look_seconds
    return None


def _each(before: float | None, after: float | None, count: int) -> float | None:
    return None if before is None or after is None else (after - before) / count * 1000
