"""Pages: what each page of the web page costs the server, and what a browser fetches that comes for the first time."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urljoin

import httpx2
from rich.console import Console
from rich.progress import Progress

from benchmarks import query, servers, tables, worst
from benchmarks.query import Look, Reading
from benchmarks.reads import CATALOG, Read
from benchmarks.wire import Ask
from callboard.model.refs import EntityRef

AIM_MS = 50.0
"""CPU milliseconds for a page, of the API and PostgreSQL together, with 50,000 entities."""
AIM_KB = 100.0
"""For a page with all that it refers to, compressed, on a first visit."""

_SECONDS = 1.0
_BROWSER = {"accept": "text/html", "accept-encoding": "gzip"}
_ENTITY = "/catalog/{namespace}/{kind}/{name}"
_COMPRESSED_FROM = 1024
"""Bytes; less is not worth it."""
_IMPORTED = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.{1,2}/[^"']+)["']|\burl\(\s*["']?([^"')]+)""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Busiest:
    """Who is looked at: of each kind the entity that most others name, and some of everybody's words."""

    component: EntityRef | None
    api: EntityRef | None
    group: EntityRef | None
    system: EntityRef | None
    domain: EntityRef | None
    word: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page, under the name that figures have."""

    name: str
    path: str | None
    """None when the server holds nothing that could be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """What pages refer to: a style sheet, a script, a picture."""

    address: str
    size: int
    sent: int
    """Bytes that came, compressed if the server does that."""
    kept: bool
    """Whether a browser never asks for it again."""

    @property
    def as_small_as_it_gets(self) -> bool:
        """Whether it came compressed, or is too small for that."""
        return self.sent < self.size or self.size < _COMPRESSED_FROM


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """The figures of one page."""

    path: str
    reading: Reading
    assets: Sequence[str]
    first_visit_bytes: int

    @property
    def cpu_ms(self) -> float | None:
        """CPU milliseconds of the API and of PostgreSQL for it; None where the processes are out of sight."""
        if self.reading.api_cpu_us is None:
            return None
        return (self.reading.api_cpu_us + (self.reading.postgres_cpu_us or 0.0)) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The figures of one run."""

    entities: int
    looked: Sequence[Looked]
    skipped: Mapping[str, str]
    """The pages that could not be looked at, and why."""
    assets: Sequence[Asset]


def listed(busiest: Busiest) -> list[Page]:
    """The pages that are measured, but for those that are found by a link. A new page gets a line here."""
    return [
        Page("login", "/login"),
        Page("catalog", "/catalog"),
        Page("catalog, all kinds", "/catalog?kind=all"),
        Page("catalog, APIs", "/catalog?kind=api"),
        Page("catalog, of a group", _if_there(busiest.group, "/catalog?kind=component&owner={ref}")),
        Page("catalog, by owner", "/catalog?kind=component&order=owner"),
        Page("catalog, a word", f"/catalog?kind=component&q={busiest.word}"),
        Page("catalog, choices", "/catalog/-/choices/owner?kind=component"),
        Page("search", f"/search?q={busiest.word}"),
        *_of_entity("component", busiest.component, ["", "relations", "history", "events", "inspect"]),
        *_of_entity("api", busiest.api, ["", "definition"]),
        *_of_entity("group", busiest.group, ["", "relations"]),
        *_of_entity("system", busiest.system, ["", "relations"]),
        *_of_entity("domain", busiest.domain, ["", "relations"]),
        Page("graph", "/catalog-graph"),
        Page("graph, of a domain", _if_there(busiest.domain, "/catalog-graph?domain={ref}")),
        Page("graph, of a system", _if_there(busiest.system, "/catalog-graph?system={ref}")),
        Page("import", "/catalog-import"),
        Page("operations", "/operations"),
        Page("operations, tail", "/operations/tail"),
    ]


def _of_entity(name: str, ref: EntityRef | None, tabs: Iterable[str]) -> Iterable[Page]:
    for tab in tabs:
        template = f"{_ENTITY}/{tab}" if tab else _ENTITY
        yield Page(f"{name}, {tab or 'overview'}", _if_there(ref, template))


def _if_there(ref: EntityRef | None, template: str) -> str | None:
    if ref is None:
        return None
    parts = {"ref": str(ref), "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}
    return template.format(**{name: quote(part, safe="") for name, part in parts.items()})


class References(HTMLParser):
    """What a page refers to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.assets: dict[str, None] = {}
        """What a browser fetches for it, in its order."""
        self.tabs: dict[str, None] = {}
        """Where its rows of tabs lead."""
        self.next_page: str | None = None
        self.change: str | None = None
        """Where the first change of a history is told."""
        self._in_tabs = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what matters here."""
        given = {name: value or "" for name, value in attrs}
        words = given.get("rel", "").split()
        if tag == "nav":
            self._in_tabs = "tabs" in given.get("class", "").split()
        elif tag == "a" and "href" in given:
            if "next" in words:
                self.next_page = given["href"]
            if "/changes/" in given["href"] and self.change is None:
                self.change = given["href"]
            if self._in_tabs:
                self.tabs[given["href"]] = None
        elif tag == "link" and {"stylesheet", "icon", "modulepreload"} & {*words}:
            self.assets[given["href"]] = None
        elif tag in ("script", "img") and given.get("src", "").startswith("/"):
            self.assets[given["src"]] = None

    def handle_endtag(self, tag: str) -> None:
        """Tabs end with their row."""
        if tag == "nav":
            self._in_tabs = False


async def run_fresh(count: int, progress: Progress, *, share: float = 1.0) -> Pages:
    """Look at all pages of a new server that holds *count* generated entities."""
    async with servers.fresh() as server:
        task = progress.add_task(f"pages: fill with {count:,}", total=count)
        await servers.fill(server, count, lambda seen: progress.update(task, completed=seen))
        progress.remove_task(task)
        return await run(server.url, progress, look=server.reader_clocks, share=share)


async def run_worst(count: int, progress: Progress, *, share: float = 1.0) -> Pages:
    """Look at the pages that some thing makes hard, of a new server that holds *count* other entities as well."""
    task = progress.add_task("pages: worst cases", total=None)

    def told(what: str) -> None:
        progress.update(task, description=f"pages: {what}")

    async with worst.filled(count, worst.Sizes().shared(min(1.0, share)), told) as (server, addresses):
        progress.remove_task(task)
        async with httpx2.AsyncClient(base_url=server.url, timeout=60, headers=_BROWSER) as http:
            wanted = [Page(name, path) for name, path in addresses.items()]
            return await _looked_at(http, server.url, wanted, progress, server.reader_clocks, share)


async def run(url: str, progress: Progress, *, look: Look | None, share: float = 1.0) -> Pages:
    """Look at all pages of the server at *url*; *look* tells the CPU time of its processes."""
    async with httpx2.AsyncClient(base_url=url, timeout=60, headers=_BROWSER) as http:
        who = await busiest(http)
        wanted = [*listed(who), *await _found(http, who)]
        return await _looked_at(http, url, wanted, progress, look, share)


async def _looked_at(
    http: httpx2.AsyncClient, url: str, wanted: Sequence[Page], progress: Progress, look: Look | None, share: float
) -> Pages:
    fetched: dict[str, Asset] = {}
    looked: list[Looked] = []
    skipped: dict[str, str] = {}
    task = progress.add_task("pages", total=len(wanted))
    for page in wanted:
        progress.update(task, description=f"pages: {page.name}", advance=1)
        if page.path is None:
            skipped[page.name] = "the server holds nothing to look at"
            continue
        answer = await http.get(page.path)
        if answer.status_code != 200:
            skipped[page.name] = f"the server answers {answer.status_code}"
            continue
        assets = await fetch(http, References(answer.text).assets, fetched)
        read = Read(page.name, [Ask(page.path, headers=_BROWSER)])
        reading = await query.measured(url, read, 1, _SECONDS * share, look)
        looked.append(
            Looked(
                path=page.path,
                reading=reading,
                assets=[asset.address for asset in assets],
                first_visit_bytes=reading.bytes_each + sum(asset.sent for asset in assets),
            )
        )
    progress.remove_task(task)
    return Pages(entities=await _total(http), looked=looked, skipped=skipped, assets=[*fetched.values()])


async def _found(http: httpx2.AsyncClient, who: Busiest) -> list[Page]:
    """The pages whose addresses only other pages know: the second one of a list, a change, tabs of the operations."""
    catalog = References((await http.get("/catalog")).text)
    history = References((await http.get(_if_there(who.component, f"{_ENTITY}/history") or "/catalog")).text)
    operations = References((await http.get("/operations")).text)
    known = {page.path for page in listed(who)}
    tabs = [tab for tab in operations.tabs if tab.startswith("/operations") and tab not in known]
    return [
        Page("catalog, second page", catalog.next_page),
        Page("component, change", history.change),
        *(Page(f"operations, {re.split('[/?=]', tab)[-1]}", tab) for tab in tabs),
    ]


async def fetch(http: httpx2.AsyncClient, addresses: Iterable[str], fetched: dict[str, Asset]) -> list[Asset]:
    """What a browser fetches that finds these *addresses* in a page, each once, with what they refer to themselves."""
    waiting, found = [*addresses], dict[str, Asset]()
    while waiting:
        address = waiting.pop()
        if address in found:
            continue
        answer = await http.get(address, headers={"accept": "*/*"})
        answer.raise_for_status()
        found[address] = fetched[address] = Asset(
            address=address,
            size=len(answer.content),
            sent=answer.num_bytes_downloaded,
            kept="immutable" in answer.headers.get("cache-control", ""),
        )
        if answer.headers["content-type"].startswith(("text/css", "text/javascript")):
            named = (match[1] or match[2] for match in _IMPORTED.finditer(answer.text))
            waiting += [urljoin(address, name) for name in named if not name.startswith("data:")]
    return [*found.values()]


async def busiest(http: httpx2.AsyncClient) -> Busiest:
    """Whom the server's entities name most often."""
    component = await _most_named(http, "relations.dependsOn", "component")
    return Busiest(
        component=component,
        api=await _most_named(http, "relations.consumesApi", "api"),
        group=await _most_named(http, "relations.ownedBy", "group"),
        system=await _most_named(http, "relations.partOf", "system"),
        domain=await _most_named(http, "relations.partOf", "domain"),
        word=re.split(r"[^a-z0-9]", component.name)[0] if component else "",
    )


async def _most_named(http: httpx2.AsyncClient, facet: str, kind: str) -> EntityRef | None:
    found = await _json(http, "/entity-facets", facet=facet)
    named = [each for each in found["facets"][facet] if each["value"].startswith(f"{kind}:")]
    named.sort(key=lambda each: (-each["count"], each["value"]))
    return EntityRef.parse(named[0]["value"]) if named else None


async def _total(http: httpx2.AsyncClient) -> int:
    total: int = (await _json(http, "/entities/by-query", limit=0))["totalItems"]
    return total


async def _json(http: httpx2.AsyncClient, path: str, **parameters: str | int) -> Any:
    answer = await http.get(CATALOG + path, params=parameters, headers={"accept": "application/json"})
    answer.raise_for_status()
    return answer.json()


def show(console: Console, result: Pages) -> None:
    """Print the figures."""
    columns = ["", "asked", "CPU ms", "of it PostgreSQL", "p50 ms", "p99 ms", "kB", "files", "first visit kB"]
    rows = [
        [
            looked.reading.name,
            f"{looked.reading.requests:,}",
            "?" if looked.cpu_ms is None else _marked(looked.cpu_ms, AIM_MS),
            "?" if looked.reading.postgres_cpu_us is None else f"{looked.reading.postgres_cpu_us / 1000:.1f}",
            f"{looked.reading.p50_ms:.1f}",
            f"{looked.reading.p99_ms:.1f}",
            f"{looked.reading.bytes_each / 1000:.1f}",
            str(len(looked.assets)),
            _marked(looked.first_visit_bytes / 1000, AIM_KB),
        ]
        for looked in result.looked
    ]
    title = f"Pages, {result.entities:,} entities; ! is above the aim: {AIM_MS:g} ms of CPU, {AIM_KB:g} kB compressed"
    tables.show(console, title, columns, rows)
    for name, why_not in result.skipped.items():
        console.print(f"Not looked at: {name}, because {why_not}.", highlight=False)
    tables.show(
        console,
        "What pages refer to",
        ["", "kB", "sent kB", "compressed", "kept for ever"],
        [
            [
                asset.address.rpartition("/")[2],
                f"{asset.size / 1000:.1f}",
                f"{asset.sent / 1000:.1f}",
                "yes" if asset.sent < asset.size else "too small" if asset.as_small_as_it_gets else "NO",
                "yes" if asset.kept else "NO",
            ]
            for asset in result.assets
        ],
    )


def _marked(figure: float, aim: float) -> str:
    return f"{figure:.1f}{' !' if figure > aim else '  '}"
