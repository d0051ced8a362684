"""A host that exists in memory."""

import hashlib
from collections import Counter

import httpx2


class FakeHost:
    """Serves files over HTTP without a network: hand `transport` to an HTTP client.

    Answers with ETags and 304, so that conditional reading can be tested; `down` makes everything a 503.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        """By URL. What is not in here is a 404."""
        self.down = False
        self.requests: Counter[str] = Counter()
        """How often each URL was asked for."""
        self.bodies_sent: Counter[str] = Counter()
        """How often the content of each URL was sent, and not only the word that it has not changed."""

    def put(self, url: str, content: str) -> None:
        """Serve *content* at *url* from now on."""
        self.files[url] = content.encode()

    def remove(self, url: str) -> None:
        """Make *url* a 404."""
        del self.files[url]

    @property
    def transport(self) -> httpx2.AsyncBaseTransport:
        """What an `httpx2.AsyncClient` sends its requests through."""
        return httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        url = str(request.url)
        self.requests[url] += 1
        if self.down:
            return httpx2.Response(503)
        if url not in self.files:
            return httpx2.Response(404)
        etag = f'"{hashlib.sha256(self.files[url]).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == etag:
            return httpx2.Response(304, headers={"etag": etag})
        self.bodies_sent[url] += 1
        return httpx2.Response(200, content=self.files[url], headers={"etag": etag})
