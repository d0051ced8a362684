"""Who asks GitHub: a token, the installations of GitHub Apps, or nobody in particular.

An App proves itself with a signed statement, and gets a token of an hour for each owner that has installed it
(docs.github.com/apps, "Authenticating as a GitHub App installation").
"""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from callboard.builtin.hosts.asking import Api, Credentials, Fixed, Nobody
from callboard.builtin.hosts.github.options import AppOptions, HostOptions
from callboard.builtin.hosts.looking import at, objects_at, text_at
from callboard.clock import Clock
from callboard.errors import InvalidConfiguration, Unreadable
from callboard.extend import JsonObject, JsonValue, Outside

_HEADERS = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
_RENEWED = dt.timedelta(minutes=5)
"""Before it runs out, a token is replaced."""
_LOOKED_UP = 600.0
"""Seconds for which it is known who has installed an App."""
_MISSED = 30.0
"""Seconds for which it is known that somebody has not."""


@dataclass(frozen=True, slots=True)
class Account:
    """The two APIs of a GitHub, asked as somebody."""

    rest: Api
    graphql: Api
    is_known: bool
    """Whether there are credentials: GraphQL tells nothing to strangers."""

    async def query(self, text: str, variables: JsonObject | None = None) -> tuple[JsonObject, list[JsonObject]]:
        """The data of a GraphQL query, and the errors of its parts. Raises Unreadable when there is no data at all."""
        body: JsonObject = {"query": text, "variables": variables or {}}
        answer = (await self.graphql.ask("POST", str(self.graphql.base_url).rstrip("/"), body=body)).object()
        errors = objects_at(answer, "errors")
        data = answer.get("data")
        if not isinstance(data, dict):
            told = "; ".join(str(error.get("message")) for error in errors) or "no data"
            raise Unreadable(f"{self.graphql.base_url.host} could not answer a query: {told}")
        return data, errors


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    """The proof of an App itself (`Credentials`)."""

    name: str
    app: str
    key: RSAKey = field(repr=False)
    clock: Clock

    async def headers(self) -> Mapping[str, str]:
        now = int(self.clock.now().timestamp())
        # A minute back, for clocks that differ; ten minutes are the most that is accepted.
        claims = {"iat": now - 60, "exp": now + 540, "iss": self.app}
        return {"authorization": f"Bearer {jwt.encode({'alg': 'RS256'}, claims, self.key)}"}


@dataclass(slots=True, kw_only=True)
class _Installation:
    """The token that an App has for an owner (`Credentials`)."""

    name: str
    number: int
    app: Api
    clock: Clock
    _token: str | None = field(default=None, repr=False)
    _until: dt.datetime | None = None
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def headers(self) -> Mapping[str, str]:
        async with self._renewing:
            if self._until is None or self.clock.now() > self._until - _RENEWED:
                await self._renew()
        return {"authorization": f"Bearer {self._token}"}

    async def _renew(self) -> None:
        made = (await self.app.ask("POST", f"app/installations/{self.number}/access_tokens", body={})).object()
        token, until = made.get("token"), made.get("expires_at")
        if not isinstance(token, str) or not isinstance(until, str):
            raise Unreadable(f"{self.app.base_url.host} gave no token for {self.name}")
        self._token, self._until = token, dt.datetime.fromisoformat(until)


class _App:
    """A GitHub App, and who has installed it."""

    def __init__(self, outside: Outside, options: HostOptions, app: AppOptions, at: str) -> None:
        try:
            key = RSAKey.import_key(app.private_key)
        except (JoseError, ValueError) as error:
            # Not what was there.
            raise InvalidConfiguration(f"{at}.privateKey: expected an RSA key in PEM, got something else") from error
        self._outside, self._options, self._owners = outside, options, app.allowed_installation_owners
        self._name = f"{options.host} app {app.app_id}"
        statement = _Statement(name=self._name, app=str(app.app_id), key=key, clock=outside.clock)
        self._api = Api(outside, options.api, statement, headers=_HEADERS)
        self._accounts: dict[str, Account] = {}
        self._looked_at: float | None = None
        self._looking = asyncio.Lock()

    async def account(self, owner: str) -> Account | None:
        """As whom the App reads what *owner* has; None when it may not."""
        async with self._looking:
            age = None if self._looked_at is None else self._outside.clock.monotonic() - self._looked_at
            if age is None or age > (_LOOKED_UP if owner.lower() in self._accounts else _MISSED):
                await self._look_up()
        return self._accounts.get(owner.lower())

    async def owners(self) -> list[str]:
        """All who have installed it."""
        async with self._looking:
            await self._look_up()
        return sorted(self._accounts)

    async def _look_up(self) -> None:
        found: dict[str, Account] = {}
        async for page in self._api.pages("app/installations", params={"per_page": 100}):
            for installation in page:
                owner, number = _installation(installation)
                if owner is not None and self._may(owner):
                    found[owner] = self._accounts.get(owner) or self._made(owner, number)
        self._accounts = found
        self._looked_at = self._outside.clock.monotonic()

    def _may(self, owner: str) -> bool:
        return self._owners is None or owner in [allowed.lower() for allowed in self._owners]

    def _made(self, owner: str, number: int) -> Account:
        credentials = _Installation(
            name=f"{self._name} {owner}", number=number, app=self._api, clock=self._outside.clock
        )
        return _account(self._outside, self._options, credentials)


def _installation(value: JsonValue) -> tuple[str | None, int]:
    login, number = text_at(value, "account", "login"), at(value, "id")
    if login is None or not isinstance(number, int) or at(value, "suspended_at"):
        return None, 0
    return login.lower(), number


class Accounts:
    """Everybody as whom one GitHub may be asked."""

    def __init__(self, outside: Outside, options: HostOptions, at: str) -> None:
        """Raises InvalidConfiguration for a key that is none; *at* is where the options stand."""
        self.host = options.host
        self._apps = [_App(outside, options, app, f"{at}.apps[{n}]") for n, app in enumerate(options.apps)]
        name = f"{options.host} {at}"
        credentials: Credentials = Nobody(name)
        if options.token is not None:
            credentials = Fixed(name, {"authorization": f"Bearer {options.token}"})
        self._otherwise = _account(outside, options, credentials)

    async def of(self, owner: str) -> Account:
        """As whom what *owner* has is read: an App that is installed there, else the token. Raises Unreadable."""
        for app in self._apps:
            account = await app.account(owner)
            if account is not None:
                return account
        return self._otherwise

    async def owners(self) -> Sequence[str]:
        """All owners who have installed one of the Apps."""
        return sorted({owner for app in self._apps for owner in await app.owners()})

    @property
    def has_apps(self) -> bool:
        """Whether there is one."""
        return bool(self._apps)


def _account(outside: Outside, options: HostOptions, credentials: Credentials) -> Account:
    return Account(
        rest=Api(outside, options.api, credentials, headers=_HEADERS),
        graphql=Api(outside, options.graphql, credentials, resource="graphql"),
        is_known=not isinstance(credentials, Nobody),
    )
