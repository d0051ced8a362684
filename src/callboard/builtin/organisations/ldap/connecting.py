"""Connecting: a directory's answers, from a client that waits in a thread.

A search brings everything or fails. What a server leaves out, for a limit or for another server that it refers to, must
not look like what is gone.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import ldap3
import structlog
from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import parse_filter

from callboard.builtin.organisations.ldap.options import Directory, Search, Tls, server_of
from callboard.errors import InvalidConfiguration, Unreadable

_log = structlog.get_logger(__name__)

_PAGES = "1.2.840.113556.1.4.319"
_CONNECT_SECONDS = 10
_SCOPES: Mapping[str, Literal["BASE", "LEVEL", "SUBTREE"]] = {
    "base": ldap3.BASE,
    "one": ldap3.LEVEL,
    "sub": ldap3.SUBTREE,
}
_ALIASES = (ldap3.DEREF_NEVER, ldap3.DEREF_SEARCH, ldap3.DEREF_BASE, ldap3.DEREF_ALWAYS)
_LIMITS = {
    3: "raise options.timeLimit, or that of the server",
    4: "set options.paged, or raise options.sizeLimit, or the limit of the server",
    11: "set options.paged, or raise the limit of the server",
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a directory has under one name."""

    dn: str
    raw: Mapping[str, Sequence[bytes]] = field(repr=False)
    """The values of its attributes, by the names that the server writes."""

    def values(self, name: str | None) -> Sequence[bytes]:
        """The values of an attribute, whatever its case."""
        if name is None:
            return ()
        if name in self.raw:
            return self.raw[name]
        return next((values for key, values in self.raw.items() if key.lower() == name.lower()), ())

    def texts(self, name: str | None) -> list[str]:
        """Those of them that are texts."""
        return [text for value in self.values(name) if (text := _text(value)) is not None]

    def text(self, name: str | None) -> str | None:
        """The first text of an attribute."""
        return next(iter(self.texts(name)), None)

    @property
    def decoded(self) -> dict[str, list[str | bytes]]:
        """All attributes; bytes where a value is no text."""
        return {
            name: [value if (text := _text(value)) is None else text for value in values]
            for name, values in self.raw.items()
        }


@dataclass(slots=True)
class Connected:
    """A connection that somebody has logged in on, if that is wanted."""

    connection: ldap3.Connection
    target: str

    async def search(self, dn: str, options: Search) -> AsyncIterator[Entry]:
        """All entries below *dn* that *options* describe. Raises Unreadable unless they are all there."""
        cookie: bytes | None = None
        elsewhere = 0
        while True:
            result, response = await self._page(dn, options, cookie)
            if result["result"] != 0:
                raise Unreadable(_refusal(f"{self.target} does not search {dn!r}", result, _LIMITS))
            for each in response:
                if each["type"] == "searchResEntry":
                    yield Entry(each["dn"], each["raw_attributes"])
                else:
                    elsewhere += 1
            cookie = _cookie(result)
            if not cookie:
                break
        if elsewhere:
            _log.warning("ldap.referrals_not_followed", target=self.target, dn=dn, count=elsewhere)

    async def about(self) -> Entry | None:
        """What the server says of itself; None when it does not."""
        result, response = await self._page("", Search(scope="base"), None)
        entries = [each for each in response if each["type"] == "searchResEntry"] if result["result"] == 0 else []
        return Entry("", entries[0]["raw_attributes"]) if entries else None

    async def _page(
        self, dn: str, options: Search, cookie: bytes | None
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        def ask() -> tuple[dict[str, Any], list[dict[str, Any]]]:
            self.connection.search(
                dn,
                _compact(options.filter),
                search_scope=_SCOPES[options.scope],
                dereference_aliases=_ALIASES[options.deref_aliases],
                attributes=list(options.attributes),
                size_limit=options.size_limit,
                time_limit=options.time_limit,
                paged_size=options.page_size,
                paged_cookie=cookie,
            )
            return self.connection.result, self.connection.response or []

        return await _aside(self.connection, ask, f"{self.target} could not be searched")


@contextlib.asynccontextmanager
async def connected(directory: Directory, at: str, timeout_seconds: float) -> AsyncIterator[Connected]:
    """A connection to *directory*. Raises Unreadable when there is none to be had, InvalidConfiguration for files."""
    host, port, is_tls = server_of(directory.target, at)
    tls = directory.tls
    encryption = _Encryption(_context(tls, at), host) if is_tls or tls.start_tls else None
    server = ldap3.Server(
        host, port, use_ssl=is_tls, tls=encryption, get_info=ldap3.NONE, connect_timeout=_CONNECT_SECONDS
    )
    bind = directory.bind
    connection = ldap3.Connection(
        server,
        user=None if bind is None else bind.dn,
        # A copy: what the client logs in with must be a plain text.
        password=None if bind is None else str.__str__(bind.secret),
        authentication=ldap3.ANONYMOUS if bind is None else ldap3.SIMPLE,
        receive_timeout=max(1, round(timeout_seconds)),
        check_names=False,
        auto_referrals=False,
        read_only=True,
    )
    try:
        await _aside(connection, lambda: _log_in(connection, directory), f"{directory.target} can't be reached")
        yield Connected(connection, directory.target)
    finally:
        await asyncio.to_thread(_leave, connection)


def check_filter(text: str, at: str) -> None:
    """Raise InvalidConfiguration, which names the key *at*, unless *text* is a filter."""
    parse: Callable[..., object] = parse_filter
    try:
        parse(_compact(text), None, auto_escape=True, auto_encode=False, validator=None, check_names=False)
    except LDAPException as error:
        raise InvalidConfiguration(
            f"{at}: expected a filter such as (objectClass=person), got {text!r}: {error}"
        ) from error


class _Encryption(ldap3.Tls):
    """TLS as Python's own library checks it, names of servers included."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__()
        self._context = context
        self._host = host

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:
        """Encrypt the socket of *connection*. Called by the client, also for StartTLS."""
        connection.socket = self._context.wrap_socket(
            connection.socket, server_hostname=self._host, do_handshake_on_connect=do_handshake
        )


def _context(tls: Tls, at: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if not tls.reject_unauthorized:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.certs is not None:
            context.load_cert_chain(tls.certs, tls.keys)
    except (OSError, ssl.SSLError) as error:
        raise InvalidConfiguration(f"{at}.tls: expected files in PEM format that can be read, got {error}") from error
    return context


def _log_in(connection: ldap3.Connection, directory: Directory) -> None:
    connection.open()
    if directory.tls.start_tls and not connection.server.ssl:
        connection.start_tls()
    if not connection.bind():
        who = "nobody" if directory.bind is None else directory.bind.dn
        raise Unreadable(_refusal(f"{directory.target} does not let {who} log in", connection.result, {}))


def _leave(connection: ldap3.Connection) -> None:
    with contextlib.suppress(LDAPException, OSError):
        connection.unbind()
    # It does not close what it could not open.
    _hang_up(connection)


async def _aside(connection: ldap3.Connection, work: Callable[[], T], failed: str) -> T:
    """The result of *work*, done in a thread. Raises Unreadable; when nobody waits any more, the thread ends soon."""
    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        _hang_up(connection)
        raise
    except (LDAPException, OSError) as error:
        raise Unreadable(f"{failed}: {' '.join(f'{type(error).__name__}: {error}'.split())}") from error


def _hang_up(connection: ldap3.Connection) -> None:
    connection.strategy._close_socket()


def _refusal(what: str, result: Mapping[str, Any], hints: Mapping[int, str]) -> str:
    code, said = result["result"], str(result.get("message") or "").strip("\0")
    words = f"{what}: {result['description']} ({code})"
    return ": ".join(part for part in (words, said, hints.get(code, "")) if part)


def _cookie(result: Mapping[str, Any]) -> bytes | None:
    """Where the next page begins."""
    control = (result.get("controls") or {}).get(_PAGES)
    return control["value"]["cookie"] if control else None


def _compact(filter_: str) -> str:
    """A filter as one line: in files it is written on several."""
    return re.sub(r"\s*([()])", r"\1", filter_).strip()


def _text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
