from collections.abc import Callable

import pytest

from callboard.errors import InvalidConfiguration
from callboard.settings import Settings

Configured = Callable[..., Settings]


def test_hosts_come_from_the_entries_or_from_the_system(configured: Configured) -> None:
    settings = configured(
        """
integrations:
  github:
    - {host: github.com, token: '${TOKEN}'}
    - {host: GHE.example.com, apiBaseUrl: 'https://ghe.example.com/api/v3'}
  gitlab:
    - token: x
  gitea:
    - {password: x}
  googleGcs: {clientEmail: x}
  azure: null
""",
        {"TOKEN": "s3cret"},
    )

    assert settings.integrations.hosts == ("github.com", "ghe.example.com", "gitlab.com", "storage.cloud.google.com")


def test_entries_are_kept_as_they_are_and_out_of_sight(configured: Configured) -> None:
    settings = configured("integrations: {github: [{host: github.com, token: s3cret}]}")

    assert settings.integrations.raw == {"github": [{"host": "github.com", "token": "s3cret"}]}
    assert "s3cret" not in repr(settings)


def test_nothing_configured_means_no_hosts(configured: Configured) -> None:
    assert configured("").integrations.hosts == ()


def test_integrations_that_are_no_object_are_refused(configured: Configured) -> None:
    with pytest.raises(InvalidConfiguration, match=r"app-config.yaml:1: integrations: expected an object with a list"):
        configured("integrations: [github]")
