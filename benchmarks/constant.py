"""HTTP alone: the server under Callboard's API, answering constants. What a read costs beyond that is the catalog's.

`python -m benchmarks.constant --port 7010` answers `GET /<n>` with n bytes.
"""

from dataclasses import dataclass, field

import click
import uvicorn
from starlette.types import Receive, Scope, Send

from callboard.api.serving import configured
from callboard.cli.roles import run


@dataclass(slots=True)
class Constant:
    """An ASGI application that answers as many bytes as the path says, and keeps them for the next time."""

    _bodies: dict[str, bytes] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = scope["path"]
        if path not in self._bodies:
            self._bodies[path] = b"." * int(path[1:])
        body = self._bodies[path]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@click.command()
@click.option("--port", type=int, required=True)
def main(port: int) -> None:
    """Serve until SIGTERM."""
    run(uvicorn.Server(configured(Constant(), host="127.0.0.1", port=port)).serve())


if __name__ == "__main__":
    main()
