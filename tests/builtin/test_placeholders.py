from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest

from callboard.builtin.placeholders import DEFAULT_RESOLVERS, PlaceholderProcessor
from callboard.builtin.readers.allowed_hosts import AllowedHost
from callboard.builtin.readers.files import FileReader
from callboard.builtin.readers.http import HttpReader
from callboard.errors import InvalidEntity, Unreadable, place_of
from callboard.extend import Run
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef, LocationRef


class Host:
    """A web server that counts what it is asked for."""

    def __init__(self, held: Mapping[str, bytes | int]) -> None:
        self._held = held
        self.asked: list[str] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url.path)
        held = self._held.get(request.url.path, 404)
        return httpx2.Response(held) if isinstance(held, int) else httpx2.Response(200, content=held)

    def reader(self) -> HttpReader:
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self))
        allow = [AllowedHost("host"), AllowedHost("other")]
        return HttpReader(client, allow=allow, timeout_seconds=9, per_host=2, max_bytes=9999)


def run_at(location: str) -> Run:
    ref = LocationRef.parse(location)
    return Run(ref=EntityRef.parse("api:cart"), location=ref, origin=ref)


def entity_with(spec: JsonValue) -> JsonObject:
    return {"apiVersion": "v1", "kind": "API", "metadata": {"name": "cart"}, "spec": spec}


async def process(spec: JsonValue, held: Mapping[str, bytes | int], run: Run | None = None) -> JsonValue:
    processor = PlaceholderProcessor({"url": Host(held).reader()})
    entity = await processor.pre_process(entity_with(spec), run or run_at("url:https://host/team/a.yaml"))
    return entity["spec"]


@pytest.mark.parametrize(
    ("placeholder", "data", "value"),
    [
        ("$text", b"openapi: 3.1.0\n", "openapi: 3.1.0\n"),
        ("$text", "grüß".encode(), "grüß"),
        ("$json", b'{"a": [1, null, {"$text": "x"}]}', {"a": [1, None, {"$text": "x"}]}),
        ("$yaml", b"a: 2024-01-02\nb: yes\n", {"a": "2024-01-02", "b": "yes"}),
        ("$yaml", b"base: &b {x: 1}\nc:\n  <<: *b\n", {"base": {"x": 1}, "c": {"<<": {"x": 1}}}),
    ],
)
async def test_a_placeholder_is_replaced_by_its_content(placeholder: str, data: bytes, value: JsonValue) -> None:
    spec = await process({"definition": {placeholder: "./x"}}, {"/team/x": data})

    assert spec == {"definition": value}


async def test_placeholders_are_found_anywhere() -> None:
    placeholder: JsonObject = {"$text": "./x"}

    spec = await process([{"deep": [dict(placeholder), {"deeper": dict(placeholder)}]}], {"/team/x": b"1"})

    assert spec == [{"deep": ["1", {"deeper": "1"}]}]


@pytest.mark.parametrize(
    "spec",
    [
        {"a": {"$text": "./x", "more": 1}},
        {"a": {"$graphql": "./x"}},
        {"a": {"$ref": "#/components"}},
        {"$text": "./x", "b": 1},
        {"a": "{$text: ./x}", "b": '{"$text": "./x"}'},
    ],
)
async def test_other_objects_with_dollars_are_left_alone(spec: JsonObject) -> None:
    run = run_at("url:https://host/a.yaml")

    assert await process(spec, {}, run) == spec
    assert run == run_at("url:https://host/a.yaml")


async def test_a_placeholder_below_another_dollar_key_is_replaced() -> None:
    assert await process({"a": {"$other": {"$text": "./x"}}}, {"/team/x": b"1"}) == {"a": {"$other": "1"}}


async def test_a_target_is_read_once_for_all_that_name_it() -> None:
    host = Host({"/team/x": b"{}"})
    entity = entity_with({"a": {"$json": "./x"}, "b": {"$json": "x"}, "c": {"$text": "https://host/team/x"}})

    entity = await PlaceholderProcessor({"url": host.reader()}).pre_process(
        entity, run_at("url:https://host/team/a.yaml")
    )

    assert entity["spec"] == {"a": {}, "b": {}, "c": "{}"}
    assert host.asked == ["/team/x"]


async def test_the_entity_depends_on_what_it_embeds() -> None:
    run = run_at("url:https://host/team/a.yaml")

    await process({"a": {"$text": "../x"}}, {"/x": b"1"}, run)

    assert run.refresh_keys == {"url:https://host/x"}
    assert run.outside


async def test_an_entity_without_placeholders_depends_on_nothing() -> None:
    run = run_at("provider:people")

    await PlaceholderProcessor({}).pre_process(entity_with({"a": "b"}), run)

    assert run == run_at("provider:people")


async def test_a_number_beyond_64_bits_does_not_hide_a_placeholder() -> None:
    assert await process({"n": 2**70, "a": {"$text": "./x"}}, {"/team/x": b"1"}) == {"n": 2**70, "a": "1"}


@pytest.mark.parametrize(
    ("placeholder", "reason"),
    [
        ({"$text": 5}, "needs a text"),
        ({"$text": {"$text": "./x"}}, "needs a text"),
        ({"$text": ""}, "names no target"),
        ({"$text": "ftp://host/x"}, "names no target"),
        ({"$text": "https://other/x"}, "is not allowed to embed https://other/x"),
        ({"$text": "./none"}, r"could not read ./none: .*404"),
        ({"$text": "./binary"}, "could not use ./binary: .*not UTF-8"),
        ({"$json": "./binary"}, "could not use ./binary: .*not JSON"),
        ({"$yaml": "./two"}, "could not use ./two: .*2 YAML documents"),
        ({"$yaml": "./broken"}, "could not use ./broken"),
    ],
)
async def test_a_placeholder_that_can_not_be_replaced_is_named(placeholder: JsonObject, reason: str) -> None:
    held = {"/team/x": b"1", "/team/binary": b"\xff", "/team/two": b"a: 1\n---\nb: 2\n", "/team/broken": b"a: ["}

    with pytest.raises(InvalidEntity, match=reason) as error:
        await process({"a/b": [{"~": placeholder}]}, held)

    assert error.value.pointer == "/spec/a~1b/0/~0"
    assert next(iter(placeholder)) in str(error.value)


async def test_a_target_that_may_be_back_soon_does_not_make_the_entity_invalid() -> None:
    with pytest.raises(Unreadable, match=r"Placeholder \$text at /spec/a could not read ./x: .*503") as error:
        await process({"a": {"$text": "./x"}}, {"/team/x": 503})

    assert error.value.pointer == "/spec/a"


@pytest.mark.parametrize(
    ("placeholder", "held", "place"),
    [
        ("$yaml", b"a: 1\nb: c: d\n", {"line": 2, "column": 5}),
        ("$json", b'{"a":\n  nothing}', {"line": 2, "column": 3}),
        ("$text", b"one\ntwo\n\xff", {"line": 3}),
        ("$yaml", b"a: 1\n---\nb: 2\n", {}),
        ("$text", 404, {}),
        ("$text", 503, {}),
    ],
)
async def test_an_error_leads_to_the_placeholder_and_its_cause_to_the_file(
    placeholder: str, held: bytes | int, place: Mapping[str, int]
) -> None:
    with pytest.raises((InvalidEntity, Unreadable)) as error:
        await process({"a": {placeholder: "./x"}}, {"/team/x": held})

    assert error.value.__cause__ is not None
    assert place_of(error.value) == {"pointer": "/spec/a"}
    assert place_of(error.value.__cause__) == {"location": "url:https://host/team/x", **place}


async def test_an_entity_from_nowhere_has_nothing_to_embed() -> None:
    with pytest.raises(InvalidEntity, match="nothing reads locations of the type 'provider'"):
        await process({"a": {"$text": "./x"}}, {}, run_at("provider:people"))


async def test_an_entity_from_a_file_embeds_what_is_beside_it(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_bytes(b"openapi: 3.1.0")
    run = run_at(f"file:{tmp_path}/a.yaml")

    entity = await PlaceholderProcessor({"file": FileReader()}).pre_process(
        entity_with({"definition": {"$text": "./api.yaml"}}), run
    )

    assert entity["spec"] == {"definition": "openapi: 3.1.0"}
    assert run.refresh_keys == {f"file:{tmp_path}/api.yaml"}


async def test_an_entity_from_a_file_embeds_nothing_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "team").mkdir()

    for target in ("../secret", str(tmp_path / "secret"), "/etc/passwd"):
        with pytest.raises(InvalidEntity, match="is not allowed to embed"):
            await PlaceholderProcessor({"file": FileReader()}).pre_process(
                entity_with({"a": {"$text": target}}), run_at(f"file:{tmp_path}/team/a.yaml")
            )


async def test_an_installation_can_add_a_placeholder() -> None:
    class Length:
        key = "length"

        def resolve(self, data: bytes, target: str) -> JsonValue:
            return len(data)

    host = Host({"/x": b"12345"})
    processor = PlaceholderProcessor({"url": host.reader()}, [*DEFAULT_RESOLVERS, Length()])

    entity = await processor.pre_process(entity_with({"a": {"$length": "x"}}), run_at("url:https://host/a.yaml"))

    assert entity["spec"] == {"a": 5}
