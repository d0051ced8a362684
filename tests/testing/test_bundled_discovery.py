"""Discovery providers that come with Callboard pass the conformance cases, each against its fake."""

from typing import Any

import httpx2

from callboard.builtin.hosts import azure_devops, bitbucket_cloud, bitbucket_server, gerrit, gitea
from callboard.extend import IncrementalEntityProvider, Outside, PluginConfig, PluginContext, Webhook
from callboard.model.json import JsonObject
from callboard.model.pushes import parse_pushes
from callboard.model.repositories import System
from callboard.testing.azure_devops import FakeAzureDevOps
from callboard.testing.bitbucket_cloud import FakeBitbucketCloud
from callboard.testing.bitbucket_server import FakeBitbucketServer
from callboard.testing.conformance import IncrementalProviderCases
from callboard.testing.gerrit import FakeGerrit
from callboard.testing.gitea import FakeGitea
from callboard.testing.repositories import FakeCodeHost


def made(
    module: Any, owner: str, fake: FakeCodeHost, integrations: dict[str, Any], providers: dict[str, Any]
) -> IncrementalEntityProvider:
    """The one provider of a configuration, for five repositories that come in pages of two."""
    fake.page_size = 2
    for number in range(5):
        fake.add(owner, f"r{number}", {"catalog-info.yaml": "kind: Component\n"})
    outside = Outside(client=httpx2.AsyncClient(transport=fake.transport))
    context = PluginContext(PluginConfig(integrations=integrations, providers=providers), outside=outside)
    (provider,) = module.discovery(context)
    found: IncrementalEntityProvider = provider
    return found


class TestBitbucketCloud(IncrementalProviderCases):
    def make(self) -> IncrementalEntityProvider:
        integrations = {"bitbucketCloud": [{"token": "t0ken"}]}
        said = {"bitbucketCloud": {"workspace": "acme"}}
        return made(bitbucket_cloud, "acme", FakeBitbucketCloud(), integrations, said)


class TestBitbucketServer(IncrementalProviderCases):
    def make(self) -> IncrementalEntityProvider:
        integrations = {"bitbucketServer": [{"host": "bitbucket.example.com", "token": "t0ken"}]}
        said = {"bitbucketServer": {"host": "bitbucket.example.com"}}
        return made(bitbucket_server, "ACME", FakeBitbucketServer(), integrations, said)


class TestAzureDevOps(IncrementalProviderCases):
    def make(self) -> IncrementalEntityProvider:
        fake = FakeAzureDevOps()
        fake.most_searched = 2
        said = {"azureDevOps": {"acme": {"organization": "acme"}}}
        return made(azure_devops, "acme/shop", fake, {"azure": [{"token": "t0ken"}]}, said)


def told_by_gerrit() -> list[Webhook]:
    """All that it tells of one project."""
    fake = FakeGerrit()
    project = fake.project("r9")
    bodies = [
        fake.created(project),
        fake.push(project, {"catalog-info.yaml": "kind: Component\n"}),
        fake.push(project, {"catalog-info.yaml": None}, "trunk"),
        fake.move_head(project, "trunk"),
        fake.drop(project, "main"),
    ]
    return [Webhook(system="gerrit", event=body["type"], body=body) for body in bodies]


class TestGerrit(IncrementalProviderCases):
    webhooks = told_by_gerrit()

    def make(self) -> IncrementalEntityProvider:
        integrations = {"gerrit": [{"host": "gerrit.example.com", "username": "carol", "password": "t0ken"}]}
        said = {"gerrit": {"all": {"host": "gerrit.example.com", "query": "state=ACTIVE"}}}
        return made(gerrit, "acme", FakeGerrit(), integrations, said)


def told_by_gitea() -> list[Webhook]:
    """A push, and a repository that is gone."""
    fake = FakeGitea()
    shop = fake.add("acme", "shop")
    gone: JsonObject = {"action": "deleted", "repository": fake.payload_of(shop)}
    pushed = fake.push(shop, {"catalog-info.yaml": "kind: Component\n"})
    return [
        Webhook(system="gitea", event="push", body=pushed, pushes=parse_pushes(System.GITEA, pushed)),
        Webhook(system="gitea", event="repository", body=gone),
    ]


class TestGitea(IncrementalProviderCases):
    webhooks = told_by_gitea()

    def make(self) -> IncrementalEntityProvider:
        integrations = {"gitea": [{"host": "gitea.example.com", "password": "t0ken"}]}
        said = {"gitea": {"acme": {"host": "gitea.example.com", "organization": "acme"}}}
        return made(gitea, "acme", FakeGitea(), integrations, said)
