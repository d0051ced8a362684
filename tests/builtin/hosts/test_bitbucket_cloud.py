"""Bitbucket Cloud is read by URL, crawled, and heard."""

import datetime as dt
from collections.abc import AsyncIterator

import pytest

from callboard.builtin.hosts import bitbucket_cloud
from callboard.builtin.hosts.bitbucket_cloud.discovery import BitbucketCloudDiscovery
from callboard.builtin.hosts.bitbucket_cloud.reader import BitbucketCloud
from callboard.errors import InvalidConfiguration, InvalidRef, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import Content, NotModified, PluginConfig, PluginContext, Webhook
from callboard.model.json import JsonObject, JsonValue
from callboard.model.pushes import parse_pushes
from callboard.model.repositories import System
from callboard.store.database import Database
from callboard.testing import FakeClock
from callboard.testing.bitbucket_cloud import FakeBitbucketCloud
from callboard.testing.connections import FakeConnection
from callboard.testing.repositories import Failure
from tests.builtin.hosts.asking import (
    annotations_of,
    content,
    context_of,
    pages_of,
    spec_of,
    targets_of,
    while_time_passes,
)
from tests.builtin.hosts.stories import HostStory, story_of
from tests.harness import component_yaml

ROOT = "https://bitbucket.org/acme"
FILE = f"{ROOT}/shop/src/main/catalog-info.yaml"
TOKEN: JsonValue = [{"username": "jane@acme.example", "token": "t0ken"}]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC))


@pytest.fixture
def host(clock: FakeClock) -> FakeBitbucketCloud:
    host = FakeBitbucketCloud(clock=clock)
    host.add(
        "acme",
        "shop",
        {"catalog-info.yaml": "the shop", "docs/a b.yaml": "spaced", "services/till/catalog-info.yaml": "the till"},
    )
    return host


def reader_of(host: FakeBitbucketCloud, clock: FakeClock, said: JsonValue = TOKEN) -> BitbucketCloud:
    (reader,) = bitbucket_cloud.code_hosts(context_of(host, clock, {"bitbucketCloud": said}))
    return reader


@pytest.fixture
def reader(host: FakeBitbucketCloud, clock: FakeClock) -> BitbucketCloud:
    return reader_of(host, clock)


@pytest.mark.parametrize(
    "url",
    [
        FILE,
        f"{ROOT}/shop/raw/main/catalog-info.yaml",
        f"{ROOT}/shop/src/HEAD/catalog-info.yaml",
        f"{FILE}?at=main",
        f"{FILE}#lines-3:5",
        f"{ROOT}/shop.git/src/main/catalog-info.yaml",
    ],
)
async def test_a_file_is_read_whatever_form_its_url_has(reader: BitbucketCloud, url: str) -> None:
    assert reader.covers(url)
    assert await content(reader, url) == "the shop"


async def test_paths_are_encoded_in_urls(reader: BitbucketCloud) -> None:
    assert await content(reader, f"{ROOT}/shop/src/main/docs/a%20b.yaml") == "spaced"


@pytest.mark.parametrize("written", ["feature/new/till", "feature%2Fnew%2Ftill"])
@pytest.mark.parametrize("query", ["", "?at=feature%2Fnew%2Ftill"])
async def test_a_branch_may_have_slashes(
    host: FakeBitbucketCloud, reader: BitbucketCloud, written: str, query: str
) -> None:
    host.repositories["acme/shop"].commit({"a/b.yaml": "on the branch"}, "feature/new/till")
    host.repositories["acme/shop"].commit({"a/b.yaml": "on another"}, "feature/ne")
    url = f"{ROOT}/shop/src/{written}/a/b.yaml{query}"

    assert await content(reader, url) == "on the branch"
    assert reader.resolve(url, "../catalog-info.yaml") == f"{ROOT}/shop/src/{written}/catalog-info.yaml"


async def test_a_commit_is_read_without_asking_where_it_is(host: FakeBitbucketCloud, reader: BitbucketCloud) -> None:
    sha = host.repositories["acme/shop"].branches["main"].sha
    url = f"{ROOT}/shop/src/{sha}/catalog-info.yaml?at=main"

    assert await content(reader, url) == "the shop"
    assert host.total == 1
    assert "backstage.io/edit-url" not in reader.links(url)


async def test_what_has_not_changed_is_not_sent(host: FakeBitbucketCloud, reader: BitbucketCloud) -> None:
    first = await reader.read(FILE)
    assert isinstance(first, Content)
    host.forget()

    same = await reader.read(FILE, version=first.version)
    assert isinstance(same, NotModified)
    assert host.total == 1

    host.repositories["acme/shop"].commit({"other.yaml": "another file"})
    moved = await reader.read(FILE, version=first.version)
    assert isinstance(moved, NotModified), "the file itself is the same"
    assert (moved.version != first.version, host.unchanged) == (True, 1)

    host.repositories["acme/shop"].commit({"catalog-info.yaml": "a new shop"})
    assert await content(reader, FILE, moved.version) == "a new shop"


async def test_what_the_main_branch_is_called_is_asked_for_now_and_then(
    host: FakeBitbucketCloud, clock: FakeClock, reader: BitbucketCloud
) -> None:
    url = f"{ROOT}/shop/src/HEAD/catalog-info.yaml"
    version = None
    for _ in range(3):
        read = await reader.read(url, version=version)
        version = read.version
    assert host.requests["GET /2.0/repositories/acme/shop"] == 1

    shop = host.repositories["acme/shop"]
    shop.commit({"catalog-info.yaml": "on the trunk"}, "trunk")
    shop.default_branch = "trunk"
    clock.advance(601)
    assert await content(reader, url, version) == "on the trunk"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"{ROOT}/shop/src/main/nothing.yaml", "No such file"),
        (f"{ROOT}/shop/src/nowhere/catalog-info.yaml", "there is no nowhere in acme/shop"),
        (f"{ROOT}/nothing/src/main/catalog-info.yaml", "acme/nothing"),
        (f"{ROOT}/shop/src/main/services", "is a folder"),
        (f"{ROOT}/empty/src/HEAD/x.yaml", "acme/empty on bitbucket.org is empty"),
    ],
)
async def test_what_is_not_there_is_not_found(
    host: FakeBitbucketCloud, reader: BitbucketCloud, url: str, told: str
) -> None:
    host.add("acme", "empty")

    with pytest.raises(LocationNotFound, match=told):
        await reader.read(url)


@pytest.mark.parametrize("url", [f"{ROOT}/shop", ROOT, f"{ROOT}/shop/pull-requests/5", f"{ROOT}/shop/src/main"])
async def test_a_url_of_no_file_is_refused(reader: BitbucketCloud, url: str) -> None:
    with pytest.raises(InvalidRef, match=r"does not name a file in a repository on bitbucket\.org"):
        await reader.read(url)


async def test_a_file_of_json_is_no_folder(host: FakeBitbucketCloud, reader: BitbucketCloud) -> None:
    files = {"a.json": '{"values": [], "page": 1}', "b.json": "[1]", "c.json": "{"}
    host.repositories["acme/shop"].commit(files)

    for name, data in files.items():
        assert await content(reader, f"{ROOT}/shop/src/main/{name}") == data


async def test_wildcards_match_files_in_pages_of_a_hundred(host: FakeBitbucketCloud, reader: BitbucketCloud) -> None:
    host.add("acme", "mono", {f"libs/l{n}/catalog-info.yaml": "" for n in range(130)})
    everywhere = f"{ROOT}/mono/src/main/**/catalog-info.yaml"

    assert len(await reader.expand(everywhere)) == 130
    asked = host.total
    assert len(await reader.expand(f"{ROOT}/mono/src/main/libs/l1*/catalog-info.yaml")) == 41
    assert (asked, host.total) == (4, 5), "the commit is listed once"
    assert await reader.expand(f"{ROOT}/mono/src/main/none/*.yaml") == []
    assert await reader.expand(FILE) == [FILE]


async def test_a_list_that_takes_too_long_is_made_folder_by_folder(
    host: FakeBitbucketCloud, reader: BitbucketCloud
) -> None:
    host.add("acme", "mono", {f"libs/{n}/src/{m}.py": "" for n in range(6) for m in range(4)})
    deep = "/".join(f"d{n}" for n in range(30))
    host.repositories["acme/mono"].commit({f"services/{deep}/catalog-info.yaml": "x"})
    host.most_entries = 40

    found = await reader.expand(f"{ROOT}/mono/src/main/**/catalog-info.yaml")
    assert found == [f"{ROOT}/mono/src/main/services/{deep}/catalog-info.yaml"]
    assert len(await reader.expand(f"{ROOT}/mono/src/main/**/*.py")) == 24


async def test_links_lead_to_the_folder_and_the_editor(reader: BitbucketCloud) -> None:
    assert reader.links(f"{ROOT}/shop/raw/f%2Fx/services/till/catalog-info.yaml") == {
        "backstage.io/source-location": f"url:{ROOT}/shop/src/f/x/services/till/",
        "backstage.io/edit-url": f"{ROOT}/shop/src/f/x/services/till/catalog-info.yaml?mode=edit&at=f%2Fx",
    }
    assert reader.links(FILE) == {
        "backstage.io/source-location": f"url:{ROOT}/shop/src/main/",
        "backstage.io/edit-url": f"{FILE}?mode=edit&at=main",
    }


def test_files_belong_together_when_their_repository_is_the_same(reader: BitbucketCloud) -> None:
    assert reader.contains(FILE, f"{ROOT}/shop/raw/other/x.yaml")
    assert not reader.contains(FILE, f"{ROOT}/shop2/src/main/x.yaml")
    assert not reader.covers("https://bitbucket.org.evil.example/acme/shop/src/main/x")


@pytest.mark.parametrize("url", [f"{ROOT}/shop", f"{ROOT}/shop/src/main/"])
async def test_a_repository_has_a_slug_and_its_catalog_files_are_found(reader: BitbucketCloud, url: str) -> None:
    repository = reader.repository(f"{url}")

    assert repository is not None
    assert (repository.slug, repository.annotation) == ("acme/shop", "bitbucket.org/project-slug")
    assert await reader.find(url, "catalog-info.yaml") == [
        FILE,
        f"{ROOT}/shop/src/main/services/till/catalog-info.yaml",
    ]


@pytest.mark.parametrize(
    "said",
    [
        TOKEN,
        [{"username": "jane", "appPassword": "t0ken"}],
        {"token": "t0ken"},
        [{"clientId": "key", "clientSecret": "s3cret"}],
    ],
)
async def test_somebody_known_reads(host: FakeBitbucketCloud, clock: FakeClock, said: JsonValue) -> None:
    host.consumers["key"] = "s3cret"

    assert await content(reader_of(host, clock, said), FILE) == "the shop"


async def test_the_token_of_a_consumer_is_renewed_before_it_runs_out(
    host: FakeBitbucketCloud, clock: FakeClock
) -> None:
    host.consumers["key"] = "s3cret"
    reader = reader_of(host, clock, [{"clientId": "key", "clientSecret": "s3cret"}])

    for seconds in (0, 6000, 700):
        clock.advance(seconds)
        await content(reader, FILE)
    assert len(host.granted) == 2


@pytest.mark.parametrize(
    "said", [[{"username": "jane", "token": "wr0ng"}], [{"clientId": "key", "clientSecret": "wr0ng"}], None]
)
async def test_somebody_unknown_is_told_which_entry_is_wrong_and_not_what_is_in_it(
    host: FakeBitbucketCloud, clock: FakeClock, said: JsonValue
) -> None:
    with pytest.raises(Unreadable, match=r"does not accept the credentials of bitbucket\.org integrations") as told:
        await reader_of(host, clock, said).read(FILE)

    assert "wr0ng" not in str(told.value)


async def test_a_host_that_wants_to_be_left_alone_is(
    host: FakeBitbucketCloud, clock: FakeClock, reader: BitbucketCloud
) -> None:
    host.budget = 0

    for _ in range(2):
        with pytest.raises(Unreadable, match=r"api\.bitbucket\.org takes requests again from") as told:
            await reader.read(FILE)
    assert (host.total, told.value.retry_at) == (1, host.resets_at)

    clock.advance(3601)
    host.budget = None
    assert await content(reader, FILE) == "the shop"


async def test_what_passes_is_tried_again(host: FakeBitbucketCloud, clock: FakeClock, reader: BitbucketCloud) -> None:
    host.failures.extend([Failure(status=502), Failure(status=503)])

    assert await while_time_passes(clock, content(reader, FILE)) == "the shop"


async def test_a_forbidden_file_says_whose_credentials_are_too_weak(
    host: FakeBitbucketCloud, reader: BitbucketCloud
) -> None:
    body = {"type": "error", "error": {"message": "Your credentials lack one or more required privilege scopes."}}
    host.failures.append(Failure(status=403, body=body))
    sha = host.repositories["acme/shop"].branches["main"].sha

    with pytest.raises(NotAllowed, match=r"lack one or more .*; the credentials of bitbucket\.org"):
        await reader.read(f"{ROOT}/shop/src/{sha}/catalog-info.yaml")


@pytest.mark.parametrize("body", [[], {"values": 5}, {"values": [5]}, {"values": [{"hash": 5}]}, None])
async def test_an_answer_of_another_shape_is_an_error_of_the_location(
    host: FakeBitbucketCloud, reader: BitbucketCloud, body: JsonValue
) -> None:
    host.failures.append(Failure(status=200, body=body))

    with pytest.raises((Unreadable, LocationNotFound)):
        await reader.read(FILE)


@pytest.mark.parametrize(
    ("said", "providers", "told"),
    [
        ([{}, {}], {}, "integrations.bitbucketCloud: expected one entry, got 2"),
        ([{"token": 5}], {}, "integrations.bitbucketCloud[0].token: expected a text"),
        ([{"clientId": "x"}], {}, "integrations.bitbucketCloud[0].clientSecret: expected a text"),
        ([{"clientSecret": "s3cret"}], {}, "integrations.bitbucketCloud[0].clientId: expected a text"),
        ([{"appPassword": "s3cret"}], {}, "integrations.bitbucketCloud[0].username: expected a text"),
        ([{"username": "jane"}], {}, "integrations.bitbucketCloud[0]: expected a token or an appPassword"),
        ([{"apiBaseUrl": "x"}], {}, "integrations.bitbucketCloud[0].apiBaseUrl: expected a URL, got 'x'"),
        ([], {"a": {"catalogPath": "x"}}, "catalog.providers.bitbucketCloud.a.workspace: expected a value, got none"),
        ([], {"workspace": ""}, "catalog.providers.bitbucketCloud.workspace: expected a text, got an empty one"),
        ([], {"workspace": "a", "catalogPath": "/"}, "catalog.providers.bitbucketCloud.catalogPath: expected a text"),
        (
            [],
            {"workspace": "a", "filters": {"projectKey": "("}},
            "catalog.providers.bitbucketCloud.filters.projectKey: expected a regular expression",
        ),
    ],
)
def test_what_the_configuration_can_not_mean_is_named_by_its_key(
    said: JsonValue, providers: JsonObject, told: str
) -> None:
    config = PluginConfig(providers={"bitbucketCloud": providers}, integrations={"bitbucketCloud": said})

    def make() -> None:
        bitbucket_cloud.code_hosts(PluginContext(config))
        bitbucket_cloud.discovery(PluginContext(config))

    with pytest.raises(InvalidConfiguration) as caught:
        make()

    assert str(caught.value).startswith(told)
    assert "s3cret" not in str(caught.value)


def provider_of(host: FakeBitbucketCloud, clock: FakeClock, **said: JsonValue) -> BitbucketCloudDiscovery:
    providers: JsonObject = {"bitbucketCloud": {"workspace": "acme", **said}}
    (provider,) = bitbucket_cloud.discovery(context_of(host, clock, {"bitbucketCloud": TOKEN}, providers))
    return provider


@pytest.mark.parametrize("has_search", [True, False])
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["one", "three", "two"]),
        ({"repoSlug": "t.*"}, ["three", "two"]),
        ({"repoSlug": "t"}, []),
        ({"projectKey": "^B$"}, ["two"]),
        ({"projectKey": "A|B", "repoSlug": "[^t].*"}, ["one"]),
        ({"projectKey": "None"}, []),
    ],
)
async def test_filters_say_which_repositories_count(
    clock: FakeClock, filters: JsonObject, expected: list[str], has_search: bool
) -> None:
    host = FakeBitbucketCloud(clock=clock)
    host.has_search = has_search
    host.add("acme", "one", {"catalog-info.yaml": ""}, project="A")
    host.add("acme", "two", {"catalog-info.yaml": ""}, project="B", default_branch="trunk")
    host.add("acme", "three", {"catalog-info.yaml": ""}, project="C")
    host.add("acme", "empty", project="C")
    host.add("others", "shop", {"catalog-info.yaml": ""})

    found = await targets_of(provider_of(host, clock, filters=filters))

    branches = {"two": "trunk"}
    assert found == [f"{ROOT}/{name}/src/{branches.get(name, 'main')}/catalog-info.yaml" for name in expected]


async def test_the_search_finds_files_and_not_what_is_said_about_them(clock: FakeClock) -> None:
    host = FakeBitbucketCloud(clock=clock)
    host.add("acme", "one", {"catalog-info.yaml": "", "README.md": "see catalog-info.yaml"})
    host.add("acme", "two", {"README.md": "see catalog-info.yaml"})

    ((location,),) = await pages_of(provider_of(host, clock))

    assert spec_of(location) == {
        "type": "url",
        "target": f"{ROOT}/one/src/main/catalog-info.yaml",
        "presence": "required",
    }
    assert annotations_of(location.entity)["bitbucket.org/repo-url"] == f"{ROOT}/one"


async def test_pages_go_on_project_by_project(clock: FakeClock) -> None:
    host = FakeBitbucketCloud(clock=clock)
    for number in range(7):
        host.add("acme", f"r{number}", {"catalog-info.yaml": ""}, project="AB"[number % 2])
    provider = provider_of(host, clock, pagelen=2)

    pages = await pages_of(provider)

    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert provider.name == "bitbucketCloud-provider:default"


async def test_a_workspace_that_is_not_there_is_an_error(clock: FakeClock) -> None:
    host = FakeBitbucketCloud(clock=clock)

    with pytest.raises(Unreadable, match="there is no workspace acme, or it may not be seen"):
        await provider_of(host, clock).next(None)


PROVIDER = "bitbucketCloud-provider:acme"


@pytest.fixture
async def story(database: Database, host: FakeBitbucketCloud, clock: FakeClock) -> AsyncIterator[HostStory]:
    for name in ("shop", "web"):
        repository = host.repositories.get(f"acme/{name}") or host.add("acme", name)
        repository.commit({"catalog-info.yaml": component_yaml(name)})
    host.repositories["acme/shop"].commit({"services/till/catalog-info.yaml": None})
    integrations: JsonObject = {"bitbucketCloud": TOKEN}
    providers: JsonObject = {"bitbucketCloud": {"acme": {"workspace": "acme"}}}
    async with story_of(database, host, clock, integrations=integrations, providers=providers) as story:
        await story.round(PROVIDER)
        yield story


async def test_a_round_brings_the_catalog_files_of_a_workspace(story: HostStory) -> None:
    assert story.catalog.refs() == ["component:default/shop", "component:default/web"]
    assert annotations_of(story.catalog.entity("component:default/web")) == {
        "backstage.io/managed-by-location": f"url:{ROOT}/web/src/main/catalog-info.yaml",
        "backstage.io/managed-by-origin-location": f"url:{ROOT}/web/src/main/catalog-info.yaml",
        "backstage.io/view-url": f"{ROOT}/web/src/main/catalog-info.yaml",
        "backstage.io/edit-url": f"{ROOT}/web/src/main/catalog-info.yaml?mode=edit&at=main",
        "backstage.io/source-location": f"url:{ROOT}/web/src/main/",
    }


async def test_a_second_round_without_changes_asks_once_for_each_repository_and_changes_nothing(
    story: HostStory,
) -> None:
    events = len(await story.catalog.history())

    story.catalog.clock.advance(3601)
    asked = await story.round(PROVIDER)

    assert asked <= 2 + 2, "the projects, a search in one; and each repository"
    assert len(await story.catalog.history()) == events


def fake(story: HostStory) -> FakeBitbucketCloud:
    assert isinstance(story.host, FakeBitbucketCloud)
    return story.host


async def test_a_push_is_read_with_at_most_three_requests(story: HostStory) -> None:
    host = fake(story)

    body = host.push(host.repositories["acme/shop"], {"catalog-info.yaml": component_yaml("shop", owner="others")})
    asked = await story.hear(System.BITBUCKET_CLOUD, "repo:push", body)

    assert story.catalog.entity("component:default/shop")["spec"]["owner"] == "others"  # type: ignore[index,call-overload]
    assert asked <= 3


async def test_a_new_repository_comes_with_its_first_push_before_the_search_knows_it(story: HostStory) -> None:
    host = fake(story)
    host.unindexed.add("acme/new")

    body = host.push(host.add("acme", "new"), {"catalog-info.yaml": component_yaml("new")})
    asked = await story.hear(System.BITBUCKET_CLOUD, "repo:push", body)

    assert "component:default/new" in story.catalog.refs()
    assert asked <= 3


async def test_a_push_that_removes_the_file_removes_what_it_has_brought(story: HostStory) -> None:
    host = fake(story)

    body = host.push(host.repositories["acme/shop"], {"catalog-info.yaml": None})
    await story.hear(System.BITBUCKET_CLOUD, "repo:push", body)

    assert story.catalog.refs() == ["component:default/web"]


async def test_what_happens_to_a_repository_is_heard(story: HostStory) -> None:
    host = fake(story)
    web, shop = host.repositories.pop("acme/web"), host.repositories.pop("acme/shop")

    web.name = "site"
    host.repositories["acme/site"] = web
    renamed: JsonObject = {
        "repository": host.payload_of(web),
        "changes": {"full_name": {"new": "acme/site", "old": "acme/web"}},
    }
    asked = await story.hear(System.BITBUCKET_CLOUD, "repo:updated", renamed)
    await story.hear(System.BITBUCKET_CLOUD, "repo:deleted", {"repository": host.payload_of(shop)})

    assert story.catalog.refs() == ["component:default/web"]
    assert asked <= 3
    where = annotations_of(story.catalog.entity("component:default/web"))
    assert where["backstage.io/view-url"] == f"{ROOT}/site/src/main/catalog-info.yaml"


async def test_a_repository_that_goes_to_another_workspace_goes(story: HostStory) -> None:
    host = fake(story)
    web = host.repositories.pop("acme/web")
    web.owner = "others"
    moved: JsonObject = {
        "repository": host.payload_of(web),
        "changes": {"links": {"old": {"html": {"href": f"{ROOT}/web"}}}},
    }

    await story.hear(System.BITBUCKET_CLOUD, "repo:transfer", moved)

    assert story.catalog.refs() == ["component:default/shop"]


async def test_webhooks_of_others_and_of_other_branches_change_nothing(story: HostStory) -> None:
    host = fake(story)
    before = len(await story.catalog.history())

    foreign = host.push(host.add("strangers", "shop"), {"catalog-info.yaml": component_yaml("foreign")})
    assert await story.hear(System.BITBUCKET_CLOUD, "repo:push", foreign) == 0
    branch = host.push(host.repositories["acme/shop"], {"catalog-info.yaml": component_yaml("x")}, "side")
    assert await story.hear(System.BITBUCKET_CLOUD, "repo:push", branch) == 1
    for body in ({}, {"repository": 5}, {"repository": {"full_name": "acme/x"}}, {"repository": {"links": 5}}):
        await story.hear(System.BITBUCKET_CLOUD, "repo:updated", body)  # type: ignore[arg-type]

    assert len(await story.catalog.history()) == before


@pytest.mark.parametrize("has_search", [True, False])
async def test_a_push_brings_a_file_that_the_wildcards_match(
    database: Database, host: FakeBitbucketCloud, clock: FakeClock, has_search: bool
) -> None:
    host.has_search = has_search
    host.repositories.clear()
    mono = host.add("acme", "mono", {"README.md": "", "services/b.md": ""})
    said: JsonObject = {"workspace": "acme", "catalogPath": "/services/**/catalog-info.yaml"}
    integrations: JsonObject = {"bitbucketCloud": TOKEN}
    providers: JsonObject = {"bitbucketCloud": {"acme": said}}
    async with story_of(database, host, clock, integrations=integrations, providers=providers) as story:
        await story.round(PROVIDER)
        side = host.push(mono, {"services/side/catalog-info.yaml": component_yaml("side")}, "side")
        await story.hear(System.BITBUCKET_CLOUD, "repo:push", side)
        new = {"services/a b/till/catalog-info.yaml": component_yaml("till"), "catalog-info.yaml": component_yaml("no")}

        asked = await story.hear(System.BITBUCKET_CLOUD, "repo:push", host.push(mono, new))

        assert story.catalog.refs() == ["component:default/till"]
        assert asked <= 3, "the files, where the branch is, and the new one"


async def test_a_tree_that_is_too_large_is_left_to_the_next_round(host: FakeBitbucketCloud, clock: FakeClock) -> None:
    host.most_entries = 1
    body = host.push(host.repositories["acme/shop"], {f"s/{n}/catalog-info.yaml": "" for n in range(3)})
    provider, noted = provider_of(host, clock, catalogPath="/s/*/catalog-info.yaml"), FakeConnection()
    pushes = parse_pushes(System.BITBUCKET_CLOUD, body)

    webhook = Webhook(system="bitbucketCloud", event="repo:push", body=body, pushes=pushes)
    await provider.on_webhook(webhook, noted)

    assert noted.mutations == []
