"""Entities that are written over HTTP."""

import datetime as dt
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest

from callboard.extend import Full, IncrementalEntityProvider, Page
from callboard.ingestion.incremental import Rounds
from callboard.model.json import JsonObject, JsonValue
from callboard.settings import ProviderOptions
from tests.api.conftest import Api, app_of, client_of
from tests.harness import component, offered, plain

MOUNT = "/api/catalog"
ORDERS = "/providers/ci/entities/component/default/orders"


def placed(name: str, annotations: Any) -> JsonObject:
    """The same, with annotations of whatever kind."""
    return {**plain(name), "metadata": {"name": name, "annotations": annotations}}


def lines(*entities: object) -> bytes:
    return b"".join(json.dumps(entity).encode() + b"\n" for entity in entities)


async def send(
    api: Api, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None, **query: Any
) -> httpx2.Response:
    """Send JSON, while the reader follows the stream."""
    call = api.client.request(method, MOUNT + path, json=body, headers=headers, params=query or None)
    return await api.following(call)


async def put_all(api: Api, *entities: object, provider: str = "ci", **query: Any) -> httpx2.Response:
    """Write all that a provider has."""
    call = api.client.put(
        f"{MOUNT}/providers/{provider}/entities",
        content=lines(*entities),
        headers={"content-type": "application/x-ndjson"},
        params=query or None,
    )
    return await api.following(call)


def counts(answer: httpx2.Response) -> dict[str, int]:
    names = ("added", "changed", "unchanged", "removed")
    return {name: answer.json()[name] for name in names if answer.json()[name]}


async def test_an_entity_is_written_and_becomes_visible(api: Api) -> None:
    answer = await send(api, "PUT", ORDERS, plain("orders"))
    await api.catalog.settle()

    assert (answer.status_code, counts(answer)) == (201, {"added": 1})
    assert api.catalog.refs() == ["component:default/orders"]
    metadata = api.catalog.entity("component:default/orders")["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["annotations"] == {
        "backstage.io/managed-by-location": "provider:ci",
        "backstage.io/managed-by-origin-location": "provider:ci",
    }


async def test_what_was_written_can_be_read_back_with_its_etag(api: Api) -> None:
    written = await send(api, "PUT", ORDERS, plain("orders"))

    read = await api.client.get(MOUNT + ORDERS)

    assert read.headers["etag"] == written.headers["etag"]
    assert read.json()["spec"] == plain("orders")["spec"]


async def test_of_two_who_change_the_same_version_the_second_one_is_told(api: Api) -> None:
    etag = (await send(api, "PUT", ORDERS, plain("orders"))).headers["etag"]

    first = await send(api, "PUT", ORDERS, plain("orders", "a"), headers={"if-match": etag})
    second = await send(api, "PUT", ORDERS, plain("orders", "b"), headers={"if-match": etag})

    assert (first.status_code, second.status_code) == (200, 412)
    assert second.json()["error"]["name"] == "PreconditionFailedError"
    assert (await api.client.get(MOUNT + ORDERS)).json()["spec"]["owner"] == "a"


@pytest.mark.parametrize(
    ("there", "headers", "status"),
    [
        (False, {"if-match": "*"}, 412),
        (True, {"if-match": "*"}, 200),
        (False, {"if-none-match": "*"}, 201),
        (True, {"if-none-match": "*"}, 412),
        (True, {"if-none-match": '"x"'}, 400),
        (False, {"if-match": '"x"'}, 412),
    ],
)
async def test_a_writer_may_say_what_must_be_there(api: Api, there: bool, headers: dict[str, str], status: int) -> None:
    if there:
        await send(api, "PUT", ORDERS, plain("orders"))

    answer = await send(api, "PUT", ORDERS, plain("orders", "b"), headers=headers)

    assert answer.status_code == status


async def test_an_entity_is_withdrawn(api: Api) -> None:
    await send(api, "PUT", ORDERS, plain("orders"))
    await api.catalog.settle()

    answer = await send(api, "DELETE", ORDERS)
    again = await send(api, "DELETE", ORDERS)

    assert (answer.status_code, counts(answer), again.status_code) == (200, {"removed": 1}, 404)
    assert api.catalog.refs() == []
    assert answer.json()["offset"] == api.catalog.follower.view.offset


async def test_a_whole_set_takes_the_place_of_the_one_before(api: Api) -> None:
    await put_all(api, plain("a"), plain("b"), plain("c"))
    await api.catalog.settle()

    answer = await put_all(api, plain("a"), plain("b", "x"), plain("d"))
    await api.catalog.settle()

    assert counts(answer) == {"added": 1, "changed": 1, "unchanged": 1, "removed": 1}
    assert answer.json()["entities"] == 3
    assert api.catalog.refs() == [f"component:default/{name}" for name in "abd"]


async def test_a_set_may_be_a_json_array(api: Api) -> None:
    answer = await send(api, "PUT", "/providers/ci/entities", [plain("a"), plain("b")])

    assert counts(answer) == {"added": 2}


async def test_the_same_set_again_changes_nothing(api: Api) -> None:
    await put_all(api, plain("a"), plain("b"))
    await api.catalog.settle()
    before = len(await api.catalog.history())

    answer = await put_all(api, plain("b"), plain("a"))
    processed = await api.catalog.process()

    assert (counts(answer), processed) == ({"unchanged": 2}, 0)
    assert len(await api.catalog.history()) == before


async def test_of_a_set_with_malformed_rows_nothing_is_stored_and_each_row_is_named(api: Api) -> None:
    await put_all(api, plain("a"))
    body = lines(plain("b")) + b"{nonsense\n" + lines({"kind": "Component"}, plain("b", "other"), [])

    answer = await api.following(
        api.client.put(f"{MOUNT}/providers/ci/entities", content=body, headers={"content-type": "application/x-ndjson"})
    )

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert [row["row"] for row in error["rejected"]] == [2, 3, 5, 4]
    assert (error["code"], error["rejectedCount"]) == ("invalid_rows", 4)
    assert [each["metadata"]["name"] for each in (await api.client.get(f"{MOUNT}/providers/ci/entities")).json()] == [
        "a"
    ]


async def test_with_partial_the_good_rows_are_stored_and_what_is_broken_is_not_withdrawn(api: Api) -> None:
    await put_all(api, plain("a"), plain("b"))
    broken = plain("b")
    del broken["apiVersion"]

    answer = await put_all(api, plain("c"), broken, partial="true")

    assert counts(answer) == {"added": 1, "removed": 1}
    assert [row["entityRef"] for row in answer.json()["rejected"]] == ["component:default/b"]


async def test_a_delta_adds_and_removes(api: Api) -> None:
    await put_all(api, plain("a"), plain("b"))

    answer = await send(api, "POST", "/providers/ci/delta", {"added": [plain("c")], "removed": ["component:a"]})

    assert counts(answer) == {"added": 1, "removed": 1}
    assert answer.json()["entities"] == 2


async def test_a_dry_run_tells_the_difference_and_stores_nothing(api: Api) -> None:
    await put_all(api, plain("a"), plain("b"))
    await api.catalog.settle()

    answer = await put_all(api, plain("b", "x"), plain("c"), dryRun="true")

    assert answer.json()["dryRun"] is True
    assert answer.json()["difference"] == [
        {"entityRef": "component:default/a", "change": "removed"},
        {
            "entityRef": "component:default/b",
            "change": "changed",
            "patch": [{"op": "replace", "path": "/spec/owner", "value": "x"}],
        },
        {"entityRef": "component:default/c", "change": "added"},
    ]
    assert await api.catalog.process() == 0
    assert counts(await put_all(api, plain("a"), plain("b"))) == {"unchanged": 2}


async def test_a_request_that_is_sent_again_under_its_key_is_answered_as_before(api: Api) -> None:
    once = {"idempotency-key": "build-1"}
    first = await send(api, "POST", "/providers/ci/delta", {"added": [plain("a")]}, headers=once)
    await send(api, "DELETE", "/providers/ci/entities/component/default/a")

    again = await send(api, "POST", "/providers/ci/delta", {"added": [plain("a")]}, headers=once)
    other = await send(api, "POST", "/providers/ci/delta", {"added": [plain("b")]}, headers=once)

    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert counts(again) == {"added": 1}
    assert (other.status_code, other.json()["error"]["name"]) == (422, "IdempotencyKeyReusedError")
    assert (await api.client.get(f"{MOUNT}/providers/ci/entities")).json() == []


async def test_an_idempotency_key_is_forgotten_after_a_day(api: Api) -> None:
    once = {"idempotency-key": "build-1"}
    await send(api, "POST", "/providers/ci/delta", {"added": [plain("a")]}, headers=once)

    api.catalog.clock.advance(86_401)
    answer = await send(api, "POST", "/providers/ci/delta", {"added": [plain("b")]}, headers=once)

    assert answer.status_code == 200


async def test_the_status_of_a_provider_tells_what_is_pending_and_what_failed(api: Api) -> None:
    await put_all(api, plain("a"), {**plain("broken"), "spec": {}})
    pending = (await api.client.get(f"{MOUNT}/providers/ci/status")).json()

    await api.catalog.settle()
    settled = (await api.client.get(f"{MOUNT}/providers/ci/status")).json()

    assert (pending["state"], pending["pending"]) == ("pending", 2)
    assert {name: settled[name] for name in ("state", "entities", "pending", "failed", "settled")} == {
        "state": "settled",
        "entities": 2,
        "pending": 0,
        "failed": 1,
        "settled": 1,
    }
    assert [failure["entityRef"] for failure in settled["failures"]] == ["component:default/broken"]
    assert "owner" in json.dumps(settled["failures"])
    assert settled["offset"] == api.catalog.follower.view.offset


async def test_who_waits_gets_the_status_with_the_answer(api: Api) -> None:
    answer = await put_all(api, plain("a"), wait="0")

    assert answer.json()["status"]["state"] == "pending"


async def test_an_entity_that_another_source_holds_is_a_conflict(api: Api) -> None:
    await api.catalog.provide("other", Full(offered(component("a"), key="other")))

    answer = await put_all(api, plain("a"), plain("b"))

    assert answer.json()["conflicts"] == ["component:default/a"]


async def test_a_provider_says_what_it_is_and_what_it_did_last(api: Api) -> None:
    await put_all(api, plain("a"), plain("b"))

    provider = (await api.client.get(f"{MOUNT}/providers/ci")).json()

    assert provider == {
        "name": "ci",
        "kind": "http",
        "owner": None,
        "createdAt": api.catalog.clock.now().isoformat(),
        "entities": 2,
        "lastMutation": {
            "at": api.catalog.clock.now().isoformat(),
            "full": True,
            "offered": 2,
            "changed": 2,
            "removed": 0,
            "rejected": 0,
        },
        "refused": None,
        "letThrough": False,
        "ingestion": None,
    }
    assert (await api.client.get(f"{MOUNT}/providers")).json() == {"items": [provider]}


class TwoPages(IncrementalEntityProvider):
    """A source whose second page can't be had."""

    name = "large"

    async def next(self, cursor: JsonValue) -> Page:
        if cursor is not None:
            raise TimeoutError("no answer")
        return Page(offered(component("a")), 1)


async def test_an_incremental_provider_says_how_far_it_has_come_and_why_no_further(api: Api) -> None:
    began = api.catalog.clock.now()
    rounds = Rounds(database=api.catalog.database, clock=api.catalog.clock, provider=TwoPages())
    await rounds.step()
    api.catalog.clock.advance(3)
    pause = await rounds.step()

    provider = (await api.client.get(f"{MOUNT}/providers/large")).json()

    assert provider["ingestion"] == {
        "round": 1,
        "pages": 1,
        "startedAt": began.isoformat(),
        "completedAt": None,
        "error": "TimeoutError: no answer",
        "failures": 1,
        "nextAt": (began + dt.timedelta(seconds=3 + pause)).isoformat(),
    }
    assert (await api.client.get(f"{MOUNT}/providers")).json() == {"items": [provider]}


async def test_a_provider_is_forgotten_with_all_that_it_has(api: Api) -> None:
    await put_all(api, plain("a"), plain("b"))
    await api.catalog.settle()

    answer = await send(api, "DELETE", "/providers/ci")

    assert counts(answer) == {"removed": 2}
    assert api.catalog.refs() == []
    assert (await api.client.get(f"{MOUNT}/providers/ci")).status_code == 404


@pytest.mark.parametrize("name", ["config", "locations", "ldap"])
async def test_nobody_writes_for_a_provider_that_engines_speak_for(api: Api, name: str) -> None:
    await api.catalog.provide("ldap", Full(offered(component("a"))))

    answer = await put_all(api, plain("b"), provider=name)

    assert (answer.status_code, answer.json()["error"]["name"]) == (409, "ConflictError")


@pytest.mark.parametrize("name", ["-ci", "ci-", "c%20i", "c%2Fi", "x" * 64, "%C3%A9"])
async def test_a_name_that_no_provider_can_have_is_refused(api: Api, name: str) -> None:
    answer = await put_all(api, plain("b"), provider=name)

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("path", "method", "body", "words"),
    [
        (ORDERS, "PUT", plain("other"), "the entity component:default/other, and the path names"),
        (ORDERS, "PUT", {"kind": "Component"}, "must have required property"),
        (ORDERS, "PUT", placed("orders", 7), "must be an object"),
        ("/providers/ci/delta", "POST", {"add": []}, "found 'add'"),
        ("/providers/ci/delta", "POST", {"added": {}}, "request/body/added must be array"),
        ("/providers/ci/delta", "POST", {"added": [plain("a"), 7]}, "row 2: "),
        ("/providers/ci/delta", "POST", {"removed": ["nokind"]}, "missing or empty kind"),
        ("/providers/ci/entities", "PUT", {"a": 1}, "request/body must be array"),
    ],
)
async def test_what_is_wrong_with_a_body_is_said(api: Api, path: str, method: str, body: object, words: str) -> None:
    answer = await send(api, method, path, body)

    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[{}, nonsense]", "is not valid JSON"),
        (b'[{"a": 1}', "is not valid JSON"),
        (b"[] trailing", "is not valid JSON"),
        (b'[{"a": "\xed\xa0\x80"}]', "is not valid JSON"),
        (b"", "must be array"),
    ],
)
async def test_an_array_that_is_no_json_is_refused_as_a_whole(api: Api, body: bytes, words: str) -> None:
    call = api.client.put(f"{MOUNT}/providers/ci/entities", content=body, headers={"content-type": "application/json"})

    answer = await api.following(call)

    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize("place", ["file:/etc/passwd", "bogus", 7])
async def test_a_written_entity_may_come_from_a_url_but_from_no_file(api: Api, place: object) -> None:
    entity = placed("orders", {"backstage.io/managed-by-location": place})

    answer = await send(api, "PUT", ORDERS, entity)

    assert answer.status_code == 400
    assert "must be a url: location" in answer.json()["error"]["message"]


async def test_a_row_has_a_largest_size(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # Ten real megabytes would show nothing more.
    monkeypatch.setattr("callboard.api.rows.LARGEST_BODY", 100)

    answer = await put_all(api, plain("x" * 200))

    assert answer.status_code == 400


@pytest.fixture
async def guarded(api: Api) -> AsyncIterator[Api]:
    """The API of an installation that guards the provider ci."""
    settings = api.catalog.configured.overridden(
        {"catalog.provider_options": {"ci": ProviderOptions(max_removal_percent=50, refuse_empty=True)}}
    )
    async with client_of(app_of(api.catalog, settings=settings)) as client:
        yield Api(api.catalog, client)


async def test_a_refused_removal_says_so_in_the_answer_and_with_the_provider(guarded: Api) -> None:
    await put_all(guarded, plain("a"), plain("b"), plain("c"))

    answer = await put_all(guarded, plain("a"))
    provider = (await guarded.client.get(f"{MOUNT}/providers/ci")).json()

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "removal_refused")
    assert (error["held"], error["removed"], error["limit"]) == (3, 2, 50)
    assert provider["refused"]["removed"] == 2
    assert provider["entities"] == 3


async def test_a_dry_run_tells_what_the_guard_would_refuse(guarded: Api) -> None:
    await put_all(guarded, plain("a"), plain("b"), plain("c"))

    answer = await put_all(guarded, plain("a"), dryRun="true")

    assert (answer.status_code, answer.json()["removed"]) == (200, 2)
    assert "maxRemovalPercent" in answer.json()["refused"]


async def test_an_operator_lets_a_refused_removal_through_once(guarded: Api) -> None:
    await put_all(guarded, plain("a"), plain("b"), plain("c"))

    allowed = await send(guarded, "POST", "/providers/ci/let-through")
    first = await put_all(guarded, plain("a"))
    second = await put_all(guarded)

    assert (allowed.json()["letThrough"], first.status_code, second.status_code) == (True, 200, 409)


async def test_a_refresh_that_waits_tells_what_came_of_it(api: Api) -> None:
    await put_all(api, plain("a"))
    await api.catalog.settle()

    answer = await send(api, "POST", "/refresh", {"entityRef": "component:a"}, wait="0")
    await api.catalog.settle()

    assert answer.json()["refreshed"] == ["component:default/a"]
    assert answer.json()["status"]["state"] == "pending"


async def test_a_location_tells_how_far_it_has_come(api: Api) -> None:
    location = await api.catalog.register("https://host/missing.yaml")
    before = (await api.client.get(f"{MOUNT}/locations/{location.id}/status")).json()

    await api.catalog.settle()
    after = (await api.client.get(f"{MOUNT}/locations/{location.id}/status")).json()

    assert (before["state"], before["pending"]) == ("pending", 1)
    assert (after["state"], after["failed"]) == ("settled", 1)
    assert (await api.client.get(f"{MOUNT}/locations/none/status")).status_code == 404


async def test_forgetting_a_provider_is_meant_whatever_the_guard_says(guarded: Api) -> None:
    await put_all(guarded, plain("a"), plain("b"), plain("c"))

    answer = await send(guarded, "DELETE", "/providers/ci")

    assert (answer.status_code, counts(answer)) == (200, {"removed": 3})


async def test_a_writer_is_told_the_version_that_it_has_written_and_no_later_one(api: Api) -> None:
    once = {"idempotency-key": "build-1"}
    mine = await send(api, "PUT", ORDERS, plain("orders"), headers=once)
    later = await send(api, "PUT", ORDERS, {**plain("orders"), "spec": {"type": "service", "owner": "x"}})

    again = await send(api, "PUT", ORDERS, plain("orders"), headers=once)
    lost = await send(api, "PUT", ORDERS, plain("orders"), headers={"if-match": again.headers["etag"]})

    assert mine.headers["etag"] == again.headers["etag"] != later.headers["etag"]
    assert lost.status_code == 412


async def test_a_withdrawal_that_is_sent_again_under_its_key_is_answered_as_before(api: Api) -> None:
    await send(api, "PUT", ORDERS, plain("orders"))
    once = {"idempotency-key": "build-1"}

    first = await send(api, "DELETE", ORDERS, headers=once)
    again = await send(api, "DELETE", ORDERS, headers=once)
    other = await send(api, "DELETE", ORDERS, headers={"idempotency-key": "build-2"})

    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 404)
    assert counts(again) == {"removed": 1}


async def test_the_same_set_with_other_parameters_is_another_request(api: Api) -> None:
    headers = {"content-type": "application/x-ndjson", "idempotency-key": "build-1"}
    path = f"{MOUNT}/providers/ci/entities"

    first = await api.following(api.client.put(path, content=lines(plain("a")), headers=headers))
    waiting = await api.following(
        api.client.put(path, content=lines(plain("a")), headers=headers, params={"wait": "0"})
    )
    partial = await api.following(
        api.client.put(path, content=lines(plain("a")), headers=headers, params={"partial": "true"})
    )

    assert (first.status_code, waiting.status_code, partial.status_code) == (200, 200, 422)
    assert waiting.headers["idempotency-replayed"] == "true"
