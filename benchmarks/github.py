"""A GitHub that exists only here: an organization of generated repositories, on a port, in a process of its own.

`/-/requests` tells how many requests there were since it was asked last, `/-/push` commits to a repository and tells
the webhook of that; neither counts.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator

import click
import httpx2

from callboard.testing.github import FakeGitHub

OWNER = "acme"
TOKEN = "t0ken"


class Observed(FakeGitHub):
    """A fake GitHub that tells what was asked of it."""

    def respond(self, request: httpx2.Request) -> httpx2.Response:
        """As GitHub, but for what is under `/-/`."""
        match request.url.path:
            case "/-/ready":
                return httpx2.Response(200, json={})
            case "/-/requests":
                told = {"total": self.total, "unchanged": self.unchanged, "byKind": self._by_kind()}
                self.forget()
                return httpx2.Response(200, json=told)
            case "/-/push":
                number, owner = int(request.url.params["number"]), request.url.params["owner"]
                repository = self.repositories[f"{OWNER}/repository-{number}"]
                return httpx2.Response(200, json=self.push(repository, {"catalog-info.yaml": content(number, owner)}))
        return super().respond(request)

    def _by_kind(self) -> dict[str, int]:
        kinds: dict[str, int] = {}
        for asked, count in self.requests.items():
            kind = "graphql" if "graphql" in asked else "contents" if "/contents/" in asked else "others"
            kinds[kind] = kinds.get(kind, 0) + count
        return kinds


def content(number: int, owner: str = "group-1") -> str:
    """The catalog file of a repository: a component, and the API that it provides."""
    return f"""\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: component-{number}
  description: What repository {number} holds.
  tags: [java, team-{number % 50}]
spec:
  type: service
  lifecycle: production
  owner: {owner}
  providesApis: [api-{number}]
---
apiVersion: backstage.io/v1alpha1
kind: API
metadata:
  name: api-{number}
spec:
  type: openapi
  lifecycle: production
  owner: {owner}
  definition: "openapi: 3.1.0"
"""


@contextlib.contextmanager
def _stopped() -> Iterator[threading.Event]:
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    yield stop


@click.command()
@click.option("--repositories", type=int, required=True)
@click.option("--latency", type=float, default=0.0, help="Seconds that each answer takes.")
@click.option("--port", type=int, required=True)
def main(repositories: int, latency: float, port: int) -> None:
    """Serve until somebody stops this."""
    host = Observed(tokens=[TOKEN])
    host.latency = latency
    host.budget = host.graphql_budget = 15_000
    for number in range(repositories):
        host.add(OWNER, f"repository-{number}", {"catalog-info.yaml": content(number), "README.md": "Read me."})
    with host.serve(port), _stopped() as stop:
        stop.wait()


if __name__ == "__main__":
    main()
