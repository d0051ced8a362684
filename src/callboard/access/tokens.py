"""Tokens: JSON Web Tokens as they arrive, and what has to be true before anything in them counts."""

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, TypeGuard

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.util import urlsafe_b64decode

from callboard.access.principals import Principal
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue

_LONGEST = 32 * 1024
"""Headers are limited by the server already; this bounds the work for a token inside a token as well."""

_LEEWAY = 5.0
"""Seconds by which the clocks of two machines may differ."""

_KEPT_LONGEST = 600.0
"""Seconds after which a token is verified anew, so that a key that its issuer has taken back stops to count."""

_SHAPE: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)

UNUSABLE: Final = (JoseError, ValueError, TypeError, KeyError, RecursionError)
"""What the libraries raise over tokens and keys that are not what they should be."""


class Refused(Exception):
    """A token is not accepted; the text says why. It is for the log: callers learn nothing from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token taken apart. Nothing in it is proven until `verify` has returned."""

    text: str
    kind: str
    """The `typ` of the header in lower case, empty without one."""
    algorithm: str
    key_id: str | None
    claims: JsonObject


@dataclass(frozen=True, slots=True)
class Proof:
    """What a verified token proves, and until when (seconds since 1970)."""

    principal: Principal
    expires_at: float
    owns: bool = True
    """Whether the ownership of a user was in the token; otherwise it has to be looked up."""


def parse(text: str) -> Token:
    """The parts of the token *text*. Raises Refused when it is none."""
    if len(text) > _LONGEST or not _SHAPE.fullmatch(text):
        raise Refused("it is neither a known token nor a JWT")
    header, claims = (_object(segment) for segment in text.split(".")[:2])
    kind, algorithm, key_id = header.get("typ", ""), header.get("alg"), header.get("kid")
    if not isinstance(kind, str) or not isinstance(algorithm, str) or not isinstance(key_id, str | None):
        raise Refused("its header is not that of a JWT")
    # The only extension that the library knows changes what the signature is about.
    if "crit" in header or "b64" in header:
        raise Refused("its header asks for an extension")
    kind = kind.lower().removeprefix("application/")
    return Token(text=text, kind=kind, algorithm=algorithm, key_id=key_id, claims=claims)


def check_algorithm(token: Token, algorithms: Collection[str]) -> None:
    """Return if *token* says that it is signed in one of the ways *algorithms*; raise Refused otherwise."""
    if token.algorithm not in algorithms:
        raise Refused(f"it is signed with {token.algorithm[:20]!r}, expected {' or '.join(algorithms)}")


def verify(token: Token, keys: Iterable[Key], algorithms: Collection[str]) -> None:
    """Return if one of *keys* has signed *token* in one of the ways *algorithms*; raise Refused otherwise."""
    check_algorithm(token, algorithms)
    registry = jws.JWSRegistry(algorithms=[token.algorithm], strict_check_header=False)
    registry.max_header_length = _LONGEST
    for key in keys:
        try:
            jws.deserialize_compact(token.text, key, registry=registry)
        except UNUSABLE:
            continue
        return
    raise Refused("its signature is not by a key of its issuer")


def expiry(token: Token, now: float, *, required: bool = True) -> float:
    """Until when the proof may be kept. Raises Refused when the token is not valid *now*, or has no expiry at all."""
    expires_at, begins_at = token.claims.get("exp"), token.claims.get("nbf")
    if expires_at is None and not required:
        expires_at = math.inf
    if not _is_number(expires_at) or (begins_at is not None and not _is_number(begins_at)):
        raise Refused("its exp or nbf is not a time")
    if expires_at <= now - _LEEWAY:
        raise Refused("it has expired")
    if begins_at is not None and begins_at > now + _LEEWAY:
        raise Refused("it is not valid yet")
    return min(expires_at, now + _KEPT_LONGEST)


def subject(token: Token) -> str:
    """Whom the token is about. Raises Refused when it does not say."""
    found = token.claims.get("sub")
    if not isinstance(found, str) or not found:
        raise Refused("it has no sub")
    return found


def check_claim(token: Token, name: str, allowed: Collection[str]) -> None:
    """Return if the claim *name*, or one entry of it, is one of *allowed*; raise Refused otherwise."""
    value = token.claims.get(name)
    said = value if isinstance(value, list) else [value]
    if not any(isinstance(entry, str) and entry in allowed for entry in said):
        raise Refused(f"its {name} is not {' or '.join(allowed)}")


def _object(segment: str) -> JsonObject:
    try:
        value = json.decode(urlsafe_b64decode(segment.encode()))
    except ValueError as error:
        raise Refused("it is not a JWT") from error
    if not isinstance(value, dict):
        raise Refused("it is not a JWT")
    return value


def _is_number(value: JsonValue) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
