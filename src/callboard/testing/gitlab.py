"""A fake GitLab: its REST API as far as files, projects and members go, and queries about these."""

import json
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx2

from callboard.clock import Clock
from callboard.testing.gitlab_queries import Queries, cost_of
from callboard.testing.repositories import FakeCodeHost, FakeCommit, FakeRepository, Files, blob_sha


@dataclass(slots=True, kw_only=True)
class FakeGitLabUser:
    """Somebody with an account."""

    number: int
    username: str
    name: str
    email: str | None = None
    state: str = "active"
    is_bot: bool = False
    is_using_seat: bool = True


@dataclass(slots=True, kw_only=True)
class FakeGitLabGroup:
    """A group; those that projects need are there without being added."""

    number: int
    path: str
    """With those of the groups around it."""
    name: str
    description: str = ""
    members: list[str] = field(default_factory=list)
    """The names of direct members."""


class FakeGitLab(FakeCodeHost):
    """GitLab, on gitlab.com or on a host of one's own, where it may be below a *path*."""

    def __init__(
        self,
        host: str = "gitlab.com",
        *,
        path: str = "",
        tokens: Sequence[str] = ("t0ken",),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(host, tokens=tokens, clock=clock)
        self.path = path
        self.most_complexity = 250
        """A query may not cost more."""
        self.has_graphql = True
        self.may_graphql = True
        """Whether the scopes of the tokens are enough for it."""
        self.member_of: set[str] = set()
        """The slugs of projects that the owner of the tokens is a member of."""
        self.users: dict[str, FakeGitLabUser] = {}
        self.groups: dict[str, FakeGitLabGroup] = {}
        self._queries = Queries(self)

    @property
    def web(self) -> str:
        """What the URLs of its pages begin with."""
        return f"{self.origin}{self.path}"

    def add(self, owner: str, name: str, files: Files | None = None, **more: Any) -> FakeRepository:
        """A new project in the group *owner*, which may have slashes."""
        self.group(owner)
        return super().add(owner, name, files, **more)

    def group(self, path: str, **more: Any) -> FakeGitLabGroup:
        """The group at *path*, made with those around it if it is not there."""
        if path not in self.groups:
            if "/" in path:
                self.group(path.rpartition("/")[0])
            name = more.pop("name", path.rpartition("/")[2].title())
            self.groups[path] = FakeGitLabGroup(number=len(self.groups) + 100, path=path, name=name, **more)
        return self.groups[path]

    def user(self, username: str, *groups: str, **more: Any) -> FakeGitLabUser:
        """A new user, who is a member of *groups*."""
        name = more.pop("name", username.title())
        user = FakeGitLabUser(number=len(self.users) + 1, username=username, name=name, **more)
        self.users[username] = user
        for path in groups:
            self.group(path).members.append(username)
        return user

    def push(self, repository: FakeRepository, files: Files, branch: str | None = None) -> dict[str, Any]:
        """Commit *files*; returns the payload of the webhook that GitLab sends then."""
        change = self.change(repository, files, branch)
        return {
            "object_kind": "push",
            "event_name": "push",
            "before": change.before,
            "after": change.after,
            "ref": change.ref,
            "checkout_sha": change.after,
            "project_id": repository.number,
            "project": {
                "id": repository.number,
                "name": repository.name,
                "web_url": f"{self.web}/{repository.slug}",
                "path_with_namespace": repository.slug,
                "default_branch": repository.default_branch,
            },
            "commits": [{"id": change.after, "message": "Change", **change.lists}],
            "total_commits_count": 1,
        }

    def project_event(self, event: str, repository: FakeRepository, *, former: str | None = None) -> dict[str, Any]:
        """The payload of the system hook *event*, `project_destroy` for example; *former* is the path before it."""
        return {
            "event_name": event,
            "project_id": repository.number,
            "path": repository.name,
            "path_with_namespace": repository.slug,
            **({"old_path_with_namespace": former} if former else {}),
        }

    def admits(self, request: httpx2.Request) -> bool:
        """Whether a token is sent, in one of two ways."""
        return request.headers.get("private-token") in self.tokens or super().admits(request)

    def unauthorized(self) -> httpx2.Response:
        """What strangers hear."""
        return httpx2.Response(401, json={"message": "401 Unauthorized"})

    def budget_headers(self) -> dict[str, str]:
        """What is said about the budget with each answer."""
        return {name.removeprefix("x-"): value for name, value in super().budget_headers().items()}

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """REST or GraphQL."""
        path = request.url.raw_path.decode().partition("?")[0].removeprefix(self.path)
        if path == "/api/graphql":
            return self._graphql(request)
        if not path.startswith("/api/v4/"):
            return _not_found("Not Found")
        match [unquote(part) for part in path.removeprefix("/api/v4/").rstrip("/").split("/")]:
            case ["projects"]:
                return self._projects(request, list(self.repositories.values()))
            case ["projects", project, *rest]:
                repository = self._project(project)
                return _not_found("Project Not Found") if repository is None else self._in(request, repository, rest)
            case ["groups"]:
                return self.page_of(request, [self.group_payload(group) for group in self.sorted_groups()])
            case ["groups", group, *rest]:
                return self._in_group(request, group, rest)
            case ["search"]:
                return self._search(request, list(self.repositories.values()))
            case ["users"]:
                return self.page_of(request, [self.user_payload(user) for user in self._people(request)])
            case ["users", number]:
                known = [user for user in self.users.values() if str(user.number) == number]
                return httpx2.Response(200, json=self.user_payload(known[0])) if known else _not_found("User Not Found")
        return _not_found("Not Found")

    def _people(self, request: httpx2.Request) -> list[FakeGitLabUser]:
        params = request.url.params
        return [
            user
            for user in self.users.values()
            if params.get("active") != "true" or user.state == "active"
            if params.get("without_project_bots") != "true" or not user.is_bot
        ]

    def sorted_groups(self) -> list[FakeGitLabGroup]:
        """All groups, by their paths."""
        return [self.groups[path] for path in sorted(self.groups)]

    def _project(self, name: str) -> FakeRepository | None:
        by_number = {str(repository.number): repository for repository in self.repositories.values()}
        return self.repositories.get(name) or by_number.get(name)

    def payload_of(self, repository: FakeRepository) -> dict[str, Any]:
        """A project, as the API tells of it."""
        access = {"access_level": 30} if repository.slug in self.member_of else None
        return {
            "id": repository.number,
            "name": repository.name,
            "path_with_namespace": repository.slug,
            "web_url": f"{self.web}/{repository.slug}",
            "default_branch": repository.default_branch if repository.branches else None,
            "topics": list(repository.topics),
            "visibility": repository.visibility,
            "archived": repository.is_archived,
            "permissions": {"project_access": access, "group_access": None},
            **({"forked_from_project": {"id": 1}} if repository.is_fork else {}),
        }

    def group_payload(self, group: FakeGitLabGroup) -> dict[str, Any]:
        """A group, as the API tells of it."""
        around = self.groups.get(group.path.rpartition("/")[0])
        return {
            "id": group.number,
            "name": group.name,
            "path": group.path.rpartition("/")[2],
            "full_path": group.path,
            "description": group.description,
            "parent_id": around.number if around else None,
            "web_url": f"{self.web}/groups/{group.path}",
            "visibility": "private",
        }

    def user_payload(self, user: FakeGitLabUser) -> dict[str, Any]:
        """A user, as the API tells of one."""
        return {
            "id": user.number,
            "username": user.username,
            "name": user.name,
            "state": user.state,
            "email": user.email,
            "web_url": f"{self.web}/{user.username}",
            "avatar_url": f"{self.web}/uploads/{user.username}.png",
            "is_using_seat": user.is_using_seat,
        }

    def _projects(self, request: httpx2.Request, repositories: Sequence[FakeRepository]) -> httpx2.Response:
        params = request.url.params
        topics = [topic for topic in params.get("topic", "").split(",") if topic]
        found = [
            repository
            for repository in sorted(repositories, key=lambda each: each.number)
            if params.get("archived") is None or repository.is_archived == (params["archived"] == "true")
            if params.get("membership") != "true" or repository.slug in self.member_of
            if all(topic in repository.topics for topic in topics)
        ]
        told = [self.payload_of(repository) for repository in found]
        if params.get("simple") == "true":
            for project in told:
                project.pop("forked_from_project", None)
                project.pop("archived", None)
                project.pop("permissions", None)
        if params.get("pagination") != "keyset":
            return self.page_of(request, told)
        most = min(int(params.get("per_page", 20)), self.page_size)
        rest = [project for project in told if project["id"] > int(params.get("id_after", 0))]
        headers = {}
        if len(rest) > most:
            url = request.url.copy_merge_params({"id_after": rest[most - 1]["id"]})
            headers["link"] = f'<{url}>; rel="next"'
        return httpx2.Response(200, headers=headers, json=rest[:most])

    def _in_group(self, request: httpx2.Request, name: str, rest: Sequence[str]) -> httpx2.Response:
        group = self.groups.get(name) or {str(each.number): each for each in self.groups.values()}.get(name)
        if group is None:
            return _not_found("Group Not Found")
        below = [each for each in self.sorted_groups() if each.path.startswith(f"{group.path}/")]
        inside = {group.path, *(each.path for each in below)}
        repositories = [each for each in self.repositories.values() if each.owner in inside]
        match rest:
            case []:
                return httpx2.Response(200, json=self.group_payload(group))
            case ["projects"]:
                own = [each for each in repositories if each.owner == group.path]
                deep = request.url.params.get("include_subgroups") == "true"
                return self._projects(request, repositories if deep else own)
            case ["descendant_groups"]:
                return self.page_of(request, [self.group_payload(each) for each in below])
            case ["search"]:
                return self._search(request, repositories)
            case ["members", *more]:
                names = self.members_of(group, ("DIRECT", "INHERITED") if more[:1] == ["all"] else ("DIRECT",))
                found = [self.user_payload(self.users[each]) for each in names]
                if more[-1:] in ([], ["all"]):
                    return self.page_of(request, found)
                one = [each for each in found if str(each["id"]) == more[-1]]
                return httpx2.Response(200, json=one[0]) if one else _not_found("Member Not Found")
        return _not_found("Not Found")

    def members_of(self, group: FakeGitLabGroup, relations: Sequence[str]) -> list[str]:
        """The names of those who belong to *group* in one of these ways."""
        found = list(group.members) if "DIRECT" in relations else []
        for other in self.sorted_groups():
            is_around, is_below = group.path.startswith(f"{other.path}/"), other.path.startswith(f"{group.path}/")
            if (is_around and "INHERITED" in relations) or (is_below and "DESCENDANTS" in relations):
                found += other.members
        return list(dict.fromkeys(found))

    def _search(self, request: httpx2.Request, repositories: Sequence[FakeRepository]) -> httpx2.Response:
        """The search for the name of a file, in the default branches."""
        wanted = request.url.params.get("search", "").removeprefix("filename:")
        hits = [
            {
                "path": path,
                "filename": path,
                "basename": posixpath.splitext(path)[0],
                "ref": repository.default_branch,
                "project_id": repository.number,
                "data": commit.files[path].decode(errors="replace")[:100],
            }
            for repository in repositories
            if (commit := repository.at(None)) is not None
            for path in sorted(commit.files)
            if posixpath.basename(path).startswith(wanted)
        ]
        return self.page_of(request, hits)

    def _in(self, request: httpx2.Request, repository: FakeRepository, rest: Sequence[str]) -> httpx2.Response:
        params = request.url.params
        match rest:
            case []:
                return httpx2.Response(200, json=self.payload_of(repository))
            case ["repository", "commits", ref]:
                commit = repository.at(ref)
                found = commit is not None and repository.branches
                return (
                    httpx2.Response(200, json={"id": commit.sha})
                    if found and commit
                    else _not_found("Commit Not Found")
                )
            case ["repository", "files", path, *raw]:
                return self._file(request, repository.at(params.get("ref")), path, is_raw=raw == ["raw"])
            case ["repository", "tree"]:
                return self._tree(request, repository.at(params.get("ref")))
            case ["repository", "branches"]:
                wanted = re.compile(params.get("search", "").replace("^", "\\A"))
                names = [{"name": name} for name in sorted(repository.branches) if wanted.search(name)]
                return self.page_of(request, names)
            case ["repository", "tags"]:
                return self.page_of(request, [])
        return _not_found("Not Found")

    def _file(self, request: httpx2.Request, commit: FakeCommit | None, path: str, *, is_raw: bool) -> httpx2.Response:
        if commit is None or path not in commit.files:
            return _not_found("File Not Found" if commit else "Commit Not Found")
        data = commit.files[path]
        headers = {"x-gitlab-blob-id": blob_sha(data), "x-gitlab-commit-id": commit.sha}
        if request.method == "HEAD":
            return httpx2.Response(200, headers=headers)
        assert is_raw, "only raw files are sent"
        return httpx2.Response(200, content=data, headers={**headers, "content-type": "text/plain"})

    def _tree(self, request: httpx2.Request, commit: FakeCommit | None) -> httpx2.Response:
        params = request.url.params
        folder = params.get("path", "").strip("/")
        beginning = f"{folder}/" if folder else ""
        files = [path for path in sorted(commit.files if commit else ()) if path.startswith(beginning)]
        if not files:
            return _not_found("Tree Not Found")
        if params.get("recursive") != "true":
            files = [path for path in files if "/" not in path.removeprefix(beginning)]
        folders = {posixpath.dirname(path) for path in files} - {"", folder}
        entries = sorted(
            [{"path": path, "type": "blob", "name": posixpath.basename(path)} for path in files]
            + [{"path": path, "type": "tree", "name": posixpath.basename(path)} for path in folders],
            key=lambda entry: entry["path"],
        )
        if params.get("pagination") != "keyset":
            return self.page_of(request, entries)
        most = min(int(params.get("per_page", 20)), self.page_size)
        rest = [entry for entry in entries if entry["path"] > params.get("page_token", "")]
        headers = {}
        if len(rest) > most:
            url = request.url.copy_merge_params({"page_token": rest[most - 1]["path"]})
            headers["link"] = f'<{url}>; rel="next"'
        return httpx2.Response(200, headers=headers, json=rest[:most])

    def _graphql(self, request: httpx2.Request) -> httpx2.Response:
        if not self.has_graphql:
            return _not_found("Not Found")
        if not self.may_graphql:
            return httpx2.Response(
                403, json={"error": "insufficient_scope", "error_description": "Needs a higher scope"}
            )
        asked = json.loads(request.content)
        query = asked["query"]
        assert len(query) <= 10_000, "GitLab refuses longer queries"
        cost = cost_of(query)
        if cost > self.most_complexity:
            message = f"Query has complexity of {cost}, which exceeds max complexity of {self.most_complexity}"
            return httpx2.Response(200, json={"errors": [{"message": message}]})
        return httpx2.Response(200, json=self._queries.answer(query, asked.get("variables")))


def _not_found(what: str) -> httpx2.Response:
    return httpx2.Response(404, json={"message": f"404 {what}"})
