"""Health and metrics over HTTP."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from callboard.errors import RemovalRefused
from callboard.extend import Full
from callboard.ingestion.connections import Connection
from callboard.ingestion.guards import Guard
from tests.api.conftest import Api
from tests.harness import component, offered

LIVENESS = "/.backstage/health/v1/liveness"
READINESS = "/.backstage/health/v1/readiness"


def samples(text: str) -> dict[tuple[str, str], float]:
    """The value of each sample by its name and the values of its labels."""
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_process_lives_before_it_is_ready(starting: Api) -> None:
    alive = await starting.client.get(LIVENESS)
    ready = await starting.client.get(READINESS)

    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()["status"]) == (503, "error")
    assert ready.headers["callboard-offset"] == "0"


async def test_a_process_is_ready_when_its_view_is_loaded(api: Api) -> None:
    await api.catalog.provide("p", Full(offered(component("a"))))
    await api.catalog.settle()
    api.catalog.clock.advance(1.25)

    answer = await api.client.get(READINESS)

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "offset": 1, "lag": 0, "secondsSinceStreamWasRead": 1.25}
    assert answer.headers["callboard-offset"] == "1"


async def test_metrics_tell_what_is_there_and_what_was_asked(api: Api) -> None:
    await api.catalog.provide("p", Full(offered(component("a"), component("b", lifecycle=None))))
    await api.catalog.settle()
    await api.get("/entities")
    await api.get("/entities/by-uid/1")
    await api.get("/nowhere")

    answer = await api.client.get("/metrics")

    found = samples(answer.text)
    assert answer.headers["content-type"].startswith("text/plain")
    assert found["catalog_entities_count", "component"] == 1
    assert found["callboard_view_offset", ""] == 1
    assert found["callboard_view_lag", ""] == 0
    assert found["callboard_database_up", ""] == 1
    assert found["callboard_entities_failing", ""] == 1
    assert found["catalog_stitching_queue_length", ""] == 0
    assert found["catalog_registered_locations_count", ""] == 0
    assert found["http_server_request_duration_seconds_count", "/entities,200"] == 1
    assert found["http_server_request_duration_seconds_count", "/entities/by-uid/{uid},404"] == 1
    assert sum(value for (name, _), value in found.items() if name.endswith("duration_seconds_count")) == 3


async def test_a_refused_removal_shows_until_one_comes_through(api: Api) -> None:
    guarded = Connection(api.catalog.database, "p", Guard(refuse_empty=True))
    await guarded.apply(Full(offered(component("a"))))
    with pytest.raises(RemovalRefused):
        await guarded.apply(Full([]))

    refused = samples((await api.client.get("/metrics")).text)
    await guarded.apply(Full(offered(component("a"), component("b"))))
    recovered = samples((await api.client.get("/metrics")).text)

    assert refused["callboard_removals_refused", "p"] == 1
    assert ("callboard_removals_refused", "p") not in recovered
