"""A database that another one takes the place of, and one whose disk is full."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.hurting import hurting, surviving
from tests.history.clusters import Cluster, connected, running
from tests.history.test_faults import fill

pytestmark = pytest.mark.slow


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Cluster, Cluster]]:
    """A server, and a standby that has what the server has acknowledged."""
    with running(tmp_path / "primary") as primary:
        standby = primary.standby(tmp_path / "standby")
        asyncio.run(_wait_for_the_standby(primary))
        yield primary, standby
        standby.embedded.stop(timeout=5)


async def _wait_for_the_standby(primary: Cluster) -> None:
    async with connected(primary.url) as connection:
        await connection.execute("alter system set synchronous_standby_names = '*'")
        await connection.execute("select pg_reload_conf()")


async def test_a_promoted_standby_takes_over_with_everything_that_was_acknowledged(
    pair: tuple[Cluster, Cluster], tmp_path: Path
) -> None:
    primary, standby = pair
    async with hurting(primary, tmp_path) as hurt, surviving(hurt) as calls:
        await hurt.crash()
        await calls.until(lambda: bool(calls.put_off), "a write to be put off")
        # The name leads there before it is more than a copy.
        hurt.lead_to(standby)
        before = len(calls.put_off)
        await calls.until(lambda: len(calls.put_off) > before + 10, "writes to be put off by a standby")
        await asyncio.to_thread(standby.promote)


async def test_when_the_disk_is_full_reads_go_on_and_writes_are_put_off_until_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    cluster = Cluster(small_disk / "data")
    await asyncio.to_thread(cluster.start)
    try:
        await cluster.migrate()
        async with hurting(cluster, tmp_path) as hurt, surviving(hurt) as calls:
            fill(small_disk / "ballast")
            await hurt.use_up_the_log()
            await calls.until(lambda: len(calls.put_off) > 10, "writes to be put off")
            (small_disk / "ballast").unlink()
            await hurt.start()
    finally:
        (small_disk / "ballast").unlink(missing_ok=True)
        await asyncio.to_thread(cluster.embedded.stop)
