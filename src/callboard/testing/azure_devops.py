"""A fake Azure DevOps: its REST API as far as repositories, files and the code search go."""

import base64
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import httpx2

from callboard.clock import Clock
from callboard.testing.repositories import FakeCodeHost, FakeCommit, FakeRepository, Files, blob_sha, conditional

_SEARCH = "almsearch.dev.azure.com"
_ENTRA = "login.microsoftonline.com"
_MACHINE = "169.254.169.254"
_EXCHANGE = "api://AzureADTokenExchange"
_RESOURCE = "499b84ac-1321-427f-aa17-267ca6975798"
_TERM = re.compile(r"(path|repo|proj):(\*|.+?)(?= (?:path|repo|proj):|$)")


class FakeAzureDevOps(FakeCodeHost):
    """Azure DevOps, or an Azure DevOps Server if *host* is another one.

    Owners are an organization and a project: `add("acme/My Project", "shop", …)`. Its *tokens* are personal access
    tokens. An archived repository is a disabled one. Strangers are shown the page on which people sign in.
    """

    def __init__(
        self, host: str = "dev.azure.com", *, tokens: Sequence[str] = ("t0ken",), clock: Clock | None = None
    ) -> None:
        super().__init__(host, tokens=tokens, clock=clock)
        self.applications: dict[str, str] = {}
        """The secrets of applications in Entra ID, by client id."""
        self.machines: set[str] = set()
        """The client ids of the identities that the machine has."""
        self.granted: list[str] = []
        self.exchanged: list[str] = []
        """Tokens of the machine that are good for proving who an application is."""
        self.has_search = True
        """Whether the extension for code search is installed."""
        self.unindexed: set[str] = set()
        """The slugs of repositories of which the code search doesn't know yet."""
        self.most_searched = 1000

    def push(self, repository: FakeRepository, files: Files, branch: str | None = None) -> dict[str, Any]:
        """Commit *files*; returns the payload of the service hook `git.push` that is sent then."""
        branch = branch or repository.default_branch
        before = repository.branches.get(branch)
        commit = repository.commit(files, branch)
        update = {
            "name": f"refs/heads/{branch}",
            "oldObjectId": before.sha if before else "0" * 40,
            "newObjectId": commit.sha,
        }
        resource = {
            "commits": [{"commitId": commit.sha, "comment": "Change"}],
            "refUpdates": [update],
            "repository": self.payload_of(repository),
        }
        return {"eventType": "git.push", "publisherId": "tfs", "resource": resource}

    def payload_of(self, repository: FakeRepository) -> dict[str, Any]:
        """A repository, as service hooks and the API tell of it."""
        organization, _, project = repository.owner.rpartition("/")
        told: dict[str, Any] = {
            "id": str(repository.number),
            "name": repository.name,
            "project": {"id": "1", "name": project},
            "isDisabled": repository.is_archived,
            "remoteUrl": f"https://{organization}@{self.host}/{quote(repository.owner)}/_git/{quote(repository.name)}",
        }
        if repository.branches:
            told["defaultBranch"] = f"refs/heads/{repository.default_branch}"
        return told

    def happening(self, event: str, repository: FakeRepository, **more: Any) -> dict[str, Any]:
        """The payload of the service hook for something else: `git.repo.renamed`, `git.repo.deleted`, …"""
        organization, _, project = repository.owner.rpartition("/")
        resource: dict[str, Any] = {"repository": self.payload_of(repository), **more}
        if event == "git.repo.deleted":
            resource = {"project": {"id": "1", "name": project}, "repositoryName": repository.name, **more}
        containers = {"collection": {"id": "1", "baseUrl": f"https://{self.host}/{organization}/"}}
        return {"eventType": event, "publisherId": "tfs", "resource": resource, "resourceContainers": containers}

    def admits(self, request: httpx2.Request) -> bool:
        """A personal access token as a password, or a token that was granted; who grants them looks itself."""
        if request.url.host in (_ENTRA, _MACHINE):
            return True
        scheme, _, proof = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            return base64.b64decode(proof).decode().partition(":")[2] in self.tokens
        return scheme == "Bearer" and proof in self.granted

    def unauthorized(self) -> httpx2.Response:
        """The page on which people sign in, with a status that says nothing of the kind."""
        return httpx2.Response(203, html="<html><title>Azure DevOps Services | Sign In</title></html>")

    def exhausted(self) -> httpx2.Response:
        """The answer to who asks too much."""
        answer = super().exhausted()
        return httpx2.Response(429, headers=answer.headers, json=_error("TF400733: The request has been canceled"))

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """REST, or a token."""
        if request.url.host in (_ENTRA, _MACHINE):
            return self._grant(request)
        if "api-version" not in request.url.params:
            return httpx2.Response(400, json=_error("No api-version was supplied for the request."))
        parts = [unquote(part) for part in request.url.raw_path.decode().partition("?")[0].strip("/").split("/")]
        at = parts.index("_apis") if "_apis" in parts else 0
        owner = "/".join(parts[:at])
        match parts[at:]:
            case ["_apis", "search", "codesearchresults"] if request.method == "POST":
                return self._search(request, owner)
            case ["_apis", "git", "repositories"]:
                found = [each for each in self.repositories.values() if f"{each.owner}/".startswith(f"{owner}/")]
                return httpx2.Response(200, json={"count": len(found), "value": [self.payload_of(e) for e in found]})
            case ["_apis", "git", "repositories", name, asked]:
                repository = self.repositories.get(f"{owner}/{name}")
                if repository is not None and not repository.is_archived:
                    return self._of_repository(request, repository, asked)
        return _not_found("TF401019: The Git repository does not exist or you do not have permissions for it.")

    def _grant(self, request: httpx2.Request) -> httpx2.Response:
        form = dict(parse_qsl(request.content.decode())) or dict(request.url.params)
        name = form.get("client_id", "system-assigned")
        if request.url.host == _MACHINE:
            is_right = name in self.machines and request.headers.get("metadata") == "true"
            is_right = is_right and form.get("resource") in (_RESOURCE, _EXCHANGE)
        elif "client_assertion" in form:
            # The application trusts the machine, whose token is for nothing but this.
            is_right = name in self.applications and form["client_assertion"] in self.exchanged
        else:
            is_right = self.applications.get(name, "") == form.get("client_secret")
        if request.url.host == _ENTRA:
            is_right = is_right and form.get("scope") == f"{_RESOURCE}/.default"
        if not is_right:
            return httpx2.Response(401, json={"error": "invalid_client", "error_description": "AADSTS7000215"})
        tokens = self.exchanged if form.get("resource") == _EXCHANGE else self.granted
        tokens.append(f"{'exchanged' if tokens is self.exchanged else 'granted'}-{len(tokens)}")
        return httpx2.Response(200, json={"access_token": tokens[-1], "expires_in": "3599"})

    def _of_repository(self, request: httpx2.Request, repository: FakeRepository, asked: str) -> httpx2.Response:
        params = request.url.params
        beginning = "searchCriteria.itemVersion" if asked == "commits" else "versionDescriptor"
        version, kind = params.get(f"{beginning}.version"), params.get(f"{beginning}.versionType", "branch")
        commit = repository.at(version)
        if version is not None and (commit is None or (kind == "commit") != (version in repository.commits)):
            return _not_found(f"TF401175: The version descriptor <{kind}: {version}> could not be resolved")
        if asked == "commits":
            commits = [] if commit is None else [{"commitId": commit.sha}]
            return httpx2.Response(200, json={"count": len(commits), "value": commits})
        if asked != "items" or commit is None:
            return _not_found("VS403403: Cannot find any branches")
        return self._items(request, commit)

    def _items(self, request: httpx2.Request, commit: FakeCommit) -> httpx2.Response:
        params = request.url.params
        if params.get("recursionLevel") == "full":
            return self._listed(commit, params.get("scopePath", "/").strip("/"))
        path = params["path"].strip("/")
        data, is_folder = commit.files.get(path), any(name.startswith(f"{path}/") for name in commit.files)
        if data is None and not is_folder:
            return _not_found(f"TF401174: The item '{path}' could not be found in the repository")
        if params.get("$format") == "json":
            return httpx2.Response(200, json={"path": f"/{path}", "isFolder": is_folder, "commitId": commit.sha})
        if data is None:
            return httpx2.Response(200, content=b"PK", headers={"content-type": "application/zip"})
        answer = httpx2.Response(200, content=data, headers={"content-type": "application/octet-stream"})
        return conditional(request, answer, f'"{blob_sha(data)}"')

    def _listed(self, commit: FakeCommit, folder: str) -> httpx2.Response:
        beginning = f"{folder}/" if folder else ""
        paths = [path for path in commit.files if path.startswith(beginning)]
        if not paths:
            return _not_found(f"TF401174: The item '{folder}' could not be found in the repository")
        entries: list[dict[str, Any]] = [{"path": f"/{folder}", "gitObjectType": "tree", "isFolder": True}]
        entries += [{"path": f"/{path}", "gitObjectType": "blob", "objectId": blob_sha(b"")} for path in paths]
        return httpx2.Response(200, json={"count": len(entries), "value": entries})

    def _search(self, request: httpx2.Request, organization: str) -> httpx2.Response:
        asked = json.loads(request.content)
        is_cloud = self.host == "dev.azure.com"
        if not self.has_search or (is_cloud and request.url.host != _SEARCH):
            return _not_found("The controller for path '/_apis/search/codesearchresults' was not found")
        terms = dict(_TERM.findall(asked["searchText"]))
        hits: list[dict[str, Any]] = []
        for repository in self.repositories.values():
            owner, _, project = repository.owner.rpartition("/")
            is_meant = terms["proj"] in ("*", project) and terms["repo"] in ("*", repository.name)
            if owner != organization or not is_meant or repository.slug in self.unindexed:
                continue
            told = {"project": {"name": project}, "repository": {"name": repository.name}}
            for branch, commit in repository.branches.items():
                paths = [path for path in sorted(commit.files) if f"/{path}".endswith(terms["path"])]
                hits += [{**told, "path": f"/{path}", "versions": [{"branchName": branch}]} for path in paths]
        size = min(asked["$top"], self.most_searched)
        results = hits[asked["$skip"] : asked["$skip"] + size]
        return httpx2.Response(200, json={"count": len(hits), "results": results})


def _error(message: str) -> dict[str, Any]:
    return {"$id": "1", "message": message, "errorCode": 0}


def _not_found(message: str) -> httpx2.Response:
    return httpx2.Response(404, json=_error(message))
