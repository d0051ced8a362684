"""Whoever waits at the head of the stream."""

import asyncio

from callboard.stream import feed
from tests.harness import Catalog


async def test_a_reader_who_waits_gets_an_empty_page_when_the_process_is_about_to_end(catalog: Catalog) -> None:
    await catalog.look()
    waiting = asyncio.create_task(feed.read(catalog.follower, offset=0, limit=10, wait=60))
    await catalog.clock.sleep(0)

    catalog.follower.close()
    page = await waiting

    assert list(page.changes) == []
    assert page.next_offset == 0


async def test_nobody_waits_any_more_in_a_process_that_is_about_to_end(catalog: Catalog) -> None:
    await catalog.look()
    catalog.follower.close()

    page = await feed.read(catalog.follower, offset=0, limit=10, wait=60)

    assert page.caught_up
