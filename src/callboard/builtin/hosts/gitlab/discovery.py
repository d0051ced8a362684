"""Discovery of catalog files on GitLab: `catalog.providers.gitlab`, with Backstage's keys.

A round lists projects page by page, and asks of each page with one query which of its projects have the file. Pushes
add and remove single projects in between, in most cases without a request.
"""

import asyncio
import posixpath
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from callboard.builtin.hosts import looking
from callboard.builtin.hosts.discovery import Found, delta, has_wildcards, offered, pushes_to, touches
from callboard.builtin.hosts.gitlab.installations import KEY, Installation, group_path, project_path
from callboard.builtin.hosts.gitlab.projects import Filter, Project, ProviderOptions, project_of
from callboard.builtin.hosts.gitlab.questions import Questions
from callboard.builtin.hosts.installations import named
from callboard.builtin.hosts.places import is_commit
from callboard.builtin.hosts.repositories import Head
from callboard.errors import LocationNotFound, NotAllowed
from callboard.extend import (
    IncrementalEntityProvider,
    JsonObject,
    JsonValue,
    Page,
    PluginContext,
    ProviderConnection,
    Webhook,
)
from callboard.extend.configuration import read_by_id
from callboard.model.pushes import Push

AT = "catalog.providers.gitlab"
_PAGE = 50
_USUAL_BRANCHES = ("main", "master")
_GONE = ("project_destroy",)
_CHANGED = ("project_create", "project_update", "project_rename", "project_transfer")


class GitLabDiscovery(IncrementalEntityProvider):
    """A Location for each project that has a catalog file."""

    def __init__(self, name: str, options: ProviderOptions, installation: Installation, at: str) -> None:
        """Raises InvalidConfiguration for patterns that are none."""
        self.name = name
        self.schedule = options.schedule
        self._options = options
        self._installation = installation
        self._api = installation.api
        self._questions = Questions(installation.api)
        self._filter = Filter(options, at)

    async def next(self, cursor: JsonValue) -> Page:
        """The projects of the next page, of the present group if there are several."""
        stand = cursor if isinstance(cursor, dict) else await self._beginning()
        groups = [str(group) for group in _list(stand.get("groups"))]
        if not groups:
            return Page((), done=True)
        following = stand.get("page")
        page = {name: str(value) for name, value in following.items()} if isinstance(following, dict) else {}
        found, more = await (self._searched if self._options.use_search else self._listed)(groups[0], page)
        if more is None:
            groups = groups[1:]
        after: JsonObject = {"groups": list(groups), "page": None if more is None else dict(more)}
        return Page([offered(each, self.name) for each in found], cursor=after, done=not groups)

    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        """Pushes bring files and remove them; system hooks tell what happens to projects."""
        if webhook.system != "gitlab":
            return
        if webhook.event in ("push", "project_push"):
            await self._pushed(webhook, connection)
        elif webhook.event in (*_GONE, *_CHANGED) and self._is_ours(webhook.headers.get("x-gitlab-instance")):
            await self._happened(webhook, connection)

    async def _beginning(self) -> JsonObject:
        """The paths of all groups whose projects are listed one after the other."""
        own = self._options.group.strip("/")
        if not self._filter.groups or self._options.use_search or (own and self._filter.admits_group(own)):
            return {"groups": [own]}
        address = f"{group_path(own)}/descendant_groups" if own else "groups"
        found: list[str] = []
        async for page in self._api.pages(address, params={"per_page": 100}):
            paths = [looking.required(looking.at(group, "full_path"), "the path of a group") for group in page]
            found += [path for path in paths if self._filter.admits_group(path)]
        # The list of a group has those of its subgroups as well.
        return {"groups": [path for path in sorted(found) if not _is_below(path, found)]}

    async def _listed(self, group: str, page: Mapping[str, str]) -> tuple[list[Found], Mapping[str, str] | None]:
        """The catalog files of a page of projects, and the parameters of the next page."""
        options = self._options
        params: dict[str, str | int] = {
            "per_page": _PAGE,
            **({} if options.include_archived_repos else {"archived": "false"}),
            **({"membership": "true"} if options.membership else {}),
            **({"topic": options.topics} if options.topics else {}),
            # A short answer does not say whether a project is a fork.
            **({} if options.skip_forked_repos else {"simple": "true"}),
        }
        if group:
            params["include_subgroups"] = "true"
        else:
            # Only the list of all projects can be walked like that, and only like that beyond 50,000 of them.
            params |= {"pagination": "keyset", "order_by": "id", "sort": "asc"}
        address = f"{group_path(group)}/projects" if group else "projects"
        answer = await self._api.get(address, params={**params, **page})
        projects = [looking.understood(project_of(value), "a project") for value in answer.list()]
        holding = await self._holding([project for project in projects if self._filter.admits(project)])
        return [self._filter.found(project) for project in holding], answer.following

    async def _searched(self, group: str, page: Mapping[str, str]) -> tuple[list[Found], Mapping[str, str] | None]:
        """The files that the search has on a page, and the parameters of the next page."""
        address, name = f"{group_path(group)}/search" if group else "search", posixpath.basename(self._filter.file)
        params: dict[str, str | int] = {"scope": "blobs", "search": f"filename:{name}", "per_page": _PAGE}
        answer = await self._api.get(address, params={**params, **page})
        hits = [looking.understood(_hit(value), "a file") for value in answer.list()]
        numbers = sorted({number for number, _, _ in hits})
        projects = dict(zip(numbers, await asyncio.gather(*map(self._project, numbers)), strict=True))
        found = {
            self._filter.found(project, path, branch)
            for number, path, branch in hits
            if (project := projects[number]) is not None and self._filter.admits(project)
            if self._is_named(path)
        }
        return sorted(found, key=lambda each: each.target), answer.following

    async def _holding(self, projects: Sequence[Project]) -> list[Project]:
        """Those that have the file, in as few requests as may be."""
        if has_wildcards(self._filter.file):
            return list(projects)
        heads = {Head(project.path, self._filter.branch(project)): project for project in projects}
        holders = await self._questions.holders(list(heads), self._filter.file)
        unsure = [head for head in heads if head not in holders]
        has = await asyncio.gather(*(self._has_file(heads[head]) for head in unsure))
        holders |= dict(zip(unsure, has, strict=True))
        return [project for head, project in heads.items() if holders[head]]

    async def _has_file(self, project: Project) -> bool:
        address = f"{project_path(project.number)}/repository/files/{_quoted(self._filter.file)}"
        try:
            await self._api.ask("HEAD", address, params={"ref": self._filter.branch(project)})
        except (LocationNotFound, NotAllowed):
            # 403: of this project the token may see no files.
            return False
        return True

    async def _project(self, number: int) -> Project | None:
        try:
            value = (await self._api.get(project_path(number))).json()
        except LocationNotFound:
            return None
        return looking.understood(project_of(value), f"the project {number}")

    async def _pushed(self, webhook: Webhook, connection: ProviderConnection) -> None:
        body = webhook.body.get("project")
        # In the webhook, the number stands elsewhere.
        project = project_of({"id": webhook.body.get("project_id"), **body} if isinstance(body, dict) else None)
        if project is None or not self._is_ours(project.url) or not self._filter.admits_path(project.path):
            return
        for push in pushes_to(webhook, self._options.branch):
            added, removed = await self._effect(push, project)
            if added and self._filter.depends_on_more and not await self._counts(project):
                added = []
            if added or removed:
                await connection.apply(delta(self.name, added=added, removed=[each.target for each in removed]))

    async def _effect(self, push: Push, project: Project) -> tuple[list[Found], list[Found]]:
        """What *push* brings, or has changed, and what it removes."""
        file, here = self._filter.file, self._filter.found(project)
        if self._options.use_search:
            brought = sorted(filter(self._is_named, push.added | push.modified))
            gone = sorted(filter(self._is_named, push.removed))
            return (
                [self._filter.found(project, path) for path in brought],
                [self._filter.found(project, path) for path in gone],
            )
        if has_wildcards(file):
            return [here], []
        if not push.complete and self._filter.depends_on_more:
            # One request is spent on that. Whether the file is there is known when it is read.
            return [here], []
        if not push.complete:
            return ([here], []) if await self._has_file(project) else ([], [here])
        brought_it, removed_it = touches(push, file)
        return [here] if brought_it else [], [here] if removed_it else []

    async def _counts(self, project: Project) -> bool:
        """Whether *project* counts, by what a webhook does not tell."""
        options = self._options
        value = (await self._api.get(project_path(project.number))).json()
        known, topics = project_of(value), _list(value.get("topics") if isinstance(value, dict) else None)
        wanted = [topic.strip() for topic in (options.topics or "").split(",") if topic.strip()]
        access = value.get("permissions") if isinstance(value, dict) else None
        is_member = isinstance(access, dict) and any(access.values())
        return (
            known is not None
            and self._filter.admits(known)
            and all(topic in topics for topic in wanted)
            and (is_member or not options.membership)
        )

    async def _happened(self, webhook: Webhook, connection: ProviderConnection) -> None:
        """A project is new, gone, or another one: what it was before goes, and what it is now comes."""
        number, path = webhook.body.get("project_id"), webhook.body.get("path_with_namespace")
        former = webhook.body.get("old_path_with_namespace")
        if not isinstance(number, int) or not isinstance(path, str):
            return
        old = former if isinstance(former, str) else path
        if not self._filter.admits_path(path) and not self._filter.admits_path(old):
            return
        project = None if webhook.event in _GONE else await self._project(number)
        added: list[Found] = []
        if project is not None and self._filter.admits(project) and not self._options.use_search:
            # One query, for it is looked for on one branch of one project.
            added = [self._filter.found(each) for each in await self._holding([project])]
        wanted = {each.target for each in added}
        removed = [target for target in self._targets(number, old, project) if target not in wanted]
        if added or removed:
            await connection.apply(delta(self.name, added=added, removed=removed))

    def _targets(self, number: int, path: str, project: Project | None) -> list[str]:
        """Where the file of the project at *path* was. What is gone does not say any more what its branch was."""
        own = self._options.branch or (project.default_branch if project is not None else None)
        branches = [own] if own else dict.fromkeys([*_USUAL_BRANCHES, self._options.fallback_branch])
        url = f"{self._installation.base_url}/{path}"
        return [
            self._filter.found(Project(number=number, path=path, url=url, default_branch=branch)).target
            for branch in branches
        ]

    def _is_named(self, path: str) -> bool:
        """Whether the file at *path* is a catalog file, for those that are looked for in all folders."""
        return path == self._filter.file or path.endswith(f"/{self._filter.file}")

    def _is_ours(self, url: str | None) -> bool:
        """Whether *url* is of the installation. Those that are too old to say so are taken to be."""
        base = self._installation.base_url
        return url is None or url.rstrip("/") == base or url.startswith(f"{base}/")


def discovery_of(context: PluginContext, known: Sequence[Installation]) -> list[GitLabDiscovery]:
    """A provider for each entry of `catalog.providers.gitlab`. Raises InvalidConfiguration."""
    providers: list[GitLabDiscovery] = []
    for key, options in entries_of(context).items():
        at = f"{AT}.{key}"
        installation = named(options.host, known, f"{at}.host", KEY)
        providers.append(GitLabDiscovery(f"GitlabDiscoveryEntityProvider:{key}", options, installation, at))
    return providers


def entries_of(context: PluginContext) -> dict[str, ProviderOptions]:
    """The entries of `catalog.providers.gitlab`, by id. Raises InvalidConfiguration."""
    return read_by_id(ProviderOptions, context.config.providers.get("gitlab"), AT, flat=())


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _hit(value: JsonValue) -> tuple[int, str, str | None] | None:
    """The project, path and branch of a file that the search has found; the most advanced one names no branches."""
    number, path, ref = (looking.at(value, name) for name in ("project_id", "path", "ref"))
    if not isinstance(number, int) or not isinstance(path, str):
        return None
    return number, path, ref if isinstance(ref, str) and ref and not is_commit(ref) else None


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _is_below(path: str, others: Sequence[str]) -> bool:
    return any(path.lower().startswith(f"{other.lower()}/") for other in others)
