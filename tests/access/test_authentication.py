"""From the header to the principal, whatever the header says."""

import base64
import random
import re
import string
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from callboard.access import authentication
from callboard.access.principals import Anonymous, Service, User
from callboard.errors import Unauthenticated, describe
from callboard.testing import FakeClock, FakeHost
from tests.access.conftest import Authenticating
from tests.access.issuing import BACKSTAGE, NOW, OUTSIDE_KEYS, USERS_KEYS, Issuer, outside, users

OURS = f"callboard: {{auth: {{backstageUrl: '{BACKSTAGE}'}}}}"
STATIC = "backend: {auth: {externalAccess: [{type: static, options: {token: token-of-ci, subject: ci}}]}}"
EVERYTHING = f"""
{OURS}
backend:
  auth:
    keys: [{{secret: bXkgbGVnYWN5IHNlY3JldCBvZiBvbGQ=}}]
    externalAccess:
      - {{type: static, options: {{token: token-of-ci, subject: ci}}}}
      - {{type: jwks, options: {{url: '{OUTSIDE_KEYS}', audience: callboard}}}}
"""


@pytest.fixture
def auth(host: FakeHost) -> Issuer:
    return users(host)


@pytest.mark.parametrize(
    "configuration",
    ["", "backend: {auth: {dangerouslyDisableDefaultAuthPolicy: true}}\n" + OURS, "discovery: {endpoints: []}"],
    ids=["nothing configured", "switched off", "no plugins"],
)
@pytest.mark.parametrize("header", [None, "Bearer garbage"])
async def test_without_authentication_everybody_is_anonymous(
    authenticating: Authenticating, configuration: str, header: str | None
) -> None:
    authenticator = authenticating(configuration)

    assert not authenticator.enabled
    assert await authenticator.authenticate(header) == Anonymous()


@pytest.mark.parametrize(
    "configuration",
    [
        STATIC,
        OURS,
        "backend: {auth: {keys: [{secret: bXkgbGVnYWN5IHNlY3JldCBvZiBvbGQ=}]}}",
        "discovery: {endpoints: [{target: 'http://auth/', plugins: [auth]}]}",
    ],
)
async def test_any_authentication_shuts_out_those_who_show_nothing(
    authenticating: Authenticating, configuration: str
) -> None:
    authenticator = authenticating(configuration)

    assert authenticator.enabled
    with pytest.raises(Unauthenticated, match="Missing credentials"):
        await authenticator.authenticate(None)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "token-of-ci", "Bearer a b", "Bearera"]
)
async def test_a_header_without_a_token_shows_nothing(authenticating: Authenticating, header: str) -> None:
    authenticator = authenticating(STATIC)

    with pytest.raises(Unauthenticated, match="Missing credentials"):
        await authenticator.authenticate(header)


@pytest.mark.parametrize("header", ["Bearer token-of-ci", "bearer token-of-ci", "BEARER   token-of-ci "])
async def test_the_scheme_may_be_written_in_any_case(authenticating: Authenticating, header: str) -> None:
    authenticator = authenticating(STATIC)

    assert await authenticator.authenticate(header) == Service("external:ci")


async def test_the_reason_goes_to_the_log_only(authenticating: Authenticating, auth: Issuer) -> None:
    authenticator = authenticating(OURS)
    token = auth.token(exp=NOW - 60)

    with capture_logs() as logged, pytest.raises(Unauthenticated) as refused:
        await authenticator.authenticate(f"Bearer {token}")

    assert describe(refused.value) == {"name": "AuthenticationError", "message": "Illegal token"}
    assert logged == [{"event": "token.refused", "reason": "it has expired", "log_level": "info"}]


async def test_a_verified_token_is_not_verified_again(authenticating: Authenticating, auth: Issuer) -> None:
    authenticator, token = authenticating(OURS), auth.token()
    first = await authenticator.authenticate(f"Bearer {token}")
    auth.host.remove(USERS_KEYS)

    second = await authenticator.authenticate(f"Bearer {token}")

    assert first is second


async def test_a_verified_token_counts_no_longer_than_it_lives(
    authenticating: Authenticating, auth: Issuer, clock: FakeClock
) -> None:
    authenticator, token = authenticating(OURS), auth.token(exp=NOW + 60)
    await authenticator.authenticate(f"Bearer {token}")

    clock.advance(65)

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(f"Bearer {token}")


async def test_a_token_whose_key_was_taken_back_counts_for_minutes_at_most(
    authenticating: Authenticating, auth: Issuer, clock: FakeClock
) -> None:
    authenticator, token = authenticating(OURS), auth.token()
    await authenticator.authenticate(f"Bearer {token}")
    auth.rotate("second")

    clock.advance(600)

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(f"Bearer {token}")
    assert isinstance(await authenticator.authenticate(f"Bearer {auth.token()}"), User)


async def test_kept_tokens_are_bounded(
    authenticating: Authenticating, auth: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real bound would take ten thousand signatures to reach.
    monkeypatch.setattr(authentication, "_MOST_PROOFS", 3)
    authenticator = authenticating(OURS)
    tokens = [auth.token(exp=NOW + 60 + number) for number in range(5)]
    principals = [await authenticator.authenticate(f"Bearer {token}") for token in tokens]

    again = [await authenticator.authenticate(f"Bearer {token}") for token in reversed(tokens)]

    assert again == principals
    assert [new is old for new, old in zip(reversed(again), principals, strict=True)] == [
        False,
        False,
        True,
        True,
        True,
    ]


async def test_garbage_is_never_anything_but_illegal(
    authenticating: Authenticating, auth: Issuer, host: FakeHost
) -> None:
    authenticator = authenticating(EVERYTHING)
    good = [auth.token(), outside(host).token()]

    for garbage in _garbage(random.Random(7), good, 10_000):
        with pytest.raises(Unauthenticated, match=r"^(Illegal token|Missing credentials)$"):
            await authenticator.authenticate(f"Bearer {garbage}")


async def test_deep_and_large_tokens_are_illegal(authenticating: Authenticating, auth: Issuer) -> None:
    authenticator = authenticating(EVERYTHING)
    signature = auth.token().split(".")[2]

    def encoded(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    for depth in (900, 1_000, 1_020, 5_000, 11_000, 500_000):
        deep = '{"alg":"ES256","kid":"outside","aud":"callboard","sub":"x","deep":' + "[" * depth + "]" * depth + "}"
        for token in (f"{encoded(deep)}.e30.{signature}", f"{encoded(deep)}.{encoded(deep)}.{signature}", "a" * depth):
            with pytest.raises(Unauthenticated, match="Illegal token"):
                await authenticator.authenticate(f"Bearer {token}")


def _garbage(chance: random.Random, good: list[str], count: int) -> Iterator[str]:
    """Random texts, random JWTs, and good tokens with something wrong in them."""
    letters = string.ascii_letters + string.digits + "-_"
    anything = string.printable + "\x00\x7f\xff€\U0001f3ad\udc80"
    for number in range(count):
        match number % 4:
            case 0:
                yield "".join(chance.choices(anything, k=chance.randrange(80)))
            case 1:
                yield ".".join("".join(chance.choices(letters, k=chance.randrange(60))) for _ in range(3))
            case 2:
                at, token = chance.randrange(200), chance.choice(good)
                yield token[:at] + chance.choice(letters.replace(token[at], "")) + token[at + 1 :]
            case _:
                token = chance.choice(good)
                yield re.sub(r"\.", chance.choice(["", "..", ".x.", "="]), token, count=chance.randrange(1, 3))
