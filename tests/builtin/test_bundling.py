"""`$openapi` and `$asyncapi`: definitions in several files."""

from collections.abc import Mapping

import httpx2
import pytest
import yaml

from callboard.builtin import placeholders
from callboard.builtin.placeholders import PlaceholderProcessor
from callboard.builtin.readers.allowed_hosts import AllowedHost
from callboard.builtin.readers.http import HttpReader
from callboard.errors import InvalidEntity, Unreadable
from callboard.extend import Files, JsonObject, JsonValue, Run
from callboard.model.refs import EntityRef, LocationRef

AT = "url:https://host/shop/catalog-info.yaml"


def reader_of(files: Mapping[str, str | int], asked: list[str] | None = None) -> HttpReader:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if asked is not None:
            asked.append(request.url.path)
        held = files.get(request.url.path.removeprefix("/shop/"), 404)
        return httpx2.Response(held) if isinstance(held, int) else httpx2.Response(200, text=held)

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    return HttpReader(client, allow=[AllowedHost("host")], timeout_seconds=9, per_host=2, max_bytes=100_000)


def new_run() -> Run:
    ref = LocationRef.parse(AT)
    return Run(ref=EntityRef.parse("api:cart"), location=ref, origin=ref)


async def bundled(files: Mapping[str, str | int], run: Run | None = None, key: str = "$openapi") -> JsonObject:
    entity: JsonObject = {"kind": "API", "spec": {"definition": {key: "./api.yaml"}}}
    await PlaceholderProcessor({"url": reader_of(files)}).pre_process(entity, run or new_run())
    spec = entity["spec"]
    assert isinstance(spec, dict)
    text = spec["definition"]
    assert isinstance(text, str)
    made: JsonObject = yaml.safe_load(text)
    return made


async def test_what_other_files_hold_takes_the_place_of_references() -> None:
    run = new_run()
    files = {
        "api.yaml": "openapi: 3.1.0\npaths:\n  /carts/{id}:\n    $ref: paths/cart.yaml\n",
        "paths/cart.yaml": "get:\n  responses:\n    default:\n      $ref: '../common/answers.json#/cart~1one'\n",
        "common/answers.json": '{"cart/one": {"description": "a cart"}}',
    }

    made = await bundled(files, run)

    assert made == {
        "openapi": "3.1.0",
        "paths": {"/carts/{id}": {"get": {"responses": {"default": {"description": "a cart"}}}}},
    }
    assert run.refresh_keys == {f"url:https://host/shop/{name}" for name in files}


async def test_a_part_that_is_used_twice_is_there_once() -> None:
    made = await bundled(
        {
            "api.yaml": "a: {$ref: p.yaml#/money}\nb/c: {$ref: p.yaml#/price}\nd: {$ref: 'p.yaml#/price'}\n",
            "p.yaml": "money: {type: number}\nprice: {properties: {amount: {$ref: '#/money'}}}\n",
        }
    )

    assert made == {
        "a": {"type": "number"},
        "b/c": {"properties": {"amount": {"$ref": "#/a"}}},
        "d": {"$ref": "#/b~1c"},
    }


async def test_what_refers_to_itself_has_an_end() -> None:
    made = await bundled(
        {
            "api.yaml": "components: {schemas: {Tree: {$ref: tree.yaml}, Own: {items: {$ref: '#/components'}}}}",
            "tree.yaml": "properties: {left: {$ref: tree.yaml}, top: {$ref: 'api.yaml#/components/schemas/Own'}}",
        }
    )

    assert made["components"] == {
        "schemas": {
            "Tree": {
                "properties": {
                    "left": {"$ref": "#/components/schemas/Tree"},
                    "top": {"$ref": "#/components/schemas/Own"},
                }
            },
            "Own": {"items": {"$ref": "#/components"}},
        }
    }


async def test_words_beside_a_reference_stay() -> None:
    made = await bundled(
        {
            "api.yaml": "a: {$ref: b.yaml, description: mine}",
            "b.yaml": "properties: {next: {$ref: b.yaml, description: another}}",
        }
    )

    assert made == {
        "a": {"$ref": "#/x-bundled/b", "description": "mine"},
        "x-bundled": {"b": {"properties": {"next": {"$ref": "#/x-bundled/b", "description": "another"}}}},
    }


async def test_examples_are_data() -> None:
    made = await bundled(
        {
            "api.yaml": "example: {$ref: none.yaml}\nproperties: {example: {$ref: b.yaml}, $ref: {a: 1}}",
            "b.yaml": "type: string",
        }
    )

    assert made == {"example": {"$ref": "none.yaml"}, "properties": {"example": {"type": "string"}, "$ref": {"a": 1}}}


async def test_messages_are_bundled_too() -> None:
    files = {"api.yaml": "asyncapi: 3.0.0\nchannels: {c: {$ref: c.yaml}}", "c.yaml": "address: carts"}

    made = await bundled(files, key="$asyncapi")

    assert made == {"asyncapi": "3.0.0", "channels": {"c": {"address": "carts"}}}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"api.yaml": "a: {$ref: none.yaml}"}, "could not read ./api.yaml: nothing was found at .*none.yaml"),
        ({"api.yaml": "a: {$ref: 'https://other/b.yaml'}"}, "outside of what"),
        ({"api.yaml": "a: {$ref: 'b.yaml#/none'}", "b.yaml": "b: 1"}, "there is no /none in https://host/shop/b.yaml"),
        ({"api.yaml": "a: {$ref: 'b.yaml#there'}", "b.yaml": "b: 1"}, "no JSON pointer"),
        ({"api.yaml": "a: {$ref: b.yaml}", "b.yaml": "$ref: c.yaml", "c.yaml": "$ref: b.yaml"}, "nothing but itself"),
        ({"api.yaml": "a: {$ref: b.yaml}", "b.yaml": "b: ["}, "could not use ./api.yaml"),
        ({"api.yaml": "just words"}, "holds no object"),
    ],
)
async def test_what_cannot_be_bundled_is_said(files: Mapping[str, str], told: str) -> None:
    with pytest.raises(InvalidEntity, match=rf"(?s)Placeholder \$openapi at /spec/definition .*{told}"):
        await bundled(files)


async def test_a_host_that_fails_may_work_later() -> None:
    with pytest.raises(Unreadable, match=r"Placeholder \$openapi at /spec/definition could not read"):
        await bundled({"api.yaml": "a: {$ref: b.yaml}", "b.yaml": 503})


async def test_files_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two hundred files would say the same.
    monkeypatch.setattr(placeholders, "_MOST_FILES", 2)
    files: dict[str, str] = {f"{n}.yaml": f"next: {{$ref: {n + 1}.yaml}}" for n in range(5)}

    with pytest.raises(InvalidEntity, match="refers to more than 2 files"):
        await bundled({"api.yaml": "a: {$ref: 0.yaml}", **files})


async def test_a_plugin_can_follow_references_too() -> None:
    class Joined:
        key = "joined"

        async def follow(self, data: bytes, target: str, files: Files) -> JsonValue:
            parts = [await files.read(name, target) for name in data.decode().split()]
            return [content.decode() for _, content in parts]

    asked: list[str] = []
    processor = PlaceholderProcessor({"url": reader_of({"list": "a b a", "a": "1", "b": "2"}, asked)}, [Joined()])
    entity: JsonObject = {"spec": {"x": {"$joined": "list"}}}

    await processor.pre_process(entity, new_run())

    assert entity["spec"] == {"x": ["1", "2", "1"]}
    assert asked == ["/shop/list", "/shop/a", "/shop/b"]
