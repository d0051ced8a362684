"""Fake object stores: what Google Cloud Storage and Azure Blob Storage answer to those who read.

For S3 there are servers already; moto is one.
"""

import contextlib
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_DATE = formatdate(0, usegmt=True)


class FakeObjectStore:
    """Base of the fake stores: put contents into `files`, and let `serve` listen.

    `requests` counts what was asked, by path; with a *token*, only those may ask whose request has it.
    """

    def __init__(self, *, token: str | None = None, page_size: int = 1_000) -> None:
        self.files: dict[str, bytes] = {}
        """By bucket and key: `bucket/folder/file.yaml`."""
        self.requests: Counter[str] = Counter()
        self.token = token
        self.page_size = page_size
        self.status: int | None = None
        """What is answered to everything, instead of what was asked for."""

    @contextlib.contextmanager
    def serve(self) -> Iterator[str]:
        """Listen on a free port of this machine; yields the address."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, path: str, query: dict[str, str], headers: Any) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for GET *path*."""
        self.requests[path] += 1
        if self.status is not None:
            return self.status, {}, b"<Error><Code>Broken</Code></Error>"
        if self.token is not None and self.token not in self.proof(query, headers):
            return 403, {}, b"<Error><Code>AuthenticationFailed</Code></Error>"
        bucket, _, key = self.place(path).partition("/")
        if not key:
            return 200, {"content-type": "application/xml"}, self.listing(bucket, query).encode()
        data = self.files.get(f"{bucket}/{key}")
        if data is None:
            return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
        etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        if headers.get("if-none-match") == etag:
            return 304, {"etag": etag}, b""
        return 200, {"etag": etag, "last-modified": _DATE, "content-type": "text/plain"}, data

    def place(self, path: str) -> str:
        """`bucket/key`, of the path of a request."""
        return path.lstrip("/")

    def proof(self, query: dict[str, str], headers: Any) -> str:
        """Where a request has its token."""
        return str(headers.get("authorization", ""))

    def listing(self, bucket: str, query: dict[str, str]) -> str:
        """One page of the files in a bucket."""
        raise NotImplementedError

    def page(self, bucket: str, prefix: str, after: str) -> tuple[Sequence[str], bool]:
        """The keys of one page, and whether there is another one."""
        names = (name.removeprefix(f"{bucket}/") for name in sorted(self.files) if name.startswith(f"{bucket}/"))
        keys = [key for key in names if key.startswith(prefix) and key > after]
        return keys[: self.page_size], len(keys) > self.page_size


class FakeGoogleStorage(FakeObjectStore):
    """Google Cloud Storage, by its XML API: `/bucket/key`."""

    def listing(self, bucket: str, query: dict[str, str]) -> str:
        """As `GET Bucket` with `list-type=2`."""
        after = max(query.get("start-after", ""), query.get("continuation-token", ""))
        keys, more = self.page(bucket, query.get("prefix", ""), after)
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>1970-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"{len(key)}"</ETag><Size>{len(self.files[f"{bucket}/{key}"])}</Size></Contents>'
            for key in keys
        )
        following = f"<NextContinuationToken>{escape(keys[-1])}</NextContinuationToken>" if more else ""
        return f"<ListBucketResult>{items}{following}</ListBucketResult>"


class FakeAzureBlobs(FakeObjectStore):
    """Azure Blob Storage, with the account in the path, as the emulator has it: `/account/container/blob`."""

    def place(self, path: str) -> str:
        """As in the base, without the account."""
        return path.lstrip("/").partition("/")[2]

    def proof(self, query: dict[str, str], headers: Any) -> str:
        """The header, or the signature of a shared access."""
        return f"{headers.get('authorization', '')} {query.get('sig', '')}"

    def listing(self, bucket: str, query: dict[str, str]) -> str:
        """As `List Blobs`."""
        keys, more = self.page(bucket, query.get("prefix", ""), query.get("marker", ""))
        items = "".join(
            f"<Blob><Name>{escape(key)}</Name><Properties><Last-Modified>{_DATE}</Last-Modified>"
            f"<Content-Length>{len(self.files[f'{bucket}/{key}'])}</Content-Length><Etag>0x1</Etag>"
            "<Content-Type>text/plain</Content-Type></Properties></Blob>"
            for key in keys
        )
        following = f"<NextMarker>{escape(keys[-1])}</NextMarker>" if more else "<NextMarker/>"
        return f'<?xml version="1.0"?><EnumerationResults><Blobs>{items}</Blobs>{following}</EnumerationResults>'


def _handler(store: FakeObjectStore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            status, headers, body = store.answer(unquote(parts.path), query, self.headers)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name that is given
            return

    return Handler
