"""The code hosts that come with Callboard pass the conformance cases, each against its fake."""

from typing import Any

import httpx2

from callboard.builtin.hosts import (
    azure_devops,
    bitbucket_cloud,
    bitbucket_server,
    gerrit,
    gitea,
    github,
    gitlab,
)
from callboard.extend import CodeHost, Outside, PluginConfig, PluginContext
from callboard.testing.azure_devops import FakeAzureDevOps
from callboard.testing.bitbucket_cloud import FakeBitbucketCloud
from callboard.testing.bitbucket_server import FakeBitbucketServer
from callboard.testing.conformance import CodeHostCases
from callboard.testing.gerrit import FakeGerrit
from callboard.testing.gitea import FakeGitea
from callboard.testing.github import FakeGitHub
from callboard.testing.gitlab import FakeGitLab
from callboard.testing.repositories import FakeCodeHost

FILES = {"catalog/a.yaml": "kind: Component\n", "catalog/b.yaml": "kind: API\n", "README.md": "Read me."}


def made(module: Any, system: str, entry: dict[str, Any], fake: FakeCodeHost, owner: str = "acme") -> CodeHost:
    """The one code host of a configuration."""
    for name in ("shop", "web"):
        fake.add(owner, name, FILES)
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


class TestBitbucketCloud(CodeHostCases):
    root = "https://bitbucket.org/acme/shop"
    there = f"{root}/src/main/catalog/a.yaml"
    missing = f"{root}/src/main/catalog/c.yaml"
    elsewhere = "https://bitbucket.org/acme/web/src/main/catalog/a.yaml"
    pattern = f"{root}/src/main/**/*.yaml"

    def make(self) -> CodeHost:
        return made(bitbucket_cloud, "bitbucketCloud", {"token": "t0ken"}, FakeBitbucketCloud())


class TestBitbucketServer(CodeHostCases):
    root = "https://bitbucket.example.com/projects/ACME/repos/shop"
    there = f"{root}/browse/catalog/a.yaml?at=refs/heads/main"
    missing = f"{root}/browse/catalog/c.yaml?at=refs/heads/main"
    elsewhere = "https://bitbucket.example.com/projects/ACME/repos/web/browse/catalog/a.yaml"
    pattern = f"{root}/browse/**/*.yaml?at=refs/heads/main"

    def make(self) -> CodeHost:
        entry = {"host": "bitbucket.example.com", "token": "t0ken"}
        return made(bitbucket_server, "bitbucketServer", entry, FakeBitbucketServer(), "ACME")


class TestAzureDevOps(CodeHostCases):
    root = "https://dev.azure.com/acme/My%20Project/_git/shop"
    there = f"{root}?path=%2Fcatalog%2Fa.yaml&version=GBmain"
    missing = f"{root}?path=/catalog/c.yaml&version=GBmain"
    elsewhere = "https://dev.azure.com/acme/My%20Project/_git/web?path=/catalog/a.yaml"
    pattern = f"{root}?path=/**/*.yaml&version=GBmain"

    def make(self) -> CodeHost:
        return made(azure_devops, "azure", {"token": "t0ken"}, FakeAzureDevOps(), "acme/My Project")
