"""Key sets: the public keys of those who issue tokens, read from where they publish them."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import httpx2
import structlog
from joserfc.jwk import DictKey, JWKRegistry, Key

from callboard.access.tokens import UNUSABLE, Refused
from callboard.clock import Clock
from callboard.errors import Unavailable, Unreadable
from callboard.model import json
from callboard.model.json import JsonValue

_log = structlog.get_logger(__name__)

_TIMEOUT = 5.0
_COOLDOWN = 5.0
"""Seconds between two requests to one issuer, so that made-up key ids can't make us a burden to it."""

_FRESH = 600.0
"""Seconds after which keys are read again, so that one that the issuer has taken back stops to count."""

_FRESH_WHILE_AWAY = 60.0
"""Seconds for which known keys are used without asking after the issuer did not answer."""

_MOST_ISSUERS = 200

_KEY_TYPES = ("EC", "RSA", "OKP")


@dataclass(slots=True)
class KeySet:
    """The keys at one URL, as last read."""

    url: str
    client: httpx2.AsyncClient
    clock: Clock
    keys: Sequence[Key] = ()
    _fresh_until: float = -math.inf
    _asked_at: float = -math.inf
    _away: str | None = None
    """Why the last reading failed."""
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, key_id: str | None) -> Sequence[Key]:
        """The keys under *key_id*, all without one. Raises Refused, or Unavailable when the issuer can't be asked."""
        found = self._known(key_id)
        # Whoever has a key need not wait for the one who looks whether there are others.
        if found and (self._asking.locked() or self.clock.monotonic() < self._fresh_until):
            return found
        async with self._asking:
            # Those who have waited find what the first has brought.
            if self.clock.monotonic() >= self._asked_at + _COOLDOWN:
                await self._read()
        found = self._known(key_id)
        if not found and self._away is not None:
            raise Unavailable("The issuer of the token can't be asked for its keys")
        if not found:
            raise Refused(f"{self.url} has no key {key_id!r}")
        return found

    @property
    def idle(self) -> bool:
        """Whether nothing is lost when the set is forgotten."""
        return not self.keys and not self._asking.locked()

    def _known(self, key_id: str | None) -> Sequence[Key]:
        # An issuer with one key need not name it, neither in the token nor in the set.
        return [key for key in self.keys if key_id is None or key.kid in (key_id, None)]

    async def _read(self) -> None:
        try:
            self.keys = await self._fetch()
            self._away = None
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError, Unreadable) as error:
            self._away = str(error) or type(error).__name__
            _log.warning("keys.unreadable", url=self.url, reason=self._away, kept=len(self.keys))
        self._asked_at = self.clock.monotonic()
        self._fresh_until = self._asked_at + (_FRESH if self._away is None else _FRESH_WHILE_AWAY)

    async def _fetch(self) -> Sequence[Key]:
        async with asyncio.timeout(_TIMEOUT):
            answer = await self.client.get(self.url, timeout=_TIMEOUT, follow_redirects=False)
        if answer.status_code == 404:
            # Nobody of that name issues tokens, or a proxy has lost it for a moment: what is known stays.
            return self.keys
        if answer.status_code != 200:
            raise Unreadable(f"answered {answer.status_code}")
        document = json.decode(answer.content)
        listed = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            raise Unreadable("did not answer with a key set")
        return [key for entry in listed if (key := _key(entry)) is not None]


class KeySets:
    """The key sets of all issuers that were asked for."""

    def __init__(self, client: httpx2.AsyncClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._sets: dict[str, KeySet] = {}

    def at(self, url: str) -> KeySet:
        """The key set that is published at *url*."""
        if url not in self._sets:
            # A token may claim to be from any plugin; those that don't exist must not fill the memory.
            if len(self._sets) >= _MOST_ISSUERS:
                self._sets = {at: known for at, known in self._sets.items() if not known.idle}
            self._sets[url] = KeySet(url, self._client, self._clock)
        return self._sets[url]


def _key(entry: JsonValue) -> Key | None:
    """The public key that *entry* describes; None for one that can't verify signatures."""
    if not isinstance(entry, dict) or entry.get("kty") not in _KEY_TYPES or entry.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(cast("DictKey", entry))
    except UNUSABLE as error:
        _log.warning("keys.skipped", key=entry.get("kid"), reason=str(error))
        return None
