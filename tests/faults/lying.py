"""A file server that keeps to no rule: it hangs, lies about lengths, never ends, and sends its readers astray."""

import contextlib
import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MIB = 2**20

Answer = Callable[[BaseHTTPRequestHandler, threading.Event], None]


def whole(handler: BaseHTTPRequestHandler, body: bytes, *, encoding: str | None = None) -> None:
    """An honest answer."""
    handler.send_response(200)
    handler.send_header("content-length", str(len(body)))
    if encoding:
        handler.send_header("content-encoding", encoding)
    handler.end_headers()
    handler.wfile.write(body)


def hanging(_handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    """Takes the request, and says nothing."""
    stop.wait()


def dribbling(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    """A byte now and then: no single read takes long."""
    handler.send_response(200)
    handler.end_headers()
    while not stop.wait(0.2):
        handler.wfile.write(b"#")
        handler.wfile.flush()


def endless(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    """More and more, as fast as it is taken."""
    handler.send_response(200)
    handler.end_headers()
    while not stop.is_set():
        handler.wfile.write(b"# more\n" * 10_000)


def truncated(handler: BaseHTTPRequestHandler, _stop: threading.Event) -> None:
    """Promises more than it sends: what has arrived would be valid."""
    handler.send_response(200)
    handler.send_header("content-length", "10000")
    handler.end_headers()
    handler.wfile.write(b"apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: half}\n")
    handler.close_connection = True


def busy(handler: BaseHTTPRequestHandler, _stop: threading.Event) -> None:
    """Asks to be left alone."""
    handler.send_response(429)
    handler.send_header("retry-after", "120")
    handler.send_header("content-length", "0")
    handler.end_headers()


def redirecting(location: str) -> Answer:
    """Sends its readers elsewhere."""

    def answer(handler: BaseHTTPRequestHandler, _stop: threading.Event) -> None:
        handler.send_response(302)
        handler.send_header("location", location)
        # The next hop would else be asked on a connection that is about to end.
        handler.send_header("connection", "close")
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


def inflating(handler: BaseHTTPRequestHandler, _stop: threading.Event) -> None:
    """A megabyte that becomes a gigabyte."""
    whole(handler, gzip.compress(b"\0" * (64 * _MIB)) * 16, encoding="gzip")


class LyingHost:
    """Answers each path as it was told to."""

    def __init__(self, port: int, answers: dict[str, Answer], stop: threading.Event) -> None:
        self.port = port
        self._answers = answers
        self._stop = stop

    def url(self, name: str) -> str:
        """Where *name* is."""
        return f"http://127.0.0.1:{self.port}/{name}"

    def answer(self, name: str, answer: Answer) -> str:
        """Answer requests for *name* like this from now on; its URL."""
        self._answers[f"/{name}"] = answer
        return self.url(name)

    def put(self, name: str, body: bytes) -> str:
        """Serve this file, as it should be; its URL."""
        return self.answer(name, lambda handler, _stop: whole(handler, body))


@contextlib.contextmanager
def lying_host() -> Iterator[LyingHost]:
    """A server that answers 404 until it is told something else."""
    answers: dict[str, Answer] = {}
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = answers.get(self.path)
            if answer is None:
                self.send_error(404)
                return
            # Who has enough of it hangs up.
            with contextlib.suppress(OSError):
                answer(self, stop)
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Nobody wants to read that."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            """Connections that end in the middle are what this is for."""

    server = Server(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield LyingHost(server.server_address[1], answers, stop)
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        serving.join(10)
