"""A fake Gitea, or Forgejo: its API as far as files and the repositories of organizations go."""

import base64
import binascii
import datetime as dt
import email.utils
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import httpx2

from callboard.clock import Clock
from callboard.testing.repositories import (
    FakeCodeHost,
    FakeCommit,
    FakeRepository,
    Files,
    blob_sha,
    conditional,
)


class FakeGitea(FakeCodeHost):
    """Gitea at the root of *host*, or below a *path*."""

    def __init__(
        self,
        host: str = "gitea.example.com",
        *,
        path: str = "",
        tokens: Sequence[str] = ("t0ken",),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(host, tokens=tokens, clock=clock)
        self.path = path
        self.page_size = 50
        self.tree_page_size = 1_000
        """Entries of a tree in one answer."""
        self.tags: dict[tuple[str, str], str] = {}
        """Commits by repository and name."""
        self.changed: dict[str, dt.datetime] = {}
        """When something has happened to a repository, by its slug."""
        self.created: dict[str, dt.datetime] = {}
        self.mirrors: set[str] = set()
        """The slugs of those that follow repositories elsewhere."""

    @property
    def web(self) -> str:
        """What the URLs of its pages begin with."""
        return f"{self.origin}{self.path}"

    def add(self, owner: str, name: str, files: Files | None = None, **more: Any) -> FakeRepository:
        """A new repository, with *files* in its default branch."""
        repository = super().add(owner, name, files, **more)
        self.changed[repository.slug] = self.created[repository.slug] = self.clock.now()
        return repository

    def push(self, repository: FakeRepository, files: Files, branch: str | None = None) -> dict[str, Any]:
        """Commit *files*; returns the payload of the webhook that Gitea sends then."""
        change = self.change(repository, files, branch)
        self.changed[repository.slug] = self.clock.now()
        return {
            "ref": change.ref,
            "before": change.before,
            "after": change.after,
            # What is empty is null there.
            "commits": [
                {"id": change.after, "message": "Change", **{name: each or None for name, each in change.lists.items()}}
            ],
            "total_commits": 1,
            "repository": self.payload_of(repository),
        }

    def payload_of(self, repository: FakeRepository) -> dict[str, Any]:
        """A repository, as the API and webhooks tell of it."""
        return {
            "id": repository.number,
            "name": repository.name,
            "full_name": repository.slug,
            "owner": {"login": repository.owner, "username": repository.owner},
            "html_url": f"{self.web}/{repository.slug}",
            "default_branch": repository.default_branch,
            "archived": repository.is_archived,
            "fork": repository.is_fork,
            "empty": not repository.branches,
            "private": repository.visibility == "private",
            "mirror": repository.slug in self.mirrors,
            "created_at": _written(self.created[repository.slug]),
            "updated_at": _written(self.changed[repository.slug]),
        }

    def admits(self, request: httpx2.Request) -> bool:
        """Whether a token is sent, by itself or as a password."""
        scheme, _, proof = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return super().admits(request)
        try:
            return base64.b64decode(proof).decode().partition(":")[2] in self.tokens
        except (binascii.Error, UnicodeDecodeError):
            return False

    def unauthorized(self) -> httpx2.Response:
        """What strangers hear."""
        return httpx2.Response(
            401, json={"message": "user does not exist [uid: 0, name: ]", "url": f"{self.web}/api/swagger"}
        )

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """What is at the path of *request*."""
        path = request.url.raw_path.decode().partition("?")[0].removeprefix(self.path)
        match [unquote(part) for part in path.removeprefix("/api/v1/").split("/")]:
            case ["orgs", owner, "repos"]:
                found = [each for each in self.repositories.values() if each.owner.lower() == owner.lower()]
                told = [self.payload_of(each) for each in found]
                return self.page_of(request, told, size="limit") if found else _not_found("org")
            case ["repos", "search"]:
                return self._search(request)
            case ["repos", owner, name, *rest] if f"{owner}/{name}" in self.repositories:
                return self._in(request, self.repositories[f"{owner}/{name}"], rest)
        return _not_found("target")

    def _search(self, request: httpx2.Request) -> httpx2.Response:
        params = request.url.params
        if params.get("mode", "mirror") != "mirror" or params.get("sort", "updated") != "updated":
            return httpx2.Response(422, json={"message": "Invalid search mode or sort mode"})
        found = [each for each in self.repositories.values() if "mode" not in params or each.slug in self.mirrors]
        if "sort" in params:
            found.sort(key=lambda each: self.changed[each.slug], reverse=params.get("order") == "desc")
        page = self.page_of(request, [self.payload_of(each) for each in found], size="limit")
        date = email.utils.format_datetime(self.clock.now(), usegmt=True)
        headers = {**page.headers, "x-total-count": str(len(found)), "date": date}
        del headers["content-length"]
        return httpx2.Response(200, headers=headers, json={"ok": True, "data": page.json()})

    def _in(self, request: httpx2.Request, repository: FakeRepository, rest: Sequence[str]) -> httpx2.Response:
        ref = request.url.params.get("ref")
        match rest:
            case []:
                return httpx2.Response(200, json=self.payload_of(repository))
            case ["branches", *parts]:
                branch = repository.branches.get("/".join(parts))
                return (
                    _not_found("branch")
                    if branch is None
                    else httpx2.Response(200, json={"commit": {"id": branch.sha}})
                )
            case ["tags", *parts]:
                sha = self.tags.get((repository.slug, "/".join(parts)))
                return _not_found("tag") if sha is None else httpx2.Response(200, json={"commit": {"sha": sha}})
            case ["git", "commits", name]:
                if not repository.branches:
                    return httpx2.Response(409, json={"message": "Git Repository is empty."})
                found = self._at(repository, name)
                return _not_found("commit") if found is None else httpx2.Response(200, json={"sha": found.sha})
            case ["git", "trees", name]:
                return self._tree(request, self._at(repository, name))
            case ["raw", *parts]:
                return self._raw(request, self._at(repository, ref), "/".join(parts))
            case ["contents", *parts]:
                return self._contents(self._at(repository, ref), "/".join(parts))
        return _not_found("target")

    def _at(self, repository: FakeRepository, name: str | None) -> FakeCommit | None:
        if name is not None and (repository.slug, name) in self.tags:
            return repository.commits[self.tags[repository.slug, name]]
        short = [
            commit for sha, commit in repository.commits.items() if name and len(name) > 6 and sha.startswith(name)
        ]
        return repository.at(name) or (short[0] if short else None)

    def _raw(self, request: httpx2.Request, commit: FakeCommit | None, path: str) -> httpx2.Response:
        if commit is None or path not in commit.files:
            return _not_found("object")
        data = commit.files[path]
        return conditional(request, httpx2.Response(200, content=data), f'"{blob_sha(data)}"')

    def _contents(self, commit: FakeCommit | None, path: str) -> httpx2.Response:
        if commit is None or path not in commit.files:
            return _not_found("object")
        data = commit.files[path]
        encoded = base64.b64encode(data).decode()
        return httpx2.Response(200, json={"path": path, "type": "file", "encoding": "base64", "content": encoded})

    def _tree(self, request: httpx2.Request, commit: FakeCommit | None) -> httpx2.Response:
        if commit is None:
            return _not_found("tree")
        params = request.url.params
        entries = [{"path": path, "type": "blob", "sha": blob_sha(data)} for path, data in sorted(commit.files.items())]
        number, most = int(params.get("page", 1)), min(int(params.get("per_page", 1_000)), self.tree_page_size)
        shown = entries[(number - 1) * most : number * most]
        told = {
            "sha": commit.sha,
            "page": number,
            "total_count": len(entries),
            "truncated": number * most < len(entries),
        }
        return httpx2.Response(200, json={**told, "tree": shown})


def _written(moment: dt.datetime) -> str:
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _not_found(what: str) -> httpx2.Response:
    return httpx2.Response(404, json={"message": f"{what} couldn't be found.", "errors": []})
