"""What is asked about providers, what is written for them, and what the answers mean."""

import datetime as dt
from typing import Any

import pytest

from callboard.client import (
    Difference,
    Failure,
    FailureReason,
    Ingestion,
    Mutation,
    Provider,
    Refusal,
    Rejection,
    Status,
    WrittenEntity,
    providers,
)
from callboard.client.core import Call
from callboard.client.lines import Lines, Splitter
from callboard.errors import (
    InvalidEntity,
    InvalidInput,
    InvalidRef,
    InvalidRows,
    KeyReused,
    PreconditionFailed,
    RemovalRefused,
)
from callboard.model import json
from callboard.model.json import JsonObject

ORDERS: JsonObject = {"apiVersion": "v1", "kind": "Component", "metadata": {"name": "Orders"}, "spec": {}}
STATUS: JsonObject = {
    "state": "settled",
    "entities": 2,
    "pending": 0,
    "failed": 1,
    "settled": 1,
    "conflicts": 0,
    "offset": 7,
    "failures": [
        {"entityRef": "component:default/a", "visible": False, "errors": [{"name": "InputError", "message": "why"}]}
    ],
}
PUSHED: JsonObject = {
    "provider": "ci",
    "entities": 2,
    "added": 1,
    "changed": 1,
    "removed": 0,
    "unchanged": 0,
    "gone": 0,
    "rejected": [{"row": 3, "reason": "is no entity"}],
    "rejectedCount": 1,
    "conflicts": ["component:default/b"],
    "offset": 7,
}


def read(call: Call[Any], content: object, status: int = 200, **headers: str) -> Any:
    return call.result(status, json.encode(content), {name.replace("_", "-"): text for name, text in headers.items()})


def test_a_provider_tells_what_it_did_and_what_it_was_not_let_do() -> None:
    at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    told = {
        "name": "ci",
        "kind": "http",
        "owner": "external:ci",
        "createdAt": at.isoformat(),
        "entities": 2,
        "lastMutation": {
            "at": at.isoformat(),
            "full": True,
            "offered": 2,
            "changed": 1,
            "removed": 0,
            "rejected": 0,
        },
        "refused": {"at": at.isoformat(), "reason": "too much", "held": 2, "removed": 2},
        "letThrough": True,
    }

    (found,) = read(providers.listing(), {"items": [told]})

    assert found == Provider(
        name="ci",
        kind="http",
        owner="external:ci",
        created_at=at,
        entities=2,
        last_mutation=Mutation(at=at, full=True, offered=2, changed=1, removed=0, rejected=0),
        refused=Refusal(at=at, reason="too much", held=2, removed=2),
        let_through=True,
    )
    assert read(providers.provider("ci"), told) == read(providers.let_through("ci"), told) == found


def test_an_incremental_provider_tells_how_far_it_has_come() -> None:
    at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    stand = {
        "round": 7,
        "pages": 12,
        "startedAt": at.isoformat(),
        "completedAt": None,
        "error": "TimeoutError: no answer",
        "failures": 3,
        "nextAt": (at + dt.timedelta(seconds=4)).isoformat(),
    }
    told = {"name": "large", "kind": "engine", "createdAt": at.isoformat(), "entities": 2, "ingestion": stand}

    found = read(providers.provider("large"), told)

    assert found.ingestion == Ingestion(
        round=7,
        pages=12,
        started_at=at,
        completed_at=None,
        error="TimeoutError: no answer",
        failures=3,
        next_at=at + dt.timedelta(seconds=4),
    )


def test_an_entity_is_written_where_its_name_says() -> None:
    call = providers.put_entity("ci", ORDERS)

    assert (call.method, call.path) == ("PUT", "/providers/ci/entities/component/default/orders")
    assert call.body == ORDERS


def test_what_is_no_entity_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidEntity):
        providers.put_entity("ci", {"kind": "Component"})
    with pytest.raises(InvalidRef):
        providers.delta("ci", [], ["orders"])


def test_a_name_can_not_lead_to_another_path() -> None:
    assert providers.provider("../locations").path == "/providers/..%2Flocations"


def test_a_writer_says_what_must_be_there() -> None:
    put = providers.put_entity("ci", ORDERS, if_match='"a"', if_absent=True)
    deleted = providers.delete_entity("ci", "component:orders", if_match='"a"')

    assert (put.headers["if-match"], put.headers["if-none-match"]) == ('"a"', "*")
    assert deleted.headers == {"if-match": '"a"'}


def test_a_written_entity_comes_with_its_etag() -> None:
    assert read(providers.entity("ci", "component:orders"), ORDERS, etag='"a"') == WrittenEntity(
        ORDERS,  # type: ignore[arg-type]
        '"a"',
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda **more: providers.push("ci", [], **more),
        lambda **more: providers.delta("ci", [], [], **more),
        lambda **more: providers.put_entity("ci", ORDERS, **more),
    ],
)
def test_what_writes_has_a_key_under_which_it_can_be_sent_again(call: Any) -> None:
    keys = [call().headers["idempotency-key"] for _ in range(2)]

    assert len(set(keys)) == 2
    assert call(idempotency_key="build-1").headers["idempotency-key"] == "build-1"
    assert "idempotency-key" not in call(dry_run=True).headers


def test_the_second_removal_would_find_nothing_and_is_not_sent() -> None:
    calls = [providers.delete_entity("ci", "component:a"), providers.forget("ci")]

    assert [call.again for call in calls] == [False, False]
    assert providers.delete_entity("ci", "component:a", dry_run=True).again


def test_what_is_asked_of_a_push_stands_in_its_url() -> None:
    call = providers.push("ci", [], partial=True, dry_run=True, wait=1.5)

    assert dict(call.params) == {"partial": "true", "dryRun": "true", "wait": "1.5"}
    assert providers.push("ci", []).params == []


def test_whoever_waits_gives_the_server_the_time() -> None:
    assert providers.provider_status("ci", wait=30).wait == 30
    assert dict(providers.location_status("1", wait=30).params) == {"wait": "30"}
    assert providers.refresh("component:a", wait=5).wait == 5


def test_entities_are_sent_as_lines() -> None:
    body = b"".join(Lines([{"a": "ä\u2028"}, b'{"b":1}', b'{"c":1}\n']))

    assert body == '{"a":"ä\u2028"}\n{"b":1}\n{"c":1}\n'.encode()


def test_json_that_is_given_as_bytes_stands_in_one_line() -> None:
    with pytest.raises(InvalidInput, match="one line"):
        list(Lines([b'{"b":\n1}']))


def test_only_a_piece_of_many_entities_is_in_memory() -> None:
    taken = 0

    def entities() -> Any:
        nonlocal taken
        for _ in range(10_000):
            taken += 1
            yield {"text": "x" * 1_000}

    pieces = iter(Lines(entities()))
    first = next(pieces)

    assert taken < 100
    assert len(first) < 70_000


def test_what_an_iterator_has_given_can_not_be_sent_again() -> None:
    generated, listed = providers.push("ci", iter([ORDERS])), providers.push("ci", [ORDERS])
    before = generated.again

    for call in (generated, listed):
        assert call.content is not None
        list(call.content)

    assert (before, generated.again, listed.again) == (True, False, True)


def test_an_answer_is_taken_apart_at_its_line_breaks_only() -> None:
    splitter = Splitter()
    text = '{"a":"\u2028\x85"}\n\n{"b":1}\n{"c"'.encode()

    found = [line for byte in text for line in splitter.feed(bytes([byte]))] + splitter.feed(b":2}")

    assert [json.decode(line) for line in [*found, *splitter.end()]] == [{"a": "\u2028\x85"}, {"b": 1}, {"c": 2}]


def test_a_push_tells_what_it_did() -> None:
    pushed = read(providers.push("ci", []), PUSHED | {"status": STATUS}, 200, etag='"a"', idempotency_replayed="true")

    assert (pushed.added, pushed.changed, pushed.entities, pushed.offset) == (1, 1, 2, 7)
    assert pushed.rejected == [Rejection(3, "is no entity")]
    assert (pushed.conflicts, pushed.etag, pushed.replayed) == (["component:default/b"], '"a"', True)
    assert pushed.status == Status(
        state="settled",
        entities=2,
        settled=1,
        pending=0,
        failed=1,
        conflicts=0,
        offset=7,
        failures=[Failure("component:default/a", False, [FailureReason("InputError", "why")])],
    )


def test_a_push_without_an_offset_in_its_body_is_at_that_of_the_answer() -> None:
    told = {name: value for name, value in PUSHED.items() if name not in ("offset", "rejected")}

    pushed = read(providers.forget("ci"), told, 200, callboard_offset="9")

    assert (pushed.offset, pushed.rejected, pushed.status, pushed.dry_run) == (9, [], None, False)


def test_a_dry_run_tells_the_difference() -> None:
    patch: list[JsonObject] = [{"op": "replace", "path": "/spec/owner", "value": "x"}]
    told = {
        "dryRun": True,
        "difference": [{"entityRef": "component:default/b", "change": "changed", "patch": patch}],
        "differenceCount": 2_000,
        "refused": "too much",
    }

    pushed = read(providers.push("ci", [], dry_run=True), PUSHED | told)

    assert pushed.difference == [Difference("component:default/b", "changed", patch)]
    assert (pushed.dry_run, pushed.difference_count, pushed.refused) == (True, 2_000, "too much")


def test_a_refused_removal_says_how_much_it_is_about() -> None:
    told = {"name": "ConflictError", "code": "removal_refused", "message": "The guard", "held": 9, "removed": 8}

    with pytest.raises(RemovalRefused, match="The guard") as caught:
        read(providers.push("ci", []), {"error": {**told, "limit": 50}}, 409)

    assert (caught.value.held, caught.value.removed, caught.value.limit) == (9, 8, 50)


def test_malformed_rows_are_told_with_the_error() -> None:
    rows = [{"row": 2, "reason": "is no entity", "entityRef": "component:default/a"}]
    told = {"name": "InputError", "code": "invalid_rows", "message": "x", "rejected": rows, "rejectedCount": 3}

    with pytest.raises(InvalidRows, match="nothing was stored: row 2: is no entity, and 2 more") as caught:
        read(providers.push("ci", []), {"error": told}, 400)

    assert (caught.value.rejected, caught.value.count) == (rows, 3)


@pytest.mark.parametrize("rows", [[], [{}], [{"row": 1}]])
def test_malformed_rows_without_any_are_invalid_input(rows: list[JsonObject]) -> None:
    told = {"name": "InputError", "code": "invalid_rows", "message": "wrong", "rejected": rows}

    with pytest.raises(InvalidInput, match="wrong") as caught:
        read(providers.push("ci", []), {"error": told}, 400)

    assert type(caught.value) is InvalidInput


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("PreconditionFailedError", 412, PreconditionFailed),
        ("", 412, PreconditionFailed),
        ("IdempotencyKeyReusedError", 422, KeyReused),
    ],
)
def test_a_lost_race_and_a_reused_key_are_known(name: str, status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        read(providers.push("ci", []), {"error": {"name": name, "message": "no"}}, status)


def test_a_refresh_tells_what_came_of_it() -> None:
    told = {"entityRef": "component:default/a", "refreshed": ["component:default/a"], "status": STATUS}

    refreshed = read(providers.refresh("Component:a", wait=5), told)

    assert (refreshed.ref, refreshed.refreshed) == ("component:default/a", ["component:default/a"])
    assert refreshed.status.failures[0].errors[0].message == "why"
