"""Subscriptions over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from callboard.access.decisions import Allowed, Conditional, Decision, Denied
from callboard.access.permissions import ENTITY_READ, Permission
from callboard.access.principals import Principal
from callboard.errors import InvalidInput
from callboard.extend import Event, EventSink, Full, Plugin, SinkTarget
from callboard.model.predicates import Equals
from callboard.plugins import Plugins
from callboard.settings import BrokerSettings, ReceiverRule, RedisSettings
from callboard.stream.handlers import Handlers
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of, client_of
from tests.harness import component, offered

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
STREAM = {"type": "redis", "broker": "main", "stream": "catalog"}
SINK = {"type": "webhook", "url": "https://receiver.example/catalog", "secrets": [SECRET]}


@pytest.fixture
async def shop(api: Api) -> Api:
    """a at 1 and 3, b at 2."""
    for names in ("a", "ab"):
        await api.catalog.provide("p", Full(offered(*(component(name) for name in names))))
        await api.catalog.settle()
    await api.catalog.provide("p", Full(offered(component("a", owner="bank"), component("b"))))
    await api.catalog.settle()
    return api


@pytest.fixture
async def delivering(shop: Api) -> AsyncIterator[Api]:
    """The same, where one host and one stream of a broker may be delivered to."""
    queues = BrokerSettings(redis=RedisSettings("redis://redis.example"), allow=("catalog",))
    settings = shop.catalog.configured.overridden(
        {
            "callboard.subscriptions.allow": (ReceiverRule(host="receiver.example"),),
            "callboard.subscriptions.brokers": {"main": queues},
        }
    )
    async with client_of(app_of(shop.catalog, settings=settings)) as client:
        yield Api(shop.catalog, client)


def told(answer: httpx2.Response) -> list[tuple[int, str, str]]:
    events = answer.json()["events"]
    return [(event["offset"], event["type"], event["entityRef"].partition("/")[2]) for event in events]


async def test_it_begins_with_the_whole_catalog(shop: Api) -> None:
    made = await shop.put("/subscriptions/copy", {})
    read = await shop.post("/subscriptions/copy/read", {})

    assert (made.status_code, made.json()["state"], made.json()["lag"]) == (201, "active", 3)
    assert told(read) == [(2, "added", "b"), (3, "added", "a")]
    assert (read.json()["cursor"], read.json()["nextOffset"], read.json()["caughtUp"]) == (0, 3, True)


async def test_what_is_acknowledged_is_not_told_again(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {"start": 1})
    first = (await shop.post("/subscriptions/copy/read", {"limit": 1})).json()
    acked = await shop.post("/subscriptions/copy/ack", {"lease": first["lease"], "offset": first["nextOffset"]})
    second = await shop.post("/subscriptions/copy/read", {"lease": first["lease"]})

    assert (acked.status_code, acked.json()) == (200, {"cursor": 2, "lag": 1})
    assert told(second) == [(3, "updated", "a")]


async def test_what_is_not_acknowledged_is_told_again(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {"start": 2})
    first = await shop.post("/subscriptions/copy/read", {})
    second = await shop.post("/subscriptions/copy/read", {"lease": first.json()["lease"]})

    assert told(first) == told(second) == [(3, "updated", "a")]


async def test_a_second_consumer_is_told_that_another_one_is_at_it(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {"start": 2})
    await shop.post("/subscriptions/copy/read", {})
    second = (await shop.post("/subscriptions/copy/read", {})).json()

    assert (second["held"], second["lease"], second["events"], second["cursor"]) == (True, None, [], 2)


async def test_the_lease_passes_on_when_it_runs_out(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {"start": 2})
    first = (await shop.post("/subscriptions/copy/read", {"leaseSeconds": 5})).json()
    shop.catalog.clock.advance(5)
    second = await shop.post("/subscriptions/copy/read", {})
    late = await shop.post("/subscriptions/copy/ack", {"lease": first["lease"], "offset": 3})
    again = await shop.post("/subscriptions/copy/read", {"lease": first["lease"]})

    assert told(second) == [(3, "updated", "a")]
    assert (late.status_code, late.json()["error"]["code"]) == (409, "lease_lost")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "lease_lost")


async def test_a_lease_that_is_let_go_of_is_free_at_once(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {"start": 1})
    first = (await shop.post("/subscriptions/copy/read", {"limit": 1})).json()
    await shop.post("/subscriptions/copy/ack", {"lease": first["lease"], "offset": 2, "release": True})

    assert told(await shop.post("/subscriptions/copy/read", {})) == [(3, "updated", "a")]


async def test_nobody_acknowledges_what_was_not_handed_out(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {"start": 1})
    first = (await shop.post("/subscriptions/copy/read", {"limit": 1})).json()

    answer = await shop.post("/subscriptions/copy/ack", {"lease": first["lease"], "offset": 3})

    assert complaint(answer) == (
        400, "InputError", "request/body/offset is 3, and events have been handed out up to 2",
    )  # fmt: skip


async def test_a_filter_tells_what_has_left_it(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {"filter": "spec.owner=team", "start": 1, "fields": ["metadata.name"]})

    read = (await shop.post("/subscriptions/copy/read", {})).json()

    assert [(event["offset"], event["type"], event.get("reason")) for event in read["events"]] == [
        (2, "added", None),
        (3, "removed", "left-filter"),
    ]
    assert read["events"][0]["entity"] == {"metadata": {"name": "b"}}


async def test_now_begins_at_the_head(shop: Api) -> None:
    made = await shop.put("/subscriptions/copy", {"start": "now"})

    assert (made.json()["cursor"], made.json()["lag"]) == (3, 0)
    assert told(await shop.post("/subscriptions/copy/read", {})) == []


async def test_the_same_once_more_changes_nothing(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {"start": "now"})
    read = (await shop.post("/subscriptions/copy/read", {})).json()
    again = await shop.put("/subscriptions/copy", {"start": 0})
    acked = await shop.post("/subscriptions/copy/ack", {"lease": read["lease"], "offset": 3})

    assert (again.status_code, again.json()["cursor"], acked.status_code) == (200, 3, 200)


async def test_a_cursor_is_moved_by_seek(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {"start": "now"})
    read = (await shop.post("/subscriptions/copy/read", {})).json()
    moved = await shop.post("/subscriptions/copy/seek", {"offset": 1})
    late = await shop.post("/subscriptions/copy/ack", {"lease": read["lease"], "offset": 3})

    assert (moved.status_code, moved.json()["cursor"], moved.json()["lag"]) == (200, 1, 2)
    assert late.status_code == 409
    assert told(await shop.post("/subscriptions/copy/read", {})) == [(2, "added", "b"), (3, "updated", "a")]


async def test_a_cursor_can_not_be_moved_to_where_nobody_can_go_on_from(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {"start": "now"})
    async with shop.catalog.database.transaction() as tx:
        await tx.connection.execute("update stream set history_floor = 2, tombstone_floor = 2")

    past = await shop.post("/subscriptions/copy/seek", {"offset": 1})
    future = await shop.post("/subscriptions/copy/seek", {"offset": 4})

    assert (past.status_code, past.json()["error"]["code"]) == (410, "offset_expired")
    assert past.json()["error"]["resync"] == {"seek": 0}
    assert (future.status_code, future.json()["error"]["code"]) == (409, "offset_in_the_future")
    assert (await shop.get("/subscriptions/copy")).json()["cursor"] == 3


async def test_a_cursor_of_another_epoch_is_dead_until_it_is_moved(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {"start": 2})
    async with shop.catalog.database.transaction() as tx:
        await tx.connection.execute("update stream set epoch = 'another'")
    await shop.catalog.look()

    answer = await shop.post("/subscriptions/copy/read", {})
    again = await shop.post("/subscriptions/copy/read", {})
    dead = (await shop.get("/subscriptions/copy")).json()
    moved = (await shop.post("/subscriptions/copy/seek", {"offset": 0})).json()

    assert (answer.status_code, answer.json()["error"]["resync"]) == (410, {"seek": 0})
    assert (again.status_code, again.json()["error"]["resync"]) == (410, {"seek": 0})
    assert (dead["state"], dead["lag"]) == ("dead", 3)
    assert "epoch" in dead["error"]
    assert (moved["state"], moved["epoch"], moved["error"]) == ("active", "another", None)
    assert len(told(await shop.post("/subscriptions/copy/read", {}))) == 2


async def test_nothing_is_read_while_it_is_paused(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {})
    paused = await shop.post("/subscriptions/copy/pause", {})
    refused = await shop.post("/subscriptions/copy/read", {})
    resumed = await shop.post("/subscriptions/copy/resume", {})

    assert (paused.json()["state"], refused.status_code, resumed.json()["state"]) == ("paused", 409, "active")
    assert len(told(await shop.post("/subscriptions/copy/read", {}))) == 2


async def test_it_is_listed_and_forgotten(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {})
    listed = (await shop.get("/subscriptions")).json()
    gone = await shop.delete("/subscriptions/copy")

    assert [each["name"] for each in listed["items"]] == ["copy"]
    assert gone.status_code == 204
    assert complaint(await shop.get("/subscriptions/copy")) == (404, "NotFoundError", "There is no subscription copy")
    assert (await shop.post("/subscriptions/copy/read", {})).status_code == 404


async def test_secrets_are_never_shown(delivering: Api) -> None:
    made = await delivering.put("/subscriptions/hook", {"sink": SINK})
    got = await delivering.get("/subscriptions/hook")

    assert made.status_code == 201
    assert got.json()["sink"] == {"type": "webhook", "url": SINK["url"], "secretCount": 1}
    assert SECRET not in made.text + got.text + (await delivering.get("/subscriptions")).text


async def test_a_sink_without_secrets_keeps_those_that_it_has(delivering: Api) -> None:
    await delivering.put("/subscriptions/hook", {"sink": SINK})
    elsewhere = {"type": "webhook", "url": "https://receiver.example/other"}

    changed = await delivering.put("/subscriptions/hook", {"sink": elsewhere})

    assert changed.json()["sink"] == {**elsewhere, "secretCount": 1}


async def test_a_broker_takes_the_place_of_a_webhook_and_its_secrets(delivering: Api) -> None:
    await delivering.put("/subscriptions/hook", {"sink": SINK})

    changed = await delivering.put("/subscriptions/hook", {"sink": STREAM})

    assert changed.json()["sink"] == {**STREAM, "secretCount": 0}
    assert (await delivering.put("/subscriptions/hook", {"sink": STREAM})).status_code == 200


async def test_what_delivers_to_a_sink_is_not_read(delivering: Api) -> None:
    await delivering.put("/subscriptions/hook", {"sink": SINK})

    assert (await delivering.post("/subscriptions/hook/read", {})).status_code == 409


@pytest.mark.parametrize(
    ("sink", "status", "message"),
    [
        ({**SINK, "url": "https://inside.example/"}, 403, "Delivering to 'inside.example' is not allowed"),
        ({**SINK, "url": "https://receiver.example:8443/"}, 403, "Delivering to 'receiver.example' is not allowed"),
        ({**SINK, "url": "ftp://receiver.example/"}, 400, "is not an http or https URL"),
        ({**SINK, "url": "https://me:secret@receiver.example/"}, 400, "can't have credentials"),
        ({**SINK, "secrets": []}, 400, "a webhook needs 1 to 10 secrets"),
        ({**SINK, "secrets": ["whsec_c2hvcnQ="]}, 400, "a secret must be whsec_ and 24 to 64 bytes in base64"),
        ({**SINK, "secrets": ["plain"]}, 400, "a secret must be whsec_ and 24 to 64 bytes in base64"),
        ({"type": "webhook", "url": SINK["url"]}, 400, "a webhook needs 1 to 10 secrets"),
        ({**SINK, "type": "pigeon"}, 400, "request/body/sink/type must be equal to one of the allowed values: webhook"),
        ({**SINK, "colour": "red"}, 400, "found 'colour'"),
        ({"type": "webhook", "secrets": [SECRET]}, 400, "a webhook needs a url"),
        ({**STREAM, "stream": "sessions"}, 403, "Delivering to 'sessions' is not allowed: add it to 'callboard.subscr"),
        ({**STREAM, "broker": "other"}, 400, "request/body/sink/broker must name a broker"),
        ({"type": "redis", "stream": "catalog"}, 400, "request/body/sink/broker must name a broker"),
        (
            {**STREAM, "type": "kafka", "topic": "t"},
            400,
            "no properties but these: type, broker, topic; found 'stream'",
        ),
        ({**STREAM, "url": "redis://inside"}, 400, "but these: type, broker, stream, maxLength; found 'url'"),
        ({**STREAM, "secrets": [SECRET]}, 400, "found 'secrets'"),
        ({**STREAM, "maxLength": 0}, 400, "request/body/sink/maxLength must be integer >= 1"),
    ],
)
async def test_a_sink_that_can_not_be_delivered_to_is_refused(
    delivering: Api, sink: object, status: int, message: str
) -> None:
    answer = await delivering.put("/subscriptions/hook", {"sink": sink})

    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]
    assert (await delivering.get("/subscriptions")).json() == {"items": []}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"start": -1}, "request/body/start must be a whole number >= 0"),
        ({"start": "later"}, "request/body/start must be a whole number >= 0, or now"),
        ({"filter": [1]}, "request/body/filter/0 must be string"),
        ({"query": []}, "request/body/query must be object"),
        ({"fields": ["a[0]"]}, 'Invalid field "a[0]", array type fields are not supported'),
        ({"mode": "log"}, "request/body must have no properties but filter, query, fields, start, sink, found 'mode'"),
    ],
)
async def test_what_can_not_be_meant_is_refused(api: Api, body: object, message: str) -> None:
    assert complaint(await api.put("/subscriptions/copy", body)) == (400, "InputError", message)


class Some:
    """Lets everybody see what the bank owns, and nobody take care of what belongs to others."""

    def __init__(self, read: Decision) -> None:
        self.read = read

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        return self.read if permission == ENTITY_READ else Denied()


async def test_a_consumer_is_told_what_it_may_see(shop: Api) -> None:
    async with client_of(app_of(shop.catalog, authorizer=Some(Conditional(Equals("spec.owner", "bank"))))) as client:
        restricted = Api(shop.catalog, client)
        await restricted.put("/subscriptions/copy", {})

        assert told(await restricted.post("/subscriptions/copy/read", {})) == [(3, "added", "a")]


async def test_who_may_see_nothing_has_no_subscriptions(shop: Api) -> None:
    async with client_of(app_of(shop.catalog, authorizer=Some(Denied()))) as client:
        answer = await Api(shop.catalog, client).put("/subscriptions/copy", {})

    assert answer.status_code == 403


async def test_what_belongs_to_somebody_else_is_let_alone(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {})
    async with shop.catalog.database.transaction() as tx:
        await tx.connection.execute("update subscriptions set owner = 'user:default/ann'")

    async with client_of(app_of(shop.catalog, authorizer=Some(Allowed()))) as client:
        stranger = Api(shop.catalog, client)
        answers = [
            await stranger.get("/subscriptions/copy"),
            await stranger.put("/subscriptions/copy", {}),
            await stranger.post("/subscriptions/copy/read", {}),
            await stranger.post("/subscriptions/copy/seek", {"offset": 0}),
            await stranger.delete("/subscriptions/copy"),
        ]
        listed = (await stranger.get("/subscriptions")).json()
    # Here everybody has all permissions, also that to take care of what belongs to others; reading is not taking care.
    operator = [await shop.post("/subscriptions/copy/pause", {}), await shop.post("/subscriptions/copy/read", {})]

    assert {answer.status_code for answer in answers} == {403}
    assert listed == {"items": []}
    assert [answer.status_code for answer in operator] == [200, 403]


async def test_a_standby_consumer_waits_for_the_lease(shop: Api) -> None:
    await shop.put("/subscriptions/copy", {"start": 2})
    first = (await shop.post("/subscriptions/copy/read", {})).json()

    waiting = asyncio.create_task(shop.client.post("/api/catalog/subscriptions/copy/read", json={"wait": 30}))
    release = {"lease": first["lease"], "offset": 2, "release": True}
    await shop.client.post("/api/catalog/subscriptions/copy/ack", json=release)

    assert told(await waiting) == [(3, "updated", "a")]


HANDLER = "/subscriptions/plugin:notices.tell"


@pytest.fixture
async def handled(shop: Api) -> Api:
    """The same, with a handler of a plugin in an engine."""
    plugin = Plugin("notices")

    @plugin.on_event(filter="kind=api")
    async def tell(event: Event) -> None: ...

    await Handlers(database=shop.catalog.database, clock=shop.catalog.clock, plugins=[plugin]).attend()
    return shop


async def test_a_handler_of_a_plugin_is_shown_as_a_subscription(handled: Api) -> None:
    present = (await handled.get(HANDLER)).json()
    handled.catalog.clock.advance(15)
    missing = (await handled.get("/subscriptions")).json()["items"][0]

    sink = {"type": "handler", "plugin": "notices", "handler": "tell", "secretCount": 0}
    assert present.items() >= {"owner": "plugin:notices", "filter": ["kind=api"], "state": "active", "lag": 0}.items()
    assert (present["sink"], missing["sink"]) == ({**sink, "connected": True}, {**sink, "connected": False})


async def test_a_handler_of_a_plugin_can_be_taken_care_of_and_nothing_else(handled: Api) -> None:
    moved = [
        await handled.post(f"{HANDLER}/{deed}", body)
        for deed, body in (("pause", {}), ("resume", {}), ("seek", {"offset": 0}))
    ]
    refused = [
        await handled.put(HANDLER, {"filter": "kind=component"}),
        await handled.post(f"{HANDLER}/read", {}),
        await handled.post(f"{HANDLER}/ack", {"lease": "x", "offset": 1}),
        await handled.delete(HANDLER),
    ]
    handled.catalog.clock.advance(15)
    gone = await handled.delete(HANDLER)

    assert [(answer.status_code, answer.json()["state"]) for answer in moved] == [
        (200, "paused"), (200, "active"), (200, "active"),
    ]  # fmt: skip
    assert [answer.status_code for answer in refused] == [403, 403, 403, 409]
    assert gone.status_code == 204


async def test_nobody_gives_the_name_of_a_handler_to_something_else(api: Api) -> None:
    answer = await api.put("/subscriptions/plugin:notices.tell", {})

    assert complaint(answer)[:2] == (403, "NotAllowedError")
    assert (await api.get("/subscriptions")).json() == {"items": []}


class Pigeons:
    """A kind of sinks that a plugin brings."""

    type = "pigeon"
    options = ("loft", "secrets")

    def check(self, target: SinkTarget) -> None:
        if "loft" not in target.options:
            raise InvalidInput("a pigeon needs a loft")

    def open(self, target: SinkTarget) -> EventSink:
        raise NotImplementedError


async def test_a_sink_of_a_plugin_says_itself_what_it_needs(api: Api) -> None:
    async with client_of(app_of(api.catalog, added=Plugins(sinks=[Pigeons()]))) as client:
        keeper = Api(api.catalog, client)
        made = await keeper.put(
            "/subscriptions/post", {"sink": {"type": "pigeon", "loft": "attic", "secrets": ["coo"]}}
        )
        refused = await keeper.put("/subscriptions/other", {"sink": {"type": "pigeon"}})
        unknown = await keeper.put("/subscriptions/other", {"sink": {"type": "handler"}})

    assert (made.status_code, made.json()["sink"]) == (201, {"type": "pigeon", "loft": "attic", "secretCount": 1})
    assert complaint(refused) == (400, "InputError", "a pigeon needs a loft")
    assert "allowed values: webhook, nats, kafka, rabbit, redis, sqs, sns, pigeon" in complaint(unknown)[2]
