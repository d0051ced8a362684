"""What holds for every read: tags, compression, lines, long lists, and the offset that an answer was read at."""

import asyncio
import gzip
import json

import httpx2
import pytest

from callboard.api import context, parameters
from callboard.extend import Delta, Full
from tests.api.answers import complaint, names
from tests.api.conftest import Api, app_of, client_of
from tests.harness import component, offered

READS = [
    "/entities",
    "/entities?limit=2",
    "/entities/by-query?limit=2",
    "/entities/by-name/component/default/b",
    "/entity-facets?facet=kind",
    "/locations",
]


@pytest.fixture
async def shop(api: Api) -> Api:
    """Components a to e."""
    await api.catalog.provide("p", Full(offered(*(component(name) for name in "abcde"))))
    await api.catalog.settle()
    return api


@pytest.fixture
async def long(api: Api) -> Api:
    """More components than are put into one answer in memory."""
    await api.catalog.provide("p", Full(offered(*(component(f"c{number:04}") for number in range(700)))))
    await api.catalog.settle()
    return api


@pytest.mark.parametrize("path", READS)
async def test_who_holds_an_answer_already_gets_304_and_no_body(shop: Api, path: str) -> None:
    first = await shop.get(path)

    again = await shop.client.get(f"/api/catalog{path}", headers={"if-none-match": f'"other", {first.headers["etag"]}'})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["callboard-offset"] == first.headers["callboard-offset"]
    assert "content-type" not in again.headers


@pytest.mark.parametrize("path", READS[:5])
async def test_a_change_changes_the_tag(shop: Api, path: str) -> None:
    first = await shop.get(path)
    await shop.catalog.provide("p", Delta(added=offered(component("b", owner="other"), component("0"))))
    await shop.catalog.settle()

    again = await shop.client.get(f"/api/catalog{path}", headers={"if-none-match": first.headers["etag"]})

    assert again.status_code == 200
    assert again.headers["etag"] != first.headers["etag"]


async def test_a_change_elsewhere_leaves_the_tag_alone(shop: Api) -> None:
    first = await shop.get("/entities/by-query?filter=metadata.name=a")
    await shop.catalog.provide("p", Delta(added=offered(component("z"))))
    await shop.catalog.settle()

    again = await shop.get("/entities/by-query?filter=metadata.name=a")

    assert again.headers["etag"] == first.headers["etag"]


async def test_an_error_has_no_tag(shop: Api) -> None:
    answer = await shop.client.get("/api/catalog/entities/by-uid/none", headers={"if-none-match": "*"})

    assert answer.status_code == 404
    assert "etag" not in answer.headers


async def test_a_long_list_is_whole_and_has_a_tag_of_its_own(long: Api) -> None:
    whole = await long.get("/entities")
    reduced = await long.get("/entities?fields=metadata.name")
    lines = await long.client.get("/api/catalog/entities", headers={"accept": "application/x-ndjson"})
    held = await long.client.get("/api/catalog/entities", headers={"if-none-match": whole.headers["etag"]})

    assert names(whole) == names(reduced) == [f"c{number:04}" for number in range(700)]
    assert [json.loads(line) for line in lines.text.splitlines()] == whole.json()
    assert len({answer.headers["etag"] for answer in (whole, reduced, lines)}) == 3
    assert (held.status_code, held.content) == (304, b"")


@pytest.mark.parametrize("path", ["/entities", "/entities?fields=metadata.name&limit=100"])
async def test_answers_are_compressed_for_who_can_read_that(long: Api, path: str) -> None:
    plain = await long.client.get(f"/api/catalog{path}", headers={"accept-encoding": "identity"})
    async with long.client.stream("GET", f"/api/catalog{path}", headers={"accept-encoding": "gzip"}) as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(raw) == plain.content
    assert answer.headers["etag"] == plain.headers["etag"]
    assert plain.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize("accepted", ["application/json", "application/cloudevents-batch+json"])
@pytest.mark.parametrize("wanted", ["", "&filter=kind=component", "&fields=metadata.name", "&mode=compacted"])
async def test_pages_of_the_stream_are_compressed_for_who_can_read_that(long: Api, wanted: str, accepted: str) -> None:
    async def page(encoding: str) -> httpx2.Response:
        headers = {"accept-encoding": encoding, "accept": accepted}
        return await long.client.get(f"/api/catalog/events?offset=600{wanted}", headers=headers)

    plain, compressed, again = await page("identity"), await page("gzip"), await page("gzip")

    assert [each.headers.get("content-encoding") for each in (plain, compressed, again)] == [None, "gzip", "gzip"]
    assert plain.content == compressed.content == again.content
    assert len(plain.json() if isinstance(plain.json(), list) else plain.json()["events"]) == 100
    assert [each.headers.get_list("vary") for each in (plain, compressed, again)] == [["Accept-Encoding"]] * 3
    assert plain.headers["content-type"] == compressed.headers["content-type"] == accepted


async def test_a_page_that_is_short_once_it_is_compressed_says_once_what_it_depends_on(shop: Api) -> None:
    answer = await shop.client.get("/api/catalog/events", headers={"accept-encoding": "gzip"})

    assert (answer.headers["content-encoding"], answer.headers.get_list("vary")) == ("gzip", ["Accept-Encoding"])
    assert int(answer.headers["content-length"]) < 1024 < len(answer.content)


async def test_a_short_answer_is_not_compressed(shop: Api) -> None:
    answer = await shop.client.get("/api/catalog/entities/by-uid/none", headers={"accept-encoding": "gzip"})

    assert answer.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in answer.headers


async def test_lists_come_as_lines_for_who_asks(shop: Api) -> None:
    accept = {"accept": "application/x-ndjson"}
    listed = await shop.client.get("/api/catalog/entities?fields=metadata.name", headers=accept)
    found = await shop.client.get("/api/catalog/entities/by-query?limit=2&fields=metadata.name", headers=accept)

    assert listed.headers["content-type"] == found.headers["content-type"] == "application/x-ndjson"
    assert listed.text == "".join(f'{{"metadata":{{"name":"{name}"}}}}\n' for name in "abcde")
    assert len(found.text.splitlines()) == 2
    assert found.headers["callboard-total-items"] == "5"
    assert (await shop.get("/entities/by-query", cursor=found.headers["callboard-next-cursor"])).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/entities/by-query?limit=1&lastEventOffset=include", None),
        ("POST", "/entities/by-query?lastEventOffset=include", {}),
        ("POST", "/entities/by-refs?lastEventOffset=include", {"entityRefs": ["component:a"]}),
        ("GET", "/entity-facets?facet=kind&lastEventOffset=include", None),
        ("POST", "/entity-facets?lastEventOffset=include", {"facets": ["kind"]}),
    ],
)
async def test_a_body_says_its_offset_where_that_is_asked_for(shop: Api, method: str, path: str, body: object) -> None:
    with_it = await shop.client.request(method, f"/api/catalog{path}", json=body)
    without = await shop.client.request(
        method, f"/api/catalog{path}".replace("lastEventOffset=include", "lastEventOffset=exclude"), json=body
    )

    assert with_it.json()["lastEventOffset"] == int(with_it.headers["callboard-offset"]) > 0
    assert "lastEventOffset" not in without.json()


async def test_a_read_waits_for_the_offset_that_it_asks_for(shop: Api) -> None:
    await shop.catalog.provide("p", Delta(added=offered(component("late"))))
    await shop.catalog.process()
    while await shop.catalog.engine.stitcher.stitch() == 0:
        pass
    wanted = shop.catalog.follower.view.offset + 1

    asked = asyncio.create_task(shop.client.get(f"/api/catalog/entities?minOffset={wanted}"))
    await asyncio.wait([asked], timeout=0.05)
    early = asked.done()
    answer = await shop.following(asyncio.wait_for(asked, 5))

    assert not early
    assert "late" in names(answer)
    assert int(answer.headers["callboard-offset"]) >= wanted


async def test_an_offset_in_the_future_is_a_conflict(shop: Api) -> None:
    answer = await shop.client.get("/api/catalog/entities/by-name/component/default/a?minOffset=1000")

    assert complaint(answer)[:2] == (409, "ConflictError")


async def test_a_process_that_stays_behind_says_so(shop: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # The patience is a constant; a test should not have to wait for its end.
    monkeypatch.setattr(context, "PATIENCE", 0.01)
    seen = shop.catalog.follower.view.offset
    await shop.catalog.provide("p", Delta(added=offered(component("late"))))
    await shop.catalog.process()
    while await shop.catalog.engine.stitcher.stitch() == 0:
        pass

    answer = await shop.client.get(f"/api/catalog/entities?minOffset={seen + 1}")

    assert complaint(answer) == (
        503,
        "ServiceUnavailableError",
        f"This process has seen the stream up to {seen} and not up to {seen + 1} yet",
    )
    assert answer.headers["retry-after"] == "1"


async def test_facets_can_be_narrowed_to_the_most_frequent_and_to_a_text(api: Api) -> None:
    tags = {"a": ["java", "web"], "b": ["java", "go"], "c": ["Javascript", "java"]}
    found = []
    for name, tagged in tags.items():
        entity = component(name)
        assert isinstance(entity["metadata"], dict)
        entity["metadata"]["labels"] = {"x": tagged[0]}
        entity["spec"] = {**component(name)["spec"], "tags": tagged}  # type: ignore[dict-item]
        found.append(entity)
    await api.catalog.provide("p", Full(offered(*found)))
    await api.catalog.settle()

    top = await api.get("/entity-facets", facet="spec.tags", limit=2)
    like = await api.post("/entity-facets", {"facets": ["spec.tags"], "contains": "JAVA"})

    assert top.json()["facets"]["spec.tags"] == [{"value": "java", "count": 3}, {"value": "Javascript", "count": 1}]
    assert like.json()["facets"]["spec.tags"] == [{"value": "Javascript", "count": 1}, {"value": "java", "count": 3}]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a%2Fb", "No entity named 'a/b' found, with kind 'component' in namespace 'default'"),
        ("%2541", "No entity named '%41' found, with kind 'component' in namespace 'default'"),
        ("%C3%A4", "No entity named 'ä' found, with kind 'component' in namespace 'default'"),
    ],
)
async def test_a_name_in_a_path_may_be_encoded(api: Api, path: str, message: str) -> None:
    answer = await api.get(f"/entities/by-name/component/default/{path}")

    assert complaint(answer) == (404, "NotFoundError", message)


@pytest.mark.parametrize("path", ["%E0%A4%A", "%zz", "%", "%ff"])
async def test_a_path_that_is_not_encoded_well_is_refused(api: Api, path: str) -> None:
    # The client mends what it is given, so the path goes in as it is.
    request = api.client.build_request("GET", "/api/catalog/entities/by-uid/x")
    request.url = request.url.copy_with(raw_path=f"/api/catalog/entities/by-uid/{path}".encode())

    answer = await api.client.send(request)

    assert complaint(answer)[:2] == (400, "InputError")
    assert f"'{path}'" in complaint(answer)[2]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/entities", "GET,HEAD"),
        ("/entities/by-query", "GET,HEAD,POST"),
        ("/entities/by-uid/some%2Fthing", "GET,HEAD,DELETE"),
    ],
)
async def test_options_tell_the_methods_of_a_path(api: Api, path: str, methods: str) -> None:
    answer = await api.client.request("OPTIONS", f"/api/catalog{path}")

    assert (answer.status_code, answer.text, answer.headers["allow"]) == (200, methods, methods)


async def test_options_of_nothing_are_an_empty_404(api: Api) -> None:
    answer = await api.client.request("OPTIONS", "/api/catalog/nothing")

    assert (answer.status_code, answer.content) == (404, b"")


async def test_pages_of_other_origins_may_call_where_the_configuration_says_so(api: Api) -> None:
    portal = {"origin": "https://portal.example.com"}
    settings = api.catalog.configured.overridden({"backend.cors.origin": ("https://portal.example.com",)})
    async with client_of(app_of(api.catalog, settings=settings)) as client:
        asked = await client.options(
            "/api/catalog/entities", headers={**portal, "access-control-request-method": "GET"}
        )
        read = await client.get("/api/catalog/entities", headers=portal)
        other = await client.get("/api/catalog/entities", headers={"origin": "https://elsewhere.example.com"})
    closed = await api.client.get("/api/catalog/entities", headers=portal)

    assert (
        asked.headers["access-control-allow-origin"] == read.headers["access-control-allow-origin"] == portal["origin"]
    )
    assert "callboard-offset" in read.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-origin" not in other.headers
    assert "access-control-allow-origin" not in closed.headers


async def test_a_body_that_is_too_large_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # The limit is a constant; a test should not have to send ten megabytes.
    monkeypatch.setattr(parameters, "LARGEST_BODY", 2**20)

    answer = await api.client.post("/api/catalog/entities/by-refs", json={"entityRefs": ["x" * 2**20]})

    assert complaint(answer) == (400, "InputError", "request entity too large: a body may have 1 MiB")
