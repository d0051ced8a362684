"""Calls about subscriptions: cursors in the stream that the catalog keeps."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from callboard.client import answers
from callboard.client.answers import Answer
from callboard.client.core import Call, present, quoted
from callboard.client.filters import Filters, Query, texts
from callboard.client.subscription_results import Subscription, SubscriptionBatch

Place: TypeAlias = int | Literal["now"]
"""An offset, or the head of the stream. 0 is the whole catalog."""


class _Items(msgspec.Struct):
    items: list[Subscription]


class _Handed(msgspec.Struct, rename="camel"):
    held: bool
    lease: str | None
    leased_until: dt.datetime | None
    cursor: int


class _Acknowledged(msgspec.Struct):
    cursor: int


def listing() -> Call[list[Subscription]]:
    """The subscriptions that the caller may know of."""
    return Call(path="/subscriptions", read=_listed)


def subscription(name: str) -> Call[Subscription]:
    """One of them."""
    return Call(path=_path(name), read=_told)


def put(
    name: str,
    *,
    filters: Filters = (),
    query: Query | None = None,
    fields: Sequence[str] = (),
    start: Place = 0,
    sink: Mapping[str, object] | None = None,
) -> Call[Subscription]:
    """Make a subscription, or let it tell something else."""
    body = present(filter=texts(filters), query=query, fields=list(fields), start=start, sink=sink)
    return Call(method="PUT", path=_path(name), body=body, read=_told)


def delete(name: str) -> Call[None]:
    """Forget a subscription."""
    return Call(method="DELETE", path=_path(name), read=answers.nothing)


def pause(name: str) -> Call[Subscription]:
    """Let nothing be told."""
    return Call(method="POST", path=f"{_path(name)}/pause", read=_told)


def resume(name: str) -> Call[Subscription]:
    """Let it go on."""
    return Call(method="POST", path=f"{_path(name)}/resume", read=_told)


def seek(name: str, offset: Place) -> Call[Subscription]:
    """Move the cursor."""
    return Call(method="POST", path=f"{_path(name)}/seek", body={"offset": offset}, read=_told)


def read(
    name: str,
    *,
    limit: int | None = None,
    wait: float = 0.0,
    lease: str | None = None,
    lease_seconds: float | None = None,
) -> Call[SubscriptionBatch]:
    """The events after the cursor."""
    body = present(limit=limit, wait=wait or None, lease=lease, leaseSeconds=lease_seconds)
    return Call(method="POST", path=f"{_path(name)}/read", body=body, wait=wait, read=_batch)


def acknowledge(
    name: str, lease: str, offset: int, *, lease_seconds: float | None = None, release: bool = False
) -> Call[int]:
    """Move the cursor behind what has been dealt with."""
    body = present(lease=lease, offset=offset, leaseSeconds=lease_seconds, release=release or None)
    # Whoever has let go of a lease can't do so again.
    return Call(method="POST", path=f"{_path(name)}/ack", body=body, repeatable=not release, read=_cursor)


def _path(name: str) -> str:
    return f"/subscriptions/{quoted(name)}"


def _listed(answer: Answer) -> list[Subscription]:
    return msgspec.json.decode(answer.content, type=_Items).items


def _told(answer: Answer) -> Subscription:
    return msgspec.json.decode(answer.content, type=Subscription)


def _batch(answer: Answer) -> SubscriptionBatch:
    page, handed = answers.event_page(answer), msgspec.json.decode(answer.content, type=_Handed)
    return SubscriptionBatch(
        events=page.events,
        held=handed.held,
        lease=handed.lease,
        leased_until=handed.leased_until,
        cursor=handed.cursor,
        next_offset=page.next_offset,
        epoch=page.epoch,
        caught_up=page.caught_up,
    )


def _cursor(answer: Answer) -> int:
    return msgspec.json.decode(answer.content, type=_Acknowledged).cursor
