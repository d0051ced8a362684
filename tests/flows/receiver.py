"""A receiver of webhooks on this machine, as a real web server, which fails as a test wants it."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from callboard.model import json

_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request that has come in."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    """What it was answered."""

    @property
    def events(self) -> list[Any]:
        """The CloudEvents in it."""
        found = json.decode(self.body)
        assert isinstance(found, list)
        return found

    @property
    def taken(self) -> bool:
        """Whether the sender was told that it has arrived."""
        return 200 <= self.status < 300


class WebhookReceiver:
    """Takes POST requests at `http://127.0.0.1:<port>/`, or with *tls* by https."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.deliveries: list[Delivery] = []
        """In the order in which they were answered."""
        self.answer: Callable[[int], tuple[int, Mapping[str, str]]] = lambda _number: (204, {})
        """Status and headers for the request with this number, from 0."""
        self.at_once = 0
        self.most_at_once = 0
        self._asked = 0
        self._news = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def url(self, path: str = "hook") -> str:
        """Where to post to."""
        return f"http://127.0.0.1:{self.port}/{path}"

    @property
    def taken(self) -> list[Any]:
        """All events of requests that were taken, in that order."""
        with self._news:
            return [event for delivery in self.deliveries if delivery.taken for event in delivery.events]

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until the *condition* holds, which is asked after each request."""
        with self._news:
            assert self._news.wait_for(condition, _PATIENCE), f"waited in vain for {what}"

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    self.close_connection = True
                    return
                status, headers = receiver._take(self.path, dict(self.headers.items()), body)
                # Whoever has sent it may have been killed meanwhile.
                with contextlib.suppress(ConnectionError):
                    self.send_response(status)
                    for name, text in headers.items():
                        self.send_header(name, text)
                    self.send_header("content-length", "0")
                    self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
                pass

        return Handler

    def _take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
        with self._news:
            number, self._asked = self._asked, self._asked + 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        status, answered = self.answer(number)
        with self._news:
            self.at_once -= 1
            known = {name.lower(): text for name, text in headers.items()}
            self.deliveries.append(Delivery(path, known, body, status))
            self._news.notify_all()
        return status, answered


@contextlib.contextmanager
def webhook_receiver(tls: ssl.SSLContext | None = None) -> Iterator[WebhookReceiver]:
    """A receiver, closed at the end."""
    receiver = WebhookReceiver(tls)
    try:
        yield receiver
    finally:
        receiver.close()
