"""A fake Bitbucket Cloud: its REST API as far as files, refs, projects and the code search go."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import httpx2

from callboard.clock import Clock
from callboard.testing.repositories import FakeCodeHost, FakeCommit, FakeRepository, Files, blob_sha, conditional

_API = "/2.0/"
_MOST_AT_ONCE = 100
_TERM = re.compile(r"(\w+):(\S+)")
_NAME_HAS = re.compile(r'name ~ "((?:[^"\\]|\\.)*)"')
_PATH_HAS = re.compile(r'path ~ "((?:[^"\\]|\\.)*)"')


class FakeBitbucketCloud(FakeCodeHost):
    """Bitbucket Cloud, whose API is at `https://api.bitbucket.org/2.0`.

    Its *tokens* are access tokens, and the secrets of anybody who gives a name with them. Pages have the sizes that are
    asked for, at most 100; answers have no more in them than the parameter `fields` lets them have.
    """

    def __init__(self, *, tokens: Sequence[str] = ("t0ken",), clock: Clock | None = None) -> None:
        super().__init__("bitbucket.org", tokens=tokens, clock=clock)
        self.web = "https://bitbucket.org"
        self.consumers: dict[str, str] = {}
        """The secrets of OAuth consumers, by key."""
        self.granted: list[str] = []
        """The tokens that consumers have got."""
        self.has_search = True
        """Whether somebody has enabled the code search."""
        self.unindexed: set[str] = set()
        """The slugs of repositories of which the code search doesn't know yet."""
        self.most_entries = 5_000
        """Longer lists of files take it too long."""

    def push(self, repository: FakeRepository, files: Files, branch: str | None = None) -> dict[str, Any]:
        """Commit *files*; returns the payload of the webhook `repo:push` that Bitbucket sends then."""
        branch = branch or repository.default_branch
        before = repository.branches.get(branch)
        commit = repository.commit(files, branch)

        def state(at: FakeCommit) -> dict[str, Any]:
            return {"type": "branch", "name": branch, "target": {"type": "commit", "hash": at.sha}}

        change = {
            "old": state(before) if before else None,
            "new": state(commit),
            "created": before is None,
            "closed": False,
            "forced": False,
            "truncated": False,
            "commits": [{"hash": commit.sha, "type": "commit", "message": "Change"}],
        }
        return {
            "actor": {"display_name": "Baker"},
            "repository": self.payload_of(repository),
            "push": {"changes": [change]},
        }

    def payload_of(self, repository: FakeRepository) -> dict[str, Any]:
        """A repository, as webhooks tell of it: without its main branch."""
        return {
            "type": "repository",
            "full_name": repository.slug,
            "name": repository.name,
            "uuid": f"{{{repository.number}}}",
            "workspace": {"type": "workspace", "slug": repository.owner},
            "project": {"type": "project", "key": repository.project},
            "is_private": repository.visibility != "public",
            "links": {"html": {"href": f"{self.web}/{repository.slug}"}},
        }

    def admits(self, request: httpx2.Request) -> bool:
        """A token, or a name with a secret; OAuth consumers prove themselves where they get their tokens."""
        scheme, _, proof = request.headers.get("authorization", "").partition(" ")
        if request.url.path == "/site/oauth2/access_token":
            name, _, secret = _decoded(proof).partition(":")
            return scheme == "Basic" and self.consumers.get(name) == secret
        if scheme == "Basic":
            return _decoded(proof).partition(":")[2] in self.tokens
        return proof in self.tokens or proof in self.granted

    def unauthorized(self) -> httpx2.Response:
        """What strangers hear."""
        return httpx2.Response(401, json=_error("Token is invalid, expired, or not supported for this endpoint."))

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """REST, or a token for a consumer."""
        if request.url.path == "/site/oauth2/access_token":
            return self._granted(request)
        raw = request.url.raw_path.decode().partition("?")[0]
        if not raw.startswith(_API) or (request.method != "GET"):
            return _not_found("Resource not found")
        if int(request.url.params.get("pagelen", 10)) > _MOST_AT_ONCE:
            return httpx2.Response(400, json=_error("Invalid pagelen"))
        parts = [unquote(part) for part in raw.removeprefix(_API).split("/")]
        return _selected(request, self._found(request, parts))

    def _granted(self, request: httpx2.Request) -> httpx2.Response:
        form = request.content.decode()
        if form != "grant_type=client_credentials":
            return httpx2.Response(400, json={"error": "unsupported_grant_type", "error_description": form})
        self.granted.append(f"granted-{len(self.granted)}")
        return httpx2.Response(200, json={"access_token": self.granted[-1], "expires_in": 7200, "token_type": "bearer"})

    def _found(self, request: httpx2.Request, parts: Sequence[str]) -> httpx2.Response:
        match parts:
            case ["workspaces", workspace, "projects"]:
                keys = sorted({repository.project for repository in self._of(workspace)})
                if not keys:
                    return _not_found(f"No workspace with identifier '{workspace}'.")
                return self._page(request, [{"type": "project", "key": key} for key in keys])
            case ["workspaces", workspace, "search", "code"]:
                return self._search(request, workspace)
            case ["repositories", workspace]:
                return self._page(request, [self._described(each) for each in self._of(workspace)])
            case ["repositories", workspace, name, *rest]:
                repository = self.repositories.get(f"{workspace}/{name}")
                if repository is None:
                    return _not_found(f"Repository {workspace}/{name} not found")
                return self._of_repository(request, repository, rest)
        return _not_found("Resource not found")

    def _of(self, workspace: str) -> list[FakeRepository]:
        return [repository for repository in self.repositories.values() if repository.owner == workspace]

    def _described(self, repository: FakeRepository) -> dict[str, Any]:
        main = {"type": "branch", "name": repository.default_branch} if repository.branches else None
        return {**self.payload_of(repository), "slug": repository.name, "mainbranch": main}

    def _of_repository(
        self, request: httpx2.Request, repository: FakeRepository, rest: Sequence[str]
    ) -> httpx2.Response:
        params = request.url.params
        match rest:
            case []:
                return httpx2.Response(200, json=self._described(repository))
            case ["commits"]:
                commit = repository.at(params["include"])
                if commit is None or params["include"] == "HEAD":
                    return _not_found(f"Commit not found: {params['include']}")
                return self._page(request, [{"type": "commit", "hash": commit.sha}])
            case ["refs"]:
                asked = _NAME_HAS.fullmatch(params.get("q", 'name ~ ""'))
                if asked is None:
                    return httpx2.Response(400, json=_error("Invalid query"))
                names = [name for name in repository.branches if asked[1] in name]
                return self._page(request, [{"type": "branch", "name": name} for name in names])
            case ["src", ref, *path]:
                commit = repository.at(ref)
                if commit is None:
                    return _not_found(f"Commit not found: {ref}")
                return self._source(request, repository, commit, "/".join(path).strip("/"))
        return _not_found("Resource not found")

    def _source(
        self, request: httpx2.Request, repository: FakeRepository, commit: FakeCommit, path: str
    ) -> httpx2.Response:
        data = commit.files.get(path)
        if data is not None and request.url.params.get("format") == "meta":
            described = self._described(repository)
            if "+commit.repository.mainbranch.name" not in request.url.params.get("fields", ""):
                del described["mainbranch"]
            told = {"type": "commit", "hash": commit.sha, "repository": described}
            return httpx2.Response(200, json={"type": "commit_file", "path": path, "size": len(data), "commit": told})
        if data is not None:
            kind = "application/json" if path.endswith(".json") else "text/plain"
            return conditional(
                request, httpx2.Response(200, content=data, headers={"content-type": kind}), f'"{blob_sha(data)}"'
            )
        beginning = f"{path}/" if path else ""
        below = [name for name in commit.files if name.startswith(beginning)]
        if not below:
            return _not_found(f"No such file or directory: {path}")
        depth = int(request.url.params.get("max_depth", 1))
        entries = sorted(_within(below, beginning, depth))
        if depth > 1 and len(entries) > self.most_entries:
            return httpx2.Response(555, json=_error("The tree is too large to list"))
        asked = _PATH_HAS.fullmatch(request.url.params.get("q", 'path ~ ""'))
        if asked is None:
            return httpx2.Response(400, json=_error("Invalid query"))
        told = {"type": "commit", "hash": commit.sha, "repository": self._described(repository)}
        found = [(name, kind) for name, kind in entries if asked[1] in name]
        return self._page(request, [{"type": kind, "path": name, "commit": told} for name, kind in found])

    def _search(self, request: httpx2.Request, workspace: str) -> httpx2.Response:
        if not self.has_search:
            return _not_found("Code search is not enabled for the requested workspace")
        terms = dict(_TERM.findall(request.url.params["search_query"]))
        path = terms.get("path", "").lstrip("/")
        hits: list[dict[str, Any]] = []
        for repository in self._of(workspace):
            main = repository.branches.get(repository.default_branch)
            if main is None or repository.project != terms.get("project", repository.project):
                continue
            if repository.slug in self.unindexed:
                continue
            paths = [name for name in main.files if name == path or name.endswith(f"/{path}")]
            hits += [self._hit(request, repository, name) for name in paths]
            # What says the name of the file is found as well.
            hits += [
                {**self._hit(request, repository, name), "path_matches": []}
                for name, data in main.files.items()
                if path.encode() in data
            ]
        return self._page(request, hits)

    def _hit(self, request: httpx2.Request, repository: FakeRepository, path: str) -> dict[str, Any]:
        asked = request.url.params.get("fields", "").split(",")
        whole, beginning = self._described(repository), "+values.file.commit.repository."
        told = {
            name: whole[name]
            for name in {field.removeprefix(beginning).partition(".")[0] for field in asked if beginning in field}
        }
        file = {"type": "commit_file", "path": path, "commit": {"type": "commit", "repository": told}}
        return {"type": "code_search_result", "file": file, "path_matches": [{"text": path, "match": True}]}

    def _page(self, request: httpx2.Request, items: Sequence[Any]) -> httpx2.Response:
        number, size = int(request.url.params.get("page", 1)), int(request.url.params.get("pagelen", 10))
        size = min(size, self.page_size)
        body: dict[str, Any] = {
            "pagelen": size,
            "page": number,
            "values": list(items[(number - 1) * size : number * size]),
        }
        if number * size < len(items):
            body["next"] = str(request.url.copy_merge_params({"page": number + 1}))
        return httpx2.Response(200, json=body)


def _selected(request: httpx2.Request, answer: httpx2.Response) -> httpx2.Response:
    """The answer with nothing but the fields that are asked for by name; others are added or left out."""
    fields = [field for field in request.url.params.get("fields", "").split(",") if field and field[0] not in "+-"]
    if not fields or answer.status_code != 200 or "application/json" not in answer.headers.get("content-type", ""):
        return answer
    return httpx2.Response(200, json=_only(json.loads(answer.content), [field.split(".") for field in fields]))


def _only(value: Any, fields: Sequence[Sequence[str]]) -> Any:
    if isinstance(value, list):
        return [_only(each, fields) for each in value]
    if not isinstance(value, Mapping):
        return value
    kept: dict[str, Any] = {}
    for name, inner in value.items():
        rests = [field[1:] for field in fields if field[0] == name]
        if rests:
            kept[name] = inner if any(not rest for rest in rests) else _only(inner, rests)
    return kept


def _within(paths: Sequence[str], beginning: str, depth: int) -> set[tuple[str, str]]:
    """What is at most *depth* folders below: (path, type)."""
    found: set[tuple[str, str]] = set()
    for path in paths:
        parts = path.removeprefix(beginning).split("/")
        for count in range(1, min(depth, len(parts)) + 1):
            kind = "commit_file" if count == len(parts) else "commit_directory"
            found.add((beginning + "/".join(parts[:count]), kind))
    return found


def _decoded(proof: str) -> str:
    try:
        return base64.b64decode(proof).decode()
    except ValueError:
        return ""


def _error(message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"message": message}}


def _not_found(message: str) -> httpx2.Response:
    return httpx2.Response(404, json=_error(message))
