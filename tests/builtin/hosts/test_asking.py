"""How the API of a host is asked: what is tried again, and what is not."""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx2
import pytest

from callboard.builtin.hosts.asking import Api, Nobody
from callboard.builtin.hosts.tokens import Granted
from callboard.errors import Unreadable
from callboard.extend import Outside
from callboard.extend.outside import OwnBudgets
from callboard.testing import FakeClock
from tests.builtin.hosts.asking import while_time_passes

URL = "https://host/api"


@dataclass(slots=True)
class Answers:
    """A host that answers one thing after the other, the last one for ever."""

    answers: list[Callable[[], httpx2.Response]]
    asked: int = 0

    def respond(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]()


def refuse() -> httpx2.Response:
    raise httpx2.ConnectError("connection refused")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC))


def outside_of(host: Answers, clock: FakeClock) -> Outside:
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(host.respond))
    return Outside(client=client, clock=clock, budgets=OwnBudgets(clock))


async def test_a_connection_that_fails_is_tried_again(clock: FakeClock) -> None:
    host = Answers([refuse, refuse, lambda: httpx2.Response(200, json={})])

    answer = await while_time_passes(clock, Api(outside_of(host, clock), URL, Nobody("host")).get("x"))

    assert (answer.object(), host.asked) == ({}, 3)


async def test_a_connection_that_always_fails_is_an_error(clock: FakeClock) -> None:
    host = Answers([refuse])

    with pytest.raises(Unreadable, match=r"host/api/x: connection refused"):
        await while_time_passes(clock, Api(outside_of(host, clock), URL, Nobody("host")).get("x"))

    assert host.asked == 3


async def test_an_answer_that_takes_too_long_is_an_error_with_the_seconds(clock: FakeClock) -> None:
    async def respond(request: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError("nothing sets the event")

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(respond))
    api = Api(Outside(client=client, clock=clock, timeout_seconds=0.01), URL, Nobody("host"))

    with pytest.raises(Unreadable, match=r"host/api/x: no complete answer within 0\.01 s"):
        await while_time_passes(clock, api.get("x"))


async def test_a_page_for_signing_in_is_no_answer(clock: FakeClock) -> None:
    host = Answers([lambda: httpx2.Response(203, html="<title>Sign In</title>")])

    with pytest.raises(Unreadable, match=r"host answered 203 .* does not accept the credentials of somebody"):
        await Api(outside_of(host, clock), URL, Nobody("somebody")).get("x")


async def test_a_status_that_the_asker_understands_is_no_error(clock: FakeClock) -> None:
    host = Answers([lambda: httpx2.Response(555)])

    answer = await Api(outside_of(host, clock), URL, Nobody("host")).get("x", accepted=[555])

    assert answer.status == 555


def granted_of(host: Answers, clock: FakeClock) -> Granted:
    api = Api(outside_of(host, clock), "https://host", Nobody("host"))
    return Granted(name="host", api=api, path="token", form={"client_secret": "s3cret"}, clock=clock)


async def test_many_wait_for_one_token(clock: FakeClock) -> None:
    host = Answers([lambda: httpx2.Response(200, json={"access_token": "t0ken", "expires_in": 3600})])
    granted = granted_of(host, clock)

    proofs = await asyncio.gather(*(granted.headers() for _ in range(5)))

    assert proofs == [{"authorization": "Bearer t0ken"}] * 5
    assert host.asked == 1
    assert "s3cret" not in repr(granted)
    assert "t0ken" not in repr(granted)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {}),
        (200, {"access_token": 5}),
        (200, []),
        (400, {"error": "invalid_client"}),
        (403, {}),
        (404, {}),
    ],
)
async def test_no_token_is_no_news_about_the_file_for_which_it_is_needed(
    clock: FakeClock, status: int, body: object
) -> None:
    host = Answers([lambda: httpx2.Response(status, json=body)])

    with pytest.raises(Unreadable) as told:
        await granted_of(host, clock).headers()

    assert "s3cret" not in str(told.value)
    assert host.asked == 1


@pytest.mark.parametrize("lasts", [{"expires_in": "3600"}, {"expires_in": 3600}, {}, {"expires_in": []}])
async def test_a_token_is_used_until_ten_minutes_before_its_end(clock: FakeClock, lasts: Mapping[str, object]) -> None:
    host = Answers([lambda: httpx2.Response(200, json={"access_token": "one", **lasts})])
    granted = granted_of(host, clock)

    for seconds in (0, 2999, 1):
        clock.advance(seconds)
        await granted.headers()

    assert host.asked == 2
