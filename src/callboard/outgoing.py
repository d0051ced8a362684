"""Requests to others: an httpx2 client whose failures are all httpx2's own."""

from typing import Any

import httpx2


class AsyncClient(httpx2.AsyncClient):
    """An httpx2 client that says ConnectError, too, of a connection that breaks the moment it is there.

    A server that is killed, or a proxy that has nobody behind it, resets one at once. uvloop forgets the socket of a
    connection that has ended, and anyio asks that very socket for its address: an AttributeError, which nobody who
    deals with failing requests expects.
    """

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """As httpx2's, of which every other request of a client is made. Raises httpx2.HTTPError."""
        try:
            return await super().send(request, **options)
        except AttributeError as error:
            if error.name != "getpeername":
                raise
            reason = f"{request.url.host} has closed the connection as soon as it was there"
            raise httpx2.ConnectError(reason, request=request) from error
