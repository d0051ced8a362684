"""Sides: the two servers of a comparison, told over nothing but the API of the Backstage catalog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import click
import httpx2

from benchmarks import processes, reads, sockets
from benchmarks.reads import Read
from callboard.model.json import JsonObject

_LOCAL = ("127.0.0.1", "localhost", "::1")
_PAGE = 1000
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two servers."""

    name: str
    url: str
    token: str | None = field(default=None, repr=False)
    pids: Sequence[int] = ()
    """Where the trees of its processes begin. Empty where they are out of sight."""

    @classmethod
    def at(cls, name: str, url: str, *, token: str | None, pids: Sequence[int]) -> "Side":
        """The server at *url*; its processes are those that listen there and their databases, unless *pids* says it."""
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise click.ClickException(f"--{name} {url}: only servers at http://host:port can be measured")
        if not pids and parts.hostname in _LOCAL:
            roots = sockets.roots_of(parts.port or 80)
            pids = sorted({*roots, *sockets.databases_of(_trees(roots))})
        return cls(name=name, url=url.rstrip("/"), token=token, pids=pids)

    @property
    def headers(self) -> dict[str, str]:
        """What goes with each request."""
        return {} if self.token is None else {"authorization": f"Bearer {self.token}"}

    def http(self) -> httpx2.AsyncClient:
        """A client for all that is not measured."""
        return httpx2.AsyncClient(base_url=f"{self.url}{reads.CATALOG}", headers=self.headers, timeout=_PATIENCE)

    def cpu_seconds(self) -> float | None:
        """What its processes have used so far; None where they are out of sight."""
        return sum(map(processes.tree_seconds, _without_nested(self.pids))) if self.pids else None

    def processes(self) -> list[str]:
        """Who is counted, for people."""
        return [f"{pid} {_name(pid)}" for pid in _trees(self.pids)]

    def asked(self, read: Read) -> Read:
        """The same read, with this side's token."""
        asks = [replace(ask, headers={**self.headers, **ask.headers}) for ask in read.asks]
        return replace(read, asks=asks)

    async def refs(self) -> set[str]:
        """All entities that it shows."""
        found: set[str] = set()
        parameters: Mapping[str, str | int] = {"fields": "kind,metadata.name,metadata.namespace", "limit": _PAGE}
        async with self.http() as http:
            while True:
                page = await self.get(http, "/entities/by-query", parameters)
                found.update(map(ref_of, page["items"]))
                cursor = page["pageInfo"].get("nextCursor")
                if cursor is None:
                    return found
                parameters = {**parameters, "cursor": cursor}

    async def get(self, http: httpx2.AsyncClient, path: str, parameters: Mapping[str, str | int]) -> Any:
        """The JSON at *path*. Raises ClickException with the side's name."""
        return (await self.answer(http, "GET", path, params=parameters)).json()

    async def answer(self, http: httpx2.AsyncClient, method: str, path: str, **what: Any) -> httpx2.Response:
        """The answer to a request, which is a good one. Raises ClickException with the side's name."""
        try:
            answer = await http.request(method, path, **what)
        except httpx2.HTTPError as error:
            raise click.ClickException(f"--{self.name} {self.url} does not answer: {error}") from error
        if answer.is_error:
            said = answer.text[:300]
            raise click.ClickException(f"--{self.name}: {method} {answer.url} gave {answer.status_code}: {said}")
        return answer


def ref_of(entity: JsonObject) -> str:
    """The entity's reference."""
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    return f"{entity['kind']}:{metadata.get('namespace', 'default')}/{metadata['name']}".lower()


def _trees(roots: Sequence[int]) -> list[int]:
    return sorted({pid for root in roots for pid in (root, *processes.below(root))})


def _without_nested(roots: Sequence[int]) -> list[int]:
    """Those of *roots* that are below no other one, so that nobody is counted twice."""
    nested = {child for root in roots for child in processes.below(root)}
    return [root for root in roots if root not in nested]


def _name(pid: int) -> str:
    return " ".join(processes.command_line(pid)[:4]).strip() or "?"
