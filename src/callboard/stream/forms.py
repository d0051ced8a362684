"""Forms: changes as bytes, made once for all who read them in the same form."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from callboard import compression
from callboard.extend import Event, cloud_events
from callboard.model import json
from callboard.model.changes import Change
from callboard.model.projection import Projection, reduced
from callboard.stream.pages import Page, Way

_KEPT = 4_000
"""Events that are kept as bytes in each form. Who follows closely needs the latest few."""

_LARGEST_KEPT = 64 * 1024
"""Bytes of an entity whose events are kept: a copy of a large one is cheap beside sending it, and takes much room."""

_TOGETHER = 16 * 1024 * 1024
"""Bytes that are kept of what readers are told at once. Those who follow closely need the last."""

PIECE = 64 * 1024
"""Bytes, or an event more, that are sent at a time: the most that is kept for a slow reader, with the same again that
the server holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How an event is written."""

    source: str | None = None
    """The source of the CloudEvents that a reader wants; None where it wants plain events."""
    framed: bool = False
    """Whether it stands in a stream of server-sent events."""
    projection: Projection | None = None
    way: Way | None = None
    """How a reader comes here who has not caught up: it is a part of its position."""


def written(change: Change, form: Form, epoch: str) -> bytes:
    """*change* in one form; an entity that isn't reduced is passed through as it is stored."""
    if form.source is None:
        data = plain(change, form.projection)
    else:
        data = cloud_events.one(event_of(change, epoch, form.projection), form.source)
    if not form.framed:
        return data
    began = None if form.way is None else form.way.at(change.offset)
    return framed(data, event=change.type, at=position(epoch, change.offset, began))


@dataclass(slots=True)
class _Together:
    """What several readers are told at once: bytes, by the objects that they were made of."""

    _kept: dict[Hashable, tuple[object, Sequence[bytes]]] = field(default_factory=dict)
    _bytes: int = 0

    def find(self, key: Hashable) -> Sequence[bytes] | None:
        """What is kept under *key*."""
        found = self._kept.get(key)
        return None if found is None else found[1]

    def keep(self, key: Hashable, origin: object, pieces: Sequence[bytes]) -> None:
        """Keep *pieces* for a while, and *origin*, so that no other object comes to have an id that is in the key."""
        self._kept[key] = origin, pieces
        self._bytes += sum(map(len, pieces))
        while self._bytes > _TOGETHER:
            _, oldest = self._kept.pop(next(iter(self._kept)))
            self._bytes -= sum(map(len, oldest))


class Encodings:
    """The latest events in every form in which somebody reads them."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Form, str], dict[int, tuple[Change, bytes]]] = {}
        """By form and epoch, and then by offset."""
        self._together = _Together()

    def pieces(
        self, changes: Sequence[Change], form: Form, epoch: str, *, between: bytes = b"", whole: bool
    ) -> Sequence[bytes]:
        """*changes* in one form, with something *between* them, in pieces that are no longer than they must be.

        *whole* says that they are told as they are. Then who reads the same of them gets the same bytes: to look for
        each of a hundred events takes longer than to send them.
        """
        if not changes:
            return ()
        if not whole or len(changes) == 1 or not _is_shared(form):
            return _pieces(self._written(changes, form, epoch), between)
        # The changes of the ring are there once; what the database has told somebody else is another object.
        run = id(changes[0]), id(changes[-1]), len(changes), form, epoch, between
        pieces = self._together.find(run)
        if pieces is None:
            pieces = _pieces(self._written(changes, form, epoch), between)
            self._together.keep(run, (changes[0], changes[-1]), pieces)
        return pieces

    def page(self, page: Page, form: Form, *, listed: bool, whole: bool, gzip: bool = False) -> tuple[bytes, bool]:
        """*page* as one answer, as in `paged`, and whether it is compressed.

        Who is told the same page, which is *whole*, gets the same bytes. To compress them takes ten times as long as
        to send them, so that is done here, once, for all who take *gzip*; for who is told something of its own it is
        left to the server.
        """
        # What was read for one reader is told to no other.
        is_shared = whole and page.way is None and _is_shared(form)
        key = id(page), form, listed, gzip
        if is_shared and (kept := self._together.find(key)):
            return kept[0], gzip
        answer = paged(page, self._written(page.changes, form, page.epoch), listed=listed)
        if not is_shared or (gzip and len(answer) < compression.LEAST):
            return answer, False
        if gzip:
            answer = compression.gzipped(answer)
        self._together.keep(key, page, [answer])
        return answer, gzip

    def _written(self, changes: Sequence[Change], form: Form, epoch: str) -> list[bytes]:
        """Each of *changes* in one form: the same bytes for all who ask."""
        if not _is_shared(form):
            return [written(change, form, epoch) for change in changes]
        kept = self._kept.get((form, epoch))
        if kept is None:
            # Of another epoch nothing will be told any more.
            self._kept = {known: events for known, events in self._kept.items() if known[1] == epoch}
            kept = self._kept[form, epoch] = {}
        found: list[bytes] = []
        for change in changes:
            # The ring's own object, as a rule; to compare two takes as long as to write a small one.
            there = kept.get(change.offset)
            if there is not None and (there[0] is change or there[0] == change):
                found.append(there[1])
                continue
            found.append(written(change, form, epoch))
            if change.body is None or len(change.body) <= _LARGEST_KEPT:
                kept[change.offset] = change, found[-1]
        while len(kept) > _KEPT:
            del kept[next(iter(kept))]
        return found


def _is_shared(form: Form) -> bool:
    """Whether there are few forms like this, and many who read in it."""
    return form.projection is None and form.way is None


def _pieces(parts: Sequence[bytes], between: bytes) -> list[bytes]:
    pieces: list[bytes] = []
    begun, size = 0, 0
    for number, part in enumerate(parts, 1):
        size += len(part)
        if size >= PIECE or number == len(parts):
            piece = between.join(parts[begun:number])
            pieces.append(piece + between if number < len(parts) else piece)
            begun, size = number, 0
    return pieces


def plain(change: Change, projection: Projection | None = None) -> bytes:
    """An event in Callboard's own words."""
    return b'{"offset":%d,"type":"%b","entityRef":%b,"uid":"%b","at":"%b"%b%b%b}' % (
        change.offset,
        change.type.encode(),
        json.encode(change.ref),
        change.uid.encode(),
        change.at.isoformat().encode(),
        b',"reason":"left-filter"' if change.left_filter else b"",
        b',"cause":' + change.cause.encode() if change.cause else b"",
        b"" if change.body is None else b',"entity":' + reduced(change.body, projection),
    )


def paged(page: Page, events: Sequence[bytes], *, listed: bool) -> bytes:
    """*events* as the answer to who has asked for *page*: merely *listed*, or with a bookmark."""
    found = b",".join(events)
    if listed:
        return b"[%b]" % found
    return b'{"events":[%b],"lastEventOffset":%d,"nextOffset":%d,"epoch":%b,"caughtUp":%b%b}' % (
        found,
        page.head,
        page.next_offset,
        json.encode(page.epoch),
        b"true" if page.caught_up else b"false",
        b"" if page.began is None else b',"began":%d' % page.began,
    )


def event_of(change: Change, epoch: str, projection: Projection | None = None) -> Event:
    """An event as plugins get it."""
    return Event(
        epoch=epoch,
        offset=change.offset,
        type=change.type.value,
        ref=change.ref,
        uid=change.uid,
        at=change.at,
        entity=None if change.body is None else reduced(change.body, projection),
        cause=change.cause,
        left_filter=change.left_filter,
    )


def framed(data: bytes, *, event: str, at: str | None = None) -> bytes:
    """A server-sent event. *data* has no line breaks."""
    return b"%bevent: %b\ndata: %b\n\n" % (b"" if at is None else b"id: %b\n" % at.encode(), event.encode(), data)


def position(epoch: str, offset: int, began: int | None = None) -> str:
    """A bookmark in one text."""
    return f"{epoch}.{offset}" if began is None else f"{epoch}.{offset}.{began}"
