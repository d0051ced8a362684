"""What a client of others, made to check SCIM servers, finds."""

import asyncio

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from tests.api.scim.conftest import IdentityProvider


class _Across(httpx2.BaseTransport):
    """Hands the requests of another thread to the application."""

    def __init__(self, idp: IdentityProvider, loop: asyncio.AbstractEventLoop) -> None:
        self._idp = idp
        self._loop = loop

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return asyncio.run_coroutine_threadsafe(self._send(request), self._loop).result()

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        inner = httpx2.Request(request.method, request.url, headers=request.headers, content=request.read())
        call = asyncio.ensure_future(self._idp.api.client.send(inner))
        # What withdraws an entity is answered when the reader has seen that; most of a thousand requests do not.
        while not (await asyncio.wait([call], timeout=0.02))[0]:
            await self._idp.catalog.look()
        answer = call.result()
        # What comes here is decompressed already.
        headers = {name: text for name, text in answer.headers.items() if name != "content-encoding"}
        return httpx2.Response(answer.status_code, headers=headers, content=answer.content)


async def test_a_client_that_checks_scim_servers_has_nothing_to_say(idp: IdentityProvider) -> None:
    across = _Across(idp, asyncio.get_running_loop())

    def check() -> list[str]:
        with httpx2.Client(transport=across, base_url=f"http://catalog{idp.base}") as client:
            results = check_server(SyncSCIMClient(client))
        assert len(results) > 50
        assert len({each.title for each in results}) > 20
        return [f"{each.title}: {each.reason}" for each in results if each.status is not Status.SUCCESS]

    assert await asyncio.to_thread(check) == []
