"""The stream as server-sent events, as lines and as CloudEvents."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp

from callboard import settings as configuration
from callboard.access import authentication
from callboard.access.decisions import Conditional, Decision
from callboard.access.permissions import Permission
from callboard.access.principals import Principal
from callboard.errors import Unavailable
from callboard.extend import Delta, Full
from callboard.model.predicates import Equals
from callboard.model.refs import EntityRef
from callboard.settings import Settings
from tests.access.issuing import NOW, OUTSIDE_KEYS, outside
from tests.api.conftest import Api, app_of, client_of
from tests.api.streams import BATCH, LINES, SSE, opened
from tests.harness import Catalog, component, offered

ISSUED = f"""
backend:
  auth:
    externalAccess:
      - {{type: jwks, options: {{url: {OUTSIDE_KEYS}, algorithm: ES256}}}}
"""


@pytest.fixture
async def shop(api: Api) -> Api:
    """A catalog with the changes +a +b, then ~a."""
    await api.catalog.provide("p", Full(offered(component("a"), component("b"))))
    await api.catalog.settle()
    await api.catalog.provide("p", Delta(added=offered(component("a", owner="bank"))))
    await api.catalog.settle()
    return api


async def change(catalog: Catalog, name: str, **spec: str) -> None:
    await catalog.provide("p", Delta(added=offered(component(name, **spec))))
    await catalog.settle()


def configured(folder: Path, text: str) -> Settings:
    file = folder / "app-config.yaml"
    file.write_text(text, "utf-8")
    return configuration.read(configuration.load([file], {}))


def app_with(catalog: Catalog, **settings: object) -> ASGIApp:
    named = {f"callboard.stream.{name}": value for name, value in settings.items()}
    return app_of(catalog, settings=catalog.configured.overridden(named))


def epoch_of(api: Api) -> str:
    return api.catalog.follower.view.epoch


async def test_server_sent_events_are_the_events_of_the_pages(shop: Api) -> None:
    page = (await shop.get("/events")).json()

    async with opened(app_of(shop.catalog)) as stream:
        retry, *frames, bookmark = await stream.frames(5)

    assert (stream.status, stream.headers["content-type"]) == (200, SSE)
    assert stream.headers["cache-control"] == "no-store, no-transform"
    assert 1000 <= int(retry.fields["retry"]) <= 5000
    assert [frame.data for frame in frames] == page["events"]
    assert [frame.event for frame in frames] == ["added", "added", "updated"]
    assert [frame.id for frame in frames] == [f"{page['epoch']}.{offset}" for offset in (1, 2, 3)]
    assert (bookmark.event, bookmark.id) == ("bookmark", f"{page['epoch']}.3")
    assert bookmark.data == {"bookmark": 3, "epoch": page["epoch"], "caughtUp": True}


async def test_what_changes_later_comes_at_once(shop: Api) -> None:
    async with opened(app_of(shop.catalog), offset=3) as stream:
        await stream.frames(2)

        await change(shop.catalog, "c")
        frame = await stream.frame()

    assert (frame.event, frame.data["entityRef"]) == ("added", "component:default/c")


async def test_a_reader_that_comes_back_says_what_it_had_last(shop: Api) -> None:
    last = {"last-event-id": f"{epoch_of(shop)}.2"}

    async with opened(app_of(shop.catalog), headers=last, offset=0) as stream:
        _, frame = await stream.frames(2)

    assert frame.data["offset"] == 3


async def test_a_position_in_the_past_says_when_the_reading_began(shop: Api) -> None:
    epoch = epoch_of(shop)

    async with opened(app_of(shop.catalog), mode="compacted") as stream:
        _, *whole = await stream.frames(4)
    async with opened(app_of(shop.catalog), headers={"last-event-id": f"{epoch}.2.3"}, mode="compacted") as stream:
        _, *rest = await stream.frames(3)
    async with opened(app_of(shop.catalog), LINES, mode="compacted", limit=1) as stream:
        lines = await stream.lines()

    assert [frame.id for frame in whole] == [f"{epoch}.2.3", f"{epoch}.3", f"{epoch}.3"]
    assert [(frame.event, frame.id) for frame in rest] == [("updated", f"{epoch}.3"), ("bookmark", f"{epoch}.3")]
    assert lines[-1] == {"bookmark": 2, "epoch": epoch, "caughtUp": False, "began": 3}


@pytest.mark.parametrize("last", ["3", "e.", ".3", "e.-3", "e.x", "e." + "9" * 19, "e.1.", "e.1.2.3", "e.٣"])
async def test_a_position_that_is_none_is_a_mistake(shop: Api, last: str) -> None:
    answer = await shop.client.get(
        "/api/catalog/events", headers=[(b"accept", SSE.encode()), (b"last-event-id", last.encode())]
    )

    assert answer.status_code == 400


async def test_another_epoch_is_told_before_the_stream_begins(shop: Api) -> None:
    async with opened(app_of(shop.catalog), headers={"last-event-id": "other.2"}) as stream:
        error = json.loads(await stream.rest())["error"]

    assert (stream.status, error["code"]) == (410, "offset_expired")
    assert (error["head"], error["epoch"]) == (3, epoch_of(shop))
    assert error["resync"] == {"offset": 0, "mode": "compacted"}


async def test_the_future_is_told_before_the_stream_begins(shop: Api) -> None:
    async with opened(app_of(shop.catalog), LINES, offset=99) as stream:
        error = json.loads(await stream.rest())["error"]

    assert (stream.status, error["code"]) == (409, "offset_in_the_future")


async def begin_another_epoch(catalog: Catalog) -> None:
    async with catalog.database.transaction() as tx:
        await tx.connection.execute("update stream set epoch = gen_random_uuid()")
    await catalog.look()


async def test_who_follows_is_told_when_the_epoch_ends(shop: Api) -> None:
    async with opened(app_of(shop.catalog), offset=3) as stream:
        await stream.frames(2)

        await begin_another_epoch(shop.catalog)
        gone = await stream.frame()
        await stream.over()

    assert (gone.event, gone.id) == ("gone", None)
    assert gone.data["code"] == "offset_expired"
    assert gone.data["epoch"] == epoch_of(shop)
    assert gone.data["resync"] == {"offset": 0, "mode": "compacted"}


async def test_lines_end_with_the_advice_as_well(shop: Api) -> None:
    async with opened(app_of(shop.catalog), LINES, offset=3, follow="true") as stream:
        await stream.line()

        await begin_another_epoch(shop.catalog)
        lines = await stream.lines()

    assert lines[-1]["gone"]["code"] == "offset_expired"


async def test_a_filter_that_hides_everything_moves_the_bookmark(shop: Api) -> None:
    app = app_with(shop.catalog, heartbeat_seconds=0.05)

    async with opened(app, offset=3, filter="kind=api") as stream:
        _, first = await stream.frames(2)
        await change(shop.catalog, "c")
        frame = await stream.frame()
        while frame.event != "bookmark":
            assert frame.fields == {":": ""}
            frame = await stream.frame()

    assert (first.event, first.data["bookmark"]) == ("bookmark", 3)
    assert (frame.id, frame.data["bookmark"]) == (f"{epoch_of(shop)}.4", 4)


async def test_nothing_but_a_comment_comes_while_nothing_happens(shop: Api) -> None:
    async with opened(app_with(shop.catalog, heartbeat_seconds=0.01), offset=3) as stream:
        _, bookmark, *frames = await stream.frames(4)

    assert bookmark.event == "bookmark"
    assert [frame.fields for frame in frames] == [{":": ""}, {":": ""}]


async def test_leaving_the_filter_is_told_as_in_pages(shop: Api) -> None:
    async with opened(app_of(shop.catalog), offset=3, filter="spec.owner=bank") as stream:
        await stream.frames(2)
        await change(shop.catalog, "a", owner="others")
        frame = await stream.frame()

    assert (frame.event, frame.data["reason"]) == ("removed", "left-filter")


async def test_fields_reduce_the_entities(shop: Api) -> None:
    async with opened(app_of(shop.catalog), LINES, fields="kind") as stream:
        lines = await stream.lines()

    assert [line["entity"] for line in lines[:-1]] == [{"kind": "Component"}] * 3


async def test_a_stream_ends_after_the_events_that_were_asked_for(shop: Api) -> None:
    async with opened(app_of(shop.catalog), limit=2) as stream:
        _, *frames = await stream.frames(3)
        await stream.over()

    assert [frame.data["offset"] for frame in frames] == [1, 2]
    assert stream.ended


async def test_lines_go_up_to_the_head_and_say_where_that_is(shop: Api) -> None:
    page = (await shop.get("/events")).json()

    async with opened(app_of(shop.catalog), LINES) as stream:
        lines = await stream.lines()

    assert stream.headers["content-type"] == LINES
    assert lines == [*page["events"], {"bookmark": 3, "epoch": page["epoch"], "caughtUp": True}]


async def test_a_limit_leaves_a_bookmark_in_the_middle(shop: Api) -> None:
    async with opened(app_of(shop.catalog), LINES, limit=2) as stream:
        lines = await stream.lines()

    assert lines[-1] == {"bookmark": 2, "epoch": epoch_of(shop), "caughtUp": False}


async def test_the_compacted_past_is_followed_by_each_change(shop: Api) -> None:
    async with opened(app_of(shop.catalog), LINES, mode="compacted", follow="true") as stream:
        past = [await stream.line() for _ in range(3)]
        await change(shop.catalog, "a", owner="others")
        live = await stream.line()

    assert [line.get("offset") for line in past] == [2, 3, None]
    assert (live["offset"], live["type"]) == (4, "updated")


async def test_lines_wait_as_long_as_was_asked_for(shop: Api) -> None:
    async with opened(app_of(shop.catalog), LINES, offset=3, wait=0.05) as stream:
        lines = await stream.lines()

    assert lines == [{"bookmark": 3, "epoch": epoch_of(shop), "caughtUp": True}]


async def test_lines_that_wait_tell_what_happens_meanwhile(shop: Api) -> None:
    async with opened(app_of(shop.catalog), LINES, offset=3, wait=60) as stream:
        await stream.line()
        await change(shop.catalog, "c")
        event, bookmark = await stream.line(), await stream.line()

    assert (event["offset"], bookmark["bookmark"]) == (4, 4)


async def test_pages_do_not_follow(shop: Api) -> None:
    assert (await shop.get("/events", follow="true")).status_code == 400


async def test_a_stream_that_ends_with_the_process_says_when_to_come_back(shop: Api) -> None:
    app = app_of(shop.catalog)
    async with opened(app, offset=3) as frames, opened(app, LINES, offset=3, follow="true") as lines:
        await frames.frames(2)
        await lines.line()

        shop.catalog.follower.close()
        last = await frames.frame()
        [line] = await lines.lines()

    assert 1000 <= int(last.fields["retry"]) <= 5000
    assert 1000 <= line["retry"] <= 5000


async def test_a_cloud_event_says_what_a_change_is(shop: Api) -> None:
    page = (await shop.get("/events")).json()

    answer = await shop.client.get("/api/catalog/events", headers={"accept": BATCH})

    change = page["events"][0]
    assert answer.headers["content-type"] == BATCH
    assert [answer.headers[f"callboard-{name}"] for name in ("next-offset", "epoch", "caught-up")] == [
        "3",
        page["epoch"],
        "true",
    ]
    assert answer.json()[0] == {
        "specversion": "1.0",
        "id": f"{page['epoch']}.1",
        "source": f"{shop.catalog.configured.backend.url}/api/catalog",
        "type": "io.callboard.catalog.entity.added",
        "subject": "component:default/a",
        "time": change["at"],
        "offset": "1",
        "epoch": page["epoch"],
        "uid": change["uid"],
        "cause": json.dumps(change["cause"], separators=(",", ":")),
        "datacontenttype": "application/json",
        "data": change["entity"],
    }


async def test_a_removal_is_a_cloud_event_without_data(shop: Api) -> None:
    await shop.catalog.provide("p", Delta(removed=[EntityRef.parse("component:b")]))
    await shop.catalog.settle()

    [event] = (await shop.get("/events", offset=3, format="cloudevents")).json()

    assert (event["type"], event["data"]) == ("io.callboard.catalog.entity.removed", None)


async def test_streams_may_be_of_cloud_events(shop: Api) -> None:
    async with opened(app_of(shop.catalog), offset=2, format="cloudevents") as stream:
        _, frame = await stream.frames(2)
    async with opened(app_of(shop.catalog), LINES, offset=2, format="cloudevents") as stream:
        line, _ = await stream.lines()

    assert (frame.event, frame.data) == ("updated", line)
    assert line["type"] == "io.callboard.catalog.entity.updated"


class ByOwner:
    """Lets everybody see what an owner has that a test chooses."""

    def __init__(self) -> None:
        self.owner = "bank"
        self.away = False

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        if self.away:
            raise Unavailable("away")
        return Conditional(Equals("spec.owner", self.owner))


async def test_a_permission_is_asked_for_again_while_the_stream_is_open(shop: Api) -> None:
    by_owner = ByOwner()
    async with opened(app_of(shop.catalog, authorizer=by_owner), offset=3) as stream:
        await stream.frames(2)
        by_owner.owner = "others"
        shop.catalog.clock.advance(6)

        await change(shop.catalog, "b", owner="others")
        await change(shop.catalog, "c", owner="bank")
        await change(shop.catalog, "d", owner="others")
        frames = await stream.frames(2)

    assert [frame.data["entityRef"][-1] for frame in frames] == ["b", "d"]


async def test_nothing_is_told_while_nobody_can_say_what_may_be_seen(shop: Api) -> None:
    by_owner = ByOwner()
    async with opened(app_of(shop.catalog, authorizer=by_owner), offset=3) as stream:
        await stream.frames(2)
        by_owner.away = True
        shop.catalog.clock.advance(6)
        await change(shop.catalog, "c", owner="bank")
        await asleep(shop.catalog)

        by_owner.away = False
        shop.catalog.clock.advance(1)
        frame = await stream.frame()

    assert frame.data["entityRef"] == "component:default/c"


async def asleep(catalog: Catalog) -> None:
    """Wait until somebody waits for time to pass."""
    while not catalog.clock._sleepers:
        await catalog.clock.sleep(0)


async def test_an_expired_token_ends_the_stream(shop: Api, tmp_path: Path) -> None:
    issuer = outside(shop.catalog.host)
    async with httpx2.AsyncClient(transport=shop.catalog.host.transport) as client:
        authenticator = authentication.build(configured(tmp_path, ISSUED), client, shop.catalog.clock, lambda _: ())
        app = app_of(shop.catalog, authenticator=authenticator)
        bearer = {"authorization": f"Bearer {issuer.token(exp=NOW + 60)}"}
        async with opened(app, headers=bearer, offset=3) as stream:
            await stream.frames(2)
            shop.catalog.clock.advance(50)
            await change(shop.catalog, "c")
            told = await stream.frame()

            shop.catalog.clock.advance(20)
            await change(shop.catalog, "d")
            rest = await stream.rest()

    assert told.data["entityRef"] == "component:default/c"
    assert (stream.status, rest) == (200, b"")


async def test_a_reader_that_takes_nothing_is_closed_and_others_go_on(shop: Api) -> None:
    app = app_with(shop.catalog, slow_reader_seconds=0.05)
    async with opened(app, offset=3) as slow, opened(app, offset=3) as other:
        await slow.frames(2)
        await other.frames(2)
        slow.blocked = True

        await change(shop.catalog, "c")
        await slow.over()
        frame = await other.frame()
        await change(shop.catalog, "d")
        later = await other.frame()
        figures = await figures_of(app)

    assert slow.aborted
    assert not slow.ended
    assert [found.data["entityRef"][-1] for found in (frame, later)] == ["c", "d"]
    assert figures['callboard_stream_readers_closed_total{reason="slow"}'] == 1
    assert figures['callboard_stream_readers{form="sse"}'] == 1


async def figures_of(app: ASGIApp) -> dict[str, float]:
    async with client_of(app) as client:
        text = (await client.get("/metrics")).text
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("callboard_stream"))
    return {name: float(value) for name, value in lines}


async def test_readers_are_counted_by_form_while_they_are_there(shop: Api) -> None:
    app = app_of(shop.catalog)
    async with client_of(app) as client:
        held = asyncio.create_task(client.get("/api/catalog/events", params={"offset": 3, "wait": 60}))
        async with opened(app, offset=3) as frames, opened(app, LINES, offset=3, follow="true") as lines:
            await frames.frames(2)
            await lines.line()
            during = await figures_of(app)
        await change(shop.catalog, "c")
        await held
    after = await figures_of(app)

    forms = [f'callboard_stream_readers{{form="{form}"}}' for form in ("sse", "ndjson", "long-poll")]
    assert [during[form] for form in forms] == [1, 1, 1]
    assert [after[form] for form in forms] == [0, 0, 0]
    assert after['callboard_stream_readers_closed_total{reason="left"}'] == 2


@pytest.mark.parametrize("asked", [{"headers": {"accept": SSE}}, {"params": {"offset": 3, "wait": 1}}])
async def test_too_many_readers_are_told_when_to_come_back(shop: Api, asked: dict[str, Any]) -> None:
    app = app_with(shop.catalog, max_readers=1)
    async with opened(app, offset=3), client_of(app) as client:
        turned_away = await client.get("/api/catalog/events", **asked)
        page = await client.get("/api/catalog/events")

    assert turned_away.status_code == 503
    assert 2 <= int(turned_away.headers["retry-after"]) <= 10
    assert page.status_code == 200


async def test_who_is_not_let_in_takes_no_place(shop: Api) -> None:
    app = app_with(shop.catalog, max_readers=1)
    async with client_of(app) as client:
        for _ in range(2):
            gone = await client.get("/api/catalog/events", headers={"accept": SSE, "last-event-id": "other.1"})

    assert gone.status_code == 410


async def test_a_stream_is_not_compressed(shop: Api) -> None:
    for accept in (SSE, LINES):
        async with opened(app_of(shop.catalog), accept, {"accept-encoding": "gzip"}, wait=0) as stream:
            text = await stream.rest()

        assert "content-encoding" not in stream.headers
        assert b"component:default/a" in text


async def test_the_head_of_a_stream_is_answered_at_once(shop: Api) -> None:
    answer = await shop.client.head("/api/catalog/events", headers={"accept": SSE})

    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, SSE, b"")
