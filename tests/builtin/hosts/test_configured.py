"""Hosts and providers are there when the configuration has their keys."""

from pathlib import Path

import pytest

from callboard import plugins
from callboard.errors import InvalidConfiguration
from callboard.extend import JsonValue
from callboard.parts import Parts, Taken, add
from callboard.settings import Settings, defaults
from callboard.settings.integrations import Integrations


def settings_with(integrations: dict[str, JsonValue], **providers: JsonValue) -> Settings:
    return defaults().overridden({"integrations": Integrations(integrations), "catalog.providers": providers})


def test_git_and_buckets_are_read_under_their_keys() -> None:
    settings = settings_with(
        {
            "git": [{"host": "git.example.com"}, {"host": "code.example.com:8443"}],
            "awsS3": [{"accessKeyId": "a", "secretAccessKey": "b"}],
            "googleGcs": {"clientEmail": "a", "privateKey": "b"},
            "azureBlobStorage": [{"accountName": "shop", "accountKey": "YQ=="}],
        }
    )

    names = [host.name for host in plugins.load(settings).code_hosts]

    assert names == [
        "git.example.com",
        "code.example.com:8443",
        "amazonaws.com",
        "storage.cloud.google.com",
        "shop.blob.core.windows.net",
    ]


def test_buckets_are_discovered_under_their_keys() -> None:
    settings = settings_with(
        {}, awsS3={"shop": {"bucketName": "catalog"}}, azureBlob={"containerName": "c1x", "accountName": "shop"}
    )

    found = plugins.load(settings)

    assert [provider.name for provider in found.incremental] == ["awsS3-provider:shop", "azureBlob-provider:default"]
    assert [host.name for host in found.code_hosts] == ["amazonaws.com", "shop.blob.core.windows.net"]


def test_a_secret_is_in_no_error_and_in_no_words_about_a_host(tmp_path: Path) -> None:
    settings = settings_with({"git": [{"host": "git.example.com", "token": "s3cret", "username": ["s3cret"]}]})

    with pytest.raises(InvalidConfiguration, match=r"integrations.git\[0\].username: expected a text") as raised:
        plugins.load(settings)

    assert "s3cret" not in str(raised.value)


def test_a_resolver_of_placeholders_is_known_by_its_key() -> None:
    class Length:
        key = "length"

        def resolve(self, data: bytes, target: str) -> JsonValue:
            return len(data)

    parts = Parts()
    add(parts, Taken(set(), set()), Length())

    assert [resolver.key for resolver in parts.resolvers] == ["length"]
