import base64
import re
from collections.abc import Callable

import pytest

from callboard.errors import InvalidConfiguration
from callboard.settings import AccessType, Settings
from callboard.settings.auth import ALGORITHMS

Configured = Callable[..., Settings]

SECRET = base64.b64encode(b"\xff" * 24).decode()


def external(entry: str) -> str:
    return f"backend: {{auth: {{externalAccess: [{entry}]}}}}"


def test_nobody_is_known_unless_the_configuration_says_so(configured: Configured) -> None:
    settings = configured("")

    assert settings.backend.auth.external_access == ()
    assert settings.backend.auth.keys == ()
    assert not settings.backend.auth.dangerously_disable_default_auth_policy
    assert settings.callboard.auth.backstage_url is None


def test_secrets_are_kept_out_of_sight(configured: Configured) -> None:
    settings = configured(
        f"""
backend:
  auth:
    keys: [{{secret: {SECRET}}}]
    externalAccess:
      - {{type: static, options: {{token: '${{TOKEN}}', subject: ci}}}}
      - {{type: legacy, options: {{secret: {SECRET}, subject: old}}}}
""",
        {"TOKEN": "s3cret-token"},
    )

    static, legacy = settings.backend.auth.external_access
    assert (static.type, static.options.token, static.options.subject) == (AccessType.STATIC, "s3cret-token", "ci")
    assert legacy.options.secret == settings.backend.auth.keys[0].secret == b"\xff" * 24
    assert "s3cret" not in repr(settings)
    assert "xff" not in repr(settings)


def test_secrets_may_be_in_the_base64_of_urls(configured: Configured) -> None:
    secret = base64.urlsafe_b64encode(b"\xfe" * 25).decode().rstrip("=")

    settings = configured(external(f"{{type: legacy, options: {{secret: {secret}, subject: old}}}}"))

    assert settings.backend.auth.external_access[0].options.secret == b"\xfe" * 25


def test_issuers_and_audiences_may_be_one_or_many(configured: Configured) -> None:
    settings = configured("""
backend:
  auth:
    externalAccess:
      - type: jwks
        options:
          url: https://issuer.example.com/keys/
          issuer: https://issuer.example.com
          audience: [callboard, 'backstage, portal']
          algorithm: RS256 ES256
          subjectPrefix: corporate
      - {type: jwks, options: {url: 'https://other.example.com/keys', audience: x}}
""")

    first, second = (access.options for access in settings.backend.auth.external_access)
    assert first.url == "https://issuer.example.com/keys/"
    assert first.issuer == ("https://issuer.example.com",)
    assert first.audience == ("callboard", "backstage", "portal")
    assert first.algorithm == ("RS256", "ES256")
    assert first.subject_prefix == "corporate"
    assert (second.issuer, second.algorithm, second.subject_prefix) == (None, ALGORITHMS, None)
    assert settings.warnings == ()


def test_restrictions_name_permissions_and_actions(configured: Configured) -> None:
    settings = configured("""
backend:
  auth:
    externalAccess:
      - type: static
        options: {token: 12345678a, subject: ci}
        accessRestrictions:
          - {plugin: catalog, permission: 'catalog.entity.read, catalog.location.read'}
          - {plugin: catalog, permission: [catalog.entity.refresh], permissionAttribute: {action: update}}
          - {plugin: scaffolder}
""")

    restrictions = settings.backend.auth.external_access[0].access_restrictions
    assert restrictions is not None
    assert [(found.plugin, found.permission, found.permission_attribute.action) for found in restrictions] == [
        ("catalog", ("catalog.entity.read", "catalog.location.read"), None),
        ("catalog", ("catalog.entity.refresh",), ("update",)),
        ("scaffolder", None, None),
    ]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{options: {}}", "[0].type: is missing"),
        ("{type: basic, options: {}}", "[0].type: expected static, legacy or jwks, got 'basic'"),
        ("{type: static}", "[0].options: is missing"),
        ("{type: static, options: {subject: ci}}", "[0]: options.token must be given for the type static"),
        ("{type: static, options: {}}", "[0]: options.token and options.subject must be given for the type static"),
        ("{type: legacy, options: {subject: ci}}", "[0]: options.secret must be given for the type legacy"),
        ("{type: jwks, options: {issuer: x}}", "[0]: options.url must be given for the type jwks"),
        (
            "{type: static, options: {token: s3cret, subject: ci}}",
            "[0].options.token: expected a text without blanks, at",
        ),
        ("{type: static, options: {token: 's3cret token', subject: ci}}", "[0].options.token: expected a text without"),
        (
            "{type: static, options: {token: 12345678, subject: ci}}",
            "[0].options.token: expected a text without blanks",
        ),
        (
            "{type: static, options: {token: s3cret-token, subject: 'c i'}}",
            "[0].options.subject: expected a text without",
        ),
        (
            "{type: legacy, options: {secret: 's3cr*t', subject: x}}",
            "[0].options.secret: expected at least 14 bytes in",
        ),
        (
            "{type: legacy, options: {secret: c2hvcnQ=, subject: x}}",
            "[0].options.secret: expected at least 14 bytes in",
        ),
        ("{type: jwks, options: {url: 'file:///keys'}}", "[0].options.url: expected an http or https URL"),
        ("{type: jwks, options: {url: 'http://x', audience: []}}", "[0].options.audience: expected a text, or a list"),
        ("{type: jwks, options: {url: 'http://x', issuer: ' '}}", "[0].options.issuer: expected a text, or a list"),
        ("{type: jwks, options: {url: 'http://x', issuer: [7]}}", "[0].options.issuer: expected a text, or a list"),
        (
            "{type: jwks, options: {url: 'http://x', algorithm: HS256}}",
            "[0].options.algorithm: expected one or more of ES",
        ),
        (
            "{type: jwks, options: {url: 'http://x', algorithm: none}}",
            "[0].options.algorithm: expected one or more of ES",
        ),
        ("{type: jwks, options: {url: 'http://x', audiance: x}}", "[0]: has the unknown key 'options.audiance'"),
    ],
)
def test_what_would_let_in_the_wrong_people_is_refused(configured: Configured, entry: str, problem: str) -> None:
    with pytest.raises(
        InvalidConfiguration, match=re.escape(f"app-config.yaml:1: backend.auth.externalAccess{problem}")
    ):
        configured(external(entry))


@pytest.mark.parametrize(
    ("restrictions", "problem"),
    [
        ("accessRestrictions: []", "has accessRestrictions without an entry"),
        ("accessRestrictions: null", "has accessRestrictions without an entry"),
        ("accessRestriction: [{plugin: x}]", "has the unknown key 'accessRestriction'"),
        ("accessRestrictions: [{permission: x}]", "plugin: is missing"),
        (
            "accessRestrictions: [{plugin: catalog, permissions: x}]",
            "has the unknown key 'accessRestrictions.permissions'",
        ),
        ("accessRestrictions: [{plugin: catalog, permission: []}]", "permission: expected a text, or a list of texts"),
        (
            "accessRestrictions: [{plugin: catalog, permissionAttribute: {actions: read}}]",
            "has the unknown key 'accessRestrictions.permissionAttribute.actions'",
        ),
        (
            "accessRestrictions: [{plugin: catalog, permissionAttribute: {action: write}}]",
            "expected one or more of create, read, update, delete, got 'write'",
        ),
    ],
)
def test_what_would_restrict_less_than_it_seems_is_refused(
    configured: Configured, restrictions: str, problem: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(problem)):
        configured(external(f"{{type: static, options: {{token: s3cret-token, subject: ci}}, {restrictions}}}"))


@pytest.mark.parametrize(
    "entry",
    [
        "{type: static, options: {token: s3cret, subject: ci}}",
        "{type: legacy, options: {secret: s3cret, subject: ci}}",
    ],
)
def test_messages_do_not_show_secrets(configured: Configured, entry: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        configured(external(entry))

    assert "s3cret" not in str(refused.value)


def test_an_issuer_whose_every_token_is_accepted_is_worth_a_warning(configured: Configured) -> None:
    settings = configured(external("{type: jwks, options: {url: 'https://issuer.example.com/keys'}}"))

    (warning,) = settings.warnings
    assert "externalAccess[0]: accepts every token that issuer.example.com has made" in warning
    assert "options.audience" in warning


def test_backstage_has_an_address(configured: Configured) -> None:
    settings = configured("callboard: {auth: {backstageUrl: 'http://backstage:7007/'}}")

    assert settings.callboard.auth.backstage_url == "http://backstage:7007"
