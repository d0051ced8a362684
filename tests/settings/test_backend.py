import re
from collections.abc import Callable

import pytest

from callboard.errors import InvalidConfiguration
from callboard.settings import Listen, ReadingRule, Settings

Configured = Callable[..., Settings]


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("{}", "127.0.0.1", 7007),
        ("{port: 8000}", "127.0.0.1", 8000),
        ("{host: 10.0.0.1}", "10.0.0.1", 7007),
        ("{host: '', port: '${PORT}'}", "127.0.0.1", 9000),
        ("{host: '*', port: 8000}", "0.0.0.0", 8000),
        ("{host: '::', port: 8000}", "::", 8000),
        ("':7007'", "127.0.0.1", 7007),
        ("8000", "127.0.0.1", 8000),
        ("'8000'", "127.0.0.1", 8000),
        ("'${PORT}'", "127.0.0.1", 9000),
        ("0.0.0.0:8000", "0.0.0.0", 8000),
        ("'*:8000'", "0.0.0.0", 8000),
        ("catalog.internal:80", "catalog.internal", 80),
        ("'[::1]:8000'", "::1", 8000),
        ("0", "127.0.0.1", 0),
    ],
)
def test_every_notation_of_the_address_is_understood(
    configured: Configured, written: str, host: str, port: int
) -> None:
    settings = configured(f"backend: {{listen: {written}}}", {"PORT": "9000"})

    assert settings.backend.listen == Listen(host, port)


@pytest.mark.parametrize("written", ["here", "a:b", "'1:2:3'", "70000", "'h:70000'", "-1", "true", "[1]", "80.5"])
def test_any_other_address_is_refused(configured: Configured, written: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"^app-config.yaml:1: backend.listen: expected a port"):
        configured(f"backend: {{listen: {written}}}")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("h", False)],
)
def test_an_address_knows_whether_only_this_machine_reaches_it(host: str, loopback: bool) -> None:
    assert Listen(host).loopback is loopback


def test_the_base_url_has_no_slash_at_its_end(configured: Configured) -> None:
    settings = configured("backend: {baseUrl: 'https://catalog.example.com/'}")

    assert settings.backend.url == "https://catalog.example.com"


@pytest.mark.parametrize(("written", "url"), [("8000", "http://127.0.0.1:8000"), ("'[::1]:8000'", "http://[::1]:8000")])
def test_without_a_base_url_the_address_makes_it(configured: Configured, written: str, url: str) -> None:
    assert configured(f"backend: {{listen: {written}}}").backend.url == url


@pytest.mark.parametrize("written", ["catalog.example.com", "ftp://x", "http://", "3"])
def test_a_base_url_that_is_none_is_refused(configured: Configured, written: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"backend.baseUrl: expected an http or https URL, got"):
        configured(f"backend: {{baseUrl: '{written}'}}")


def test_hosts_to_read_from_are_kept_in_lower_case(configured: Configured) -> None:
    settings = configured("""
backend:
  reading:
    allow:
      - host: Example.com
      - {host: '*.example.com:8443', paths: [/docs, /api/]}
      - {host: 'localhost:3000-4000', paths: []}
      - host: '[::1]:80'
""")

    assert settings.backend.reading.allow == (
        ReadingRule("example.com"),
        ReadingRule("*.example.com:8443", ("/docs", "/api/")),
        ReadingRule("localhost:3000-4000", ()),
        ReadingRule("[::1]:80"),
    )


@pytest.mark.parametrize(
    "host",
    ["https://example.com", "example.com/docs", "*", "a.*.com", "a:0", "a:70000", "a:9-8", "a:b", "user@host", ""],
)
def test_a_host_that_is_none_is_refused(configured: Configured, host: str) -> None:
    expected = 'backend.reading.allow[0].host: expected a host such as "example.com", "example.com:8080" or '

    with pytest.raises(InvalidConfiguration, match=re.escape(expected)):
        configured(f"backend: {{reading: {{allow: [{{host: '{host}'}}]}}}}")


def test_sections_of_other_programs_are_left_alone(configured: Configured) -> None:
    settings = configured("""
app: {baseUrl: 'http://localhost:3000', support: {url: x}}
auth: {providers: {guest: {}}}
techdocs: {builder: local}
permission: {enabled: true}
backend: {cors: {origin: '*'}, csp: {connect-src: ["'self'"]}, cache: {store: memory}, unheardOf: 1}
unheardOf: [1]
""")

    assert settings.warnings == ()
