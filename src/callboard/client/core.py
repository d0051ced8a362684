"""The core of the client, without I/O: what a request is, and what becomes of its answer.

The functions of `entities`, `locations`, `providers` and `changes` make a `Call` each. A face sends its request and
hands the answer back to it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from callboard import __version__
from callboard.client import failures
from callboard.client.answers import Answer
from callboard.client.lines import Lines
from callboard.errors import InvalidInput, Unreadable
from callboard.model.refs import EntityRef

T = TypeVar("T")

MOUNT = "/api/catalog"

Token: TypeAlias = str | Callable[[], str]
"""What proves who asks: a text, or what gives one for each request, so that it can be a fresh one."""

_LONGEST_QUERY_STRING = 4_000
"""Characters that every proxy lets through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """A request, and how to read its answer."""

    path: str
    read: Callable[[Answer], T]
    method: str = "GET"
    params: Sequence[tuple[str, str]] = ()
    body: Mapping[str, object] | None = None
    content: Lines | None = None
    """A body that is made while it is sent."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What it says beside what every request says."""
    wait: float = 0.0
    """How many seconds the server may hold the answer back."""
    expected: frozenset[int] = frozenset()
    """Statuses without success that *read* understands."""
    repeatable: bool = True
    """Whether sending it twice does and says the same as sending it once."""

    @property
    def again(self) -> bool:
        """Whether it can be sent again, after it has been sent or tried to be."""
        return self.repeatable and (self.content is None or self.content.complete)

    def result(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> T:
        """What the answer says. Raises the error that it stands for."""
        answer = Answer.received(status, content, headers or {})
        if not (200 <= status < 300 or status in self.expected):
            raise failures.of_answer(status, content, answer.retry_after)
        try:
            return self.read(answer)
        except msgspec.DecodeError as error:
            raise Unreadable(f"the answer to {self.method} {self.path} is not that of a catalog: {error}") from error


def base_of(url: str) -> str:
    """The address of the catalog API on the server at *url*, which may name the API itself as well."""
    if not _is_server(url):
        raise InvalidInput(f"{url!r} is not the URL of a server; expected something like http://127.0.0.1:7007")
    base = url.rstrip("/")
    return base if base.endswith(MOUNT) else base + MOUNT


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Port 0 can't be connected to; a port that is not a number raises.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def headers(token: Token | None, call: Call[T] | None = None) -> dict[str, str]:
    """What a request says about its sender, and about itself."""
    own = {"user-agent": f"callboard-client/{__version__}", "accept": "application/json"}
    proof = token() if callable(token) else token
    return own | dict(call.headers if call else {}) | ({"authorization": f"Bearer {proof}"} if proof else {})


def canonical(ref: str | EntityRef) -> EntityRef:
    """The ref that is meant. Raises InvalidRef."""
    return EntityRef.parse(ref) if isinstance(ref, str) else ref


def quoted(part: str) -> str:
    """A text as one part of a path. Nothing in it can lead to another one."""
    return quote(part, safe="")


def by_name(ref: str | EntityRef) -> str:
    """A ref as the end of a path."""
    meant = canonical(ref)
    return "/".join(quoted(part) for part in (meant.kind, meant.namespace, meant.name))


def optional(**params: str | float | None) -> list[tuple[str, str]]:
    """Those parameters that have a value."""
    return [(name, _text(value)) for name, value in params.items() if value is not None]


def _text(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def present(**fields: object) -> dict[str, object]:
    """Those fields of a body that say something: neither nothing nor an empty list."""
    return {name: value for name, value in fields.items() if value is not None and value != []}


def fits(params: Sequence[tuple[str, str]]) -> bool:
    """Whether *params* can stand in a URL; otherwise they go into a body."""
    return len(urlencode(params)) <= _LONGEST_QUERY_STRING
