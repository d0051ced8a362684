from collections.abc import Collection, Iterator
from dataclasses import replace

import httpx2
import pytest

from callboard import errors
from callboard.client import Bookmark, CatalogClient, Event, EventPage
from callboard.client.following import Following, News
from callboard.errors import CallboardError, OffsetExpired, OffsetInTheFuture, Unavailable
from callboard.model import json

REFUSED = Unavailable("can't reach http://catalog: Connection refused")


def page(offset: int, *, head: int, epoch: str = "e1") -> EventPage:
    return EventPage(events=[], last_event_offset=head, next_offset=offset, epoch=epoch, caught_up=offset >= head)


class Stream:
    """A server with so many entities in its stream, two in one answer; the requests in *failing* come to nothing."""

    def __init__(self, head: int, *, failing: Collection[int] = ()) -> None:
        self.head = head
        self.failing = failing
        self.requests: list[dict[str, str]] = []
        self.pauses: list[float] = []

    @property
    def client(self) -> CatalogClient:
        return CatalogClient("http://catalog", transport=httpx2.MockTransport(self.answer), sleep=self.pauses.append)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(dict(request.url.params))
        if len(self.requests) in self.failing:
            raise httpx2.ConnectError("[Errno 111] Connection refused", request=request)
        offset = int(request.url.params["offset"])
        told = range(offset + 1, min(offset + 2, self.head) + 1)
        content = {
            "events": [event(number) for number in told],
            "lastEventOffset": self.head,
            "nextOffset": max(told, default=offset),
            "epoch": "e1",
            "caughtUp": max(told, default=offset) == self.head,
        }
        return httpx2.Response(200, content=json.encode(content))


def event(offset: int) -> dict[str, object]:
    return {
        "offset": offset,
        "type": "added",
        "entityRef": f"component:default/c{offset}",
        "uid": f"u{offset}",
        "at": "2026-01-01T00:00:00+00:00",
        "entity": {"kind": "Component", "metadata": {"name": f"c{offset}"}},
    }


def offsets(news: Iterator[News]) -> list[int]:
    return [each.offset for each in news if isinstance(each, Event)]


def test_the_past_is_asked_for_compacted_and_the_present_by_waiting() -> None:
    following = Following()
    first = following.next_call()

    following.take(page(7, head=7))
    second = following.next_call()

    assert dict(first.params) == {"offset": "0", "mode": "compacted", "limit": "500"}
    assert dict(second.params) == {"offset": "7", "mode": "log", "limit": "500", "wait": "30", "epoch": "e1"}
    assert second.wait == 30


def test_what_is_not_wanted_is_not_asked_for() -> None:
    following = Following(filters={"kind": "api"}, query={"spec.type": "grpc"}, fields=["kind", "metadata.name"])

    asked = dict(following.next_call().params)

    assert asked.items() >= {
        ("filter", "kind=api"),
        ("query", '{"spec.type":"grpc"}'),
        ("fields", "kind,metadata.name"),
    }


def test_each_page_of_news_ends_with_a_bookmark() -> None:
    stream = Stream(head=3)

    news = list(stream.client.follow(until_caught_up=True))

    assert [type(each) for each in news] == [Event, Event, Bookmark, Event, Bookmark]
    assert news[2] == Bookmark(offset=2, epoch="e1", caught_up=False)
    assert news[4] == Bookmark(offset=3, epoch="e1", caught_up=True)


def test_a_bookmark_says_when_the_reading_began_until_it_has_caught_up() -> None:
    following = Following(began=3)
    first = following.next_call()

    [news] = following.take(replace(page(2, head=7), began=7))
    second = following.next_call()
    following.take(page(7, head=7))
    third = following.next_call()

    assert news == Bookmark(offset=2, epoch="e1", caught_up=False, began=7)
    assert [dict(call.params).get("began") for call in (first, second, third)] == ["3", "7", None]


def test_an_empty_catalog_is_caught_up_at_once() -> None:
    stream = Stream(head=0)

    news = list(stream.client.follow(until_caught_up=True))

    assert news == [Bookmark(offset=0, epoch="e1", caught_up=True)]


def test_a_wait_that_brings_nothing_is_no_news() -> None:
    following = Following()
    following.take(page(7, head=7))

    assert following.take(page(7, head=7)) == []


def test_events_that_a_filter_hides_still_move_the_bookmark() -> None:
    following = Following()
    following.take(page(7, head=7))

    assert following.take(page(9, head=9)) == [Bookmark(offset=9, epoch="e1", caught_up=True)]


@pytest.mark.parametrize("failing", [{1}, {2}, {3}, {1, 2, 3, 5}])
def test_no_change_is_lost_or_told_twice_over_a_broken_connection(failing: set[int]) -> None:
    stream = Stream(head=5, failing=failing)

    told = offsets(stream.client.follow(until_caught_up=True))

    assert told == [1, 2, 3, 4, 5]
    assert len(stream.pauses) == len(failing)


def test_a_caller_is_told_of_each_failure_and_of_the_pause_after_it() -> None:
    stream = Stream(head=1, failing={1, 2})
    told: list[tuple[str, float]] = []

    list(stream.client.follow(until_caught_up=True, on_retry=lambda error, pause: told.append((str(error), pause))))

    assert [text for text, _ in told] == ["can't reach http://catalog: Connection refused"] * 2
    assert [pause for _, pause in told] == stream.pauses


def test_the_pauses_grow_to_a_limit_and_begin_anew_after_a_success() -> None:
    following = Following(chance=lambda: 1.0)

    pauses = [following.pause_after(REFUSED) for _ in range(9)]
    following.take(page(1, head=1))

    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0]
    assert following.pause_after(REFUSED) == 0.5


def test_the_pauses_of_many_readers_are_spread() -> None:
    soonest, latest = Following(chance=lambda: 0.0), Following(chance=lambda: 1.0)

    assert (soonest.pause_after(REFUSED), latest.pause_after(REFUSED)) == (0.25, 0.5)


def test_a_server_that_is_back_is_asked_without_waiting_and_is_news() -> None:
    following = Following()
    following.take(page(7, head=7))
    following.pause_after(REFUSED)

    call = following.next_call()
    news = following.take(page(7, head=7))

    assert call.wait == 0
    assert news == [Bookmark(offset=7, epoch="e1", caught_up=True)]
    assert following.next_call().wait == 30


@pytest.mark.parametrize(
    "error", [Unavailable("starting"), errors.Unreadable("not a catalog"), CallboardError("internal error")]
)
def test_what_may_pass_is_waited_out(error: CallboardError) -> None:
    assert Following().pause_after(error) > 0


@pytest.mark.parametrize(
    "error",
    [
        OffsetExpired("another epoch"),
        errors.Unauthenticated("who are you"),
        errors.NotAllowed("not you"),
        errors.NotFound(""),
        errors.InvalidInput(""),
    ],
)
def test_what_will_not_pass_is_raised(error: CallboardError) -> None:
    with pytest.raises(type(error)):
        Following().pause_after(error)


def test_an_offset_that_no_server_ever_said_is_raised() -> None:
    with pytest.raises(OffsetInTheFuture):
        Following(99).pause_after(OffsetInTheFuture("beyond the head"))


def test_a_server_that_lags_behind_another_gets_time_but_not_for_ever() -> None:
    following = Following()
    following.take(page(7, head=7))
    behind = OffsetInTheFuture("beyond the head")

    pauses = [following.pause_after(behind) for _ in range(10)]

    assert len(pauses) == 10
    with pytest.raises(OffsetInTheFuture):
        following.pause_after(behind)


def test_the_epoch_of_the_first_answer_is_held_on_to() -> None:
    stream = Stream(head=3)

    list(stream.client.follow(until_caught_up=True))

    assert [request.get("epoch") for request in stream.requests] == [None, "e1"]


def test_an_event_can_be_passed_on_as_it_came() -> None:
    stream = Stream(head=1)

    told = next(iter(stream.client.follow()))

    assert isinstance(told, Event)
    assert told.source == json.encode(event(1))
