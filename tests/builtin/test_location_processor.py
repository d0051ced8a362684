from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest

from callboard.builtin.locations import LocationProcessor
from callboard.builtin.readers.allowed_hosts import AllowedHost
from callboard.builtin.readers.files import FileReader
from callboard.builtin.readers.http import HttpReader
from callboard.errors import InvalidDocument, InvalidInput, LocationNotFound, NotAllowed, Unreadable, place_of
from callboard.extend import Content, NotModified, Run
from callboard.model.documents import parse_entities
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef, LocationRef

ORIGIN = LocationRef("url", "https://host/all.yaml")
CART = b"kind: Component\nmetadata: {name: cart, annotations: {a: b}}\n"


class Shelf:
    """A reader of the type `shelf` over a dict. Targets that end in `*` stand for all that start like them."""

    type = "shelf"

    def __init__(self, held: Mapping[str, tuple[bytes, str | None] | Exception]) -> None:
        self._held = held

    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        held = self._held[target]
        if isinstance(held, Exception):
            raise held
        if version is not None and version == held[1]:
            return NotModified(target, version)
        return Content(target, *held)

    async def expand(self, target: str) -> list[str]:
        if not target.endswith("*"):
            return [target]
        return sorted(name for name in self._held if name.startswith(target[:-1]))

    def resolve(self, base: str, relative: str) -> str:
        return relative

    def contains(self, base: str, target: str) -> bool:
        return True


def new_run(known: Mapping[str, JsonValue] | None = None) -> Run:
    return Run(ref=EntityRef.parse("location:all"), location=ORIGIN, origin=ORIGIN, known=known or {})


async def read(
    held: Mapping[str, tuple[bytes, str | None] | Exception],
    target: str = "*",
    *,
    known: Mapping[str, JsonValue] | None = None,
    optional: bool = False,
) -> Run:
    run = new_run(known)
    processor = LocationProcessor({"shelf": Shelf(held)}, parse_entities)
    assert await processor.read_location(LocationRef("shelf", target), run, optional=optional)
    return run


async def test_a_type_without_a_reader_is_somebody_elses() -> None:
    run = new_run()

    assert not await LocationProcessor({}, parse_entities).read_location(ORIGIN, run, optional=False)
    assert run == new_run()


async def test_entities_come_with_the_place_where_they_were_read() -> None:
    run = await read({"a.yaml": (CART + b"---\nkind: API\nmetadata: {name: x}\n", '"1"')}, "a.yaml")

    assert [child.location_key for child in run.children] == ["shelf:a.yaml", "shelf:a.yaml"]
    assert run.children[0].entity == {
        "kind": "Component",
        "metadata": {
            "name": "cart",
            "annotations": {
                "backstage.io/managed-by-location": "shelf:a.yaml",
                "backstage.io/managed-by-origin-location": "url:https://host/all.yaml",
                "a": "b",
            },
        },
    }
    assert run.remembered == {"shelf:a.yaml": '"1"'}
    assert run.refresh_keys == {"shelf:a.yaml"}
    assert run.outside
    assert run.errors == []


async def test_a_document_that_is_not_yet_an_entity_is_emitted_as_well() -> None:
    run = await read({"a.yaml": (b"just: data\n", None)}, "a.yaml")

    assert [child.entity for child in run.children] == [{"just": "data"}]


async def test_entities_come_with_the_line_on_which_they_begin() -> None:
    run = await read({"a.yaml": (b"# All of them\n---\n" + CART + b"---\n" + CART, None), "b.yaml": (CART, None)})

    assert [(child.location_key, child.line) for child in run.children] == [
        ("shelf:a.yaml", 3),
        ("shelf:a.yaml", 6),
        ("shelf:b.yaml", 1),
    ]


async def test_children_come_in_the_order_of_their_targets() -> None:
    held = {f"{number:03}": (b"name: %d" % number, None) for number in range(50)}

    run = await read(held)

    assert [child.entity["name"] for child in run.children] == list(range(50))


async def test_a_target_that_has_not_changed_keeps_its_children() -> None:
    run = await read({"a": (b"not: parsed: again", "1"), "b": (CART, "2")}, known={"shelf:a": "1", "shelf:b": "1"})

    assert run.standing == {"shelf:a"}
    assert [child.location_key for child in run.children] == ["shelf:b"]
    assert run.remembered == {"shelf:a": "1", "shelf:b": "2"}
    assert run.refresh_keys == {"shelf:*", "shelf:a", "shelf:b"}


async def test_content_without_a_version_is_not_remembered() -> None:
    run = await read({"a": (CART, None)})

    assert run.remembered == {}


async def test_a_version_is_not_remembered_for_content_that_does_not_parse() -> None:
    run = await read({"a": (b"kind: [", "1")})

    assert run.remembered == {}


async def test_a_syntax_error_names_place_and_position() -> None:
    run = await read({"a.yaml": (b"kind: X\nmetadata: {\n", None)})

    (error,) = run.errors
    assert isinstance(error, InvalidDocument)
    assert "YAML error at shelf:a.yaml" in str(error)
    assert f"line {error.line}, column {error.column}" in str(error)
    assert error.location == "shelf:a.yaml"


async def test_a_document_that_is_no_object_is_an_error_with_its_place() -> None:
    run = await read({"a.yaml": (b"- one\n- two\n", None)})

    (error,) = run.errors
    assert "shelf:a.yaml: Expected object at root" in str(error)
    assert place_of(error) == {"location": "shelf:a.yaml", "line": 1, "column": 1}


async def test_a_failing_target_does_not_stop_the_others() -> None:
    held: dict[str, tuple[bytes, str | None] | Exception] = {
        "a": Unreadable("it is on fire"),
        "b": (b"kind: [", None),
        "c": LocationNotFound("nothing was found at c"),
        "d": (CART, None),
        "e": NotAllowed("no"),
    }

    run = await read(held)

    assert [child.location_key for child in run.children] == ["shelf:d"]
    assert [type(error) for error in run.errors] == [Unreadable, InvalidDocument, LocationNotFound, NotAllowed]
    assert str(run.errors[0]) == "Unable to read shelf, a: it is on fire"
    assert str(run.errors[2]) == "Unable to read shelf, nothing was found at c"
    assert [place_of(error)["location"] for error in run.errors] == ["shelf:a", "shelf:b", "shelf:c", "shelf:e"]


async def test_an_optional_target_may_be_missing() -> None:
    run = await read({"a": LocationNotFound("a is missing"), "b": (CART, None)}, optional=True)

    assert run.errors == []
    assert len(run.children) == 1
    assert run.outside


async def test_an_optional_target_must_still_be_right() -> None:
    run = await read({"a": Unreadable("a is on fire"), "b": (b"kind: [", None)}, optional=True)

    assert [type(error) for error in run.errors] == [Unreadable, InvalidDocument]


@pytest.mark.parametrize(("optional", "errors"), [(False, 1), (True, 0)])
async def test_a_pattern_that_matches_nothing_is_not_found(optional: bool, errors: int) -> None:
    run = await read({}, "x*", optional=optional)

    assert len(run.errors) == errors
    assert all(isinstance(error, LocationNotFound) and "x*" in str(error) for error in run.errors)


async def test_a_defect_of_a_reader_does_not_pass_for_a_bad_location() -> None:
    with pytest.raises(ZeroDivisionError):
        await read({"a": ZeroDivisionError(), "b": (CART, None)})


# With the real readers


async def test_a_web_server_is_asked_once_more_only_for_what_has_changed() -> None:
    asked: list[tuple[str, str | None]] = []

    def host(request: httpx2.Request) -> httpx2.Response:
        asked.append((request.url.path, request.headers.get("if-none-match")))
        if "if-none-match" in request.headers:
            return httpx2.Response(304)
        return httpx2.Response(200, content=CART, headers={"etag": '"1"'})

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(host))
    reader = HttpReader(client, allow=[AllowedHost("host")], timeout_seconds=9, per_host=2, max_bytes=999)
    processor = LocationProcessor({"url": reader}, parse_entities)
    first = new_run()
    await processor.read_location(ORIGIN, first, optional=False)
    second = new_run(first.remembered)
    await processor.read_location(ORIGIN, second, optional=False)

    assert asked == [("/all.yaml", None), ("/all.yaml", '"1"')]
    assert len(first.children) == 1
    assert second.standing == {"url:https://host/all.yaml"}
    assert second.children == []
    assert second.remembered == first.remembered


async def test_a_forbidden_host_is_an_error_that_says_what_to_do() -> None:
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda request: httpx2.Response(200)))
    reader = HttpReader(client, allow=[], timeout_seconds=9, per_host=2, max_bytes=999)
    run = new_run()

    await LocationProcessor({"url": reader}, parse_entities).read_location(ORIGIN, run, optional=True)

    (error,) = run.errors
    assert isinstance(error, NotAllowed)
    assert str(error).startswith("Unable to read url, Reading from 'https://host/all.yaml' is not allowed")


async def test_hundreds_of_files_are_read_and_a_missing_one_reported(tmp_path: Path) -> None:
    for number in range(250):
        (tmp_path / f"{number:03}.yaml").write_bytes(b"name: n%d" % number)
    (tmp_path / "007.yaml").write_bytes(b"[")
    run = new_run()
    processor = LocationProcessor({"file": FileReader()}, parse_entities)

    await processor.read_location(LocationRef("file", f"{tmp_path}/*.yaml"), run, optional=False)

    names: list[JsonValue] = [child.entity["name"] for child in run.children]
    assert names == [f"n{number}" for number in range(250) if number != 7]
    assert [str(tmp_path / "007.yaml") in str(error) for error in run.errors] == [True]


@pytest.mark.parametrize(
    ("target", "kind", "message"),
    [
        ("none.yaml", LocationNotFound, "Unable to read file, file none.yaml does not exist"),
        ("dir/", InvalidInput, "Unable to read file, file target dir/ ends in a separator"),
    ],
)
async def test_a_bad_file_target_is_an_error(target: str, kind: type[Exception], message: str) -> None:
    run = new_run()
    processor = LocationProcessor({"file": FileReader()}, parse_entities)

    await processor.read_location(LocationRef("file", target), run, optional=False)

    (error,) = run.errors
    assert isinstance(error, kind)
    assert message in str(error)


async def test_an_unknown_version_in_the_memory_is_ignored() -> None:
    held: dict[str, tuple[bytes, str | None] | Exception] = {"a": (CART, "1")}
    known: JsonObject = {"shelf:a": {"left by": "another release"}}

    run = await read(held, known=known)

    assert len(run.children) == 1
