"""Subscriptions: cursors on the server, and the consumers that share one of them.

One consumer at a time has the lease. It reads what comes after the cursor, and acknowledges it, which moves the cursor;
when it dies, the lease runs out, and the next consumer begins at the cursor. So everything is told at least once.
"""

import datetime as dt
import functools
import sys
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from callboard.errors import (
    Conflict,
    InvalidInput,
    LeaseLost,
    NotAllowed,
    NotFound,
    OffsetExpired,
    OffsetInTheFuture,
)
from callboard.model import json
from callboard.model.json import JsonObject
from callboard.model.predicates import Predicate, both, format_query, parse_filters, parse_query
from callboard.model.projection import Projection, parse_fields
from callboard.store import changes, subscriptions
from callboard.store.database import Database, Transaction
from callboard.store.subscriptions import Hold, Place, State, Subscription, Wish
from callboard.stream import feed
from callboard.stream.following import Follower
from callboard.stream.pages import Mode, Page
from callboard.stream.readers import Reader

_POLL = 1.0
"""Seconds after which a consumer that waits for the lease asks for it again."""

BEGINNING, NOW = 0, "now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a subscription tells."""

    filters: Sequence[str] = ()
    query: JsonObject | None = None
    fields: Sequence[str] = ()

    def __post_init__(self) -> None:
        _ = self.predicate, self.projection

    @property
    def predicate(self) -> Predicate | None:
        """Which entities. Raises InvalidInput."""
        return both(parse_filters(self.filters), None if self.query is None else parse_query(self.query))

    @property
    def projection(self) -> Projection | None:
        """Which parts of them. Raises InvalidInput."""
        return parse_fields(self.fields)

    @classmethod
    def parse(cls, text: str) -> "Wanted":
        """What `format` has written."""
        match json.decode(text):
            case {"filter": list() as filters, "query": (dict() | None) as query, "fields": list() as fields}:
                return cls(filters=[str(each) for each in filters], query=query, fields=[str(each) for each in fields])
            case _:
                raise InvalidInput(f"{text} is nothing that a subscription can tell")

    def described(self) -> JsonObject:
        """The same in JSON."""
        return {"filter": [*self.filters], "query": self.query, "fields": [*self.fields]}

    def format(self) -> str:
        """The same as JSON text."""
        return json.encode(self.described()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks."""

    name: str | None
    """The principal; None where nobody has to log in."""
    operator: bool = False
    """Whether this one may take care of what belongs to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sinking:
    """Where a subscription delivers to."""

    options: JsonObject
    secrets: Sequence[str] | None = None
    """None: those that are stored."""
    permitted: Predicate | None = None
    """What its owner may see at this moment; None for everything."""
    check: Callable[[Sequence[str]], None]
    """Is given the secrets that are stored; raises for a target that can't be delivered to."""


@dataclass(frozen=True, slots=True)
class Known:
    """A subscription, and where the stream stands."""

    subscription: Subscription
    position: changes.Position
    connected: bool | None = None
    """Whether some engine has the handler that it leads to; None when it leads to none, or nobody has looked."""

    @property
    def lag(self) -> int:
        """How many changes are ahead of it; all of them after a change of the epoch."""
        same = self.subscription.epoch == self.position.epoch
        return max(0, self.position.head - self.subscription.offset) if same else self.position.head


async def put(
    database: Database, name: str, caller: Caller, wanted: Wanted, *, start: int | str, sinking: Sinking | None
) -> tuple[Known, bool]:
    """Make a subscription, or let it tell something else from where it stands. Returns whether it is new.

    *start* is for a new one: 0 for the whole catalog, `now`, or an offset. Raises NotAllowed for one of somebody else,
    whatever `check` of the sink raises, OffsetExpired and OffsetInTheFuture.
    """

    async def work(tx: Transaction) -> tuple[Known, bool]:
        position = await changes.position(tx)
        standing = await subscriptions.lock(tx, name)
        if standing is None:
            wish = _wish(wanted, sinking, None)
            made = await subscriptions.add(tx, name, caller.name, wish, place_of(position, start))
            if made is not None:
                return Known(made, position), True
            standing = await subscriptions.lock(tx, name)
        if standing is None:
            raise Conflict(f"Subscription {name} has just been deleted by somebody else")
        _admit(standing, caller)
        wish = _wish(wanted, sinking, standing)
        if wish == Wish(
            wanted=standing.wanted, permitted=standing.permitted, sink=standing.sink, secrets=standing.secrets
        ):
            # Whoever says the same again, as deployments do, disturbs nobody.
            return Known(standing, position), False
        changed = await subscriptions.change(tx, name, wish)
        assert changed is not None
        return Known(changed, position), False

    return await database.run(work)


def _wish(wanted: Wanted, sinking: Sinking | None, standing: Subscription | None) -> Wish:
    if sinking is None:
        return Wish(wanted=wanted.format())
    secrets = standing.secrets if standing is not None else None
    stored = json.decode(secrets or "[]")
    assert isinstance(stored, list)
    sinking.check([str(each) for each in stored])
    if sinking.secrets is not None:
        secrets = json.encode([*sinking.secrets]).decode()
    permitted = None if sinking.permitted is None else json.encode(format_query(sinking.permitted)).decode()
    sink = json.encode(sinking.options).decode()
    return Wish(wanted=wanted.format(), permitted=permitted, sink=sink, secrets=secrets)


def place_of(position: changes.Position, start: int | str) -> Place:
    """Where a cursor stands that is to begin at *start*. Raises OffsetExpired and OffsetInTheFuture."""
    offset = position.head if start == NOW else int(start)
    if offset > position.head:
        raise OffsetInTheFuture(f"Offset {offset} is beyond the head of the stream, {position.head}")
    if 0 < offset < position.tombstone_floor:
        raise OffsetExpired(
            f"Removals at or below offset {position.tombstone_floor} are forgotten, so going on from {offset} could"
            " miss some"
        )
    return Place(
        epoch=position.epoch, offset=offset, compacted=offset < position.head and _passes_over(position, offset)
    )


def _passes_over(position: changes.Position, offset: int) -> bool:
    """Whether a reader at *offset* is told each entity once and not every change."""
    return offset == BEGINNING or offset < position.history_floor


async def every(database: Database, caller: Caller) -> list[Known]:
    """The subscriptions that the caller may know of, by name."""
    async with database.transaction() as tx:
        position = await changes.position(tx)
        found = [each for each in await subscriptions.every(tx) if _may_care(each, caller)]
        return await _known(tx, found, position)


async def get(database: Database, name: str, caller: Caller) -> Known:
    """A subscription. Raises NotFound and NotAllowed."""
    async with database.transaction() as tx:
        position = await changes.position(tx)
        found = await subscriptions.find(tx, name)
        if found is None:
            raise _missing(name)
        _admit(found, caller, for_care=True)
        [known] = await _known(tx, [found], position)
    return known


async def remove(database: Database, name: str, caller: Caller) -> None:
    """Forget a subscription. Raises NotFound and NotAllowed, and Conflict while an engine has its handler."""

    async def work(tx: Transaction) -> None:
        found = await _cared_for(tx, name, caller)
        # Its handler would be told nothing until an engine starts that makes it anew, and what comes meanwhile is lost.
        if found.is_of_plugin and await subscriptions.connected(tx, [name]):
            raise Conflict(f"Subscription {name} leads to a handler that engines have: it goes when the plugin is gone")
        await subscriptions.remove(tx, name)

    await database.run(work)


async def pause(database: Database, name: str, caller: Caller) -> Known:
    """Let nothing be told until it is resumed."""
    return await _care(database, name, caller, lambda tx, _position: subscriptions.pause(tx, name))


async def resume(database: Database, name: str, caller: Caller) -> Known:
    """Let it go on where it stands."""
    return await _care(database, name, caller, lambda tx, _position: subscriptions.resume(tx, name))


async def seek(database: Database, name: str, caller: Caller, offset: int | str) -> Known:
    """Move the cursor. Raises OffsetExpired and OffsetInTheFuture, and leaves it where it was then."""
    return await _care(
        database, name, caller, lambda tx, position: subscriptions.seek(tx, name, place_of(position, offset))
    )


async def _care(
    database: Database,
    name: str,
    caller: Caller,
    do: Callable[[Transaction, changes.Position], Awaitable[Subscription | None]],
) -> Known:
    async def work(tx: Transaction) -> Known:
        position = await changes.position(tx)
        await _cared_for(tx, name, caller)
        found = await do(tx, position)
        assert found is not None
        [known] = await _known(tx, [found], position)
        return known

    return await database.run(work)


async def _cared_for(tx: Transaction, name: str, caller: Caller) -> Subscription:
    found = await subscriptions.lock(tx, name)
    if found is None:
        raise _missing(name)
    _admit(found, caller, for_care=True)
    return found


async def _known(tx: Transaction, found: Sequence[Subscription], position: changes.Position) -> list[Known]:
    of_plugins = [each.name for each in found if each.is_of_plugin]
    connected = await subscriptions.connected(tx, of_plugins)
    return [Known(each, position, each.name in connected if each.is_of_plugin else None) for each in found]


def _missing(name: str) -> NotFound:
    return NotFound(f"There is no subscription {name}")


def _admit(found: Subscription, caller: Caller, *, for_care: bool = False) -> None:
    """Raises NotAllowed for who may not read and change a subscription, or *for_care*, not even pause and move it."""
    if not (_may_care(found, caller) if for_care else _owns(found, caller)):
        raise NotAllowed(f"Subscription {found.name} belongs to {found.owner}")


def _may_care(found: Subscription, caller: Caller) -> bool:
    return caller.operator or _owns(found, caller)


def _owns(found: Subscription, caller: Caller) -> bool:
    # A plugin of Backstage that calls may have the name of one in the engines.
    return not found.is_of_plugin and found.owner in (None, caller.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What a consumer is given."""

    lease: str | None
    """What it acknowledges with; None when another consumer is at it."""
    page: Page | None
    """None without the lease."""
    cursor: int
    leased_until: dt.datetime | None
    """Until when the consumer, or the other one, is the only one."""


@dataclass(slots=True, kw_only=True)
class Consumer:
    """A request to read from a subscription."""

    follower: Follower
    caller: Caller
    name: str
    limit: int
    wait: float
    lease: dt.timedelta
    visible: Predicate | None
    """What the caller may see at this moment; None for everything."""
    holder: str | None = None
    """The lease that the caller has from before."""
    _database: Database = field(init=False)

    def __post_init__(self) -> None:
        self._database = self.follower.database

    async def read(self) -> Handed:
        """The events after the cursor, for the one consumer that has the lease.

        Waits until there are some, and until no other consumer is at it. Raises NotFound, NotAllowed, LeaseLost when
        the caller's own lease is somebody else's by now, Conflict when nothing can be read, OffsetExpired and
        OffsetInTheFuture when the cursor stands where nobody can go on from.
        """
        holder = self.holder or uuid.uuid4().hex
        taken = await self._take(holder)
        with self.follower.readers.attending(taken.subscription.offset) as reader:
            return await self._read(taken, holder, reader)

    async def _read(self, taken: "_Taken", holder: str, reader: Reader) -> Handed:
        left = self.wait
        while not taken.is_mine and not self.holder and left > 0 and not self.follower.closed:
            pause = min(left, _POLL)
            reader.waiting = True
            # Nobody gets that far; but a process that is to end lets go of everybody who waits.
            await self.follower.wait_beyond(sys.maxsize, pause)
            left -= pause
            taken = await self._take(holder)
            reader.offset, reader.waiting = taken.subscription.offset, False
        if not taken.is_mine:
            if self.holder is not None:
                raise LeaseLost(f"The lease {self.holder} on subscription {self.name} is somebody else's by now")
            other = taken.subscription
            return Handed(lease=None, page=None, cursor=other.offset, leased_until=other.leased_until)
        return await self._hand_out(taken.subscription, holder, left, reader)

    async def _take(self, holder: str) -> "_Taken":
        async def work(tx: Transaction) -> _Taken:
            found = await subscriptions.lock(tx, self.name)
            if found is None:
                raise _missing(self.name)
            _admit(found, self.caller)
            if found.sink is not None:
                raise Conflict(f"Subscription {self.name} delivers to a sink; nobody else can read it")
            if found.state is State.PAUSED:
                raise Conflict(f"Subscription {self.name} is paused")
            if found.state is State.DEAD:
                raise OffsetExpired(f"Subscription {self.name} can't go on from where it stands: {found.error}")
            if self.holder is not None and found.holder != self.holder:
                return _Taken(found, is_mine=False)
            taken = await subscriptions.take(tx, self.name, holder, self.lease)
            return _Taken(taken or found, is_mine=taken is not None)

        return await self._database.run(work)

    async def _hand_out(self, taken: Subscription, holder: str, left: float, reader: Reader) -> Handed:
        hold = Hold(self.name, holder, taken.generation)
        try:
            page = await self._page(taken, hold, left, reader)
            batch = subscriptions.Batch(
                offset=page.next_offset,
                began=None if page.way is None else page.way.began,
                until=None if page.way is None or page.way.is_long else page.way.compact_until,
                caught_up=page.caught_up,
            )
            await self._still(lambda tx: subscriptions.hand_out(tx, hold, self.lease, batch))
        except (OffsetExpired, OffsetInTheFuture) as error:
            reason = str(error)
            await self._database.run(lambda tx: subscriptions.die(tx, hold, reason))
            raise
        return Handed(lease=holder, page=page, cursor=taken.offset, leased_until=self.follower.clock.now() + self.lease)

    async def _page(self, taken: Subscription, hold: Hold, left: float, reader: Reader) -> Page:
        """The events after the cursor; waits so many seconds for one, in pieces after which the lease is renewed."""
        piece = functools.partial(self._piece, Wanted.parse(taken.wanted), taken.epoch, reader)
        pause = min(left, self.lease.total_seconds() / 3)
        page = await piece(taken.offset, Mode.COMPACTED if taken.compacted else Mode.LOG, pause, began=taken.began)
        while not page.changes and page.caught_up and (left := left - pause) > 0 and not self.follower.closed:
            await self._still(lambda tx: subscriptions.keep(tx, hold, self.lease))
            pause = min(left, self.lease.total_seconds() / 3)
            page = await piece(page.next_offset, Mode.LOG, pause)
        return page

    async def _piece(
        self,
        wanted: Wanted,
        epoch: str,
        reader: Reader,
        offset: int,
        mode: Mode,
        wait: float,
        *,
        began: int | None = None,
    ) -> Page:
        return await feed.read(
            self.follower,
            offset=offset,
            limit=self.limit,
            wait=wait,
            mode=mode,
            epoch=epoch,
            began=began,
            predicate=wanted.predicate,
            visible=self.visible,
            attending=reader,
        )

    async def _still(self, ask: Callable[[Transaction], Awaitable[bool]]) -> None:
        if not await self._database.run(ask):
            raise LeaseLost(f"The lease on subscription {self.name} is somebody else's by now")


@dataclass(frozen=True, slots=True)
class _Taken:
    subscription: Subscription
    is_mine: bool


def _on_the_way(found: Subscription, offset: int) -> bool:
    """Whether the bookmark at *offset*, in what was handed out, needs its second half."""
    return found.handed_until is None or offset < found.handed_until


async def acknowledge(
    database: Database, name: str, caller: Caller, *, lease: str, offset: int, keep: dt.timedelta | None
) -> Known:
    """Move the cursor to *offset*, and *keep* the lease for so long, or let go of it.

    Raises NotFound, NotAllowed, LeaseLost, and InvalidInput for an offset beyond what was handed out.
    """

    async def work(tx: Transaction) -> Known:
        position = await changes.position(tx)
        found = await subscriptions.lock(tx, name)
        if found is None:
            raise _missing(name)
        _admit(found, caller)
        # Even if it has run out: as long as nobody else has it, nobody else has been told anything.
        if found.holder != lease:
            raise LeaseLost(f"The lease {lease} on subscription {name} is somebody else's by now, or nobody's")
        if offset > found.offset and (found.handed_out is None or offset > found.handed_out):
            raise InvalidInput(
                f"request/body/offset is {offset}, and events have been handed out up to {found.handed_out}"
            )
        if offset > found.offset:
            caught_up = offset == found.handed_out and bool(found.handed_caught_up)
            advanced = await subscriptions.advance(
                tx,
                Hold(name, lease, found.generation),
                keep or dt.timedelta(0),
                offset=offset,
                compacted=found.compacted and not caught_up,
                began=None if caught_up or not _on_the_way(found, offset) else found.handed_began,
            )
            assert advanced is not None
            found = advanced
        if keep is None:
            await subscriptions.release(tx, name, lease)
            found = replace(found, holder=None, leased_until=None)
        else:
            await subscriptions.keep(tx, Hold(name, lease, found.generation), keep)
        return Known(found, position)

    return await database.run(work)
