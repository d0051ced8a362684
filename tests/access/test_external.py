"""Callers that are no part of a Backstage installation."""

import base64

import pytest
from joserfc.jwk import OctKey

from callboard.access.principals import Restriction, Service
from callboard.errors import Unauthenticated, Unavailable
from callboard.model.json import JsonObject
from callboard.testing import FakeClock, FakeHost
from tests.access.conftest import Authenticating
from tests.access.issuing import NOW, OUTSIDE_KEYS, key_named, outside, signed

SECRET = b"a secret of twenty-four!"
ENCODED = base64.b64encode(SECRET).decode()

STATIC = """
backend:
  auth:
    externalAccess:
      - {type: static, options: {token: token-of-ci, subject: ci}}
      - type: static
        options: {token: token-of-a-reader, subject: reader}
        accessRestrictions:
          - {plugin: catalog, permission: 'catalog.entity.read, catalog.location.read'}
          - {plugin: catalog, permissionAttribute: {action: [read, update]}}
      - type: static
        options: {token: token-for-others, subject: external:others}
        accessRestrictions: [{plugin: scaffolder}]
      - {type: static, options: {token: token-of-nobody, subject: 'plugin:scaffolder'}}
"""
LEGACY = f"backend: {{auth: {{externalAccess: [{{type: legacy, options: {{secret: {ENCODED}, subject: old}}}}]}}}}"
FORMER = f"backend: {{auth: {{keys: [{{secret: YW5vdGhlciBzZWNyZXQgb2Ygb2xk}}, {{secret: {ENCODED}}}]}}}}"
JWKS = f"""
backend:
  auth:
    externalAccess:
      - type: jwks
        options:
          url: {OUTSIDE_KEYS}
          issuer: [https://issuer.example.com, https://other.example.com]
          audience: callboard
          algorithm: ES256, RS256
          subjectPrefix: corporate
"""
OPEN_JWKS = f"backend: {{auth: {{externalAccess: [{{type: jwks, options: {{url: '{OUTSIDE_KEYS}'}}}}]}}}}"


def legacy_token(secret: bytes = SECRET, header: JsonObject | None = None, **claims: object) -> str:
    said = {"sub": "backstage-server", "exp": NOW + 3600} | claims
    kept = {name: value for name, value in said.items() if value is not None}
    usual: JsonObject = {"alg": "HS256"}
    return signed(usual | (header or {}), kept, OctKey.import_key(secret))


async def test_a_static_token_is_the_caller_that_it_was_given_to(authenticating: Authenticating) -> None:
    authenticator = authenticating(STATIC)

    assert await authenticator.authenticate("Bearer token-of-ci") == Service("external:ci")


async def test_restrictions_for_the_catalog_come_with_the_caller(authenticating: Authenticating) -> None:
    authenticator = authenticating(STATIC)

    principal = await authenticator.authenticate("Bearer token-of-a-reader")

    names = frozenset({"catalog.entity.read", "catalog.location.read"})
    actions = frozenset({"read", "update"})
    assert principal == Service("external:reader", (Restriction(permissions=names), Restriction(actions=actions)))


async def test_restrictions_to_other_plugins_leave_nothing(authenticating: Authenticating) -> None:
    authenticator = authenticating(STATIC)

    assert await authenticator.authenticate("Bearer token-for-others") == Service("external:others", ())


async def test_no_external_caller_passes_for_a_plugin(authenticating: Authenticating) -> None:
    authenticator = authenticating(STATIC)

    assert await authenticator.authenticate("Bearer token-of-nobody") == Service("external:plugin:scaffolder")


@pytest.mark.parametrize("token", ["token-of-c", "token-of-ci2", "TOKEN-OF-CI", "tökén-of-ci", "token-of-ci\udc80"])
async def test_a_token_that_is_nearly_right_is_wrong(authenticating: Authenticating, token: str) -> None:
    authenticator = authenticating(STATIC)

    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {token}")


@pytest.mark.parametrize(("configuration", "caller"), [(LEGACY, "external:old"), (FORMER, "external:backstage-plugin")])
async def test_a_shared_secret_signs_for_its_caller(
    authenticating: Authenticating, configuration: str, caller: str
) -> None:
    authenticator = authenticating(configuration)

    assert await authenticator.authenticate(f"Bearer {legacy_token()}") == Service(caller)
    assert await authenticator.authenticate(f"Bearer {legacy_token(exp=None)}") == Service(caller)


@pytest.mark.parametrize(
    "token",
    [
        legacy_token(b"some other secret of old"),
        legacy_token(sub="somebody"),
        legacy_token(sub=None),
        legacy_token(aud="catalog"),
        legacy_token(exp=NOW - 60),
        legacy_token(nbf=NOW + 60),
        legacy_token(header={"alg": "HS512"}),
        legacy_token(header={"alg": "none"}),
        legacy_token()[:-4] + "AAAA",
    ],
    ids=["secret", "sub", "no sub", "aud", "expired", "not yet", "algorithm", "unsigned", "tampered"],
)
async def test_a_legacy_token_that_is_wrong_is_refused(authenticating: Authenticating, token: str) -> None:
    authenticator = authenticating(LEGACY)

    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {token}")


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_an_issuer_vouches_for_its_callers(
    authenticating: Authenticating, host: FakeHost, algorithm: str
) -> None:
    issuer = outside(host, algorithm)
    authenticator = authenticating(JWKS)

    for token in (issuer.token(), issuer.token(aud=["x", "callboard"]), issuer.token(iss="https://other.example.com")):
        assert await authenticator.authenticate(f"Bearer {token}") == Service("external:corporate:ci")


@pytest.mark.parametrize("algorithm", ["ES384", "ES512", "RS512", "PS256", "Ed25519"])
async def test_any_signature_with_a_private_key_will_do_when_nothing_is_said(
    authenticating: Authenticating, host: FakeHost, algorithm: str
) -> None:
    issuer = outside(host, algorithm)
    authenticator = authenticating(OPEN_JWKS)

    token = issuer.token(aud=None, iss=None, exp=None)

    assert await authenticator.authenticate(f"Bearer {token}") == Service("external:ci")


async def test_the_key_of_an_issuer_that_has_one_needs_no_name(authenticating: Authenticating, host: FakeHost) -> None:
    issuer = outside(host)
    authenticator = authenticating(JWKS)

    principal = await authenticator.authenticate(f"Bearer {issuer.token({'kid': None})}")

    assert principal == Service("external:corporate:ci")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example.com"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another", 1]},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"exp": NOW - 60},
        {"exp": "tomorrow"},
        {"exp": True},
        {"nbf": NOW + 60},
        {"nbf": [NOW]},
    ],
    ids=str,
)
async def test_claims_that_are_not_what_they_should_be_are_refused(
    authenticating: Authenticating, host: FakeHost, changes: dict[str, object]
) -> None:
    issuer = outside(host)
    authenticator = authenticating(JWKS)

    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {issuer.token(**changes)}")


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
async def test_a_public_key_is_no_shared_secret(authenticating: Authenticating, host: FakeHost, algorithm: str) -> None:
    issuer = outside(host)
    public = OctKey.import_key({"kty": "oct", "k": str(issuer.key.as_dict(private=False)["x"])})
    authenticator = authenticating(OPEN_JWKS)

    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {issuer.token({'alg': algorithm}, public)}")


async def test_a_secret_among_published_keys_is_worth_nothing(authenticating: Authenticating, host: FakeHost) -> None:
    issuer = outside(host)
    secret = OctKey.import_key({"kty": "oct", "kid": "outside", "k": ENCODED.rstrip("=")})
    host.put(OUTSIDE_KEYS, '{"keys": [{"kty": "oct", "kid": "outside", "k": "' + ENCODED.rstrip("=") + '"}]}')
    authenticator = authenticating(OPEN_JWKS)

    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {issuer.token({'alg': 'HS256'}, secret)}")


async def test_an_unsigned_token_is_refused(authenticating: Authenticating, host: FakeHost) -> None:
    issuer = outside(host)
    authenticator = authenticating(OPEN_JWKS)

    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {issuer.token({'alg': 'none'})}")


async def test_an_algorithm_that_was_not_chosen_is_refused(authenticating: Authenticating, host: FakeHost) -> None:
    issuer = outside(host, "PS256")
    authenticator = authenticating(JWKS)

    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {issuer.token()}")


async def test_a_key_made_for_another_algorithm_verifies_nothing(
    authenticating: Authenticating, host: FakeHost
) -> None:
    issuer = outside(host, "RS256")
    token = issuer.token({"alg": "PS256"})
    authenticator = authenticating(OPEN_JWKS)
    host.put(OUTSIDE_KEYS, host.files[OUTSIDE_KEYS].decode().replace('"kid"', '"alg":"RS256","kid"'))

    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {token}")


async def test_a_header_that_asks_for_an_extension_is_refused(authenticating: Authenticating, host: FakeHost) -> None:
    issuer = outside(host)
    authenticator = authenticating(OPEN_JWKS)

    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {issuer.token({'crit': ['b64'], 'b64': True})}")


async def test_a_foreign_issuer_is_not_asked_for_keys(authenticating: Authenticating, host: FakeHost) -> None:
    issuer = outside(host)
    authenticator = authenticating(JWKS)

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(f"Bearer {issuer.token(iss='https://evil.example.com')}")

    assert not host.requests


async def test_an_issuer_that_is_away_stands_in_nobody_elses_way(
    authenticating: Authenticating, host: FakeHost, clock: FakeClock
) -> None:
    issuer = outside(host)
    first = "{type: jwks, options: {url: 'https://away.example.com/keys'}}"
    configuration = OPEN_JWKS.replace("externalAccess: [", f"externalAccess: [{first}, ")
    host.put("https://away.example.com/keys", "<html>")
    authenticator = authenticating(configuration)

    accepted = await authenticator.authenticate(f"Bearer {issuer.token()}")
    with pytest.raises(Unavailable):
        await authenticator.authenticate(f"Bearer {issuer.token(None, key_named('stranger'))}")

    assert accepted == Service("external:ci")
