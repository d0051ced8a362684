"""A fake Gerrit, with Gitiles: its API as far as projects, their branches and files go, and what its webhooks send."""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import httpx2

from callboard.clock import Clock
from callboard.testing.repositories import FakeCodeHost, FakeCommit, FakeRepository, Files

_PREFIX = ")]}'\n"


class FakeGerrit(FakeCodeHost):
    """Gerrit at the root of *host*, and Gitiles below *gitiles*.

    Who sends a password asks below `/a/`. Projects have no owner here: all of their path is their name.
    """

    def __init__(
        self,
        host: str = "gerrit.example.com",
        *,
        gitiles: str = "/plugins/gitiles",
        tokens: Sequence[str] = ("t0ken",),
        clock: Clock | None = None,
    ) -> None:
        """*tokens* are passwords; with none of them, everybody may read."""
        super().__init__(host, tokens=tokens, clock=clock)
        self.gitiles = gitiles
        self.has_gitiles = True
        self.knows_expressions = True
        """Whether projects can be listed by a regular expression."""
        self.tags: dict[tuple[str, str], str] = {}
        """Commits by project and name."""

    def project(self, name: str, files: Files | None = None, **more: Any) -> FakeRepository:
        """A new project, with *files* in its default branch."""
        repository = FakeRepository("", name, number=len(self.repositories) + 1, **more)
        if files is not None:
            repository.commit(files)
        self.repositories[name] = repository
        return repository

    def push(self, project: FakeRepository, files: Files, branch: str | None = None) -> dict[str, Any]:
        """Commit *files*; returns what the plugin `webhooks` sends then."""
        change = self.change(project, files, branch)
        return self._ref_updated(project, change.ref, change.before, change.after)

    def drop(self, project: FakeRepository, branch: str) -> dict[str, Any]:
        """Delete a *branch*; returns what the plugin sends then."""
        before = project.branches.pop(branch).sha
        return self._ref_updated(project, f"refs/heads/{branch}", before, "0" * 40)

    def created(self, project: FakeRepository) -> dict[str, Any]:
        """What the plugin sends when *project* is made."""
        told = {"projectName": project.name, "headName": f"refs/heads/{project.default_branch}"}
        return self._event("project-created", **told)

    def move_head(self, project: FakeRepository, branch: str) -> dict[str, Any]:
        """Let HEAD stand for another *branch*; returns what the plugin sends then."""
        old, project.default_branch = project.default_branch, branch
        heads = {"oldHead": f"refs/heads/{old}", "newHead": f"refs/heads/{branch}"}
        return self._event("project-head-updated", projectName=project.name, **heads)

    def _ref_updated(self, project: FakeRepository, ref: str, before: str, after: str) -> dict[str, Any]:
        update = {"oldRev": before, "newRev": after, "refName": ref, "project": project.name}
        submitter = {"name": "Carol", "email": "carol@example.com", "username": "carol"}
        return self._event("ref-updated", submitter=submitter, refUpdate=update)

    def _event(self, kind: str, **told: Any) -> dict[str, Any]:
        return {**told, "type": kind, "eventCreatedOn": int(self.clock.now().timestamp())}

    def admits(self, request: httpx2.Request) -> bool:
        """Whether a password is sent, to where that counts."""
        scheme, _, proof = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic" or not request.url.path.startswith("/a/"):
            return False
        try:
            return base64.b64decode(proof).decode().partition(":")[2] in self.tokens
        except (binascii.Error, UnicodeDecodeError):
            return False

    def unauthorized(self) -> httpx2.Response:
        """What strangers hear."""
        return httpx2.Response(401, text="Unauthorized")

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """Gerrit, or Gitiles."""
        path = request.url.raw_path.decode().partition("?")[0]
        path = path.removeprefix("/a") if path.startswith("/a/") else path
        if path.startswith("/projects/"):
            return self._projects(request, [unquote(part) for part in path.removeprefix("/projects/").split("/")])
        if self.has_gitiles and path.startswith(f"{self.gitiles}/"):
            return self._files(request, unquote(path.removeprefix(f"{self.gitiles}/")))
        return _not_found("Not Found")

    def _projects(self, request: httpx2.Request, parts: Sequence[str]) -> httpx2.Response:
        if parts == [""]:
            return self._list(request)
        project = self.repositories.get(parts[0])
        if project is None:
            return _not_found(parts[0])
        match parts[1:]:
            case ["HEAD"]:
                return _told(f"refs/heads/{project.default_branch}")
            case ["branches", ""]:
                names = [name for name in project.branches if request.url.params.get("m", "") in name]
                return _told([{"ref": f"refs/heads/{each}", "revision": project.branches[each].sha} for each in names])
            case ["branches", name] if name in project.branches:
                return _told({"ref": f"refs/heads/{name}", "revision": project.branches[name].sha})
            case ["tags", ""]:
                found = [name for owner, name in self.tags if owner == parts[0]]
                return _told(
                    [{"ref": f"refs/tags/{name}"} for name in found if request.url.params.get("m", "") in name]
                )
            case ["tags", name] if (parts[0], name) in self.tags:
                tag = {"ref": f"refs/tags/{name}", "revision": "f" * 40, "object": self.tags[parts[0], name]}
                return _told(tag)
            case ["commits", sha, "files", path, "content"] if sha in project.commits:
                data = project.commits[sha].files.get(path)
                return _not_found(path) if data is None else httpx2.Response(200, text=base64.b64encode(data).decode())
        return _not_found("/".join(parts[1:]))

    def _list(self, request: httpx2.Request) -> httpx2.Response:
        params = request.url.params
        wanted, branches = params.get("r"), params.get_list("b")
        if wanted is not None and not self.knows_expressions:
            return httpx2.Response(400, text='"r" is not a valid option')
        names = sorted(
            name
            for name, project in self.repositories.items()
            if wanted is None or re.fullmatch(wanted, name)
            if name.startswith(params.get("prefix", params.get("p", "")))
            if params.get("state", "ACTIVE") == ("READ_ONLY" if project.is_archived else "ACTIVE")
        )
        start, most = int(params.get("S", 0)), int(params.get("n", len(names)))
        told: dict[str, Any] = {}
        # What has none of the branches has counted before it is left out.
        for name in names[start : start + most]:
            project = self.repositories[name]
            commits = {branch: commit.sha for branch in branches if (commit := project.at(branch)) is not None}
            if not branches or commits:
                told[name] = {"id": name, "state": "ACTIVE", **({"branches": commits} if branches else {})}
        return _told(told)

    def _files(self, request: httpx2.Request, path: str) -> httpx2.Response:
        name, _, rest = path.partition("/+/")
        project = self.repositories.get(name)
        commit: FakeCommit | None = project.at(rest.strip("/")) if project is not None else None
        if commit is None:
            return _not_found(path)
        assert request.url.params["format"] == "JSON", "pages are not made here"
        assert request.url.params["recursive"] == "1", "folders are not walked here"
        return _told({"id": commit.sha, "entries": [{"type": "blob", "name": each} for each in sorted(commit.files)]})


def _told(value: Any) -> httpx2.Response:
    return httpx2.Response(200, text=_PREFIX + json.dumps(value), headers={"content-type": "application/json"})


def _not_found(what: str) -> httpx2.Response:
    return httpx2.Response(404, text=f"Not found: {what}")
