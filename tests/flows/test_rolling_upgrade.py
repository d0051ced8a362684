"""A newer release migrates the database while an older one runs."""

import asyncio
from pathlib import Path

import pytest

from callboard.errors import WrongSchema
from callboard.store import migrations
from callboard.store.steps import Migration, available
from tests.flows import stories
from tests.flows.started import started
from tests.harness import plain

pytestmark = pytest.mark.slow

RELEASE = available()
HEAD = RELEASE[-1].version

# Without `history`: versions_of() wants it to have the columns of `kept_versions` (docs/contributing/migrations.md).
_TABLES = ("claims", "entities", "schedule", "relations", "stitch_queue", "final_entities", "stream", "locations")
_WIDER = "".join(f"-- step: transaction\nalter table {table} add column later text;\n" for table in _TABLES)
OPEN = Migration(HEAD + 1, "wider", f"-- works with: {HEAD:04}\n{_WIDER}")
CLOSED = Migration(HEAD + 2, "other", "alter table claims rename column later to last;")


async def test_an_older_release_goes_on_beside_what_it_can_work_with_and_ends_before_what_it_can_not(
    tmp_path: Path, blank_database_url: str
) -> None:
    with started(tmp_path, blank_database_url, engines=1) as server:
        async with stories.story(server) as story:
            await story.catalog.push_entities("ci", [plain("payments")], wait=60)
            await migrations.apply(blank_database_url, release=[*RELEASE, OPEN])

            await story.catalog.push_entities("ci", [plain("payments"), plain("orders")], wait=60)

            assert await story.refs() == {"component:default/payments", "component:default/orders"}

        applied = await migrations.apply(blank_database_url, release=[*RELEASE, OPEN, CLOSED])
        code = await asyncio.to_thread(server.process.wait, 30)

        assert applied == [CLOSED]
        assert code == WrongSchema.exit_code
        said = [str(record.get("text", "")) for record in server.log.records]
        assert any(f"schema {CLOSED.version:04} (other)" in line for line in said)
        assert not [record for record in server.log.records if record["event"] == "loop.failed"]
