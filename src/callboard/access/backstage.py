"""Tokens that a Backstage installation gives to its users and to its plugins."""

import re
from collections.abc import Callable
from contextlib import suppress

from callboard.access import tokens
from callboard.access.key_sets import KeySets
from callboard.access.principals import Service, User
from callboard.access.tokens import Proof, Refused, Token
from callboard.errors import InvalidRef
from callboard.model.json import JsonValue
from callboard.model.refs import EntityRef
from callboard.settings.auth import ALGORITHMS

USER = "vnd.backstage.user"
LIMITED_USER = "vnd.backstage.limited-user"
PLUGIN = "vnd.backstage.plugin"
KINDS = (USER, LIMITED_USER, PLUGIN)

_US = "catalog"
_USERS_AUDIENCE = "backstage"
_PLUGIN_ID = re.compile(r"[a-z0-9_-]{1,100}", re.IGNORECASE | re.ASCII)


class BackstageTokens:
    """Verifies the tokens of one Backstage installation, whose plugins are where *plugin_url* says."""

    def __init__(self, key_sets: KeySets, plugin_url: Callable[[str], str | None]) -> None:
        self._key_sets = key_sets
        self._plugin_url = plugin_url

    async def verify(self, token: Token, now: float) -> Proof:
        """What the *token* of a user or a plugin proves. Raises Refused or Unavailable."""
        if token.kind == USER:
            return await self._user(token, now)
        if token.kind == PLUGIN:
            return await self._plugin(token, now)
        raise Refused("a limited user token alone is for static files only")

    async def _user(self, token: Token, now: float) -> Proof:
        ref = _ref(tokens.subject(token))
        tokens.check_claim(token, "aud", (_USERS_AUDIENCE,))
        expires_at = await self._signed(token, now, self._keys_of("auth", "/.well-known/jwks.json"))
        ownership = token.claims.get("ent")
        if ownership is None:
            return Proof(User(ref, token=token.text), expires_at, owns=False)
        return Proof(User(ref, _refs(ownership), token=token.text), expires_at)

    async def _plugin(self, token: Token, now: float) -> Proof:
        plugin = tokens.subject(token)
        # It becomes a part of a URL before the token is verified.
        if not _PLUGIN_ID.fullmatch(plugin):
            raise Refused(f"its sub {plugin[:100]!r} is not the id of a plugin")
        tokens.check_claim(token, "aud", (_US,))
        expires_at = await self._signed(token, now, self._keys_of(plugin, "/.backstage/auth/v1/jwks.json"))
        on_behalf_of = token.claims.get("obo")
        if on_behalf_of is None:
            return Proof(Service(f"plugin:{plugin}"), expires_at)
        if not isinstance(on_behalf_of, str):
            raise Refused("its obo is not a token")
        user = await self._represented(tokens.parse(on_behalf_of), now)
        return Proof(user.principal, min(expires_at, user.expires_at), owns=user.owns)

    async def _represented(self, token: Token, now: float) -> Proof:
        """The user on whose behalf a plugin calls.

        A limited token is a JWT of its own with subject and times only. Backstage builds it out of a user token, whose
        claim `uip` is the issuer's signature of just that; so the issuer's keys verify it like any other.
        """
        if token.kind == USER:
            return await self._user(token, now)
        if token.kind != LIMITED_USER:
            raise Refused("its obo is not the token of a user")
        ref = _ref(tokens.subject(token))
        expires_at = await self._signed(token, now, self._keys_of("auth", "/.well-known/jwks.json"))
        # Nobody takes a limited token as a credential, so there is nothing to ask others with in the user's name.
        return Proof(User(ref), expires_at, owns=False)

    async def _signed(self, token: Token, now: float, url: str) -> float:
        expires_at = tokens.expiry(token, now)
        tokens.check_algorithm(token, ALGORITHMS)
        tokens.verify(token, await self._key_sets.at(url).find(token.key_id), ALGORITHMS)
        return expires_at

    def _keys_of(self, plugin: str, path: str) -> str:
        base = self._plugin_url(plugin)
        if base is None:
            raise Refused(f"it is not known where the plugin {plugin} is; say callboard.auth.backstageUrl")
        return base + path


def _ref(text: str) -> str:
    try:
        return str(EntityRef.parse(text))
    except InvalidRef as error:
        raise Refused(f"its sub {text[:100]!r} is not an entity ref") from error


def _refs(listed: JsonValue) -> tuple[str, ...]:
    """The canonical refs in *listed*. What is none can't own anything, and is no reason to shut the user out."""
    if not isinstance(listed, list):
        raise Refused("its ent is not a list of refs")
    found: dict[str, None] = {}
    for entry in listed:
        with suppress(InvalidRef):
            found[str(EntityRef.parse(str(entry)))] = None
    return tuple(found)
