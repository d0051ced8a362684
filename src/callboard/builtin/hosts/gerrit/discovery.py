"""Discovery of catalog files on Gerrit: `catalog.providers.gerrit`, with Backstage's keys.

A round lists the projects that a query finds. Each is taken to have the file: whether it has is known when it is read.
Webhooks bring new projects in between, and follow HEAD.
"""

import asyncio
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

from callboard.builtin.hosts.discovery import Found, delta, offered
from callboard.builtin.hosts.gerrit.installations import (
    KEY,
    Installation,
    project_path,
    told,
    told_object,
)
from callboard.builtin.hosts.installations import named
from callboard.builtin.hosts.looking import text_at
from callboard.errors import InvalidConfiguration, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import (
    IncrementalEntityProvider,
    JsonObject,
    JsonValue,
    Page,
    PluginContext,
    ProviderConnection,
    Schedule,
    Webhook,
)
from callboard.extend.configuration import Options, read_by_id

AT = "catalog.providers.gerrit"
_PAGE = 500
_ALREADY_CUT = {"n", "limit", "S", "start", "b", "branch", "type"}
"""Options with which the length of an answer does not tell whether there is more."""
_HEADS = "refs/heads/"
_NAMES = {"p": "p", "prefix": "p", "m": "m", "match": "m", "r": "r", "regex": "r"}
"""Options about the names of projects. Gerrit takes one of them."""


class DiscoveryOptions(Options):
    """One entry of `catalog.providers.gerrit`."""

    host: str
    query: str
    """Options of Gerrit's list of projects: `state=ACTIVE&prefix=webapps`."""
    branch: str | None = None
    """Whose file is read; None: that of the branch that HEAD stands for."""
    catalog_path: str = "catalog-info.yaml"
    schedule: Schedule | None = None


class GerritDiscovery(IncrementalEntityProvider):
    """A Location for each project that the query finds."""

    def __init__(self, name: str, options: DiscoveryOptions, installation: Installation, at: str) -> None:
        """Raises InvalidConfiguration when there is no path."""
        self.name = name
        self.schedule = options.schedule
        self._options = options
        self._installation = installation
        self._api = installation.api
        self._query = parse_qsl(options.query.lstrip("?"), keep_blank_values=True)
        self._is_whole = any(name in _ALREADY_CUT for name, _ in self._query)
        self._path = options.catalog_path.strip("/")
        if not self._path:
            raise InvalidConfiguration(f"{at}.catalogPath: expected the path of a file, got none")
        self._heads: dict[str, str] = {}
        """What HEAD stood for in each project when it was asked last: `refs/heads/main`."""

    async def next(self, cursor: JsonValue) -> Page:
        """The projects of the next page."""
        start = cursor if isinstance(cursor, int) else 0
        projects = sorted(await self._listed(start))
        heads = await self._refs(projects, start)
        found = [self._found(project, ref) for project, ref in zip(projects, heads, strict=True) if ref is not None]
        done = self._is_whole or len(projects) < _PAGE
        return Page([offered(each, self.name) for each in found], cursor=start + _PAGE, done=done)

    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        """A project is new, its HEAD stands for another branch, or the branch that counts has come or gone."""
        if webhook.system != "gerrit":
            return
        body = webhook.body
        match webhook.event:
            case "project-created":
                await self._created(body, connection)
            case "project-head-updated":
                await self._head_moved(body, connection)
            case "ref-updated":
                await self._ref_updated(body.get("refUpdate"), connection)

    async def _created(self, body: JsonObject, connection: ProviderConnection) -> None:
        # The documentation has another name for it than Gerrit.
        project, head = text_at(body, "projectName"), text_at(body, "headName") or text_at(body, "projectHead")
        ref = head if self._options.branch is None else f"{_HEADS}{self._options.branch}"
        # What has nothing but permissions has its HEAD elsewhere.
        if project and ref and head and head.startswith(_HEADS) and self._may_count(project):
            await connection.apply(delta(self.name, added=[self._found(project, ref)]))

    async def _head_moved(self, body: JsonObject, connection: ProviderConnection) -> None:
        project, old, new = (text_at(body, name) for name in ("projectName", "oldHead", "newHead"))
        if project and old and new and old != new and self._options.branch is None and self._may_count(project):
            self._heads[project] = new
            gone = self._found(project, old).target
            await connection.apply(delta(self.name, added=[self._found(project, new)], removed=[gone]))

    async def _ref_updated(self, update: JsonValue, connection: ProviderConnection) -> None:
        project, written, commit = (text_at(update, name) for name in ("project", "refName", "newRev"))
        if not project or not written or not commit or not self._may_count(project):
            return
        # Older ones leave out what all branches begin with.
        ref = written if written.startswith("refs/") else f"{_HEADS}{written}"
        if not ref.startswith(_HEADS):
            return
        here = self._found(project, ref)
        if not commit.strip("0"):
            # If it was the branch that counts, the next round brings the project again, with nothing in it.
            await connection.apply(delta(self.name, removed=[here.target]))
            return
        if await connection.refresh([f"url:{here.target}"]):
            return
        branch = self._options.branch
        if (ref == f"{_HEADS}{branch}") if branch is not None else (await self._head(project) == ref):
            await connection.apply(delta(self.name, added=[here]))

    def _may_count(self, project: str) -> bool:
        """Whether the query finds *project*, which has just been written to, as far as that is known without asking."""
        if self._is_whole:
            # What is cut can't be told from outside.
            return False
        for name, value in self._query:
            if name == "state" and value.upper() == "READ_ONLY":
                return False
            match _NAMES.get(name):
                case "p" if not project.startswith(value):
                    return False
                case "m" if value.lower() not in project.lower():
                    return False
                case "r" if not _fits(value, project):
                    return False
        return True

    async def _listed(self, start: int, branches: Sequence[str] = ()) -> JsonObject:
        """A page of projects, with the commits of *branches*, by name."""
        cut = [] if self._is_whole else [("n", str(_PAGE)), ("S", str(start))]
        query = urlencode([*self._query, *cut, *(("b", branch) for branch in branches)])
        return told_object(await self._api.get(f"projects/?{query}"))

    async def _refs(self, projects: Sequence[str], start: int) -> list[str | None]:
        """The full name of the branch that counts in each of *projects*."""
        if self._options.branch is not None:
            return [f"{_HEADS}{self._options.branch}"] * len(projects)
        known = await self._still_right(projects, start)
        asked = [project for project in projects if project not in known]
        refs = dict(zip(asked, await asyncio.gather(*map(self._head, asked)), strict=True))
        self._heads |= {project: ref for project, ref in refs.items() if ref is not None}
        return [known.get(project) or refs.get(project) for project in projects]

    async def _still_right(self, projects: Sequence[str], start: int) -> dict[str, str]:
        """What HEAD stands for, as far as it is known and HEAD still is where that is."""
        names = sorted({self._heads[project] for project in projects if project in self._heads})
        if not names or self._is_whole:
            return {}
        found = await self._listed(start, ["HEAD", *names])
        right: dict[str, str] = {}
        for project in projects:
            entry, ref = found.get(project), self._heads.get(project)
            branches = entry.get("branches") if isinstance(entry, dict) else None
            if ref is not None and isinstance(branches, dict) and branches.get("HEAD") == branches.get(ref, "none"):
                right[project] = ref
        return right

    async def _head(self, project: str) -> str | None:
        """What HEAD stands for in *project*; None when that may not be seen."""
        try:
            ref = told(await self._api.get(f"{project_path(project)}/HEAD"))
        except (LocationNotFound, NotAllowed):
            return None
        if not isinstance(ref, str):
            raise Unreadable(f"{self._installation.host} did not tell the HEAD of {project}")
        return ref

    def _found(self, project: str, ref: str) -> Found:
        return Found(target=f"{self._installation.gitiles[0]}/{project}/+/{ref}/{self._path}")


def _fits(expression: str, project: str) -> bool:
    """Whether *project* matches, as far as Gerrit's expressions are those of everybody; else a round brings it."""
    try:
        return re.fullmatch(expression, project) is not None
    except re.error:
        return False


def discovery_of(context: PluginContext, known: Sequence[Installation]) -> list[GerritDiscovery]:
    """A provider for each entry of `catalog.providers.gerrit`. Raises InvalidConfiguration."""
    entries = read_by_id(DiscoveryOptions, context.config.providers.get("gerrit"), AT, flat=())
    providers: list[GerritDiscovery] = []
    for key, options in entries.items():
        at = f"{AT}.{key}"
        installation = named(options.host, known, f"{at}.host", KEY)
        providers.append(GerritDiscovery(f"gerrit-provider:{key}", options, installation, at))
    return providers
