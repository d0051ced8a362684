"""Webhooks of code hosts: a push refreshes what it has touched, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from callboard import settings as configuration
from callboard.access import authentication
from callboard.model import json
from callboard.model.repositories import System
from callboard.settings import ScmEventsSettings, Settings
from tests import payloads
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of, client_of
from tests.harness import Catalog, component_yaml, location_yaml
from tests.payloads import commit, proofs

GITHUB = "https://host/acme/shop/raw/main"
CONFIGURATION = """
backend:
  auth: {externalAccess: [{type: static, options: {token: token-of-ci, subject: ci}}]}
events:
  http: {topics: [github, gitlab]}
  modules:
    github: {webhookSecret: s3cret}
    gitlab: {webhookSecret: s3cret}
    bitbucketCloud: {webhookSecret: s3cret}
    bitbucketServer: {webhookSecret: s3cret}
    azureDevOps: {webhookSecret: s3cret}
    gitea: {webhookSecret: s3cret}
    gerrit: {webhookSecret: s3cret}
integrations:
  gerrit:
    - {host: gerrit.example, gitilesBaseUrl: "https://gerrit.example/gitiles", username: carol, password: t0ken}
    - {host: other.example}
  bitbucketServer:
    - {host: bitbucket.example, token: t0ken}
    - {host: git.example, apiBaseUrl: "https://git.example/bitbucket/rest/api/1.0"}
"""
# For each system the URL of its repository, and the beginning of the URLs of its files.
SYSTEMS = {
    "github": (payloads.github, "raw/main"),
    "gitlab": (payloads.gitlab, "-/raw/main"),
    "gitea": (payloads.gitea, "raw/branch/main"),
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "app-config.yaml"
    file.write_text(CONFIGURATION, "utf-8")
    return Catalog.settings(configuration.read(configuration.load([file], {})))


async def send(
    api: Api, system: str, payload: object, *, secret: str = payloads.SECRET, **headers: str | None
) -> httpx2.Response:
    """Send a webhook; a header that is None is left out."""
    body = json.encode(payload)
    all_headers = {"content-type": "application/json", **proofs(system, body, secret)}
    for name, value in headers.items():
        all_headers[name.replace("_", "-")] = value or ""
        if value is None:
            del all_headers[name.replace("_", "-")]
    return await api.client.post(f"/api/events/http/{system}", content=body, headers=all_headers)


def pushed(*commits: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A push to the repository at https://host/acme/shop."""
    return payloads.github(*commits, url="https://host/acme/shop", **more)


async def registered(api: Api, **files: str) -> dict[str, str]:
    """Register files of the repository by their names without `.yaml`; returns their ids."""
    for name, content in files.items():
        api.catalog.host.put(f"{GITHUB}/{name}.yaml", content)
    found = {name: (await api.catalog.register(f"{GITHUB}/{name}.yaml")).id for name in files}
    await api.catalog.settle()
    return found


async def targets(api: Api) -> list[str]:
    return sorted(location["data"]["target"] for location in (await api.get("/locations")).json())


async def with_events(api: Api, **chosen: bool) -> AsyncIterator[Api]:
    settings = api.catalog.configured.overridden({"catalog.scm_events": ScmEventsSettings(**chosen)})
    async with client_of(app_of(api.catalog, settings=settings)) as client:
        yield Api(api.catalog, client)


@pytest.fixture
async def unregistering(api: Api) -> AsyncIterator[Api]:
    """An installation in which what is deleted is unregistered."""
    async for other in with_events(api, unregister=True):
        yield other


@pytest.fixture
async def deaf(api: Api) -> AsyncIterator[Api]:
    """An installation that accepts webhooks and does nothing about them."""
    async for other in with_events(api, refresh=False, move=False):
        yield other


@pytest.mark.parametrize("system", SYSTEMS)
async def test_a_push_refreshes_exactly_what_it_has_touched(api: Api, system: str) -> None:
    payload, beginning = SYSTEMS[system]
    for name in ("a", "b"):
        api.catalog.host.put(f"https://host/acme/shop/{beginning}/{name}.yaml", component_yaml(name))
        await api.catalog.register(f"https://host/acme/shop/{beginning}/{name}.yaml")
    await api.catalog.settle()
    api.catalog.host.put(f"https://host/acme/shop/{beginning}/a.yaml", component_yaml("a", owner="bakers"))
    before = api.catalog.host.requests.copy()

    answer = await send(api, system, payload(commit(modified=["a.yaml", "README.md"]), url="https://host/acme/shop"))
    await api.catalog.settle()

    asked = api.catalog.host.requests - before
    assert answer.status_code == 202
    assert answer.json() == {"status": "accepted", "refreshed": 1, "moved": [], "unregistered": []}
    assert api.catalog.entity("component:default/a")["spec"]["owner"] == "bakers"  # type: ignore[index,call-overload]
    assert list(asked) == [f"https://host/acme/shop/{beginning}/a.yaml"]


async def test_bitbucket_names_no_files_so_that_all_of_the_branch_are_read_again(api: Api) -> None:
    beginning = "https://host/acme/shop"
    for place in ("raw/main/a", "src/main/b", "raw/next/c"):
        await api.catalog.register(f"{beginning}/{place}.yaml")
    await api.catalog.settle()

    one = await send(api, "bitbucketCloud", payloads.bitbucket("main", url=beginning))
    both = await send(api, "bitbucketCloud", payloads.bitbucket("main", "next", "other", url=beginning))

    assert [one.json()["refreshed"], both.json()["refreshed"]] == [2, 3]


@pytest.mark.parametrize("root", ["https://bitbucket.example", "https://git.example/bitbucket"])
async def test_a_bitbucket_server_that_does_not_say_where_it_is_is_one_of_the_integrations(api: Api, root: str) -> None:
    for query in ("", "?at=refs/heads/main", "?at=next"):
        await api.catalog.register(f"{root}/projects/ACME/repos/shop/browse/a.yaml{query}")
    await api.catalog.settle()

    answer = await send(api, "bitbucketServer", payloads.bitbucket_server("main", url=None))

    assert (answer.status_code, answer.json()["refreshed"]) == (202, 2)


@pytest.mark.parametrize("root", ["gerrit.example/gitiles", "gerrit.example/a/gitiles", "other.example"])
async def test_gerrit_says_neither_where_it_is_nor_what_was_touched(api: Api, root: str) -> None:
    for place in ("refs/heads/main", "main", "HEAD", "refs/heads/next"):
        await api.catalog.register(f"https://{root}/acme/shop/+/{place}/a.yaml")
    await api.catalog.settle()

    main = await send(api, "gerrit", payloads.gerrit())
    side = await send(api, "gerrit", payloads.gerrit("refs/heads/next"))

    assert [main.json()["refreshed"], side.json()["refreshed"]] == [3, 2]


async def test_gerrit_proves_itself_by_its_url_and_no_answer_repeats_that(api: Api) -> None:
    body, kind = json.encode(payloads.gerrit()), {"content-type": "application/json; charset=utf-8"}

    async def sent(query: str) -> httpx2.Response:
        return await api.client.post(f"/api/events/http/gerrit{query}", content=body, headers=kind)

    right, wrong, none = await sent("?secret=s3cret"), await sent("?secret=gue%73sed"), await sent("")

    assert (right.status_code, wrong.status_code) == (202, 403)
    assert wrong.json()["request"]["url"] == "/api/events/http/gerrit?secret=***"
    assert (none.status_code, none.headers["www-authenticate"]) == (401, 'Basic realm="webhooks"')
    assert (await sent("?sekret=s3cret")).status_code == 400


async def test_azure_devops_names_the_branch_in_the_query_and_proves_itself_with_a_password(api: Api) -> None:
    root = "https://dev.azure.com/acme/My%20Project/_git/shop"
    for query in ("path=/a.yaml", "path=%2Fa.yaml&version=GBmain", "path=/a.yaml&version=GBnext"):
        await api.catalog.register(f"{root}?{query}")
    await api.catalog.settle()

    main = await send(api, "azureDevOps", payloads.azure("main"))
    side = await send(api, "azureDevOps", payloads.azure("next"))
    stranger = await send(api, "azureDevOps", payloads.azure("main"), secret="guessed")

    assert [main.json()["refreshed"], side.json()["refreshed"]] == [2, 1]
    assert stranger.status_code == 403


async def test_a_push_that_does_not_tell_all_files_refreshes_the_branch_and_removes_nothing(unregistering: Api) -> None:
    await registered(unregistering, a=component_yaml("a"), b=component_yaml("b"))

    answer = await send(unregistering, "github", pushed(commit(removed=["a.yaml"]), forced=True))

    assert answer.json() == {"status": "accepted", "refreshed": 2, "moved": [], "unregistered": []}


async def test_what_is_embedded_in_an_entity_refreshes_it(api: Api) -> None:
    api.catalog.host.put(f"{GITHUB}/about.md", "old")
    file = component_yaml("a").replace("metadata:\n", "metadata:\n  description: {$text: ./about.md}\n")
    await registered(api, a=file)
    api.catalog.host.put(f"{GITHUB}/about.md", "new")

    answer = await send(api, "github", pushed(commit(modified=["about.md"])))
    await api.catalog.settle()

    assert answer.json()["refreshed"] == 1
    assert api.catalog.entity("component:default/a")["metadata"]["description"] == "new"  # type: ignore[index,call-overload]


async def test_a_file_that_is_there_at_last_is_read_at_once(api: Api) -> None:
    await api.catalog.register(f"{GITHUB}/a.yaml")
    await api.catalog.settle()
    api.catalog.host.put(f"{GITHUB}/a.yaml", component_yaml("a"))

    answer = await send(api, "github", pushed(commit(added=["a.yaml"])))
    await api.catalog.settle()

    assert answer.json()["refreshed"] == 1
    assert api.catalog.refs() == ["component:default/a"]


async def test_a_file_behind_another_location_is_found_as_well(api: Api) -> None:
    api.catalog.host.put(f"{GITHUB}/b.yaml", component_yaml("b"))
    await registered(api, a=location_yaml("a", ["./b.yaml", "./c.yaml?x=1"]))

    first = await send(api, "github", pushed(commit(modified=["b.yaml"])))
    second = await send(api, "github", pushed(commit(modified=["c.yaml"])))

    assert [first.json()["refreshed"], second.json()["refreshed"]] == [1, 1]


async def test_a_target_with_wildcards_is_read_again_when_a_file_is_added_that_it_matches(api: Api) -> None:
    await api.catalog.register(f"{GITHUB}/services/*/catalog-info.yaml")
    await api.catalog.settle()

    other = await send(api, "github", pushed(commit(added=["services/catalog-info.yaml"])))
    matching = await send(api, "github", pushed(commit(added=["services/a/catalog-info.yaml"])))

    assert [other.json()["refreshed"], matching.json()["refreshed"]] == [0, 1]


async def test_a_target_whose_key_was_shortened_is_found(api: Api) -> None:
    long = "/".join(["services"] * 40)
    await api.catalog.register(f"{GITHUB}/{long}/a.yaml")
    await api.catalog.settle()

    other = await send(api, "github", pushed(commit(modified=["services/a.yaml"])))
    touched = await send(api, "github", pushed(commit(modified=[f"{long}/a.yaml"])))

    assert [other.json()["refreshed"], touched.json()["refreshed"]] == [0, 1]


async def test_a_branch_whose_name_is_longer_than_a_shortened_key_is_found(api: Api) -> None:
    name = "x" * 240
    await api.catalog.register(f"https://host/acme/shop/raw/{name}/a.yaml")
    await api.catalog.register(f"https://host/acme/shop/raw/{name}/{name}.yaml")
    await api.catalog.settle()

    answer = await send(api, "github", pushed(commit(modified=["a.yaml"]), ref=f"refs/heads/{name}", forced=True))

    assert answer.json()["refreshed"] == 2


async def test_a_deleted_file_is_an_error_on_its_location_and_takes_nothing_along(api: Api) -> None:
    ids = await registered(api, a=component_yaml("a"))
    api.catalog.host.remove(f"{GITHUB}/a.yaml")

    answer = await send(api, "github", pushed(commit(removed=["a.yaml"])))
    await api.catalog.settle()

    location = (await api.get(f"/locations/{ids['a']}")).json()["entityRef"]
    assert answer.json() == {"status": "accepted", "refreshed": 1, "moved": [], "unregistered": []}
    assert api.catalog.status(location) == [
        f"NotFoundError: Unable to read url, nothing was found at {GITHUB}/a.yaml (404 Not Found)"
    ]
    assert api.catalog.refs() == ["component:default/a"]
    assert api.catalog.orphans() == []


async def test_a_deleted_file_is_unregistered_where_that_is_wanted(unregistering: Api) -> None:
    await registered(unregistering, a=component_yaml("a"), b=component_yaml("b"))

    answer = await send(unregistering, "github", pushed(commit(removed=["a.yaml"])))
    await unregistering.catalog.settle()

    assert answer.json() == {
        "status": "accepted",
        "refreshed": 0,
        "moved": [],
        "unregistered": [f"{GITHUB}/a.yaml"],
    }
    assert unregistering.catalog.refs() == ["component:default/b"]


async def test_what_goes_with_a_deleted_file_says_which_push_it_was(unregistering: Api) -> None:
    ids = await registered(unregistering, a=component_yaml("a"))

    await send(unregistering, "github", pushed(commit(removed=["a.yaml"])))

    [cause] = [change.cause for change in await unregistering.catalog.history() if change.ref == "component:default/a"][
        1:
    ]
    assert json.decode(cause or "") == {
        "source": "provider:locations",
        "location": f"url:{GITHUB}/a.yaml",
        "locationId": ids["a"],
        "because": "webhook github push aaaaaaaaaaaa",
    }


async def test_a_location_follows_its_file_and_its_entities_stay_what_they_are(api: Api) -> None:
    ids = await registered(api, a=component_yaml("a"), other=component_yaml("other"))
    uid = api.catalog.entity("component:default/a")["metadata"]["uid"]  # type: ignore[index,call-overload]
    api.catalog.host.remove(f"{GITHUB}/a.yaml")
    api.catalog.host.put(f"{GITHUB}/my%20team/new.yaml", component_yaml("a", owner="bakers"))
    api.catalog.host.put(f"{GITHUB}/unrelated.yaml", component_yaml("unrelated"))

    answer = await send(
        api, "github", pushed(commit(removed=["a.yaml"], added=["my team/new.yaml", "unrelated.yaml", "new.md"]))
    )
    at_once = (await api.catalog.look()).by_ref("component:default/a")
    await api.catalog.settle()

    entity: Any = api.catalog.entity("component:default/a")
    location = (await api.get(f"/locations/{ids['a']}")).json()
    assert answer.json() == {
        "status": "accepted",
        "refreshed": 0,
        "moved": [{"from": f"{GITHUB}/a.yaml", "to": f"{GITHUB}/my%20team/new.yaml"}],
        "unregistered": [],
    }
    assert at_once is not None
    assert location["target"] == f"{GITHUB}/my%20team/new.yaml"
    assert (entity["metadata"]["uid"], entity["spec"]["owner"]) == (uid, "bakers")
    assert entity["metadata"]["annotations"]["backstage.io/managed-by-location"] == f"url:{location['target']}"
    assert api.catalog.status(location["entityRef"]) == []
    assert api.catalog.refs() == ["component:default/a", "component:default/other"]
    assert api.catalog.orphans() == []
    assert f"{GITHUB}/new.md" not in api.catalog.host.requests


async def test_each_of_several_locations_follows_its_own_file(api: Api) -> None:
    await registered(api, a=component_yaml("a"), b=f"{component_yaml('b')}---\n{component_yaml('b2')}")
    for old, new in (("a", "x/b"), ("b", "x/a")):
        api.catalog.host.files[f"{GITHUB}/{new}.yaml"] = api.catalog.host.files.pop(f"{GITHUB}/{old}.yaml")

    answer = await send(api, "github", pushed(commit(removed=["a.yaml", "b.yaml"], added=["x/a.yaml", "x/b.yaml"])))
    await api.catalog.settle()

    assert answer.json()["moved"] == [
        {"from": f"{GITHUB}/a.yaml", "to": f"{GITHUB}/x/b.yaml"},
        {"from": f"{GITHUB}/b.yaml", "to": f"{GITHUB}/x/a.yaml"},
    ]
    assert api.catalog.refs() == ["component:default/a", "component:default/b", "component:default/b2"]


async def test_what_others_had_of_a_file_that_was_moved_is_refreshed(api: Api) -> None:
    await registered(api, a=component_yaml("a"))
    await registered(api, root=location_yaml("root", ["./a.yaml"]))
    api.catalog.host.put(f"{GITHUB}/b.yaml", component_yaml("a"))
    api.catalog.host.remove(f"{GITHUB}/a.yaml")

    answer = await send(api, "github", pushed(commit(removed=["a.yaml"], added=["b.yaml"])))

    assert [answer.json()["refreshed"], len(answer.json()["moved"])] == [1, 1]


@pytest.mark.parametrize("new", [None, "no: [yaml", component_yaml("another"), "kind: Component"])
async def test_a_file_with_nothing_in_common_is_none_that_was_renamed(api: Api, new: str | None) -> None:
    await registered(api, a=component_yaml("a"))
    api.catalog.host.remove(f"{GITHUB}/a.yaml")
    if new is not None:
        api.catalog.host.put(f"{GITHUB}/b.yaml", new)

    answer = await send(api, "github", pushed(commit(removed=["a.yaml"], added=["b.yaml"])))

    assert answer.json() == {"status": "accepted", "refreshed": 1, "moved": [], "unregistered": []}
    assert await targets(api) == [f"{GITHUB}/a.yaml"]


async def test_a_location_does_not_follow_to_where_another_one_is(api: Api) -> None:
    await registered(api, a=component_yaml("a"), b="")
    api.catalog.host.remove(f"{GITHUB}/a.yaml")
    api.catalog.host.put(f"{GITHUB}/b.yaml", component_yaml("a"))

    answer = await send(api, "github", pushed(commit(removed=["a.yaml"], added=["b.yaml"])))

    assert answer.json() == {"status": "accepted", "refreshed": 2, "moved": [], "unregistered": []}


async def test_gitlab_does_not_tell_the_old_name_so_that_it_is_looked_for(api: Api) -> None:
    beginning = "https://host/acme/shop/-/raw/main"
    for name in ("a", "b"):
        api.catalog.host.put(f"{beginning}/{name}.yaml", component_yaml(name))
        await api.catalog.register(f"{beginning}/{name}.yaml")
    await api.catalog.settle()
    api.catalog.host.remove(f"{beginning}/a.yaml")
    api.catalog.host.put(f"{beginning}/moved.yaml", component_yaml("a"))
    api.catalog.host.put(f"{beginning}/copied.yaml", component_yaml("b"))

    payload = payloads.gitlab(commit(added=["moved.yaml", "copied.yaml"]), url="https://host/acme/shop")
    answer = await send(api, "gitlab", payload)

    assert answer.json() == {
        "status": "accepted",
        "refreshed": 0,
        "moved": [{"from": f"{beginning}/a.yaml", "to": f"{beginning}/moved.yaml"}],
        "unregistered": [],
    }


async def test_a_host_that_can_not_be_read_keeps_no_push_from_being_accepted(api: Api) -> None:
    await registered(api, a=component_yaml("a"))
    api.catalog.host.down = True

    answer = await send(api, "github", pushed(commit(removed=["a.yaml"], added=["b.yaml"])))

    assert answer.json() == {"status": "accepted", "refreshed": 1, "moved": [], "unregistered": []}


async def test_registered_locations_stay_as_they_are_in_readonly_mode(api: Api, readonly: Api) -> None:
    await registered(api, a=component_yaml("a"))
    api.catalog.host.put(f"{GITHUB}/b.yaml", component_yaml("a"))
    api.catalog.host.remove(f"{GITHUB}/a.yaml")

    answer = await send(readonly, "github", pushed(commit(removed=["a.yaml"], added=["b.yaml"])))

    assert answer.json() == {"status": "accepted", "refreshed": 1, "moved": [], "unregistered": []}


async def test_nothing_happens_where_nothing_is_wanted(deaf: Api) -> None:
    await registered(deaf, a=component_yaml("a"))

    answer = await send(deaf, "github", pushed(commit(removed=["a.yaml"], added=["b.yaml"])))

    assert answer.json() == {"status": "accepted", "refreshed": 0, "moved": [], "unregistered": []}
    assert await deaf.catalog.process() == 0


@pytest.mark.parametrize(
    ("system", "payload", "header", "event"),
    [
        ("github", {"zen": "Bake.", "hook_id": 1}, "x_github_event", "ping"),
        ("github", payloads.github(ref="refs/tags/v1"), "x_github_event", "push"),
        ("github", payloads.github(after=payloads.NOTHING, deleted=True), "x_github_event", "push"),
        ("gitlab", {"object_kind": "merge_request"}, "x_gitlab_event", "Merge Request Hook"),
        ("bitbucketCloud", {"repository": {}}, "x_event_key", "repo:fork"),
        ("gitea", {"action": "opened"}, "x_gitea_event", "issues"),
    ],
)
async def test_what_is_no_push_to_a_branch_is_accepted_and_nothing_happens(
    api: Api, system: str, payload: dict[str, Any], header: str, event: str
) -> None:
    answer = await send(api, system, payload, **{header: event})

    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})


async def test_a_webhook_needs_no_token_but_its_signature(api: Api) -> None:
    async with httpx2.AsyncClient(transport=api.catalog.host.transport) as outside:
        door = authentication.build(api.catalog.configured, outside, api.catalog.clock, lambda _: ())
        async with client_of(app_of(api.catalog, authenticator=door)) as client:
            closed = Api(api.catalog, client)

            accepted = await send(closed, "github", pushed(commit(modified=["a.yaml"])))
            refused = await send(closed, "github", pushed(), secret="guessed", authorization="Bearer token-of-ci")

    assert accepted.status_code == 202
    assert complaint(refused) == (
        403,
        "NotAllowedError",
        "The webhook was not signed with events.modules.github.webhookSecret",
    )


async def test_a_webhook_without_a_signature_is_refused_whatever_it_says(api: Api) -> None:
    answer = await api.client.post("/api/events/http/github", content=b"{", headers={"x-github-event": "push"})

    message = "The webhook proves nothing: it has no header x-hub-signature-256"
    assert complaint(answer) == (403, "NotAllowedError", message)
    assert answer.json()["request"] == {"method": "POST", "url": "/api/events/http/github"}


async def test_a_system_without_a_secret_is_refused_with_the_name_of_the_setting(api: Api) -> None:
    settings = api.catalog.configured.overridden({"events.modules": configuration.EventModulesSettings()})
    async with client_of(app_of(api.catalog, settings=settings)) as client:
        answer = await send(Api(api.catalog, client), "bitbucketCloud", payloads.bitbucket("main"))

    message = "No webhooks are accepted from bitbucketCloud: events.modules.bitbucketCloud.webhookSecret is not set"
    assert complaint(answer) == (403, "NotAllowedError", message)


@pytest.mark.parametrize(
    ("payload", "headers", "reason"),
    [
        ([], {}, "request/body must be object"),
        ({}, {}, "request/body must have required property 'ref'"),
        ({}, {"x_github_event": None}, "request/headers must have required property 'x-github-event'"),
        (
            {},
            {"content_type": "application/x-www-form-urlencoded"},
            "unsupported media type application/x-www-form-urlencoded, expected application/json",
        ),
    ],
)
async def test_a_body_that_can_not_be_meant_is_refused(
    api: Api, payload: object, headers: dict[str, Any], reason: str
) -> None:
    answer = await send(api, "github", payload, **headers)

    assert complaint(answer) == (400, "InputError", reason)


async def test_a_signed_body_that_is_too_large_is_refused(api: Api) -> None:
    answer = await send(api, "github", {"ref": "x" * (10 * 2**20)})

    assert complaint(answer) == (400, "InputError", "request entity too large: a body may have 10 MiB")


async def test_events_come_in_from_seven_systems_only(api: Api) -> None:
    other = await api.client.post("/api/events/http/azure", content=b"{}")
    reading = await api.client.get("/api/events/http/github")

    message = f"No events come in from 'azure', only from {', '.join(System)}"
    assert complaint(other) == (404, "NotFoundError", message)
    assert (reading.status_code, reading.content) == (404, b"")


async def test_webhooks_are_counted_by_what_became_of_them(api: Api) -> None:
    await send(api, "github", pushed(commit(modified=["a.yaml"])))
    await send(api, "github", {}, x_github_event="ping")
    await send(api, "gitlab", payloads.gitlab(), secret="guessed")
    await send(api, "gitea", [])

    lines = (await api.client.get("/metrics")).text.splitlines()

    assert {line for line in lines if line.startswith("catalog_events_scm_total{")} == {
        'catalog_events_scm_total{outcome="applied",system="github"} 1.0',
        'catalog_events_scm_total{outcome="ignored",system="github"} 1.0',
        'catalog_events_scm_total{outcome="refused",system="gitlab"} 1.0',
        'catalog_events_scm_total{outcome="invalid",system="gitea"} 1.0',
    }
    assert any('route="/api/events/http/{system}",status="202"' in line for line in lines)


async def test_two_pushes_at_one_moment_are_both_applied(api: Api) -> None:
    await registered(api, a=component_yaml("a"))
    api.catalog.host.put(f"{GITHUB}/b.yaml", component_yaml("a"))
    api.catalog.host.remove(f"{GITHUB}/a.yaml")
    push = pushed(commit(removed=["a.yaml"], added=["b.yaml"]))

    answers = await asyncio.gather(*(send(api, "github", push) for _ in range(4)))
    await api.catalog.settle()

    assert [answer.status_code for answer in answers] == [202] * 4
    assert await targets(api) == [f"{GITHUB}/b.yaml"]
    assert api.catalog.refs() == ["component:default/a"]
