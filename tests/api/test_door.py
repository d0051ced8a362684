"""Who may come in, and what each sees: what is hidden is hidden everywhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from callboard import settings as configuration
from callboard.access import authentication, authorizers
from callboard.api.routes import CATALOG
from callboard.extend import Delta, Full
from callboard.settings import Settings
from tests.api.answers import complaint, names
from tests.api.conftest import Api, app_of, client_of
from tests.harness import Catalog, component, component_yaml, location_yaml, offered

SECRET = "component:default/secret"

TOKENS = """
backend:
  auth:
    externalAccess:
      - {type: static, options: {token: token-of-ci, subject: ci}}
      - type: static
        options: {token: token-of-reader, subject: reader}
        accessRestrictions: [{plugin: catalog, permissionAttribute: {action: read}}]
"""
POLICY = """
callboard:
  permissions:
    policy:
      - who: ["*"]
        allow: [catalog.entity.read]
        where: {$not: {metadata.name: {$in: [secret, hidden-parent]}}}
      - {who: ["*"], allow: [catalog.entity.refresh, catalog.entity.delete], where: {metadata.name: mine}}
"""


def read(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "app-config.yaml"
    file.write_text(text, "utf-8")
    return configuration.read(configuration.load([file], {}))


@pytest.fixture
async def closed(catalog: Catalog, tmp_path: Path) -> AsyncIterator[Api]:
    """An installation with tokens."""
    async with httpx2.AsyncClient(transport=catalog.host.transport) as outside:
        authenticator = authentication.build(read(tmp_path, TOKENS), outside, catalog.clock, lambda _: ())
        await catalog.look()
        async with client_of(app_of(catalog, authenticator=authenticator)) as client:
            yield Api(catalog, client)


@pytest.fixture
async def limited(catalog: Catalog, tmp_path: Path) -> AsyncIterator[Api]:
    """An installation where nobody sees `secret`; it depends on `open` and its owner is `team`, as that of `mine`."""
    async with httpx2.AsyncClient(transport=catalog.host.transport) as outside:
        authorizer = authorizers.authorizer_of(read(tmp_path, POLICY), outside, catalog.clock)
        await catalog.provide("p", Full(offered(component("open"), component("secret"), component("mine"))))
        await catalog.settle()
        async with client_of(app_of(catalog, authorizer=authorizer)) as client:
            yield Api(catalog, client)


@pytest.mark.parametrize(
    ("method", "path"),
    sorted({(method, route.path) for route in CATALOG for method in (route.methods or ()) if method != "HEAD"}),
)
async def test_without_a_token_nothing_of_the_catalog_is_answered(closed: Api, method: str, path: str) -> None:
    answer = await closed.client.request(method, f"/api/catalog{path.replace('{', 'a').replace('}', 'b')}")

    assert complaint(answer) == (401, "AuthenticationError", "Missing credentials")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/.backstage/health/v1/liveness", "/.backstage/health/v1/readiness", "/metrics"])
async def test_health_and_metrics_are_open(closed: Api, path: str) -> None:
    answer = await closed.client.get(path)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("token-of-ci", 200),
        ("token-of-reader", 200),
        ("token-of-nobody", 401),
    ],
)
async def test_a_token_opens(closed: Api, token: str, expected: int) -> None:
    answer = await closed.client.get("/api/catalog/entities", headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == expected
    if expected == 401:
        assert complaint(answer)[2] == "Illegal token"


async def test_a_restricted_token_may_do_nothing_else(closed: Api) -> None:
    closed.catalog.host.files["https://host/a.yaml"] = component_yaml("a").encode()
    body = {"type": "url", "target": "https://host/a.yaml"}
    reader, ci = ({"authorization": f"Bearer token-of-{name}"} for name in ("reader", "ci"))

    refused = await closed.client.post("/api/catalog/locations", json=body, headers=reader)
    listed = await closed.client.get("/api/catalog/locations", headers=reader)
    accepted = await closed.client.post("/api/catalog/locations", json=body, headers=ci)

    assert complaint(refused)[:2] == (403, "NotAllowedError")
    assert (listed.status_code, listed.json()) == (200, [])
    assert accepted.status_code == 201


async def test_what_is_hidden_is_in_no_list_and_in_no_count(limited: Api) -> None:
    listed = await limited.get("/entities")
    windowed = await limited.get("/entities?limit=1&offset=1&order=asc:metadata.name")
    queried = await limited.get("/entities/by-query?filter=kind=component&orderField=metadata.name,asc")
    sent = await limited.post("/entities/by-query", {"query": {"metadata.name": "secret"}})
    counted = await limited.get("/entities/by-query?limit=0&filter=kind=component")
    searched = await limited.get("/entities/by-query?fullTextFilterTerm=secr&fullTextFilterFields=metadata.name")

    assert names(listed) == names(queried) == ["mine", "open"]
    assert names(windowed) == ["open"]
    assert names(sent) == names(searched) == []
    assert [answer.json()["totalItems"] for answer in (queried, sent, counted, searched)] == [2, 0, 2, 0]


async def test_a_cursor_shows_no_more_to_whom_it_was_not_given(limited: Api, api: Api) -> None:
    page = await api.get("/entities/by-query?orderField=metadata.name,asc&limit=1")

    rest = await limited.post("/entities/by-query", {"cursor": page.json()["pageInfo"]["nextCursor"], "limit": 10})

    assert names(rest) == ["open"]


async def test_what_is_hidden_is_in_no_facet(limited: Api) -> None:
    asked = await limited.get("/entity-facets?facet=metadata.name")
    sent = await limited.post("/entity-facets", {"facets": ["metadata.name", "kind"]})

    assert [each["value"] for each in asked.json()["facets"]["metadata.name"]] == ["mine", "open"]
    assert sent.json()["facets"]["kind"] == [{"value": "Component", "count": 2}]


async def test_what_is_hidden_is_not_found(limited: Api) -> None:
    uid = limited.catalog.entity(SECRET)["metadata"]["uid"]  # type: ignore[index,call-overload]
    by_name = await limited.get("/entities/by-name/component/default/secret")
    by_uid = await limited.get(f"/entities/by-uid/{uid}")
    batch = await limited.post("/entities/by-refs", {"entityRefs": [SECRET, "component:open"]})
    history = await limited.get("/entities/by-name/component/default/secret/history")
    before = await limited.get("/entities/by-name/component/default/secret?at=3")

    assert [answer.status_code for answer in (by_name, by_uid, history, before)] == [404] * 4
    assert names(batch) == [None, "open"]


async def test_the_ancestry_of_what_is_hidden_is_refused_and_hidden_ancestors_are_left_out(limited: Api) -> None:
    catalog = limited.catalog
    catalog.host.files["https://host/parent.yaml"] = location_yaml("hidden-parent", ["./child.yaml"]).encode()
    catalog.host.files["https://host/child.yaml"] = component_yaml("child").encode()
    await catalog.register("https://host/parent.yaml")
    await catalog.settle()

    refused = await limited.get("/entities/by-name/component/default/secret/ancestry")
    answer = await limited.get("/entities/by-name/component/default/child/ancestry")

    assert complaint(refused)[:2] == (403, "NotAllowedError")
    assert answer.json()["rootEntityRef"] == "component:default/child"
    assert [(item["entity"]["metadata"]["name"], item["parentEntityRefs"]) for item in answer.json()["items"]] == [
        ("child", [])
    ]


async def test_the_stream_tells_nothing_of_what_is_hidden(limited: Api) -> None:
    await limited.catalog.provide("p", Delta(added=offered(component("secret", owner="other"), component("new"))))
    await limited.catalog.settle()

    answer = await limited.get("/events?offset=0")

    assert {event["entityRef"] for event in answer.json()["events"]} == {
        f"component:default/{name}" for name in ("open", "mine", "new")
    }
    assert answer.json()["nextOffset"] == answer.json()["lastEventOffset"]
    assert "secret" not in answer.text


async def test_refresh_and_delete_are_granted_for_some_entities_only(limited: Api) -> None:
    uids = {name: limited.catalog.entity(f"component:default/{name}")["metadata"]["uid"] for name in ("mine", "open")}  # type: ignore[index,call-overload]

    refreshed = [await limited.post("/refresh", {"entityRef": f"component:{name}"}) for name in ("mine", "open")]
    kept = await limited.delete(f"/entities/by-uid/{uids['open']}")
    gone = await limited.delete(f"/entities/by-uid/{uids['mine']}")

    assert [answer.status_code for answer in refreshed] == [200, 403]
    assert [answer.status_code for answer in (kept, gone)] == [403, 204]
    assert limited.catalog.refs() == ["component:default/open", SECRET]


async def test_what_nothing_grants_is_refused_or_empty(limited: Api) -> None:
    location = await limited.catalog.register("https://host/x.yaml")
    body = {"type": "url", "target": "https://host/y.yaml"}
    entity = component("x")

    refused = [
        await limited.post("/locations", body),
        await limited.post("/locations?dryRun=true", body),
        await limited.client.put(f"/api/catalog/locations/{location.id}", json=body),
        await limited.delete(f"/locations/{location.id}"),
        await limited.post("/validate-entity", {"entity": entity, "location": "url:https://host/x.yaml"}),
        await limited.post("/analyze-location", {"location": body}),
        await limited.get("/entities/unprocessed/failed"),
        await limited.get("/entities/unprocessed/pending"),
        await limited.delete("/entities/unprocessed/delete/00000000-0000-0000-0000-000000000000"),
    ]
    listed = await limited.get("/locations")
    queried = await limited.post("/locations/by-query", {})
    single = await limited.get(f"/locations/{location.id}")

    assert [complaint(answer)[:2] for answer in refused] == [(403, "NotAllowedError")] * len(refused)
    assert listed.json() == []
    assert queried.json() == {"items": [], "totalItems": 0, "pageInfo": {}}
    assert single.status_code == 404
