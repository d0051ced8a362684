"""A web server on this machine, for engines that are processes of their own and read files over a real network."""

import contextlib
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PATIENCE = 30.0


class WebHost:
    """Serves files at `http://127.0.0.1:<port>/`, with ETags and 304, or fails as a test wants it."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        """How often each file was asked for."""
        self.bodies_sent: Counter[str] = Counter()
        """How often the content of each file was sent, and not only the word that it has not changed."""
        self._files: dict[str, bytes] = {}
        self._broken: dict[str, int] = {}
        self._held: set[str] = set()
        self._news = threading.Condition()
        self._server = self._listening(0)
        self._port: int = self._server.server_address[1]

    def url(self, name: str) -> str:
        """Where the file *name* is."""
        return f"http://127.0.0.1:{self._port}/{name}"

    def put(self, name: str, content: str) -> str:
        """Serve *content* as the file *name* from now on, and return its URL."""
        with self._news:
            self._files[name] = content.encode()
            self._broken.pop(name, None)
            self._held.discard(name)
            self._news.notify_all()
        return self.url(name)

    def remove(self, name: str) -> None:
        """Make *name* a 404."""
        with self._news:
            del self._files[name]

    def break_(self, name: str, status: int = 500) -> None:
        """Answer requests for *name* with *status*, until it is put there anew."""
        with self._news:
            self._broken[name] = status

    def cut(self, name: str) -> None:
        """Let the connection end in the middle of *name*, until it is put there anew."""
        self.break_(name, 200)

    def hold(self, name: str) -> None:
        """Let whoever asks for *name* wait, until it is put there anew."""
        with self._news:
            self._held.add(name)

    def close(self) -> None:
        """Listen no more: whoever comes is refused."""
        self._server.shutdown()
        self._server.server_close()

    def open(self) -> None:
        """Listen again where it did before."""
        self._server = self._listening(self._port)

    def wait_until_asked(self, name: str, times: int) -> None:
        """Wait until *name* was asked for so often altogether."""
        with self._news:
            assert self._news.wait_for(lambda: self.requests[name] >= times, _PATIENCE), (
                f"{name} was asked for {self.requests[name]} times and not {times}"
            )

    def _listening(self, port: int) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        # Looked at by whoever stops it, so that a test never waits long for that.
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        host = self

        class Handler(BaseHTTPRequestHandler):
            # Of HTTP/1.0, so that each answer ends its connection, and a closed host has none left.

            def do_GET(self) -> None:
                answer = host._answer(self.path[1:], self.headers.get("if-none-match"))
                # Whoever asked may have been killed meanwhile.
                with contextlib.suppress(ConnectionError):
                    self.send_response(answer.status)
                    self.send_header("content-length", str(answer.length))
                    if answer.etag:
                        self.send_header("etag", answer.etag)
                    self.end_headers()
                    self.wfile.write(answer.content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
                pass

        return Handler

    def _answer(self, name: str, known: str | None) -> "_Answer":
        with self._news:
            self.requests[name] += 1
            self._news.notify_all()
            self._news.wait_for(lambda: name not in self._held, _PATIENCE)
            content, status = self._files.get(name), self._broken.get(name)
            if status is not None and status != 200:
                return _Answer(status)
            if content is None:
                return _Answer(404)
            if status == 200:
                return _Answer(200, content[: len(content) // 2], length=len(content))
            etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            if known == etag:
                return _Answer(304, etag=etag)
            self.bodies_sent[name] += 1
            return _Answer(200, content, length=len(content), etag=etag)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content: bytes = b""
    length: int = field(default=0, kw_only=True)
    etag: str = field(default="", kw_only=True)


@contextlib.contextmanager
def web_host() -> Iterator[WebHost]:
    """A host, closed at the end."""
    host = WebHost()
    try:
        yield host
    finally:
        host.close()
