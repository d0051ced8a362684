"""Crawl: an organization on a code host is read, read again without a change, and one push to it is heard."""

import contextlib
import hmac
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
from rich.console import Console
from rich.progress import Progress

from benchmarks import tables
from benchmarks.github import OWNER, TOKEN
from benchmarks.launch import launched, until
from benchmarks.servers import Server, Usage, fresh

_PROVIDER = f"github-provider:{OWNER}"
_SECRET = "between-us"
_INTERVAL = 60
_PUSHES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawled:
    """The figures of one way to read the host."""

    name: str
    seconds: float
    requests: int
    unchanged: int
    """Answers that were a 304, which GitHub does not count."""
    by_kind: dict[str, int]
    events: int
    cpu: Usage
    memory: dict[str, float]
    """MiB by part, so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawl:
    """The figures of one run."""

    repositories: int
    entities: int
    latency: float
    crawls: Sequence[Crawled]
    push_seconds: Sequence[float]
    """From the webhook to the event on the stream, one by one."""
    push_requests: Sequence[int]


async def run(repositories: int, latency: float, progress: Progress) -> Crawl:
    """Read so many *repositories* of two entities each, whose host takes *latency* seconds for an answer."""
    entities = repositories * 2
    task = progress.add_task("crawl: the first time", total=entities)
    async with _host(repositories, latency) as (url, host), fresh(more=_configuration(url)) as server:
        first = await _first(server, host, entities, lambda seen: progress.update(task, completed=seen))
        progress.update(task, description="crawl: again", completed=0, total=repositories)
        again = await _again(server, host, repositories, lambda seen: progress.update(task, completed=seen))
        progress.update(task, description="crawl: pushes", completed=0, total=_PUSHES)
        pushes = []
        for number in range(_PUSHES):
            pushes.append(await _pushed(server, host, number))
            progress.advance(task)
    progress.remove_task(task)
    return Crawl(
        repositories=repositories,
        entities=entities,
        latency=latency,
        crawls=[first, again],
        push_seconds=[seconds for seconds, _ in pushes],
        push_requests=[requests for _, requests in pushes],
    )


@contextlib.asynccontextmanager
async def _host(repositories: int, latency: float) -> AsyncIterator[tuple[str, httpx2.AsyncClient]]:
    """A fake GitHub, and a way to ask what was asked of it."""
    with tempfile.TemporaryDirectory(prefix="callboard-bench-host-") as folder:
        arguments = ["benchmarks.github", "--repositories", str(repositories), "--latency", str(latency)]
        async with (
            launched(arguments, log=Path(folder) / "host.log", ready="/-/ready") as host,
            httpx2.AsyncClient(base_url=host.url, timeout=30) as client,
        ):
            yield host.url, client


def _configuration(host: str) -> str:
    return f"""
integrations:
  github:
    - host: github.com
      apiBaseUrl: {host}/api/v3
      token: {TOKEN}
events:
  modules:
    github:
      webhookSecret: {_SECRET}
catalog:
  processingInterval: {{seconds: {_INTERVAL}}}
  rules:
    - allow: [Component, API, Location]
  providers:
    github:
      {OWNER}:
        organization: {OWNER}
        schedule:
          frequency: {{trigger: manual}}
          timeout: {{minutes: 10}}
"""


async def _first(server: Server, host: httpx2.AsyncClient, entities: int, told: Callable[[int], None]) -> Crawled:
    await host.get("/-/requests")
    used, started, offset = server.usage(), time.perf_counter(), await server.offset()
    await _trigger(server)

    async def visible() -> bool:
        seen = await server.visible()
        told(seen)
        return seen == entities

    # Not until nothing is due: what was read first is due again before the last has come.
    await until(visible, every=0.2)
    return await _told(server, host, "the first time", used, started, offset)


async def _again(server: Server, host: httpx2.AsyncClient, repositories: int, told: Callable[[int], None]) -> Crawled:
    await host.get("/-/requests")
    used, started, offset = server.usage(), time.perf_counter(), await server.offset()
    before = await _processed(server)
    await _trigger(server)

    async def read_again() -> bool:
        done = await _processed(server) - before
        told(done)
        return done >= repositories

    await until(read_again, every=0.5)
    return await _told(server, host, "again, without a change", used, started, offset)


async def _trigger(server: Server) -> None:
    (await server.http.post(f"/api/catalog/providers/{_PROVIDER}/trigger", json={})).raise_for_status()


async def _processed(server: Server) -> int:
    """Entities that were processed so far; what has not changed is processed again only if it reads something."""
    text = (await server.http.get("/metrics")).text.splitlines()
    counts = [line.rsplit(" ", 1)[1] for line in text if line.startswith("catalog_processed_entities_total")]
    return int(sum(map(float, counts)))


async def _told(
    server: Server, host: httpx2.AsyncClient, name: str, used: Usage, started: float, offset: int
) -> Crawled:
    seconds = time.perf_counter() - started
    asked = (await host.get("/-/requests")).json()
    return Crawled(
        name=name,
        seconds=seconds,
        requests=asked["total"],
        unchanged=asked["unchanged"],
        by_kind=asked["byKind"],
        events=await server.offset() - offset,
        cpu=server.usage().since(used),
        memory=server.memory(),
    )


async def _pushed(server: Server, host: httpx2.AsyncClient, number: int) -> tuple[float, int]:
    """Seconds from the webhook of a push to its event on the stream, and the requests that it led to."""
    owner = f"pushed-{number}"
    payload = (await host.get("/-/push", params={"number": number, "owner": owner})).json()
    await host.get("/-/requests")
    body = json.dumps(payload).encode()
    signature = hmac.digest(_SECRET.encode(), body, "sha256").hex()
    headers = {
        "x-github-event": "push",
        "x-hub-signature-256": f"sha256={signature}",
        "content-type": "application/json",
    }
    offset, started = await server.offset(), time.perf_counter()
    (await server.http.post("/api/events/http/github", content=body, headers=headers)).raise_for_status()
    ref = f"component:default/component-{number}"
    while True:
        params: dict[str, str | int] = {"offset": offset, "wait": 10}
        told = (await server.http.get("/api/catalog/events", params=params)).json()
        refs = [event["entityRef"] for event in told["events"]]
        if ref in refs:
            break
        offset = int(told["offset"])
    seconds = time.perf_counter() - started
    return seconds, (await host.get("/-/requests")).json()["total"]


def show(console: Console, result: Crawl) -> None:
    """Print the figures."""
    columns = ["", "s", "requests", "of them 304", "events", "engine s", "API s", "postgres s", "engine MiB", "API MiB"]
    rows = [
        [
            each.name,
            f"{each.seconds:.1f}",
            f"{each.requests:,} ({', '.join(f'{count:,} {kind}' for kind, count in sorted(each.by_kind.items()))})",
            f"{each.unchanged:,}",
            f"{each.events:,}",
            f"{each.cpu.engine:.1f}",
            f"{each.cpu.api:.1f}",
            f"{each.cpu.postgres:.1f}",
            f"{each.memory['engine']:.0f}",
            f"{each.memory['api']:.0f}",
        ]
        for each in result.crawls
    ]
    what = f"{result.repositories:,} repositories with {result.entities:,} entities"
    tables.show(console, f"{what}, {result.latency * 1000:g} ms an answer", columns, rows)
    seconds = sorted(result.push_seconds)
    console.print(
        f"A push is on the stream after {seconds[len(seconds) // 2]:.2f} s (p50), {seconds[-1]:.2f} s (worst of"
        f" {len(seconds)}), with at most {max(result.push_requests)} requests."
    )
