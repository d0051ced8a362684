"""The code hosts that come with Callboard pass the conformance cases, each against its fake."""

from typing import Any

import httpx2

from callboard.builtin.hosts import gerrit, gitea, github, gitlab
from callboard.extend import CodeHost, Outside, PluginConfig, PluginContext
from callboard.testing.conformance import CodeHostCases
from callboard.testing.gerrit import FakeGerrit
from callboard.testing.gitea import FakeGitea
from callboard.testing.github import FakeGitHub
from callboard.testing.gitlab import FakeGitLab
from callboard.testing.repositories import FakeCodeHost

FILES = {"catalog/a.yaml": "kind: Component\n", "catalog/b.yaml": "kind: API\n", "README.md": "Read me."}


def made(module: Any, system: str, entry: dict[str, Any], fake: FakeCodeHost) -> CodeHost:
    """The one code host of a configuration."""
    for name in ("shop", "web"):
        fake.add("acme", name, FILES)
    outside = Outside(client=httpx2.AsyncClient(transport=fake.transport))
    (host,) = module.code_hosts(PluginContext(PluginConfig(integrations={system: [entry]}), outside=outside))
    found: CodeHost = host
    return found


class TestGitHub(CodeHostCases):
    root = "https://github.com/acme/shop"
    there = f"{root}/blob/main/catalog/a.yaml"
    missing = f"{root}/blob/main/catalog/c.yaml"
    elsewhere = "https://github.com/acme/web/blob/main/catalog/a.yaml"
    pattern = f"{root}/blob/main/**/*.yaml"

    def make(self) -> CodeHost:
        return made(github, "github", {"token": "t0ken"}, FakeGitHub())


class TestGitLab(CodeHostCases):
    root = "https://gitlab.com/acme/shop"
    there = f"{root}/-/blob/main/catalog/a.yaml"
    missing = f"{root}/-/blob/main/catalog/c.yaml"
    elsewhere = "https://gitlab.com/acme/web/-/blob/main/catalog/a.yaml"
    pattern = f"{root}/-/blob/main/**/*.yaml"

    def make(self) -> CodeHost:
        return made(gitlab, "gitlab", {"host": "gitlab.com", "token": "t0ken"}, FakeGitLab(tokens=["t0ken"]))


class TestGitea(CodeHostCases):
    root = "https://gitea.com/acme/shop"
    there = f"{root}/src/branch/main/catalog/a.yaml"
    missing = f"{root}/src/branch/main/catalog/c.yaml"
    elsewhere = "https://gitea.com/acme/web/src/branch/main/catalog/a.yaml"
    pattern = f"{root}/src/branch/main/**/*.yaml"

    def make(self) -> CodeHost:
        return made(
            gitea, "gitea", {"host": "gitea.com", "password": "t0ken"}, FakeGitea("gitea.com", tokens=["t0ken"])
        )


class TestGerrit(CodeHostCases):
    root = "https://gerrit.example.com/plugins/gitiles/acme/shop"
    there = f"{root}/+/refs/heads/main/catalog/a.yaml"
    missing = f"{root}/+/refs/heads/main/catalog/c.yaml"
    elsewhere = "https://gerrit.example.com/plugins/gitiles/acme/web/+/refs/heads/main/catalog/a.yaml"
    pattern = f"{root}/+/refs/heads/main/**/*.yaml"

    def make(self) -> CodeHost:
        entry = {
            "host": "gerrit.example.com",
            "gitilesBaseUrl": "https://gerrit.example.com/plugins/gitiles",
            "username": "carol",
            "password": "t0ken",
        }
        return made(gerrit, "gerrit", entry, FakeGerrit(tokens=["t0ken"]))
