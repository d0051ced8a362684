"""The discovery providers of Bitbucket and Azure DevOps pass the conformance cases, each against its fake."""

from typing import Any

import httpx2

from callboard.builtin.hosts import azure_devops, bitbucket_cloud, bitbucket_server
from callboard.extend import IncrementalEntityProvider, Outside, PluginConfig, PluginContext
from callboard.testing.azure_devops import FakeAzureDevOps
from callboard.testing.bitbucket_cloud import FakeBitbucketCloud
from callboard.testing.bitbucket_server import FakeBitbucketServer
from callboard.testing.conformance import IncrementalProviderCases
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
