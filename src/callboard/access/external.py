"""Tokens of callers that are no part of a Backstage installation: scripts, CI jobs, other programs."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from joserfc.jwk import OctKey

from callboard.access import tokens
from callboard.access.key_sets import KeySet, KeySets
from callboard.access.principals import Restriction, Service
from callboard.access.tokens import Proof, Refused, Token
from callboard.errors import Unavailable
from callboard.settings.auth import AccessRestriction, AccessType, AuthSettings, ExternalAccess

_US = "catalog"
_PREFIX = "external:"
_LEGACY_ALGORITHM = "HS256"
_LEGACY_CALLER = "backstage-server"
_FORMER_PLUGINS = "external:backstage-plugin"


class Handler(Protocol):
    """Verifies the tokens of one caller, or of one issuer."""

    async def verify(self, token: Token, now: float) -> Proof:
        """What *token* proves. Raises Refused or Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that is sent as it is; only its hash is kept."""

    digest: bytes = field(repr=False)
    service: Service


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """A secret that signs tokens at the caller's."""

    key: OctKey = field(repr=False)
    service: Service

    async def verify(self, token: Token, now: float) -> Proof:
        """The caller, when *token* is signed with the secret."""
        tokens.check_claim(token, "sub", (_LEGACY_CALLER,))
        if token.claims.get("aud") is not None:
            raise Refused("it has an aud, which tokens of the type legacy have not")
        expires_at = tokens.expiry(token, now, required=False)
        tokens.verify(token, (self.key,), (_LEGACY_ALGORITHM,))
        return Proof(self.service, expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Somebody who gives tokens to others, and publishes the keys."""

    keys: KeySet
    issuers: tuple[str, ...] | None
    audiences: tuple[str, ...] | None
    algorithms: tuple[str, ...]
    prefix: str
    restrictions: tuple[Restriction, ...] | None

    async def verify(self, token: Token, now: float) -> Proof:
        """The caller that *token* is about."""
        tokens.check_algorithm(token, self.algorithms)
        if self.issuers is not None:
            tokens.check_claim(token, "iss", self.issuers)
        if self.audiences is not None:
            tokens.check_claim(token, "aud", self.audiences)
        subject = tokens.subject(token)
        expires_at = tokens.expiry(token, now, required=False)
        tokens.verify(token, await self.keys.find(token.key_id), self.algorithms)
        return Proof(Service(self.prefix + subject, self.restrictions), expires_at)


def digest(text: str) -> bytes:
    """The hash under which a token is kept."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def static_tokens(settings: AuthSettings) -> tuple[StaticToken, ...]:
    """The tokens that are sent as they are."""
    return tuple(
        StaticToken(digest(access.options.token), _service(access))
        for access in settings.external_access
        if access.type is AccessType.STATIC and access.options.token is not None
    )


def find_static(known: Iterable[StaticToken], shown: bytes) -> Service | None:
    """Whose token has the hash *shown*. It takes as long for a token that is nearly right as for any other."""
    return next((entry.service for entry in known if hmac.compare_digest(entry.digest, shown)), None)


def handlers(settings: AuthSettings, key_sets: KeySets) -> tuple[Handler, ...]:
    """Those who verify tokens of callers and issuers, in the order of the configuration."""
    found = [_handler(access, key_sets) for access in settings.external_access if access.type is not AccessType.STATIC]
    former = [SharedSecret(OctKey.import_key(key.secret), Service(_FORMER_PLUGINS)) for key in settings.keys]
    return (*found, *former)


async def verify(handlers: Iterable[Handler], token: Token, now: float) -> Proof:
    """What the first of *handlers* that accepts *token* says.

    Raises Unavailable when one that could not be asked might have accepted it, otherwise Refused with what each says.
    """
    reasons: list[str] = []
    away: Unavailable | None = None
    for handler in handlers:
        try:
            return await handler.verify(token, now)
        except Refused as refusal:
            reasons.append(str(refusal))
        except Unavailable as error:
            away = error
    if away is not None:
        raise away
    raise Refused("; ".join(dict.fromkeys(reasons)) or "no external access is configured for it")


def _handler(access: ExternalAccess, key_sets: KeySets) -> Handler:
    options = access.options
    if options.secret is not None and access.type is AccessType.LEGACY:
        return SharedSecret(OctKey.import_key(options.secret), _service(access))
    assert options.url is not None
    return Issuer(
        keys=key_sets.at(options.url),
        issuers=options.issuer,
        audiences=options.audience,
        algorithms=options.algorithm,
        prefix=_PREFIX + (f"{options.subject_prefix}:" if options.subject_prefix else ""),
        restrictions=_restrictions(access.access_restrictions),
    )


def _service(access: ExternalAccess) -> Service:
    subject = access.options.subject
    assert subject is not None
    # A caller that is called `plugin:scaffolder` in the configuration is none.
    return Service(_PREFIX + subject.removeprefix(_PREFIX), _restrictions(access.access_restrictions))


def _restrictions(listed: tuple[AccessRestriction, ...] | None) -> tuple[Restriction, ...] | None:
    if listed is None:
        return None
    return tuple(
        Restriction(frozenset(entry.permission or ()), frozenset(entry.permission_attribute.action or ()))
        for entry in listed
        if entry.plugin == _US
    )
