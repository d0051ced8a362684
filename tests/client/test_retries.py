"""What is asked again when a server is away for a moment, and how often."""

from collections.abc import Callable

import httpx2
import pytest

from callboard import errors
from callboard.client import AsyncCatalogClient, CatalogClient
from callboard.client.retries import Attempts
from callboard.errors import CallboardError, Unavailable

PUSHED = b'{"provider":"ci","entities":0,"added":0,"changed":0,"removed":0,"unchanged":0,"conflicts":[],"offset":0}'
LOCATION = b'{"id":"1","type":"url","target":"https://host/a.yaml"}'


class Failing:
    """A server that fails so often, and then answers; it notes what reaches it, and the pauses of its client."""

    def __init__(
        self, failures: int, *, status: int | None = None, retry_after: str = "", content: bytes = b""
    ) -> None:
        self.failures = failures
        self.status = status
        self.headers = {"retry-after": retry_after} if retry_after else {}
        self.content = content
        self.tokens: list[str | None] = []
        self.pauses: list[float] = []

    def client(self, retries: int = 3, token: Callable[[], str] | None = None) -> CatalogClient:
        transport = httpx2.MockTransport(self.answer)
        return CatalogClient(
            "http://catalog", transport=transport, sleep=self.pauses.append, retries=retries, token=token
        )

    @property
    def requests(self) -> int:
        return len(self.tokens)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.tokens.append(request.headers.get("authorization"))
        if self.requests > self.failures:
            return httpx2.Response(200, content=self.content)
        if self.status is None:
            raise httpx2.ConnectError("[Errno 111] Connection refused", request=request)
        return httpx2.Response(self.status, headers=self.headers)


@pytest.mark.parametrize("status", [None, 429, 502, 503, 504])
def test_a_read_is_repeated_until_the_server_is_back(status: int | None) -> None:
    server = Failing(3, status=status, content=b"[]")

    found = server.client().get_entities()

    assert found == []
    assert (server.requests, len(server.pauses)) == (4, 3)


async def test_without_blocking_it_is_repeated_as_well() -> None:
    server = Failing(2, content=b"[]")

    async def sleep(seconds: float) -> None:
        server.pauses.append(seconds)

    transport = httpx2.MockTransport(server.answer)
    async with AsyncCatalogClient("http://catalog", transport=transport, sleep=sleep) as client:
        await client.get_locations()

    assert (server.requests, len(server.pauses)) == (3, 2)


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_a_server_that_stays_away_is_asked_so_often_and_no_more(retries: int) -> None:
    server = Failing(99)

    with pytest.raises(Unavailable):
        server.client(retries).get_entities()

    assert server.requests == retries + 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 500])
def test_what_another_attempt_would_not_cure_is_raised_at_once(status: int) -> None:
    server = Failing(99, status=status)

    with pytest.raises(CallboardError):
        server.client().get_entities()

    assert server.requests == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda client: client.add_location("https://host/a.yaml"),
        lambda client: client.add_location("https://host/a.yaml", on_conflict="reject"),
        lambda client: client.remove_location("1"),
    ],
)
def test_what_would_clash_with_itself_is_sent_once(change: Callable[[CatalogClient], object]) -> None:
    server = Failing(1)

    with pytest.raises(Unavailable):
        change(server.client())

    assert server.requests == 1


@pytest.mark.parametrize(
    ("content", "call"),
    [
        (b'{"location":%b,"entities":[]}' % LOCATION, lambda client: client.add_location("https://x", dry_run=True)),
        (b'{"location":%b}' % LOCATION, lambda client: client.add_location("https://x", on_conflict="refresh")),
        (LOCATION, lambda client: client.update_location("1", "https://x")),
        (b"", lambda client: client.refresh_entity("component:a")),
        (b"", lambda client: client.remove_entity_by_uid("1")),
        (b"", lambda client: client.validate_entity({}, "url:https://x")),
        (b'{"items":[]}', lambda client: client.get_entities_by_refs(["component:a"])),
    ],
)
def test_what_comes_to_the_same_twice_is_repeated(content: bytes, call: Callable[[CatalogClient], object]) -> None:
    server = Failing(1, content=content)

    call(server.client())

    assert server.requests == 2


def test_a_server_is_asked_when_it_wants_to_be_asked() -> None:
    server = Failing(1, status=503, retry_after="9", content=b"[]")

    server.client().get_entities()

    assert server.pauses == [9]


def test_a_server_that_wants_to_be_left_alone_for_long_is() -> None:
    server = Failing(1, status=503, retry_after="31")

    with pytest.raises(Unavailable):
        server.client().get_entities()

    assert server.requests == 1


def test_the_pauses_grow_and_are_spread() -> None:
    soonest, latest = Attempts(9, chance=lambda: 0.0), Attempts(9, chance=lambda: 1.0)
    away = Unavailable("away")

    assert [soonest.pause_after(away) for _ in range(4)] == [0.25, 0.5, 1.0, 2.0]
    assert [latest.pause_after(away) for _ in range(9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_each_attempt_gets_a_token_of_its_own() -> None:
    server = Failing(1, content=b"[]")
    tokens = iter(["stale", "fresh"])

    server.client(token=lambda: next(tokens)).get_entities()

    assert server.tokens == ["Bearer stale", "Bearer fresh"]


def test_whoever_is_not_known_is_told_and_does_not_wait() -> None:
    server = Failing(99, status=401)

    with pytest.raises(errors.Unauthenticated):
        next(server.client().follow())

    assert (server.requests, server.pauses) == (1, [])


def test_whoever_follows_is_told_of_each_failure() -> None:
    server = Failing(1, status=503, retry_after="3")
    told: list[float] = []

    with pytest.raises(errors.Unreadable):
        next(server.client().follow(on_retry=lambda error, pause: told.append(pause) if pause == 3 else raised(error)))

    assert told == [3]


class Recording(Failing):
    """One that also notes what it is sent."""

    def __init__(self, failures: int) -> None:
        super().__init__(failures, content=PUSHED)
        self.sent: list[tuple[str, bytes]] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append((request.headers["idempotency-key"], request.content))
        return super().answer(request)


def test_a_push_is_repeated_under_the_same_key() -> None:
    server = Recording(1)

    server.client().push_entities("ci", [{"a": 1}, {"b": 2}])

    first, second = server.sent
    assert first == second
    assert first[1] == b'{"a":1}\n{"b":2}\n'


def test_what_an_iterator_has_given_is_not_sent_again() -> None:
    server = Recording(1)

    with pytest.raises(Unavailable):
        server.client().push_entities("ci", iter([{"a": 1}]))

    assert (len(server.sent), server.pauses) == (1, [])


async def test_without_blocking_an_iterator_is_not_sent_again_either() -> None:
    server = Recording(1)

    async with AsyncCatalogClient("http://catalog", transport=httpx2.MockTransport(server.answer)) as client:
        with pytest.raises(Unavailable):
            await client.push_entities("ci", iter([{"a": 1}]))

    assert len(server.sent) == 1


def test_the_lines_of_a_provider_are_asked_for_again_until_they_come() -> None:
    server = Failing(2, status=503, content=b'{"kind":"API"}\n{"kind":"User"}')

    found = list(server.client().iterate_provider_entities("ci"))

    assert found == [{"kind": "API"}, {"kind": "User"}]
    assert server.requests == 3


def raised(error: CallboardError) -> None:
    raise error
