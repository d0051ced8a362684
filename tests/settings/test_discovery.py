import re
from collections.abc import Callable

import pytest

from callboard.errors import InvalidConfiguration
from callboard.settings import Settings

Configured = Callable[..., Settings]


def test_nobody_says_where_a_plugin_is_unless_an_endpoint_does(configured: Configured) -> None:
    settings = configured("discovery: {endpoints: [{target: 'http://auth:7007/api/auth', plugins: [auth]}]}")

    assert configured("").discovery.base_url("auth") is None
    assert settings.discovery.base_url("permission") is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://backstage:7007/api/{{pluginId}}", "http://backstage:7007/api/permission"),
        ("http://backstage:7007/api/{{ pluginId }}/", "http://backstage:7007/api/permission"),
        ("https://{{pluginId}}.example.com/api/{{pluginId}}", "https://permission.example.com/api/permission"),
        ("http://permission:7007", "http://permission:7007"),
    ],
)
def test_the_id_of_the_plugin_is_put_in(configured: Configured, target: str, expected: str) -> None:
    settings = configured(f"discovery: {{endpoints: [{{target: '{target}', plugins: [auth, permission]}}]}}")

    assert settings.discovery.base_url("permission") == expected


def test_servers_use_the_internal_target(configured: Configured) -> None:
    settings = configured("""
discovery:
  endpoints:
    - {target: {internal: 'http://inside/{{pluginId}}', external: 'https://outside/{{pluginId}}'}, plugins: [auth]}
    - {target: {external: 'https://outside/{{pluginId}}'}, plugins: [auth, permission]}
""")

    assert settings.discovery.base_url("auth") == "http://inside/auth"
    assert settings.discovery.base_url("permission") is None


def test_the_last_endpoint_of_a_plugin_counts(configured: Configured) -> None:
    settings = configured("""
discovery:
  endpoints:
    - {target: 'http://first', plugins: [auth, permission]}
    - {target: 'http://second', plugins: [auth]}
""")

    assert settings.discovery.base_url("auth") == "http://second"
    assert settings.discovery.base_url("permission") == "http://first"


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("{plugins: [auth]}", "discovery.endpoints[0].target: is missing"),
        ("{target: 'http://auth'}", "discovery.endpoints[0].plugins: is missing"),
        (
            "{target: 'auth:7007', plugins: [auth]}",
            "discovery.endpoints[0].target: expected an http or https URL, or an",
        ),
        (
            "{target: {internal: 7}, plugins: [auth]}",
            "discovery.endpoints[0].target.internal: expected an http or https",
        ),
        ("{target: 'http://auth', plugins: auth}", "discovery.endpoints[0].plugins: expected a list, got 'auth'"),
    ],
)
def test_an_endpoint_that_says_nothing_is_refused(configured: Configured, endpoint: str, problem: str) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(f"app-config.yaml:1: {problem}")):
        configured(f"discovery: {{endpoints: [{endpoint}]}}")
