import re
from collections.abc import Callable

import pytest

from callboard.errors import InvalidConfiguration
from callboard.settings import Settings

Configured = Callable[..., Settings]

EMBEDDED_INSTEAD = "SQLite is not used; the catalog is kept in the embedded PostgreSQL, in callboard.dataDir"


@pytest.mark.parametrize(
    ("connection", "url"),
    [
        ("postgresql://u:p@h:1/d", "postgresql://u:p@h:1/d"),
        ("postgres://h/d?sslmode=require", "postgres://h/d?sslmode=require"),
        ("{connectionString: 'postgresql://h/d'}", "postgresql://h/d"),
        ("{host: h}", "postgresql://h:5432/callboard"),
        ("{host: h, port: 6543, user: u, database: d}", "postgresql://u@h:6543/d"),
        ("{host: h, port: '6543', user: u, password: '@:/é'}", "postgresql://u:%40%3A%2F%C3%A9@h:6543/callboard"),
        ("{host: '::1', database: d}", "postgresql://[::1]:5432/d"),
        ("{host: /run/pg, user: u}", "postgresql://u@/callboard?host=%2Frun%2Fpg&port=5432"),
        ("{host: h, ssl: true}", "postgresql://h:5432/callboard?sslmode=verify-full"),
        ("{host: h, ssl: false}", "postgresql://h:5432/callboard"),
        ("{host: h, ssl: {rejectUnauthorized: false}}", "postgresql://h:5432/callboard?sslmode=require"),
        ("{host: h, ssl: {rejectUnauthorized: true}}", "postgresql://h:5432/callboard?sslmode=verify-full"),
        ("{host: '${UNSET}', user: u}", "postgresql://u@localhost:5432/callboard"),
    ],
)
def test_every_way_to_name_a_server_becomes_a_url(configured: Configured, connection: str, url: str) -> None:
    settings = configured(f"backend: {{database: {{client: pg, connection: {_quoted(connection)}}}}}")

    assert settings.backend.database.url == url
    assert settings.warnings == ()


def _quoted(connection: str) -> str:
    return connection if connection.startswith("{") else f"'{connection}'"


@pytest.mark.parametrize(
    ("connection", "reason"),
    [
        ("mysql://host/db", "expected a postgresql:// URL or an object with host, port, user, password, database, ssl"),
        ("3", "expected a postgresql:// URL"),
        ("{host: h, type: azure}", "can't use type; a postgresql:// URL or an object with host"),
        ("{host: h, password: 1234}", "password: expected a text; put it in quotes"),
        ("{host: h, port: high}", "expected a postgresql:// URL"),
        ("{host: h, ssl: {ca: s3cret}}", "ssl: certificates are read from files only; write the connection as"),
        ("{host: h, ssl: some}", "expected a postgresql:// URL"),
    ],
)
def test_what_can_not_be_used_is_refused_without_showing_it(
    configured: Configured, connection: str, reason: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(f"backend.database.connection: {reason}")) as refusal:
        configured(f"backend: {{database: {{connection: {_quoted(connection)}}}}}")

    assert "s3cret" not in str(refusal.value)
    assert "1234" not in str(refusal.value)


def test_a_url_with_a_password_is_never_shown(configured: Configured) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        configured("backend: {database: {connection: 'mysql://u:s3cret@h/d'}}")

    assert str(refusal.value).endswith("ssl, got something else")


def test_without_a_connection_the_embedded_server_is_used(configured: Configured) -> None:
    settings = configured("backend: {database: {client: pg}}")

    assert settings.backend.database.url is None
    assert settings.warnings == ()


@pytest.mark.parametrize(
    "database",
    [
        "{client: better-sqlite3, connection: ':memory:'}",
        "{client: better-sqlite3, connection: {filename: ./db.sqlite}}",
        "{client: better-sqlite3, connection: {directory: ./data}}",
        "{client: better-sqlite3}",
        "{client: better-sqlite3, connection: 'postgresql://h/d'}",
        "{connection: ':memory:'}",
    ],
)
def test_sqlite_becomes_the_embedded_server_with_a_warning(configured: Configured, database: str) -> None:
    settings = configured(f"backend:\n  database: {database}\n")

    assert settings.backend.database.url is None
    assert settings.warnings == (f"app-config.yaml:2: backend.database: {EMBEDDED_INSTEAD}",)


def test_the_embedded_server_can_be_asked_for(configured: Configured) -> None:
    settings = configured("backend: {database: {client: embedded-postgres}}")

    assert settings.backend.database.url is None
    assert settings.warnings == ()


def test_another_kind_of_database_is_refused(configured: Configured) -> None:
    expected = "backend.database.client: expected pg, better-sqlite3 or embedded-postgres, got 'mysql2'"

    with pytest.raises(InvalidConfiguration, match=expected):
        configured("backend: {database: {client: mysql2}}")


def test_the_environment_names_the_database_before_the_file(configured: Configured) -> None:
    settings = configured(
        "backend: {database: {client: better-sqlite3, connection: ':memory:'}}",
        {"CALLBOARD_DATABASE_URL": "postgresql://u:s3cret@h/d"},
    )

    assert settings.backend.database.url == "postgresql://u:s3cret@h/d"
    assert settings.warnings == ()
    assert "s3cret" not in repr(settings)


def test_a_wrong_url_in_the_environment_is_named_as_such(configured: Configured) -> None:
    with pytest.raises(InvalidConfiguration, match=r"^CALLBOARD_DATABASE_URL: backend.database.connection: expected"):
        configured("", {"CALLBOARD_DATABASE_URL": "sqlite:///x"})


@pytest.mark.parametrize("way", ["direct", "replica"])
def test_other_ways_to_the_database_are_named_like_the_connection(configured: Configured, way: str) -> None:
    settings = configured(f"callboard: {{database: {{{way}: {{host: h, user: u, password: '01'}}}}}}")

    assert getattr(settings.callboard.database, way) == "postgresql://u:01@h:5432/callboard"


@pytest.mark.parametrize("written", ["':memory:'", "catalog.db", "{filename: catalog.db}", "5432"])
def test_another_way_that_is_no_postgresql_is_refused(configured: Configured, written: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"callboard\.database\.replica: expected a postgresql:// URL"):
        configured(f"callboard: {{database: {{replica: {written}}}}}")


def test_what_stands_between_is_said_in_one_word(configured: Configured) -> None:
    with pytest.raises(InvalidConfiguration, match=r"callboard\.database\.pooler: expected auto, none or transaction"):
        configured("callboard: {database: {pooler: session}}")
