"""Gerrit is read by URLs of Gitiles, and crawled."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import pytest

from callboard.builtin.hosts import gerrit
from callboard.builtin.hosts.gerrit import Gerrit
from callboard.errors import InvalidConfiguration, InvalidRef, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import Content, NotModified, PluginContext, Webhook
from callboard.model.json import JsonObject, JsonValue
from callboard.model.repositories import System
from callboard.store.database import Database
from callboard.testing import FakeClock
from callboard.testing.connections import FakeConnection
from callboard.testing.gerrit import FakeGerrit
from callboard.testing.repositories import Failure
from tests.builtin.hosts.reading import content, context_of, targets_of
from tests.builtin.hosts.stories import HostStory, story_of
from tests.harness import component_yaml

GITILES = "https://gerrit.example.com/plugins/gitiles"
SHOP = f"{GITILES}/web/shop+1/+"
FILE = f"{SHOP}/refs/heads/main/catalog-info.yaml"
ENTRY: JsonObject = {"host": "gerrit.example.com", "gitilesBaseUrl": GITILES, "username": "carol", "password": "t0ken"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC))


@pytest.fixture
def host(clock: FakeClock) -> FakeGerrit:
    host = FakeGerrit(clock=clock)
    files = {"catalog-info.yaml": "the shop", "docs/a b#1.yaml": "odd", "services/till/catalog-info.yaml": "the till"}
    project = host.project("web/shop+1", files)
    host.tags["web/shop+1", "v1/rc"] = project.branches["main"].sha
    return host


def configured(host: FakeGerrit, clock: FakeClock, providers: JsonObject, **entry: JsonValue) -> PluginContext:
    return context_of(host, clock, {"gerrit": [{**ENTRY, **entry}]}, providers)


def reader_of(host: FakeGerrit, clock: FakeClock, **entry: JsonValue) -> Gerrit:
    (reader,) = gerrit.code_hosts(configured(host, clock, {}, **entry))
    return reader


@pytest.fixture
def reader(host: FakeGerrit, clock: FakeClock) -> Gerrit:
    return reader_of(host, clock)


@pytest.mark.parametrize(
    "url",
    [
        FILE,
        f"{SHOP}/main/catalog-info.yaml",
        f"{SHOP}/HEAD/catalog-info.yaml",
        f"{SHOP}/refs/tags/v1/rc/catalog-info.yaml",
        f"{SHOP}/refs/tags/v1%2Frc/catalog-info.yaml",
        f"{GITILES}/web/shop+1/+show/refs/heads/main/catalog-info.yaml",
        FILE.replace("/plugins/", "/a/plugins/"),
        FILE.replace("shop+1", "shop%2B1"),
        f"{FILE}#12",
    ],
)
async def test_a_file_is_read_whatever_form_its_url_has(reader: Gerrit, url: str) -> None:
    assert reader.covers(url)
    assert await content(reader, url) == "the shop"


async def test_paths_are_encoded_in_urls(reader: Gerrit) -> None:
    assert await content(reader, f"{SHOP}/refs/heads/main/docs/a%20b%231.yaml") == "odd"


async def test_a_commit_is_read_without_asking_where_it_is(host: FakeGerrit, reader: Gerrit) -> None:
    sha = host.repositories["web/shop+1"].branches["main"].sha

    assert await content(reader, f"{SHOP}/{sha}/catalog-info.yaml") == "the shop"
    assert host.total == 1


@pytest.mark.parametrize("written", ["feature/new/till", "feature%2Fnew%2Ftill"])
async def test_a_branch_may_have_slashes(host: FakeGerrit, reader: Gerrit, written: str) -> None:
    host.repositories["web/shop+1"].commit({"a/b.yaml": "on the branch"}, "feature/new/till")
    host.repositories["web/shop+1"].commit({"a/b.yaml": "on another"}, "feature/ne")
    url = f"{SHOP}/refs/heads/{written}/a/b.yaml"

    assert await content(reader, url) == "on the branch"
    assert reader.resolve(url, "../catalog-info.yaml") == f"{SHOP}/refs/heads/{written}/catalog-info.yaml"


async def test_what_has_not_changed_is_not_sent(host: FakeGerrit, reader: Gerrit) -> None:
    first = await reader.read(FILE)
    assert isinstance(first, Content)
    host.forget()

    same = await reader.read(FILE, version=first.version)

    assert (same, dict(host.requests)) == (
        NotModified(FILE, first.version or ""),
        {"GET /a/projects/web/shop+1/branches/main": 1},
    )


@pytest.mark.parametrize("knows_expressions", [True, False])
async def test_many_branches_are_looked_up_with_few_requests(
    host: FakeGerrit, reader: Gerrit, knows_expressions: bool
) -> None:
    urls = []
    for number in range(40):
        host.project(f"tools/p.{number}", {"a.yaml": f"{number}"}, default_branch="main" if number % 2 else "master")
        urls.append(f"{GITILES}/tools/p.{number}/+/refs/heads/{'main' if number % 2 else 'master'}/a.yaml")
    host.project("tools/px0", {"a.yaml": "another"}, default_branch="master")
    versions = {url: (await reader.read(url)).version for url in urls}
    host.forget()
    host.knows_expressions = knows_expressions

    unchanged = await asyncio.gather(*(reader.read(url, version=versions[url]) for url in urls))

    assert all(isinstance(each, NotModified) for each in unchanged)
    assert host.total == 1 if knows_expressions else host.total > 40


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"{SHOP}/refs/heads/main/nothing.yaml", "404"),
        (f"{SHOP}/refs/heads/nowhere/catalog-info.yaml", "404"),
        (f"{SHOP}/refs/tags/v2/catalog-info.yaml", "404"),
        (f"{GITILES}/nothing/+/refs/heads/main/catalog-info.yaml", "404"),
    ],
)
async def test_what_is_not_there_is_not_found(reader: Gerrit, url: str, told: str) -> None:
    with pytest.raises(LocationNotFound, match=told):
        await reader.read(url)


@pytest.mark.parametrize("url", [GITILES, f"{GITILES}/web/shop", f"{SHOP}/refs/heads/main", f"{GITILES}/+/main/a.yaml"])
async def test_a_url_of_no_file_is_refused(reader: Gerrit, url: str) -> None:
    with pytest.raises(InvalidRef):
        await reader.read(url)


async def test_wildcards_match_files_that_gitiles_lists(host: FakeGerrit, reader: Gerrit) -> None:
    found = await reader.expand(f"{SHOP}/refs/heads/main/**/catalog-info.yaml")

    assert found == [FILE, f"{SHOP}/refs/heads/main/services/till/catalog-info.yaml"]
    assert [path for path in host.requests if "gitiles" in path] == [
        f"GET /a/plugins/gitiles/web/shop+1/+/{host.repositories['web/shop+1'].branches['main'].sha}/"
    ]


async def test_without_gitiles_wildcards_are_an_error_and_no_empty_list(host: FakeGerrit, reader: Gerrit) -> None:
    host.has_gitiles = False

    with pytest.raises(Unreadable, match=f"lists no files of web/shop.1: that needs Gitiles at {GITILES}"):
        await reader.expand(f"{SHOP}/refs/heads/main/**/catalog-info.yaml")


async def test_gitiles_elsewhere_gets_no_password(clock: FakeClock) -> None:
    host = FakeGerrit(clock=clock)
    reader = reader_of(host, clock, gitilesBaseUrl="https://code.example.com/plugins/gitiles")

    assert await reader._installation.files.credentials.headers() == {}
    assert str(reader._installation.files.base_url) == "https://code.example.com/plugins/gitiles/"
    assert "t0ken" not in repr(reader._installation)


async def test_strangers_read_what_is_public_below_another_address(host: FakeGerrit, clock: FakeClock) -> None:
    host.tokens.clear()
    reader = reader_of(host, clock, username=None, password=None)

    assert await content(reader, FILE) == "the shop"
    assert len(await reader.expand(f"{SHOP}/refs/heads/main/**/*.yaml")) == 3
    assert not [path for path in host.requests if " /a/" in path]


async def test_links_lead_to_the_folder_and_the_file(reader: Gerrit) -> None:
    url = f"{SHOP}/refs/heads/main/services/till/catalog-info.yaml"

    assert reader.links(url) == {
        "backstage.io/source-location": f"url:{SHOP}/refs/heads/main/services/till/",
        "backstage.io/edit-url": url,
    }


@pytest.mark.parametrize("url", [f"{GITILES}/web/shop+1", f"{GITILES}/web/shop+1/+log/main", FILE])
async def test_a_project_has_a_slug_and_its_catalog_files_are_found(reader: Gerrit, url: str) -> None:
    repository = reader.repository(url)

    assert repository is not None
    assert (repository.url, repository.name, repository.slug) == (f"{GITILES}/web/shop+1", "shop+1", "web/shop+1")
    assert await reader.find(url, "catalog-info.yaml") == [
        FILE,
        f"{SHOP}/refs/heads/main/services/till/catalog-info.yaml",
    ]


async def test_a_wrong_password_is_named_by_its_place_and_not_shown(host: FakeGerrit, clock: FakeClock) -> None:
    reader = reader_of(host, clock, password="wr0ng")

    with pytest.raises(Unreadable, match=r"does not accept the credentials of .*integrations\.gerrit\[0\]") as met:
        await reader.read(FILE)

    assert "wr0ng" not in str(met.value)


@pytest.mark.parametrize(
    ("failure", "error", "told"),
    [
        (Failure(status=403), NotAllowed, "may not see this"),
        (Failure(status=429, headers={"retry-after": "90"}), Unreadable, "used up"),
        (Failure(status=200, body="not an object"), Unreadable, "where an object was expected"),
        (Failure(status=200, body={}), Unreadable, "the commit of main in web/shop.1"),
    ],
)
async def test_a_failure_says_what_to_do(
    host: FakeGerrit, reader: Gerrit, failure: Failure, error: type[Exception], told: str
) -> None:
    host.failures.append(failure)

    with pytest.raises(error, match=told):
        await reader.read(FILE)

    assert host.total == 1


@pytest.mark.parametrize(
    ("key", "integration", "provider"),
    [
        ("integrations.gerrit[0].gitilesBaseUrl", {"gitilesBaseUrl": "gitiles"}, {}),
        ("integrations.gerrit[0].username", {"username": None}, {}),
        ("catalog.providers.gerrit.all.host", {}, {"host": "other.example.com"}),
        ("catalog.providers.gerrit.all.query", {}, {"query": None}),
        ("catalog.providers.gerrit.all.catalogPath", {}, {"catalogPath": "/"}),
    ],
)
def test_what_the_configuration_can_not_mean_is_named_by_its_key(
    host: FakeGerrit, clock: FakeClock, key: str, integration: JsonObject, provider: JsonObject
) -> None:
    said: JsonObject = {"host": "gerrit.example.com", "query": "state=ACTIVE", **provider}

    with pytest.raises(InvalidConfiguration) as met:
        gerrit.discovery(configured(host, clock, {"gerrit": {"all": said}}, **integration))

    assert str(met.value).startswith(f"{key}: ")


PROVIDER = "gerrit-provider:all"


@pytest.fixture
async def story(database: Database, host: FakeGerrit, clock: FakeClock) -> AsyncIterator[HostStory]:
    host.repositories["web/shop+1"].commit({"catalog-info.yaml": component_yaml("shop")})
    host.project("web/site", {"catalog-info.yaml": component_yaml("site")}, default_branch="trunk")
    host.project("old", {"catalog-info.yaml": component_yaml("old")}, is_archived=True)
    schedule: JsonObject = {"frequency": {"minutes": 30}, "timeout": {"minutes": 3}}
    options: JsonObject = {"host": "gerrit.example.com", "query": "state=ACTIVE", "schedule": schedule}
    async with story_of(
        database, host, clock, integrations={"gerrit": [ENTRY]}, providers={"gerrit": {"all": options}}
    ) as story:
        yield story


async def test_rounds_bring_the_catalog_files_of_projects_and_a_second_one_asks_little(story: HostStory) -> None:
    await story.round(PROVIDER)

    assert story.catalog.refs() == ["component:default/shop", "component:default/site"]
    metadata = story.catalog.entity("component:default/site")["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["annotations"] == {
        "backstage.io/managed-by-location": f"url:{GITILES}/web/site/+/refs/heads/trunk/catalog-info.yaml",
        "backstage.io/managed-by-origin-location": f"url:{GITILES}/web/site/+/refs/heads/trunk/catalog-info.yaml",
        "backstage.io/view-url": f"{GITILES}/web/site/+/refs/heads/trunk/catalog-info.yaml",
        "backstage.io/edit-url": f"{GITILES}/web/site/+/refs/heads/trunk/catalog-info.yaml",
        "backstage.io/source-location": f"url:{GITILES}/web/site/+/refs/heads/trunk/",
    }
    events = len(await story.catalog.history())

    story.catalog.clock.advance(1801)
    asked = await story.round(PROVIDER)

    assert asked == 3, "the list, whether HEAD stands for the same branches, and where they are"
    assert len(await story.catalog.history()) == events


async def tell(story: HostStory, body: dict[str, Any]) -> int:
    """Gerrit sends a webhook. Returns how many requests that led to."""
    return await story.hear(System.GERRIT, body["type"], body, roots=[GITILES])


def gerrit_of(story: HostStory) -> FakeGerrit:
    assert isinstance(story.host, FakeGerrit)
    return story.host


async def test_a_push_is_read_at_once_with_two_requests(story: HostStory) -> None:
    await story.round(PROVIDER)
    host = gerrit_of(story)

    file = {"catalog-info.yaml": component_yaml("site", owner="others")}
    asked = await tell(story, host.push(host.repositories["web/site"], file))

    assert asked == 2, "where the branch is, and the file"
    spec = story.catalog.entity("component:default/site")["spec"]
    assert isinstance(spec, dict)
    assert spec["owner"] == "others"


async def test_a_new_project_is_there_without_a_round_and_comes_to_life_with_its_first_push(story: HostStory) -> None:
    host = gerrit_of(story)
    project = host.project("web/new", default_branch="trunk")

    asked = [await tell(story, host.created(project))]
    asked.append(await tell(story, host.push(project, {"catalog-info.yaml": component_yaml("new")})))
    refs = story.catalog.refs()

    assert refs == ["component:default/new"]
    assert max(asked) <= 3, asked
    before = await story.catalog.history()
    await story.round(PROVIDER)
    told = [change.ref for change in await story.catalog.history()][len(before) :]
    assert "component:default/new" not in told, "a round finds what was heard as it is"


async def test_a_project_that_nobody_has_told_of_is_found_by_a_push_to_its_head(story: HostStory) -> None:
    host = gerrit_of(story)
    project = host.project("web/new", {"README.md": ""}, default_branch="trunk")

    side = await tell(story, host.push(project, {"catalog-info.yaml": component_yaml("side")}, "side"))
    asked = await tell(story, host.push(project, {"catalog-info.yaml": component_yaml("new")}))

    assert story.catalog.refs() == ["component:default/new"]
    assert (side, asked) == (1, 3), "what HEAD stands for; and that, where the branch is, and the file"


async def test_a_head_that_moves_is_followed_at_once_and_a_branch_that_is_deleted_has_nothing(story: HostStory) -> None:
    await story.round(PROVIDER)
    host = gerrit_of(story)
    site = host.repositories["web/site"]
    assert await tell(story, host.push(site, {"catalog-info.yaml": component_yaml("next")}, "next")) == 1

    moved = await tell(story, host.move_head(site, "next"))
    after_move = story.catalog.refs()
    dropped = await tell(story, host.drop(site, "next"))

    assert after_move == ["component:default/next", "component:default/shop"]
    assert story.catalog.refs() == ["component:default/shop"]
    assert max(moved, dropped) <= 3, (moved, dropped)


@pytest.mark.parametrize(
    ("options", "name", "heard"),
    [
        ({"query": "p=web/"}, "web/new", True),
        ({"query": "p=web/"}, "tools/new", False),
        ({"query": "m=WEB"}, "my/web", True),
        ({"query": "m=web"}, "tools", False),
        ({"query": "r=web/.*&state=ACTIVE"}, "web/new", True),
        ({"query": "r=web"}, "web/new", False),
        ({"query": "r=web["}, "web[", False),
        ({"query": "state=READ_ONLY"}, "web/new", False),
        ({"query": "p=web&n=5"}, "web/new", False),
        ({"query": "p=web", "branch": "main"}, "web/new", True),
        ({"query": "p=web", "branch": "v1"}, "web/new", False),
    ],
)
async def test_a_push_counts_if_the_query_finds_the_project(
    clock: FakeClock, options: JsonObject, name: str, heard: bool
) -> None:
    host, noted = FakeGerrit(clock=clock), FakeConnection()
    body = host.push(host.project(name), {"catalog-info.yaml": "new"})
    said: JsonObject = {"host": "gerrit.example.com", **options}
    (provider,) = gerrit.discovery(configured(host, clock, {"gerrit": {"all": said}}))

    await provider.on_webhook(Webhook(system="gerrit", event=body["type"], body=body), noted)

    assert bool(noted.offered) is heard


@pytest.mark.parametrize(
    "body",
    [
        {"type": "project-created", "projectName": "p", "headName": "refs/meta/config"},
        {"type": "ref-updated", "refUpdate": {"project": "p", "refName": "refs/meta/config", "newRev": "1" * 40}},
        {"type": "ref-updated", "refUpdate": {"project": "p", "refName": "refs/changes/1/1/1", "newRev": "1" * 40}},
        {"type": "change-merged", "change": {"project": "p", "branch": "main"}},
    ],
)
async def test_what_brings_no_file_asks_for_nothing(clock: FakeClock, body: JsonObject) -> None:
    host, noted = FakeGerrit(clock=clock), FakeConnection()
    said: JsonObject = {"host": "gerrit.example.com", "query": "state=ACTIVE"}
    (provider,) = gerrit.discovery(configured(host, clock, {"gerrit": {"all": said}}))

    await provider.on_webhook(Webhook(system="gerrit", event=str(body["type"]), body=body), noted)

    assert (host.total, noted.mutations) == (0, [])


@pytest.mark.parametrize(
    ("options", "targets"),
    [
        ({}, ["a/+/refs/heads/main/catalog-info.yaml", "b/c/+/refs/heads/trunk/catalog-info.yaml"]),
        ({"query": "?prefix=b"}, ["b/c/+/refs/heads/trunk/catalog-info.yaml"]),
        ({"query": "state=READ_ONLY"}, ["old/+/refs/heads/main/catalog-info.yaml"]),
        ({"query": "b=trunk"}, ["b/c/+/refs/heads/trunk/catalog-info.yaml"]),
        ({"branch": "v1", "query": "p=a"}, ["a/+/refs/heads/v1/catalog-info.yaml"]),
        ({"catalogPath": "/docs/*.yaml", "query": "p=a"}, ["a/+/refs/heads/main/docs/*.yaml"]),
    ],
)
async def test_the_options_say_which_projects_count(clock: FakeClock, options: JsonObject, targets: list[str]) -> None:
    host = FakeGerrit(clock=clock)
    host.project("a", {"x": ""})
    host.project("b/c", {"x": ""}, default_branch="trunk")
    host.project("old", {"x": ""}, is_archived=True)
    said: JsonObject = {"host": "gerrit.example.com", "query": "state=ACTIVE", **options}
    (provider,) = gerrit.discovery(configured(host, clock, {"gerrit": {"all": said}}))

    assert await targets_of(provider) == [f"{GITILES}/{target}" for target in targets]


async def test_a_head_that_has_moved_is_followed(clock: FakeClock) -> None:
    host = FakeGerrit(clock=clock)
    for number in range(600):
        host.project(f"p{number:03}", {"x": ""})
    said: JsonObject = {"host": "gerrit.example.com", "query": "state=ACTIVE"}
    (provider,) = gerrit.discovery(configured(host, clock, {"gerrit": {"all": said}}))
    assert len(await targets_of(provider)) == 600
    host.forget()

    host.repositories["p007"].commit({"y": ""}, "trunk")
    host.repositories["p007"].default_branch = "trunk"
    found = await targets_of(provider)

    assert f"{GITILES}/p007/+/refs/heads/trunk/catalog-info.yaml" in found
    assert (len(found), host.total) == (600, 5), "two pages, each with its HEADs, and one project"
