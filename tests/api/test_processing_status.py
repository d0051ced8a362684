"""The state of the write side over HTTP."""

from callboard.extend import Full
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of, client_of
from tests.api.test_event_status import Nobody
from tests.harness import component, offered


async def test_what_is_due_is_counted_by_priority_with_the_age_of_the_oldest(api: Api) -> None:
    await api.catalog.provide("p", Full(offered(component("cart"), {**component("oven"), "spec": {}})))
    api.catalog.clock.advance(3)

    waiting = (await api.get("/processing/status")).json()
    await api.catalog.settle()
    settled = (await api.get("/processing/status")).json()

    assert waiting["due"]["changed"] == {"count": 2, "oldestSeconds": 3.0}
    assert waiting["entities"] == {"failing": 0, "failed": 0, "pending": 2, "conflicts": 0}
    assert settled["due"]["changed"]["count"] == 0
    assert settled["entities"] == {"failing": 1, "failed": 1, "pending": 0, "conflicts": 0}


async def test_it_is_for_who_may_know_of_the_write_side(api: Api) -> None:
    async with client_of(app_of(api.catalog, authorizer=Nobody())) as client:
        answer = await client.get("/api/catalog/processing/status")

    assert complaint(answer)[0] == 403
