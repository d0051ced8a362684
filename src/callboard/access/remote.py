"""Remote: decisions that the permission backend of a Backstage installation makes.

Whatever is wrong with its answer, or with the way to it, nobody is allowed anything because of that.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import httpx2

from callboard.access.conditions import parse_conditions
from callboard.access.decisions import Allowed, Conditional, Decision, Denied, of_service
from callboard.access.permissions import Permission
from callboard.access.principals import Principal, Service, User
from callboard.clock import Clock
from callboard.errors import InvalidInput, Unauthenticated, Unavailable
from callboard.model import json
from callboard.model.json import JsonValue

PATIENCE = 5.0
"""Seconds that the backend has for an answer; a reader waits for it before anything can be shown."""

FRESH = 5.0
"""Seconds for which a decision is used again. A page of the front end asks a dozen times in a moment and costs the
backend one question; a right that is taken away is gone before anybody could tell that it took a while."""

MOST_KEPT = 10_000
"""Decisions that are kept at once: more than that many callers do not come within seconds."""

_Key: TypeAlias = tuple[str | None, str]
"""The caller's token, and the name of the permission."""


@dataclass(frozen=True, slots=True)
class _Kept:
    decision: Decision
    until: float


class RemoteBackend:
    """Asks a permission backend in the caller's name; services are judged by their restrictions, without asking."""

    def __init__(self, url: str, client: httpx2.AsyncClient, clock: Clock) -> None:
        self._url = f"{url}/authorize"
        self._client = client
        self._clock = clock
        self._kept: dict[_Key, _Kept] = {}
        self._asking: dict[_Key, asyncio.Task[Decision]] = {}

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        """What the backend says, or has said a moment ago.

        Raises Unavailable when it has no usable answer, Unauthenticated when it does not accept the caller's token.
        """
        if isinstance(principal, Service):
            return of_service(principal, permission)
        token = principal.token if isinstance(principal, User) else None
        key = token, permission.name
        kept = self._kept.get(key)
        if kept is not None and self._clock.monotonic() < kept.until:
            return kept.decision
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._ask(token, permission))
            asking.add_done_callback(partial(self._keep, key))
        # The caller who was first may hang up while others wait for the same answer.
        return await asyncio.shield(asking)

    def _keep(self, key: _Key, asked: "asyncio.Task[Decision]") -> None:
        del self._asking[key]
        if asked.cancelled() or asked.exception() is not None:
            return
        now = self._clock.monotonic()
        self._kept.pop(key, None)
        self._kept[key] = _Kept(asked.result(), now + FRESH)
        # They are in the order in which they were made, and all of them last equally long.
        while len(self._kept) > MOST_KEPT or next(iter(self._kept.values())).until <= now:
            del self._kept[next(iter(self._kept))]

    async def _ask(self, token: str | None, permission: Permission) -> Decision:
        question = {"items": [{"id": permission.name, "permission": permission.describe()}]}
        answer = await self._post(json.encode(question), token)
        if answer.status_code == 401:
            raise Unauthenticated("The permission backend does not accept the caller's token")
        if answer.status_code != 200:
            raise Unavailable(f"The permission backend answered {answer.status_code}")
        try:
            return _parse_answer(json.decode(answer.content), permission)
        except (ValueError, InvalidInput) as error:
            raise Unavailable(f"The permission backend gave an answer that can't be used: {error}") from error

    async def _post(self, question: bytes, token: str | None) -> httpx2.Response:
        headers = {"content-type": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        try:
            # The client's own limit is for each step of the way, and a slow answer has many.
            async with asyncio.timeout(PATIENCE):
                return await self._client.post(
                    self._url, content=question, headers=headers, timeout=PATIENCE, follow_redirects=False
                )
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise Unavailable(f"The permission backend has not answered within {PATIENCE:g} s") from error
        except httpx2.HTTPError as error:
            raise Unavailable("The permission backend can't be reached") from error


def _parse_answer(value: JsonValue, permission: Permission) -> Decision:
    match value:
        case {"items": [{"id": permission.name, "result": "ALLOW"}]}:
            return Allowed()
        case {"items": [{"id": permission.name, "result": "DENY"}]}:
            return Denied()
        case {"items": [{"id": permission.name, "result": "CONDITIONAL", "resourceType": kind, "conditions": found}]}:
            if permission.resource_type is None or kind != permission.resource_type:
                raise InvalidInput(f"conditions about '{kind}' for {permission.name}")
            return Conditional(parse_conditions(found))
        case _:
            raise InvalidInput(f"expected one item with ALLOW, DENY or CONDITIONAL for {permission.name}")
