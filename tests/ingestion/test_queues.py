"""Queues that providers read, whatever is in them."""

import asyncio

from callboard.extend import Heard, ProviderConnection
from callboard.ingestion.queues import QueueReading
from callboard.store.database import Database
from callboard.testing import FakeClock
from callboard.testing.connections import FakeConnection


class Leaving:
    """Has its reader cancelled at the moment when it has told everything."""

    name, queue_system = "shop", "awsS3"

    def __init__(self) -> None:
        self.reader: asyncio.Task[None] | None = None

    async def read_queue(self, connection: ProviderConnection) -> Heard:
        assert self.reader is not None
        asyncio.get_running_loop().call_soon(self.reader.cancel)
        return Heard(pause=0.0)


async def test_an_engine_that_stops_while_a_queue_has_just_been_read_does_stop(
    database: Database, clock: FakeClock
) -> None:
    provider = Leaving()
    reading = QueueReading(database=database, clock=clock, provider=provider, connection=FakeConnection())

    provider.reader = asyncio.create_task(reading.run())
    _, left = await asyncio.wait({provider.reader}, timeout=30)

    assert left == set(), "to be cancelled was taken for the end of something else"
    assert provider.reader.cancelled()
