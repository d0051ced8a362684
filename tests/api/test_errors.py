"""Errors over HTTP."""

import re

import pytest
from structlog.testing import capture_logs

from callboard.api.errors import status_of
from callboard.errors import CallboardError, DatabaseUnavailable, InvalidRef, LocationNotFound, Unreadable
from callboard.store.database import Database
from callboard.stream.following import Follower
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of, client_of
from tests.harness import Catalog


class Unforeseen(CallboardError):
    """A class that the table of statuses does not know."""


async def test_an_error_repeats_the_request_as_it_was_sent(api: Api) -> None:
    answer = await api.client.get("/api/catalog/entities/by-uid/a%3Fb%23c?x=%31&y")

    assert answer.status_code == 400
    assert answer.json()["request"] == {"method": "GET", "url": "/entities/by-uid/a%3Fb%23c?x=%31&y"}
    assert answer.json()["response"] == {"statusCode": 400}
    assert answer.json().keys() == {"error", "request", "response"}
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/catalog/nothing"),
        ("GET", "/api/catalog"),
        ("GET", "/api"),
        ("GET", "/"),
        ("PUT", "/api/catalog/entities"),
        ("GET", "/api/catalog/entities/by-refs"),
        ("PATCH", "/api/catalog/entities/by-uid/1"),
        ("POST", "/metrics"),
    ],
)
async def test_a_path_or_a_method_that_does_not_exist_is_an_empty_404(api: Api, method: str, path: str) -> None:
    answer = await api.client.request(method, path)

    assert (answer.status_code, answer.content) == (404, b"")
    assert answer.headers["callboard-offset"] == "0"


async def test_a_slash_at_the_end_does_not_count(api: Api) -> None:
    plain, slash = await api.get("/entities"), await api.get("/entities/")
    wrong = await api.get("/entities/by-uid/1/")

    assert (slash.status_code, slash.json()) == (200, plain.json())
    assert complaint(wrong)[0] == 404
    assert wrong.json()["request"]["url"] == "/entities/by-uid/1/"


async def test_what_can_be_read_has_a_head(api: Api) -> None:
    answer = await api.client.head("/api/catalog/entities")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["callboard-offset"] == "0"


async def test_until_the_view_is_loaded_readers_are_asked_to_come_again(starting: Api) -> None:
    answer = await starting.get("/entities")

    assert complaint(answer) == (503, "ServiceUnavailableError", "Backend has not started yet")
    assert answer.headers["retry-after"] == "1"


async def test_what_nobody_expected_is_told_to_the_log_alone(catalog: Catalog, database: Database) -> None:
    await catalog.look()
    async with database.transaction() as tx:
        await tx.connection.execute("alter table locations rename to elsewhere")

    try:
        async with client_of(app_of(catalog)) as client:
            with capture_logs() as logs:
                answer = await client.get("/api/catalog/locations?")
    finally:
        async with database.transaction() as tx:
            await tx.connection.execute("alter table elsewhere rename to locations")

    status, name, message = complaint(answer)
    [record] = logs
    number = re.fullmatch(r"An internal error occurred logId=([0-9a-f]{16})", message)
    assert (status, name) == (500, "Error")
    assert number is not None
    assert (record["event"], record["log_id"]) == ("request.failed", number[1])
    assert "elsewhere" not in answer.text
    assert answer.headers["callboard-offset"] == "0"


async def test_without_a_database_reads_go_on_and_the_rest_is_a_503(catalog: Catalog) -> None:
    away = await Database.open(catalog.database.url, clock=catalog.clock, connections=1)
    follower = Follower(away, catalog.clock)
    await follower.follow()
    await away.close()

    async with client_of(app_of(catalog, database=away, follower=follower)) as client:
        read = await client.get("/api/catalog/entities")
        listed = await client.get("/api/catalog/locations")
        ready = await client.get("/.backstage/health/v1/readiness")
        metrics = await client.get("/metrics")

    assert [answer.status_code for answer in (read, ready, metrics)] == [200, 200, 200]
    assert complaint(listed)[:2] == (503, "ServiceUnavailableError")
    assert listed.headers["retry-after"] == "1"
    assert "callboard_database_up 0.0" in metrics.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unforeseen("x"), 500),
        (InvalidRef("x"), 400),
        (LocationNotFound("x"), 404),
        (Unreadable("x"), 502),
        (DatabaseUnavailable("x"), 503),
    ],
)
def test_an_error_has_the_status_of_its_nearest_ancestor(error: CallboardError, status: int) -> None:
    assert status_of(error) == status
