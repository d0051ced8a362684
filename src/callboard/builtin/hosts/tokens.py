"""Tokens that last for an hour, and are had for the name and the secret of an application (RFC 6749, 4.4)."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from callboard.builtin.hosts.asking import Answer, Api
from callboard.clock import Clock
from callboard.errors import LocationNotFound, NotAllowed, Unreadable

_RENEWED = dt.timedelta(minutes=10)
"""Before it runs out, a token is replaced."""
_USUAL = 3600


@dataclass(slots=True, kw_only=True)
class Granted:
    """A token that is asked for when it is needed (`Credentials`)."""

    name: str
    api: Api
    """Of who gives it; its credentials are those of the application, where they are no part of *form*."""
    path: str
    form: Mapping[str, str] | Callable[[], Awaitable[Mapping[str, str]]] | None = field(default=None, repr=False)
    """What is sent with POST, or what makes it; None: GET, with *params*."""
    params: Mapping[str, str] = field(default_factory=dict)
    clock: Clock
    _token: str | None = field(default=None, repr=False)
    _until: dt.datetime | None = None
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def headers(self) -> Mapping[str, str]:
        """The proof that is sent along. Raises Unreadable."""
        return {"authorization": f"Bearer {await self.token()}"}

    async def token(self) -> str:
        """The token, a new one when the last one runs out soon. Raises Unreadable."""
        async with self._renewing:
            if self._token is None or self._until is None or self.clock.now() >= self._until:
                self._token = await self._renewed()
        return self._token

    async def _renewed(self) -> str:
        asked = self.clock.now()
        told = (await self._answer()).object()
        token, seconds = told.get("access_token"), told.get("expires_in", _USUAL)
        if not isinstance(token, str) or not token:
            raise Unreadable(f"{self.api.base_url.host} gave no token for {self.name}")
        # Azure's machines write the number as a text.
        lasts = int(seconds) if isinstance(seconds, int | float | str) and str(seconds).isdecimal() else _USUAL
        self._until = asked + max(dt.timedelta(seconds=lasts) - _RENEWED, dt.timedelta(seconds=60))
        return token

    async def _answer(self) -> Answer:
        form = await self.form() if callable(self.form) else self.form
        try:
            return await self.api.ask(
                "GET" if form is None else "POST", self.path, params=self.params or None, form=form
            )
        except (LocationNotFound, NotAllowed) as error:
            # This is not about the file for which the token is needed.
            raise Unreadable(str(error)) from error
