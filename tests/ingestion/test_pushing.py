"""What is written over HTTP, below the HTTP."""

from collections.abc import AsyncIterator

import pytest

from callboard.errors import DatabaseUnavailable
from callboard.extend import Full
from callboard.ingestion import pushing, uploads
from callboard.ingestion.pushing import Pushed, Writing
from callboard.ingestion.uploads import Row, Upload
from callboard.model.refs import EntityRef
from callboard.store.progress import Part
from tests.harness import Catalog, component, offered, plain

CI = Writing(provider="ci", writer=None)


async def push_all(catalog: Catalog, *names: str) -> Pushed:
    """Write all that the provider has."""

    async def rows() -> AsyncIterator[Row]:
        for number, name in enumerate(names, 1):
            yield number, plain(name)

    upload = Upload("ci")
    await uploads.receive(catalog.database, upload, rows())
    return await pushing.push(catalog.database, CI, upload, full=True)


async def test_a_set_of_which_postgresql_has_lost_a_part_withdraws_nothing(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await push_all(catalog, "a", "b", "c")
    # So that there is something between two pieces.
    monkeypatch.setattr(uploads, "_PIECE", 1)
    upload = Upload("ci")

    async def rows() -> AsyncIterator[Row]:
        yield 1, plain("a")
        yield 2, plain("b")
        async with catalog.database.transaction() as tx:
            # What recovery from a crash does to an unlogged table.
            await tx.connection.execute("truncate staged")
        yield 3, plain("c")

    await uploads.receive(catalog.database, upload, rows())
    with pytest.raises(DatabaseUnavailable, match="send it again"):
        await pushing.push(catalog.database, CI, upload, full=True)

    await catalog.settle()
    assert catalog.refs() == [f"component:default/{name}" for name in "abc"]


async def test_who_waits_for_a_withdrawal_waits_for_whoever_takes_over(catalog: Catalog) -> None:
    await push_all(catalog, "a")
    await catalog.provide("other", Full(offered(component("a"), key="other")))
    withdrawal = pushing.carried((), [EntityRef("component", "default", "a")])

    pushed = await pushing.push(catalog.database, CI, withdrawal, full=False)

    assert pushed.part == Part(refs=["component:default/a"])


async def test_who_waits_for_a_whole_set_waits_for_all_that_the_provider_has(catalog: Catalog) -> None:
    await push_all(catalog, "a")

    pushed = await push_all(catalog, "a")

    assert pushed.part == Part(source="provider:ci")
