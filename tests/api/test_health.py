"""Health and metrics over HTTP."""

import asyncio

import asyncpg
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from callboard.api.gauges import Gauges
from callboard.errors import RemovalRefused
from callboard.extend import Full
from callboard.ingestion.connections import Connection
from callboard.ingestion.guards import Guard
from callboard.metrics import Metrics
from callboard.store.database import Database
from callboard.testing import FakeClock
from tests.api.conftest import Api
from tests.flows.engines import until
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


async def test_an_answer_says_how_old_it_is_once_the_stream_has_not_been_read_for_two_seconds(api: Api) -> None:
    clock = api.catalog.clock
    await api.catalog.settle()
    clock.advance(1.9)
    fresh = await api.get("/entities")
    clock.advance(10.6)
    old = await api.get("/entities")
    held = await api.client.get("/api/catalog/entities", headers={"if-none-match": old.headers["etag"]})
    await api.catalog.look()
    again = await api.get("/entities")

    ages = [answer.headers.get("callboard-view-age") for answer in (fresh, old, held, again)]
    assert ages == [None, "12", "12", None]
    assert held.status_code == 304


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


async def test_metrics_tell_how_long_everything_took(api: Api) -> None:
    await api.catalog.provide("p", Full(offered(component("a"), component("b", lifecycle=None))))
    api.catalog.clock.advance(7)
    await api.catalog.settle()

    found = samples(generate_latest(api.catalog.engine.metrics.registry).decode())

    assert found["catalog_processing_queue_delay_seconds_count", ""] == 2
    assert found["catalog_processing_queue_delay_seconds_sum", ""] == 14
    assert found["catalog_processing_duration_seconds_count", "changed"] == 1
    assert found["catalog_processing_duration_seconds_count", "errors"] == 1
    assert found["catalog_processors_duration_seconds_count", "ok"] == 1
    assert found["catalog_processors_duration_seconds_count", "failed"] == 1
    assert found["callboard_batch_size_sum", "settle"] == 2
    assert found["callboard_stage_duration_seconds_count", "process"] == 2
    assert found["callboard_stage_duration_seconds_count", "publish"] == 1
    assert found["catalog_stitching_queue_delay_seconds_count", ""] == found["callboard_batch_size_sum", "stitch"]
    assert found["callboard_batch_size_sum", "publish"] == 1


async def test_metrics_tell_what_waits_and_since_when(api: Api) -> None:
    await api.catalog.provide("p", Full(offered(component("a"), component("b"))))
    api.catalog.clock.advance(90)

    found = samples((await api.client.get("/metrics")).text)

    assert found["callboard_schedule_due", ""] == found["callboard_schedule_depth", "changed"] == 2
    assert found["callboard_schedule_depth", "asked"] == 0
    assert found["callboard_schedule_oldest_seconds", "changed"] == 90
    assert found["callboard_schedule_oldest_seconds", "asked"] == 0


async def test_metrics_tell_about_how_many_relations_there_are(api: Api) -> None:
    await api.catalog.provide("p", Full(offered(component("a"), component("b", dependsOn=["component:a"]))))
    await api.catalog.settle()
    async with api.catalog.database.transaction() as tx:
        await tx.connection.execute("analyze relations")
        there = await tx.connection.fetchval("select count(*) from relations")

    found = samples((await api.client.get("/metrics")).text)

    assert found["catalog_relations_count", ""] == there > 0


async def test_metrics_tell_for_how_long_a_view_has_missed_something(api: Api) -> None:
    await api.catalog.provide("p", Full(offered(component("a"))))
    await api.catalog.process()
    await api.catalog.stitch()
    api.catalog.clock.advance(3)

    behind = samples((await api.client.get("/metrics")).text)
    await api.catalog.look()
    caught_up = samples((await api.client.get("/metrics")).text)

    assert behind["callboard_view_lag_seconds", ""] == 3.5
    assert caught_up["callboard_view_lag_seconds", ""] == 0
    assert caught_up["callboard_view_seconds_since_read", ""] == 0


async def test_metrics_tell_who_waits_for_a_lock(api: Api, database_url: str) -> None:
    holder, waiter = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    async with holder.transaction():
        await holder.execute("select from stream for update")
        waiting = asyncio.create_task(waiter.execute("select from stream for update"))

        async def waits() -> bool:
            found = samples((await api.client.get("/metrics")).text)
            return found["callboard_database_sessions_waiting", ""] == 1

        await until(waits, "a session to wait for a lock")
    await waiting
    await holder.close()
    await waiter.close()

    found = samples((await api.client.get("/metrics")).text)
    assert found["callboard_database_sessions_waiting", ""] == 0
    assert found["callboard_database_longest_wait_seconds", ""] == 0


async def test_many_values_at_once_count_as_one_by_one() -> None:
    values = [0.0, 0.0005, 0.002, 0.3, 30.0, 31.0]
    by_one, at_once = Metrics(), Metrics()

    for value in values:
        by_one.stages.labels("read").observe(value)
    at_once.stages.labels("read").observe_all(values)

    one, other = (samples(generate_latest(each.registry).decode()) for each in (by_one, at_once))
    assert {key: value for key, value in one.items() if not key[0].endswith("_created")} == {
        key: value for key, value in other.items() if not key[0].endswith("_created")
    }


async def test_the_database_is_asked_a_twentieth_of_the_time(database: Database, clock: FakeClock) -> None:
    gauges = Gauges(database, Slow(clock))

    first = await gauges.gauges()
    clock.advance(1.9)
    again = await gauges.gauges()
    clock.advance(0.2)
    later = await gauges.gauges()

    assert again is first
    assert later is not first


class Slow(FakeClock):
    """A clock on which a tenth of a second passes between any two looks at it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock, self._looks = clock, 0

    def monotonic(self) -> float:
        self._looks += 1
        return self._clock.monotonic() + 0.1 * (self._looks % 2 == 0)


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
