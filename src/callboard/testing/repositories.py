"""Fake code hosts: repositories with branches, commits and files, and what every host does to those who ask it.

`FakeHost` of `callboard.testing.hosts` serves documents; these are systems with an API. They enforce what the
documentation of the real ones says: who may ask, how many at a time, in which pages, and under which conditions nothing
is sent again.
"""

import contextlib
import datetime as dt
import hashlib
import json
import math
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2

from callboard.clock import Clock, SystemClock

Files = Mapping[str, str | bytes | None]
"""Contents by path; None removes a file."""


@dataclass(slots=True)
class FakeCommit:
    """The state of a branch."""

    sha: str
    files: dict[str, bytes]
    parent: str | None = None


@dataclass(slots=True)
class FakeRepository:
    """A repository."""

    owner: str
    """The organization, group, workspace or project; it may have slashes where the host allows that."""
    name: str
    default_branch: str = "main"
    branches: dict[str, FakeCommit] = field(default_factory=dict)
    commits: dict[str, FakeCommit] = field(default_factory=dict)
    topics: list[str] = field(default_factory=list)
    visibility: str = "private"
    is_archived: bool = False
    is_fork: bool = False
    number: int = 0
    project: str = "PROJ"
    """The key of the project, where owners have projects."""

    @property
    def slug(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    def commit(self, files: Files, branch: str | None = None) -> FakeCommit:
        """Put *files* on top of a branch, the default one by default, which is made if it is not there."""
        branch = branch or self.default_branch
        before = self.branches.get(branch)
        if before is None and branch != self.default_branch:
            before = self.branches.get(self.default_branch)
        contents = dict(before.files) if before else {}
        for path, content in files.items():
            if content is None:
                del contents[path]
            else:
                contents[path] = content.encode() if isinstance(content, str) else content
        seed = f"{self.slug} {len(self.commits)} {branch}".encode()
        commit = FakeCommit(
            hashlib.sha1(seed, usedforsecurity=False).hexdigest(), contents, before.sha if before else None
        )
        self.branches[branch] = self.commits[commit.sha] = commit
        return commit

    def at(self, ref: str | None) -> FakeCommit | None:
        """The commit that a branch, a tag or a hash stands for; None stands for the default branch."""
        if ref in (None, "HEAD"):
            ref = self.default_branch
        assert ref is not None
        ref = ref.removeprefix("refs/heads/").removeprefix("heads/")
        return self.branches.get(ref) or self.commits.get(ref)


def blob_sha(data: bytes) -> str:
    """The hash that git gives a file with this content."""
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class FakeChange:
    """A commit that has come into a branch."""

    ref: str
    before: str
    """Zeros, if the branch is new."""
    after: str
    lists: Mapping[str, Sequence[str]]
    """The files that were `added`, `modified` and `removed`."""


@dataclass(slots=True, kw_only=True)
class Failure:
    """What the host answers instead of what was asked for."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


class FakeCodeHost:
    """Base of the fake hosts: hand `transport` to an HTTP client, or let `serve` listen on a port.

    `requests` counts what was asked, by method and path; `failures` are answered first, one by one; `budget` is how
    many requests may still be made before the host refuses them.
    """

    def __init__(
        self, host: str, *, tokens: Sequence[str] = (), clock: Clock | None = None, latency: float = 0.0
    ) -> None:
        """Without *tokens* everybody may ask. *latency* is seconds that each answer takes when the host is served."""
        self.host = host
        self.tokens = set(tokens)
        self.clock = clock or SystemClock()
        self.latency = latency
        self.repositories: dict[str, FakeRepository] = {}
        self.requests: Counter[str] = Counter()
        self.unchanged = 0
        """How many answers were a 304."""
        self.failures: deque[Failure] = deque()
        self.budget: int | None = None
        self.budget_limit = 5_000
        self.resets_at = self.clock.now() + dt.timedelta(hours=1)
        self.page_size = 100
        """More are not sent at once, whatever is asked for."""
        self.origin = f"https://{host}"
        """What its URLs begin with."""

    def add(self, owner: str, name: str, files: Files | None = None, **more: Any) -> FakeRepository:
        """A new repository, with *files* in its default branch."""
        repository = FakeRepository(owner, name, number=len(self.repositories) + 1, **more)
        if files is not None:
            repository.commit(files)
        self.repositories[repository.slug] = repository
        return repository

    def change(self, repository: FakeRepository, files: Files, branch: str | None = None) -> FakeChange:
        """Commit *files*, and say what payloads of webhooks tell of that."""
        branch = branch or repository.default_branch
        before = repository.branches.get(branch)
        commit = repository.commit(files, branch)
        known = before.files if before else {}
        lists: dict[str, list[str]] = {"added": [], "modified": [], "removed": []}
        for path, content in files.items():
            lists["removed" if content is None else "modified" if path in known else "added"].append(path)
        return FakeChange(f"refs/heads/{branch}", before.sha if before else "0" * 40, commit.sha, lists)

    @property
    def total(self) -> int:
        """How many requests were made."""
        return self.requests.total()

    def forget(self) -> None:
        """Count from nothing again."""
        self.requests.clear()
        self.unchanged = 0

    @property
    def transport(self) -> httpx2.AsyncBaseTransport:
        """What an `httpx2.AsyncClient` sends its requests through."""
        return httpx2.MockTransport(self.respond)

    def respond(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to *request*, as the host would give it."""
        self.requests[f"{request.method} {request.url.path}"] += 1
        if self.failures:
            failure = self.failures.popleft()
            return httpx2.Response(failure.status, headers=dict(failure.headers), json=failure.body)
        if self.tokens and not self.admits(request):
            return self.unauthorized()
        budget = self.budget if self.costs(request) else None
        if budget is not None and budget <= 0:
            return self.exhausted()
        answer = self.answer(request)
        if answer.status_code == 304:
            self.unchanged += 1
        if budget is not None:
            self.budget = budget - (0 if answer.status_code == 304 and self.spares_unchanged else 1)
            answer.headers.update(self.budget_headers())
        return answer

    def costs(self, request: httpx2.Request) -> bool:
        """Whether *request* is paid from the `budget`."""
        return True

    spares_unchanged = False
    """Whether a 304 costs nothing of the budget."""

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to one who may ask."""
        raise NotImplementedError

    def admits(self, request: httpx2.Request) -> bool:
        """Whether the request proves who asks."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() in ("bearer", "token") and token in self.tokens

    def unauthorized(self) -> httpx2.Response:
        """What strangers hear."""
        return httpx2.Response(401, json={"message": "Bad credentials"})

    def exhausted(self) -> httpx2.Response:
        """What is said when the budget is used up."""
        seconds = math.ceil((self.resets_at - self.clock.now()).total_seconds())
        headers = {"retry-after": str(seconds), **self.budget_headers()}
        return httpx2.Response(429, headers=headers, json={"message": "Too many requests"})

    def budget_headers(self) -> dict[str, str]:
        """What is said about the budget with each answer."""
        if self.budget is None:
            return {}
        return {
            "x-ratelimit-limit": str(self.budget_limit),
            "x-ratelimit-remaining": str(self.budget),
            "x-ratelimit-reset": str(math.ceil(self.resets_at.timestamp())),
        }

    def page_of(
        self, request: httpx2.Request, items: Sequence[Any], *, page: str = "page", size: str = "per_page"
    ) -> httpx2.Response:
        """One page of a list, with a `Link` to the next one."""
        number, most = int(request.url.params.get(page, 1)), int(request.url.params.get(size, 30))
        most = min(most, self.page_size)
        end = number * most
        headers = {}
        if end < len(items):
            following = request.url.copy_merge_params({page: number + 1})
            headers["link"] = f'<{following}>; rel="next"'
        return httpx2.Response(200, headers=headers, json=list(items[end - most : end]))

    @contextlib.contextmanager
    def serve(self, port: int = 0) -> Iterator[str]:
        """Listen on *port* of this machine, or on a free one; yields the base URL, which also becomes the `origin`."""
        server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        before = self.origin
        self.origin = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self.origin
        finally:
            self.origin = before
            server.shutdown()
            server.server_close()
            thread.join()


def conditional(request: httpx2.Request, answer: httpx2.Response, etag: str) -> httpx2.Response:
    """*answer*, which has this *etag*; or 304, if the request knows it already."""
    if request.headers.get("if-none-match") == etag:
        return httpx2.Response(304, headers={"etag": etag})
    answer.headers["etag"] = etag
    return answer


def described(value: Any) -> str:
    """An etag for whatever JSON can say."""
    return f'"{hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]}"'


def _handler(host: FakeCodeHost) -> type[BaseHTTPRequestHandler]:
    lock, pause = threading.Lock(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            if host.latency:
                pause.wait(host.latency)
            request = httpx2.Request(
                self.command, f"{host.origin}{self.path}", headers=dict(self.headers), content=body
            )
            with lock:
                answer = host.respond(request)
            content = answer.content
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in ("content-length", "transfer-encoding"):
                    self.send_header(name, value)
            if answer.status_code not in (204, 304):
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            if answer.status_code not in (204, 304):
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _respond  # noqa: N815 - the names that are called

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name that is given
            return

    return Handler
