"""Buckets that tell what happens in them: their events wait in a queue, and become deltas."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from callboard.builtin.hosts.discovery import Found, delta
from callboard.builtin.hosts.objects import asking, notices
from callboard.builtin.hosts.objects.discovery import BucketDiscovery
from callboard.builtin.hosts.objects.notices import Notice
from callboard.builtin.hosts.objects.queues import Message, Queue
from callboard.builtin.hosts.objects.stores import Bucket, Service, url_of
from callboard.errors import InvalidInput, RemovalRefused
from callboard.extend import Heard, ProviderConnection, Schedule

_MOST_KNOWN = 50_000
"""Keys of which the latest event is remembered."""


@dataclass(slots=True)
class _Told:
    """A message, and what it tells of the files that count."""

    message: Message
    notices: Sequence[Notice]


class HeardBucket(BucketDiscovery):
    """A bucket whose events are read from a queue (an `extend.ReadsQueue`), beside being listed now and then."""

    queue_system = "awsS3"

    def __init__(
        self, name: str, service: Service, bucket: Bucket, prefix: str, schedule: Schedule | None, queue: Queue
    ) -> None:
        super().__init__(name, service, bucket, prefix, schedule)
        self._queue = queue
        self._latest: OrderedDict[str, tuple[int, str]] = OrderedDict()
        """Of each key, where in the order of its events the latest one stood."""

    async def read_queue(self, connection: ProviderConnection) -> Heard:
        """One batch: what can be stored is, and deleted then."""
        async with self._queue.asked() as queue:
            messages = await queue.fetch()
            told, refused = self._understood(messages)
            wanted = [each for each in told if each.notices]
            failed = await self._apply(wanted, connection)
            kept = [id(each.message) for each in failed]
            await queue.delete([message for message in messages if id(message) not in kept])
        return Heard(
            applied=len(wanted) - len(failed),
            ignored=len(told) - len(wanted),
            refused=refused,
            pause=self._queue.pause_after(len(messages)),
        )

    def _understood(self, messages: Sequence[Message]) -> tuple[list[_Told], list[str]]:
        """What *messages* tell, and why some of them tell nothing."""
        told: list[_Told] = []
        refused: list[str] = []
        for message in messages:
            try:
                found = notices.parse(str(message.get("Body", "")))
            except ValueError as error:
                refused.append(f"the message {message.get('MessageId')} is not understood, and deleted: {error}")
            else:
                told.append(_Told(message, [each for each in found if self._counts(each)]))
        return told, refused

    def _counts(self, notice: Notice) -> bool:
        is_file = notice.key.startswith(self._prefix) and not notice.key.endswith("/")
        return notice.bucket == self._bucket.name and is_file

    async def _apply(self, told: Sequence[_Told], connection: ProviderConnection) -> list[_Told]:
        """Store what all messages tell; if that is refused, one by one. Returns those that were refused."""
        if not told:
            return []
        try:
            await self._store([notice for each in told for notice in each.notices], connection)
        except (InvalidInput, RemovalRefused):
            if len(told) == 1:
                # It stays in the queue, until somebody lets it through or the queue has had enough of it.
                return list(told)
            return [failed for each in told for failed in await self._apply([each], connection)]
        return []

    async def _store(self, found: Sequence[Notice], connection: ProviderConnection) -> None:
        latest = {notice.key: notice for notice in sorted(found, key=lambda notice: notice.order)}
        news = [notice for notice in latest.values() if not self._is_late(notice)]
        there = {notice.key: await self._is_there(notice) for notice in news}
        targets = {key: url_of(self._bucket.url, key) for key in there}
        added = [Found(target=targets[key], required=True) for key, is_there in there.items() if is_there]
        removed = [targets[key] for key, is_there in there.items() if not is_there]
        if there:
            await connection.apply(delta(self.name, added=added, removed=removed))
        if added:
            # What was there before has another content now.
            await connection.refresh([f"url:{each.target}" for each in added])
        for notice in news:
            self._remember(notice)

    async def _is_there(self, notice: Notice) -> bool:
        if notice.is_there is not None:
            return notice.is_there
        store = self._service.store(self._bucket)
        return await asking.is_there(store, notice.key, url_of(self._bucket.url, notice.key))

    def _is_late(self, notice: Notice) -> bool:
        """Whether something newer of the same key has come before it, as may be with queues."""
        known = self._latest.get(notice.key)
        return known is not None and bool(notice.sequencer) and notice.order < known

    def _remember(self, notice: Notice) -> None:
        if notice.sequencer:
            self._latest[notice.key] = notice.order
            self._latest.move_to_end(notice.key)
            if len(self._latest) > _MOST_KNOWN:
                self._latest.popitem(last=False)
