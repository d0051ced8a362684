"""A fake Bitbucket Server: its REST API as far as repositories, commits and files go."""

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

import httpx2

from callboard.clock import Clock
from callboard.testing.repositories import FakeCodeHost, FakeCommit, FakeRepository, Files, blob_sha, conditional


class FakeBitbucketServer(FakeCodeHost):
    """Bitbucket Server, or Data Center, at the path *context* of its host.

    Owners are the keys of projects, `ACME`, or people, `~jane`. Its *tokens* are HTTP access tokens, and passwords.
    """

    def __init__(
        self,
        host: str = "bitbucket.example.com",
        *,
        tokens: Sequence[str] = ("t0ken",),
        clock: Clock | None = None,
        context: str = "",
    ) -> None:
        super().__init__(host, tokens=tokens, clock=clock)
        self.web = f"https://{host}{context}"
        self._api = f"{context}/rest/api/1.0/"
        self.says_where = True
        """Whether webhooks tell the URL of the repository, which older versions don't."""

    def push(self, repository: FakeRepository, files: Files, branch: str | None = None) -> dict[str, Any]:
        """Commit *files*; returns the payload of the webhook `repo:refs_changed` that is sent then."""
        branch = branch or repository.default_branch
        before = repository.branches.get(branch)
        commit = repository.commit(files, branch)
        change = {
            "ref": {"id": f"refs/heads/{branch}", "displayId": branch, "type": "BRANCH"},
            "refId": f"refs/heads/{branch}",
            "fromHash": before.sha if before else "0" * 40,
            "toHash": commit.sha,
            "type": "UPDATE" if before else "ADD",
        }
        return {"eventKey": "repo:refs_changed", "repository": self.payload_of(repository), "changes": [change]}

    def payload_of(self, repository: FakeRepository) -> dict[str, Any]:
        """A repository, as webhooks tell of it."""
        told = self._described(repository)
        if not self.says_where:
            del told["links"]
        return told

    def _described(self, repository: FakeRepository) -> dict[str, Any]:
        kind = "PERSONAL" if repository.owner.startswith("~") else "NORMAL"
        place = f"projects/{quote(repository.owner, safe='~')}/repos/{quote(repository.name)}/browse"
        return {
            "slug": repository.name,
            "id": repository.number,
            "name": repository.name,
            "project": {"key": repository.owner, "type": kind},
            "archived": repository.is_archived,
            "links": {"self": [{"href": f"{self.web}/{place}"}]},
        }

    def admits(self, request: httpx2.Request) -> bool:
        """A token, or a name and password."""
        scheme, _, proof = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            return base64.b64decode(proof).decode().partition(":")[2] in self.tokens
        return scheme == "Bearer" and proof in self.tokens

    def unauthorized(self) -> httpx2.Response:
        """What strangers hear."""
        return httpx2.Response(401, json=_errors("Authentication failed. Please check your credentials."))

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """REST."""
        raw = request.url.raw_path.decode().partition("?")[0]
        if not raw.startswith(self._api) or request.method != "GET":
            return _not_found("null for uri")
        match [unquote(part) for part in raw.removeprefix(self._api).split("/")]:
            case ["repos"]:
                return self._page(request, [self._described(each) for each in self.repositories.values()])
            case ["projects", project, "repos", slug, asked, *path]:
                repository = self.repositories.get(f"{project}/{slug}")
                if repository is None:
                    return _not_found(f"Repository {project}/{slug} does not exist.")
                return self._of_repository(request, repository, asked, "/".join(path))
        return _not_found("null for uri")

    def _of_repository(
        self, request: httpx2.Request, repository: FakeRepository, asked: str, path: str
    ) -> httpx2.Response:
        ref = request.url.params.get("until" if asked == "commits" else "at")
        commit = repository.at(ref)
        if commit is None and ref is not None:
            return _not_found(f"Commit '{ref}' does not exist in repository '{repository.name}'.")
        if commit is None:
            empty = asked == "commits"
            return self._page(request, []) if empty else _not_found(f"Repository '{repository.name}' is empty.")
        match asked:
            case "commits":
                return self._page(request, [{"id": commit.sha, "displayId": commit.sha[:11]}])
            case "files":
                beginning = f"{path}/" if path else ""
                below = [name.removeprefix(beginning) for name in commit.files if name.startswith(beginning)]
                return self._page(request, below) if below else _no_path(path, commit)
            case "raw" if path in commit.files:
                data = commit.files[path]
                answer = httpx2.Response(200, content=data, headers={"content-type": "text/plain"})
                return conditional(request, answer, f'"{blob_sha(data)}"')
            case "browse" if request.url.params.get("type") == "true" and path in commit.files:
                return httpx2.Response(200, json={"type": "FILE"})
        return _no_path(path, commit)

    def _page(self, request: httpx2.Request, items: Sequence[Any]) -> httpx2.Response:
        start, limit = int(request.url.params.get("start", 0)), int(request.url.params.get("limit", 25))
        end = start + min(limit, self.page_size)
        is_last = end >= len(items)
        body = {
            "size": len(items[start:end]),
            "limit": limit,
            "isLastPage": is_last,
            "values": list(items[start:end]),
            "start": start,
            "nextPageStart": None if is_last else end,
        }
        return httpx2.Response(200, json=body)


def _errors(message: str) -> dict[str, Any]:
    return {"errors": [{"context": None, "message": message, "exceptionName": None}]}


def _not_found(message: str) -> httpx2.Response:
    return httpx2.Response(404, json=_errors(message))


def _no_path(path: str, commit: FakeCommit) -> httpx2.Response:
    return _not_found(f'The path "{path}" does not exist at revision "{commit.sha}"')
