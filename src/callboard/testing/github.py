"""A fake GitHub: its REST API as far as files and Apps go, and its GraphQL API as far as repositories and people go.

Queries are executed by `graphql-core` over an excerpt of GitHub's schema: what GitHub would refuse is refused here as
well (`pip install 'callboard[testing]'`).
"""

import base64
import binascii
import datetime as dt
import hashlib
import json
import math
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx2
from graphql import GraphQLError, GraphQLSchema, build_schema, graphql_sync

from callboard.clock import Clock
from callboard.testing.repositories import (
    FakeCodeHost,
    FakeCommit,
    FakeRepository,
    Files,
    blob_sha,
    conditional,
)

_SCHEMA = """
interface GitObject { oid: String! }
type Commit implements GitObject { oid: String! }
type Tree implements GitObject { oid: String! }
type Tag implements GitObject { oid: String! target: GitObject! }
type Blob implements GitObject { oid: String! byteSize: Int! isTruncated: Boolean! text: String }
type Ref { name: String! target: GitObject }
type PageInfo { hasNextPage: Boolean! endCursor: String }
type Topic { name: String! }
type RepositoryTopic { topic: Topic! }
type RepositoryTopicConnection { nodes: [RepositoryTopic] }
enum RepositoryVisibility { PRIVATE INTERNAL PUBLIC }
enum TeamMembershipType { ALL CHILD_TEAM IMMEDIATE }
type Repository {
  name: String! nameWithOwner: String! url: String! isArchived: Boolean! isFork: Boolean! isEmpty: Boolean!
  visibility: RepositoryVisibility!
  repositoryTopics(first: Int): RepositoryTopicConnection!
  defaultBranchRef: Ref
  object(expression: String): GitObject
}
type RepositoryConnection { totalCount: Int! pageInfo: PageInfo! nodes: [Repository] }
interface RepositoryOwner { login: String! repositories(first: Int, after: String): RepositoryConnection! }
type User implements RepositoryOwner {
  login: String! name: String email: String! bio: String avatarUrl: String! suspendedAt: String
  organizationVerifiedDomainEmails(login: String!): [String!]!
  repositories(first: Int, after: String): RepositoryConnection!
}
type UserConnection { totalCount: Int! pageInfo: PageInfo! nodes: [User] }
type Team {
  slug: String! combinedSlug: String! name: String! description: String avatarUrl: String editTeamUrl: String!
  url: String! parentTeam: Team
  members(first: Int, after: String, membership: TeamMembershipType): UserConnection!
}
type TeamConnection { totalCount: Int! pageInfo: PageInfo! nodes: [Team] }
type Organization implements RepositoryOwner {
  login: String! name: String
  repositories(first: Int, after: String): RepositoryConnection!
  membersWithRole(first: Int, after: String): UserConnection!
  teams(first: Int, after: String): TeamConnection!
  team(slug: String!): Team
}
type Query {
  repository(owner: String!, name: String!): Repository
  repositoryOwner(login: String!): RepositoryOwner
  organization(login: String!): Organization
  user(login: String!): User
}
"""

_MOST_AT_ONCE = 100


@dataclass(slots=True, kw_only=True)
class FakeTeam:
    """A team of an organization."""

    slug: str
    name: str
    members: list[str] = field(default_factory=list)
    """Logins."""
    parent: str | None = None
    description: str | None = None


@dataclass(slots=True, kw_only=True)
class FakeMember:
    """Somebody in an organization."""

    login: str
    name: str | None = None
    email: str = ""
    bio: str | None = None
    suspended: bool = False
    verified: list[str] = field(default_factory=list)


@dataclass(slots=True)
class FakeApp:
    """A GitHub App."""

    installations: dict[int, str] = field(default_factory=dict)
    """Who has installed it, by the number of the installation."""
    tokens: dict[str, tuple[str, dt.datetime]] = field(default_factory=dict)
    """Of installations: the owner, and until when."""


class FakeGitHub(FakeCodeHost):
    """GitHub, or GitHub Enterprise if *host* is another one.

    Its API is at `https://api.github.com`, or at `/api/v3` and `/api/graphql` of its host; where it is served, too.
    """

    spares_unchanged = True

    def __init__(
        self, host: str = "github.com", *, tokens: Sequence[str] = ("t0ken",), clock: Clock | None = None
    ) -> None:
        super().__init__(host, tokens=tokens, clock=clock)
        self.web = f"https://{host}"
        """What the URLs of pages begin with."""
        self.apps: dict[str, FakeApp] = {}
        """By the number of the App."""
        self.members: dict[str, list[FakeMember]] = {}
        self.teams: dict[str, list[FakeTeam]] = {}
        self.renamed: dict[str, str] = {}
        """Old slugs, and the new ones to which requests are redirected."""
        self.most_entries = 100_000
        """Trees with more are cut off."""
        self.graphql_budget: int | None = None
        self._trees: dict[str, tuple[FakeCommit, str]] = {}
        self._schema: GraphQLSchema = build_schema(_SCHEMA)

    def push(self, repository: FakeRepository, files: Files, branch: str | None = None) -> dict[str, Any]:
        """Commit *files*; returns the payload of the webhook that GitHub sends then."""
        change = self.change(repository, files, branch)
        return {
            "ref": change.ref,
            "before": change.before,
            "after": change.after,
            "created": not change.before.strip("0"),
            "deleted": False,
            "forced": False,
            "repository": self.payload_of(repository),
            "organization": {"login": repository.owner},
            "commits": [{"id": change.after, "message": "Change", **change.lists}],
        }

    def payload_of(self, repository: FakeRepository) -> dict[str, Any]:
        """A repository, as webhooks and the REST API tell of it."""
        return {
            "id": repository.number,
            "name": repository.name,
            "full_name": repository.slug,
            "html_url": f"{self.web}/{repository.slug}",
            "url": f"{self.web}/{repository.slug}",
            "owner": {"login": repository.owner},
            "default_branch": repository.default_branch,
            "archived": repository.is_archived,
            "fork": repository.is_fork,
            "private": repository.visibility == "private",
            "visibility": repository.visibility,
            "topics": list(repository.topics),
        }

    def admits(self, request: httpx2.Request) -> bool:
        """A token, one of an installation, or the statement of an App where only that counts."""
        token = request.headers.get("authorization", "").partition(" ")[2]
        if _path(request).startswith("/app"):
            return self._app(token) is not None
        return token in self.tokens or self._installed(token) is not None

    def costs(self, request: httpx2.Request) -> bool:
        """Only the REST API: GraphQL has a budget of its own."""
        return _path(request) != "/graphql"

    def exhausted(self) -> httpx2.Response:
        """The answer of GitHub when the budget is used up."""
        return httpx2.Response(403, headers=self.budget_headers(), json={"message": "API rate limit exceeded"})

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """REST or GraphQL."""
        path = _path(request)
        if path == "/graphql":
            return self._graphql(request)
        if path.startswith("/app/"):
            return self._app_answer(request, path)
        parts = [unquote(part) for part in path.split("/")[1:]]
        if len(parts) < 3 or parts[0] != "repos":
            return _not_found()
        slug = f"{parts[1]}/{parts[2]}"
        if slug in self.renamed:
            there = str(request.url).replace(f"/repos/{slug}", f"/repos/{self.renamed[slug]}")
            return httpx2.Response(301, headers={"location": there})
        repository = self.repositories.get(slug)
        if repository is None or not self._may_see(request, repository):
            return _not_found()
        return self._of_repository(request, repository, parts[3:])

    def _may_see(self, request: httpx2.Request, repository: FakeRepository) -> bool:
        token = request.headers.get("authorization", "").partition(" ")[2]
        owner = self._installed(token)
        if owner is not None:
            return owner == repository.owner
        return repository.visibility == "public" or not self.tokens or token in self.tokens

    def _of_repository(
        self, request: httpx2.Request, repository: FakeRepository, parts: Sequence[str]
    ) -> httpx2.Response:
        match parts:
            case []:
                return httpx2.Response(200, json=self.payload_of(repository))
            case ["commits", *ref]:
                commit = repository.at("/".join(ref))
                if commit is None:
                    return httpx2.Response(422, json={"message": f"No commit found for SHA: {'/'.join(ref)}"})
                answer = httpx2.Response(200, text=commit.sha, headers={"content-type": "application/vnd.github.sha"})
                return conditional(request, answer, f'"{commit.sha}"')
            case ["contents", *path]:
                return self._contents(request, repository, "/".join(path))
            case ["git", "trees", sha]:
                return self._tree(request, repository, sha)
            case ["git", "matching-refs", "heads", *beginning]:
                names = [name for name in repository.branches if name.startswith("/".join(beginning))]
                return httpx2.Response(200, json=[{"ref": f"refs/heads/{name}"} for name in names])
            case ["git", "matching-refs", *_]:
                return httpx2.Response(200, json=[])
        return _not_found()

    def _contents(self, request: httpx2.Request, repository: FakeRepository, path: str) -> httpx2.Response:
        commit = repository.at(request.url.params.get("ref"))
        if commit is None:
            return httpx2.Response(
                404, json={"message": f"No commit found for the ref {request.url.params.get('ref')}"}
            )
        if path in commit.files:
            data = commit.files[path]
            raw = {"content-type": "application/vnd.github.raw+json; charset=utf-8"}
            return conditional(request, httpx2.Response(200, content=data, headers=raw), f'"{blob_sha(data)}"')
        below = sorted(name for name in commit.files if name.startswith(f"{path}/"))
        if not below:
            return _not_found()
        return httpx2.Response(200, json=[{"type": "file", "path": name} for name in below])

    def _tree(self, request: httpx2.Request, repository: FakeRepository, sha: str) -> httpx2.Response:
        commit = repository.commits.get(sha)
        found = (commit, "") if commit is not None else self._trees.get(sha)
        if found is None:
            return _not_found()
        entries = self._entries(*found, recursive=bool(request.url.params.get("recursive")))
        told = {"sha": sha, "tree": entries[: self.most_entries], "truncated": len(entries) > self.most_entries}
        return conditional(request, httpx2.Response(200, json=told), f'"{sha}"')

    def _entries(self, commit: FakeCommit, folder: str, *, recursive: bool) -> list[dict[str, str]]:
        beginning = f"{folder}/" if folder else ""
        found: dict[str, dict[str, str]] = {}
        for path, data in sorted(commit.files.items()):
            if not path.startswith(beginning):
                continue
            relative = path.removeprefix(beginning)
            folders = relative.split("/")[:-1]
            for depth in range(1, len(folders) + 1 if recursive else min(len(folders), 1) + 1):
                name = "/".join(folders[:depth])
                found.setdefault(name, {"path": name, "type": "tree", "sha": self._tree_sha(commit, beginning + name)})
            if recursive or not folders:
                found[relative] = {"path": relative, "type": "blob", "sha": blob_sha(data)}
        return list(found.values())

    def _tree_sha(self, commit: FakeCommit, folder: str) -> str:
        sha = hashlib.sha1(f"tree {commit.sha}:{folder}".encode(), usedforsecurity=False).hexdigest()
        self._trees[sha] = (commit, folder)
        return sha

    def _app(self, token: str) -> FakeApp | None:
        """The App whose statement *token* is. Who has signed it is not looked at."""
        try:
            head, claims, _ = token.split(".")
            told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
            assert json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["alg"] == "RS256"
        except (ValueError, binascii.Error, KeyError):
            return None
        now = self.clock.now().timestamp()
        lasts = told["exp"] - told["iat"] <= 600 and told["iat"] <= now <= told["exp"]
        return self.apps.get(str(told["iss"])) if lasts else None

    def _installed(self, token: str) -> str | None:
        """For whose repositories an App has got this *token*."""
        for app in self.apps.values():
            owner, until = app.tokens.get(token, (None, self.clock.now()))
            if owner is not None and until > self.clock.now():
                return owner
        return None

    def _app_answer(self, request: httpx2.Request, path: str) -> httpx2.Response:
        app = self._app(request.headers["authorization"].partition(" ")[2])
        assert app is not None
        if path == "/app/installations":
            known = [{"id": number, "account": {"login": owner}} for number, owner in app.installations.items()]
            return self.page_of(request, known)
        number = int(path.split("/")[3])
        if number not in app.installations:
            return _not_found()
        token, until = f"ghs_{number}_{len(app.tokens)}", self.clock.now() + dt.timedelta(hours=1)
        app.tokens[token] = (app.installations[number], until)
        return httpx2.Response(201, json={"token": token, "expires_at": until.isoformat()})

    def budget_headers(self) -> dict[str, str]:
        """As all hosts have them, with what they are for."""
        told = super().budget_headers()
        return {**told, "x-ratelimit-resource": "core"} if told else {}

    def _graphql(self, request: httpx2.Request) -> httpx2.Response:
        if self.graphql_budget is not None:
            if self.graphql_budget <= 0:
                error = {"type": "RATE_LIMITED", "message": "API rate limit exceeded"}
                return httpx2.Response(200, headers=self._graphql_headers(), json={"errors": [error]})
            self.graphql_budget -= 1
        asked = json.loads(request.content)
        root = {
            "repository": lambda _, owner, name: self._repository(f"{owner}/{name}"),
            "user": lambda _, login: self._user(login),
            "repositoryOwner": lambda _, login: self._owner(login),
            "organization": lambda _, login: self._owner(login),
        }
        result = graphql_sync(self._schema, asked["query"], root, variable_values=asked.get("variables"))
        told: dict[str, Any] = {"data": result.data}
        if result.errors:
            told["errors"] = [{**error.formatted, "type": "NOT_FOUND"} for error in result.errors]
        return httpx2.Response(200, headers=self._graphql_headers(), json=told)

    def _graphql_headers(self) -> dict[str, str]:
        if self.graphql_budget is None:
            return {}
        return {
            "x-ratelimit-limit": "5000",
            "x-ratelimit-remaining": str(self.graphql_budget),
            "x-ratelimit-reset": str(math.ceil(self.resets_at.timestamp())),
            "x-ratelimit-resource": "graphql",
        }

    def _owner(self, login: str) -> Mapping[str, Any]:
        mine = [repository for repository in self.repositories.values() if repository.owner == login]
        if not mine and login not in self.members:
            raise GraphQLError(f"Could not resolve to an Organization with the login of '{login}'.")
        members = {member.login: member for member in self.members.get(login, [])}
        teams = {team.slug: team for team in self.teams.get(login, [])}
        return {
            "__typename": "Organization",
            "login": login,
            "name": login.title(),
            "repositories": _paged(lambda: [self._described(repository) for repository in mine]),
            "membersWithRole": _paged(lambda: [_member(member) for member in members.values()]),
            "teams": _paged(lambda: [self._team(login, team, teams, members) for team in teams.values()]),
            "team": lambda _, slug: self._team(login, teams[slug], teams, members) if slug in teams else None,
        }

    def _user(self, login: str) -> Mapping[str, Any]:
        everybody = (member for members in self.members.values() for member in members)
        found = next((member for member in everybody if member.login == login), None)
        if found is None:
            raise GraphQLError(f"Could not resolve to a User with the login of '{login}'.")
        return _member(found)

    def _team(
        self, login: str, team: FakeTeam, teams: Mapping[str, FakeTeam], members: Mapping[str, FakeMember]
    ) -> Mapping[str, Any]:
        page = f"{self.web}/orgs/{login}/teams/{team.slug}"
        return {
            "slug": team.slug,
            "combinedSlug": f"{login}/{team.slug}",
            "name": team.name,
            "description": team.description,
            "avatarUrl": None,
            "url": page,
            "editTeamUrl": f"{page}/edit",
            "parentTeam": self._team(login, teams[team.parent], teams, members) if team.parent else None,
            "members": _paged(lambda: [_member(members[name]) for name in team.members]),
        }

    def _repository(self, slug: str) -> Mapping[str, Any]:
        repository = self.repositories.get(self.renamed.get(slug, slug))
        if repository is None:
            raise GraphQLError(f"Could not resolve to a Repository with the name '{slug}'.")
        return self._described(repository)

    def _described(self, repository: FakeRepository) -> Mapping[str, Any]:
        head = repository.branches.get(repository.default_branch)
        return {
            "name": repository.name,
            "nameWithOwner": repository.slug,
            "url": f"{self.web}/{repository.slug}",
            "isArchived": repository.is_archived,
            "isFork": repository.is_fork,
            "isEmpty": head is None,
            "visibility": repository.visibility.upper(),
            "repositoryTopics": {"nodes": [{"topic": {"name": topic}} for topic in repository.topics]},
            "defaultBranchRef": None
            if head is None
            else {"name": repository.default_branch, "target": {"__typename": "Commit", "oid": head.sha}},
            "object": lambda _, expression=None: self._object(repository, expression),
        }

    def _object(self, repository: FakeRepository, expression: str) -> Mapping[str, Any] | None:
        ref, colon, path = expression.partition(":")
        commit = repository.at(ref)
        if commit is None:
            return None
        if not colon:
            return {"__typename": "Commit", "oid": commit.sha}
        path = posixpath.normpath(path)
        if path in commit.files:
            data = commit.files[path]
            text = data.decode("utf-8", "replace")
            told = {"oid": blob_sha(data), "byteSize": len(data), "isTruncated": False, "text": text}
            return {"__typename": "Blob", **told}
        if any(name.startswith(f"{path}/") for name in commit.files):
            return {"__typename": "Tree", "oid": self._tree_sha(commit, path)}
        return None


def _paged(items: Callable[[], Sequence[Mapping[str, Any]]]) -> Callable[..., Mapping[str, Any]]:
    """A connection, as GraphQL has them; the cursor is the number of what was told already."""

    def page(_: Any, first: int | None = None, after: str | None = None, **others: Any) -> Mapping[str, Any]:
        if first is None or not 0 < first <= _MOST_AT_ONCE:
            raise GraphQLError(
                f"Requesting {first} records on the connection exceeds the `first` limit of 100 records."
            )
        found, start = items(), int(after or 0)
        end = min(start + first, len(found))
        info = {"hasNextPage": end < len(found), "endCursor": str(end)}
        return {"totalCount": len(found), "pageInfo": info, "nodes": found[start:end]}

    return page


def _member(member: FakeMember) -> Mapping[str, Any]:
    return {
        "login": member.login,
        "name": member.name,
        "email": member.email,
        "bio": member.bio,
        "avatarUrl": f"https://avatars.example.com/{member.login}",
        "suspendedAt": "2026-01-01T00:00:00Z" if member.suspended else None,
        "organizationVerifiedDomainEmails": list(member.verified),
    }


def _path(request: httpx2.Request) -> str:
    path = request.url.raw_path.partition(b"?")[0].decode()
    return "/" + path.removeprefix("/api/v3").removeprefix("/api").lstrip("/")


def _not_found() -> httpx2.Response:
    return httpx2.Response(404, json={"message": "Not Found"})
