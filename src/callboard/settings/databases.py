"""Which PostgreSQL is used: Backstage's many ways to say it, as one URL."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from callboard.settings import forms
from callboard.settings.forms import Form, Key, Seconds
from callboard.settings.values import Value

_URL = re.compile(r"postgres(?:ql)?://.+", re.DOTALL)
_PARTS = ("host", "port", "user", "password", "database", "ssl", "connectionString")
_USUAL_PORT = 5432
_USUAL_DATABASE = "callboard"


class DatabaseClient(StrEnum):
    """Backstage's names for kinds of databases."""

    POSTGRESQL = "pg"
    SQLITE = "better-sqlite3"
    EMBEDDED = "embedded-postgres"


def _connection(value: Value) -> str | None:
    entries = value.entries()
    if entries.keys() & {"filename", "directory"} or value.content == ":memory:":
        return None
    if not entries:
        url = forms.text_of(value)
        if not _URL.fullmatch(url):
            raise forms.Refused
        return url
    if strangers := [key for key in entries if key not in _PARTS]:
        raise forms.Refused(f"can't use {', '.join(strangers)}; {_CONNECTION.expected} is understood")
    if "connectionString" in entries:
        return _connection(entries["connectionString"])
    return _url(entries)


def _url(parts: Mapping[str, Value]) -> str:
    host = _part(parts, "host", "localhost")
    user, password = _part(parts, "user"), _part(parts, "password")
    account = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    port = forms.port_of(parts["port"]) if "port" in parts else _USUAL_PORT
    database = quote(_part(parts, "database", _USUAL_DATABASE), safe="")
    options = _encryption(parts["ssl"]) if "ssl" in parts else {}
    if host.startswith("/"):
        place = ""
        options |= {"host": host, "port": str(port)}
    else:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{account}{'@' if account else ''}{place}/{database}{query}"


def _part(parts: Mapping[str, Value], name: str, default: str = "") -> str:
    value = parts.get(name)
    if value is None or value.content is None:
        return default
    if not isinstance(value.content, str):
        # A password of digits is easily written without quotes; a number would lose its leading zeros.
        raise forms.Refused(f"{name}: expected a text; put it in quotes")
    return value.content or default


def _encryption(ssl: Value) -> dict[str, str]:
    match ssl.content:
        case dict() as options if not options.keys() - {"rejectUnauthorized"}:
            strict = forms.FLAG.parse(options["rejectUnauthorized"]) if options else True
            return {"sslmode": "verify-full" if strict else "require"}
        case dict():
            raise forms.Refused(
                "ssl: certificates are read from files only; write the connection as "
                "postgresql://…?sslmode=verify-full&sslrootcert=<file>"
            )
        case _:
            return {"sslmode": "verify-full"} if forms.FLAG.parse(ssl) else {}


_CONNECTION: Final = Form(
    "a postgresql:// URL or an object with host, port, user, password, database, ssl", _connection, secret=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """The PostgreSQL that holds the catalog."""

    client: DatabaseClient = DatabaseClient.POSTGRESQL
    """Backstage's kind of database. Callboard always uses PostgreSQL: for `better-sqlite3` it takes its embedded one
    and says so."""

    url: Annotated[str | None, Key("connection"), _CONNECTION] = field(default=None, repr=False)
    """Where PostgreSQL is: a URL, or an object with `host` (localhost), `port` (5432), `user`, `password`, `database`
    (callboard) and `ssl`. With `ssl: true` the server's certificate is checked against `~/.postgresql/root.crt` or the
    file that `PGSSLROOTCERT` names; with `ssl: {rejectUnauthorized: false}` the connection is encrypted and nothing is
    checked. Without a connection, Callboard starts an embedded PostgreSQL in
    `callboard.dataDir`. The environment variable `CALLBOARD_DATABASE_URL` goes before everything in the files."""


class Pooler(StrEnum):
    """What stands between Callboard and PostgreSQL."""

    AUTO = "auto"
    NONE = "none"
    TRANSACTION = "transaction"


def _postgres_url(value: Value) -> str:
    url = _connection(value)
    if url is None:
        raise forms.Refused
    return url


_POSTGRES_URL: Final = Form(_CONNECTION.expected, _postgres_url, secret=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysSettings:
    """The ways to the database, where there is more than one."""

    pooler: Pooler = Pooler.AUTO
    """Whether a transaction pooler such as PgBouncer answers at `backend.database.connection`. `auto` finds that out at
    each start; `transaction` and `none` say it."""

    direct: Annotated[str | None, _POSTGRES_URL] = field(default=None, repr=False)
    """Another way to the same database, past the pooler, written like `backend.database.connection`. Each process keeps
    one connection there, on which PostgreSQL tells it of changes, and migrations take it. Behind a pooler and without
    it, processes look for changes five times a second."""

    replica: Annotated[str | None, _POSTGRES_URL] = field(default=None, repr=False)
    """A streaming replica of the same PostgreSQL, written like `backend.database.connection`. API processes load and
    follow the catalog from there, and serve readers who are far behind. Everything else goes to
    `backend.database.connection`, and this as well while the replica is away or more than five seconds behind."""

    patience_seconds: Annotated[Seconds, Key("patience")] = 30.0
    """How long an API process waits for one answer of PostgreSQL, or for one of its connections to be free. Then the
    request is put off with a 503. A network that loses everything without a word would otherwise hold it for
    minutes."""


def embedded_instead(settings: DatabaseSettings, value: Value, warn: Callable[[Value, str], None]) -> DatabaseSettings:
    """The settings without a URL where another database than a PostgreSQL server was asked for."""
    connection = value.entries().get("connection")
    asked_for_memory = connection is not None and connection.content is not None and settings.url is None
    if settings.client is DatabaseClient.SQLITE or asked_for_memory:
        warn(
            value.entries().get("client", value),
            "SQLite is not used; the catalog is kept in the embedded PostgreSQL, in callboard.dataDir",
        )
    return settings if settings.client is DatabaseClient.POSTGRESQL else replace(settings, url=None)
