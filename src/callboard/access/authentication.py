"""Authentication: from the header `Authorization` to the principal who has sent it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import httpx2
import structlog

from callboard.access import backstage, external, tokens
from callboard.access.backstage import BackstageTokens
from callboard.access.key_sets import KeySets
from callboard.access.principals import Anonymous, Principal, User
from callboard.access.tokens import Proof, Refused
from callboard.clock import Clock
from callboard.errors import InvalidRef, Unauthenticated
from callboard.model.refs import EntityRef
from callboard.settings import Settings

_log = structlog.get_logger(__name__)

_BEARER: Final = re.compile(r"bearer +(\S+) *", re.IGNORECASE | re.ASCII)

_MOST_PROOFS = 10_000
"""Verified tokens that are kept, at about half a kilobyte each; verifying one takes 200 µs, finding it one."""

OwnershipOf = Callable[[str], Sequence[str]]
"""The refs of what a user belongs to, by the user's ref; nothing for a user who is not in the catalog."""


def enabled(settings: Settings) -> bool:
    """Whether callers have to say who they are."""
    auth = settings.backend.auth
    configured = bool(auth.external_access or auth.keys) or plugin_url(settings, "auth") is not None
    return configured and not auth.dangerously_disable_default_auth_policy


def plugin_url(settings: Settings, plugin: str) -> str | None:
    """Where the plugin *plugin* of the Backstage installation is; None when nothing says."""
    base, found = settings.callboard.auth.backstage_url, settings.discovery.base_url(plugin)
    return f"{base}/api/{plugin}" if found is None and base is not None else found


def build(settings: Settings, client: httpx2.AsyncClient, clock: Clock, ownership_of: OwnershipOf) -> "Authenticator":
    """The authenticator that *settings* describe. It asks issuers for their keys through *client*."""
    key_sets = KeySets(client, clock)
    return Authenticator(
        enabled=enabled(settings),
        static=external.static_tokens(settings.backend.auth),
        handlers=external.handlers(settings.backend.auth, key_sets),
        backstage_tokens=BackstageTokens(key_sets, lambda plugin: plugin_url(settings, plugin)),
        clock=clock,
        ownership_of=ownership_of,
    )


class Authenticator:
    """Knows callers by what they show."""

    def __init__(
        self,
        *,
        enabled: bool,
        static: Sequence[external.StaticToken],
        handlers: Sequence[external.Handler],
        backstage_tokens: BackstageTokens,
        clock: Clock,
        ownership_of: OwnershipOf,
    ) -> None:
        self.enabled = enabled
        self._static = static
        self._handlers = handlers
        self._backstage = backstage_tokens
        self._clock = clock
        self._ownership_of = ownership_of
        self._proofs: dict[bytes, Proof] = {}

    async def authenticate(self, authorization: str | None) -> Principal:
        """Who has sent the header *authorization*; anonymous whatever it says when authentication is not enabled.

        Raises Unauthenticated, or Unavailable when the token's issuer can't be asked for its keys.
        """
        if not self.enabled:
            return Anonymous()
        shown = _BEARER.fullmatch(authorization or "")
        if shown is None:
            raise Unauthenticated("Missing credentials")
        try:
            proof = await self._prove(shown[1])
        except Refused as refusal:
            _log.info("token.refused", reason=str(refusal))
            # The cause of an error is told to the caller, who should not learn what to change in a forged token.
            raise Unauthenticated("Illegal token") from None
        return proof.principal if proof.owns else self._with_ownership(proof.principal)

    async def _prove(self, text: str) -> Proof:
        digest, now = external.digest(text), self._clock.now().timestamp()
        proof = self._proofs.get(digest)
        if proof is not None and proof.expires_at > now:
            return proof
        service = external.find_static(self._static, digest)
        if service is not None:
            return Proof(service, now)
        proof = await self._verify(tokens.parse(text), now)
        self._keep(digest, proof)
        return proof

    async def _verify(self, token: tokens.Token, now: float) -> Proof:
        if token.kind in backstage.KINDS:
            return await self._backstage.verify(token, now)
        return await external.verify(self._handlers, token, now)

    def _keep(self, digest: bytes, proof: Proof) -> None:
        self._proofs.pop(digest, None)
        if len(self._proofs) >= _MOST_PROOFS:
            # The oldest is the first; it is the likeliest to have expired.
            del self._proofs[next(iter(self._proofs))]
        self._proofs[digest] = proof

    def _with_ownership(self, principal: Principal) -> Principal:
        """The user with the groups that the catalog knows at this moment."""
        assert isinstance(principal, User)
        refs = (principal.ref, *map(_canonical, self._ownership_of(principal.ref)))
        return replace(principal, ownership=tuple(dict.fromkeys(refs)))


def _canonical(ref: str) -> str:
    try:
        return str(EntityRef.parse(ref))
    except InvalidRef:
        return ref.lower()
