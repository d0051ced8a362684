"""Bitbucket Server is read by URL, crawled, and heard."""

import datetime as dt
from collections.abc import AsyncIterator

import pytest

from callboard.builtin.hosts import bitbucket_server
from callboard.builtin.hosts.bitbucket_server.discovery import BitbucketServerDiscovery
from callboard.builtin.hosts.bitbucket_server.reader import BitbucketServer
from callboard.errors import InvalidConfiguration, InvalidRef, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import Content, NotModified, PluginConfig, PluginContext, Webhook
from callboard.model.json import JsonObject, JsonValue
from callboard.model.repositories import System
from callboard.store.database import Database
from callboard.testing import FakeClock
from callboard.testing.bitbucket_server import FakeBitbucketServer
from callboard.testing.repositories import Failure
from tests.builtin.hosts.asking import (
    Applied,
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

HOST = "bitbucket.example.com"
ROOT = f"https://{HOST}/projects/ACME/repos"
FILE = f"{ROOT}/shop/browse/catalog-info.yaml"
TOKEN: JsonValue = [{"host": HOST, "token": "t0ken"}]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC))


@pytest.fixture
def host(clock: FakeClock) -> FakeBitbucketServer:
    host = FakeBitbucketServer(clock=clock)
    host.add(
        "ACME",
        "shop",
        {"catalog-info.yaml": "the shop", "docs/a b.yaml": "spaced", "services/till/catalog-info.yaml": "the till"},
    )
    host.add("~jane", "own", {"catalog-info.yaml": "of Jane"})
    return host


def reader_of(host: FakeBitbucketServer, clock: FakeClock, said: JsonValue = TOKEN) -> BitbucketServer:
    (reader,) = bitbucket_server.code_hosts(context_of(host, clock, {"bitbucketServer": said}))
    return reader


@pytest.fixture
def reader(host: FakeBitbucketServer, clock: FakeClock) -> BitbucketServer:
    return reader_of(host, clock)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (FILE, "the shop"),
        (f"{FILE}?at=main", "the shop"),
        (f"{FILE}?at=refs/heads/main", "the shop"),
        (f"{FILE}?at=refs%2Fheads%2Fmain#3", "the shop"),
        (f"{ROOT}/shop/raw/catalog-info.yaml?at=main", "the shop"),
        (f"{ROOT}/shop/browse/docs/a%20b.yaml", "spaced"),
        (f"https://{HOST}/users/jane/repos/own/browse/catalog-info.yaml", "of Jane"),
        (f"https://{HOST}/projects/~jane/repos/own/browse/catalog-info.yaml", "of Jane"),
    ],
)
async def test_a_file_is_read_whatever_form_its_url_has(reader: BitbucketServer, url: str, expected: str) -> None:
    assert reader.covers(url)
    assert await content(reader, url) == expected


async def test_bitbucket_may_be_below_a_path_of_its_host(clock: FakeClock) -> None:
    host = FakeBitbucketServer(clock=clock, context="/git")
    host.add("ACME", "shop", {"a/b.yaml": "the shop"})
    said: JsonValue = [{"host": HOST, "apiBaseUrl": f"https://{HOST}/git/rest/api/1.0/", "token": "t0ken"}]
    reader = reader_of(host, clock, said)
    url = f"https://{HOST}/git/projects/ACME/repos/shop/browse/a/b.yaml"

    assert await content(reader, url) == "the shop"
    assert reader.resolve(url, "/c.yaml") == f"https://{HOST}/git/projects/ACME/repos/shop/browse/c.yaml"
    assert not reader.covers(f"https://{HOST}/projects/ACME/repos/shop/browse/a/b.yaml")


async def test_a_branch_may_have_slashes(host: FakeBitbucketServer, reader: BitbucketServer) -> None:
    host.repositories["ACME/shop"].commit({"a/b.yaml": "on the branch"}, "feature/new/till")
    url = f"{ROOT}/shop/browse/a/b.yaml?at=refs%2Fheads%2Ffeature%2Fnew%2Ftill"

    assert await content(reader, url) == "on the branch"
    expected = f"{ROOT}/shop/browse/catalog-info.yaml?at=refs%2Fheads%2Ffeature%2Fnew%2Ftill"
    assert reader.resolve(url, "../catalog-info.yaml") == expected


async def test_a_commit_is_read_without_asking_where_it_is(host: FakeBitbucketServer, reader: BitbucketServer) -> None:
    sha = host.repositories["ACME/shop"].branches["main"].sha
    url = f"{FILE}?at={sha}"

    assert await content(reader, url) == "the shop"
    assert host.total == 1
    assert "backstage.io/edit-url" not in reader.links(url)


async def test_what_has_not_changed_is_not_sent(host: FakeBitbucketServer, reader: BitbucketServer) -> None:
    shop = host.repositories["ACME/shop"]
    first = await reader.read(FILE)
    assert isinstance(first, Content)
    host.forget()

    assert isinstance(await reader.read(FILE, version=first.version), NotModified)
    assert host.total == 1

    shop.commit({"other.yaml": "another file"})
    moved = await reader.read(FILE, version=first.version)
    assert isinstance(moved, NotModified), "the file itself is the same"
    assert (moved.version != first.version, host.unchanged) == (True, 1)

    shop.commit({"catalog-info.yaml": "a new shop"})
    assert await content(reader, FILE, moved.version) == "a new shop"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"{ROOT}/shop/browse/nothing.yaml", 'The path "nothing.yaml" does not exist'),
        (f"{FILE}?at=nowhere", "Commit 'nowhere' does not exist"),
        (f"{ROOT}/nothing/browse/x.yaml", "Repository ACME/nothing does not exist"),
        (f"{ROOT}/shop/browse/services", 'The path "services" does not exist'),
        (f"{ROOT}/empty/browse/x.yaml", "there is no commit at the default branch of projects/ACME/repos/empty"),
    ],
)
async def test_what_is_not_there_is_not_found(
    host: FakeBitbucketServer, reader: BitbucketServer, url: str, told: str
) -> None:
    host.add("ACME", "empty")

    with pytest.raises(LocationNotFound, match=told):
        await reader.read(url)


@pytest.mark.parametrize(
    "url",
    [
        f"{ROOT}/shop",
        f"{ROOT}/shop/browse",
        f"{ROOT}/shop/pull-requests/5",
        f"https://{HOST}/projects/ACME",
        f"https://{HOST}/scm/acme/shop.git",
    ],
)
async def test_a_url_of_no_file_is_refused(reader: BitbucketServer, url: str) -> None:
    with pytest.raises(InvalidRef, match=r"does not name a file in a repository on bitbucket\.example\.com"):
        await reader.read(url)


async def test_wildcards_match_files_of_the_commit_page_by_page(
    host: FakeBitbucketServer, reader: BitbucketServer
) -> None:
    host.add("ACME", "mono", {f"libs/l{n}/catalog-info.yaml": "" for n in range(130)})
    pattern = f"{ROOT}/mono/browse/libs/**/catalog-info.yaml?at=main"

    found = await reader.expand(pattern)
    assert (len(found), host.total) == (130, 3), "where the branch is, and two pages"
    assert f"{ROOT}/mono/browse/libs/l7/catalog-info.yaml?at=main" in found
    await reader.expand(pattern)
    assert host.total == 4, "the commit is listed once"
    assert await reader.expand(f"{ROOT}/mono/browse/none/*.yaml") == []
    assert await reader.expand(FILE) == [FILE]


def test_links_lead_to_the_folder_and_the_page(reader: BitbucketServer) -> None:
    assert reader.links(f"{ROOT}/shop/browse/services/till/catalog-info.yaml?at=refs/heads/main#3") == {
        "backstage.io/source-location": f"url:{ROOT}/shop/browse/services/till/?at=refs/heads/main",
        "backstage.io/edit-url": f"{ROOT}/shop/browse/services/till/catalog-info.yaml",
    }
    assert reader.links(FILE)["backstage.io/source-location"] == f"url:{ROOT}/shop/browse/"


def test_files_belong_together_when_their_repository_is_the_same(reader: BitbucketServer) -> None:
    assert reader.contains(FILE, f"{ROOT}/shop/raw/x.yaml?at=other")
    assert not reader.contains(FILE, f"{ROOT}/shop2/browse/x.yaml")
    assert not reader.covers(f"https://{HOST}.evil.example/projects/ACME/repos/shop/browse/x")


@pytest.mark.parametrize("url", [f"{ROOT}/shop", FILE, f"{FILE}?at=main", f"https://{HOST}/scm/acme/shop.git"])
async def test_the_catalog_files_of_a_repository_are_found(reader: BitbucketServer, url: str) -> None:
    repository = reader.repository(url)

    assert repository is not None
    assert (repository.url, repository.slug) == (f"{ROOT}/shop", "ACME/shop")
    found = await reader.find(url, "catalog-info.yaml")
    assert [await content(reader, each) for each in found] == ["the shop", "the till"]


@pytest.mark.parametrize("said", [{"token": "t0ken"}, {"username": "jane", "password": "t0ken"}])
async def test_somebody_known_reads(host: FakeBitbucketServer, clock: FakeClock, said: JsonObject) -> None:
    assert await content(reader_of(host, clock, [{"host": HOST, **said}]), FILE) == "the shop"


@pytest.mark.parametrize("said", [{"token": "wr0ng"}, {"username": "jane", "password": "wr0ng"}, {}])
async def test_somebody_unknown_is_told_which_entry_is_wrong_and_not_what_is_in_it(
    host: FakeBitbucketServer, clock: FakeClock, said: JsonObject
) -> None:
    reader = reader_of(host, clock, [{"host": HOST, **said}])

    with pytest.raises(
        Unreadable, match=r"Authentication failed.* does not accept the credentials of .*bitbucketServer\[0\]"
    ) as told:
        await reader.read(FILE)

    assert "wr0ng" not in str(told.value)


async def test_a_host_that_wants_to_be_left_alone_is(
    host: FakeBitbucketServer, clock: FakeClock, reader: BitbucketServer
) -> None:
    host.budget = 0

    for _ in range(2):
        with pytest.raises(Unreadable, match=r"bitbucket\.example\.com takes requests again from") as told:
            await reader.read(FILE)
    assert (host.total, told.value.retry_at) == (1, host.resets_at)


async def test_what_passes_is_tried_again(host: FakeBitbucketServer, clock: FakeClock, reader: BitbucketServer) -> None:
    host.failures.extend([Failure(status=502), Failure(status=503)])

    assert await while_time_passes(clock, content(reader, FILE)) == "the shop"


async def test_a_forbidden_file_says_whose_credentials_are_too_weak(
    host: FakeBitbucketServer, reader: BitbucketServer
) -> None:
    body = {"errors": [{"message": "You are not permitted to access this resource"}]}
    host.failures.append(Failure(status=403, body=body))

    with pytest.raises(NotAllowed, match=r"You are not permitted .*; the credentials of .* may not see this"):
        await reader.read(FILE)


@pytest.mark.parametrize("body", [[], {"values": 5}, {"values": [5]}, {"values": [{"id": 5}]}, None])
async def test_an_answer_of_another_shape_is_an_error_of_the_location(
    host: FakeBitbucketServer, reader: BitbucketServer, body: JsonValue
) -> None:
    host.failures.append(Failure(status=200, body=body))

    with pytest.raises((Unreadable, LocationNotFound)):
        await reader.read(FILE)


AT = "integrations.bitbucketServer"
PROVIDERS_AT = "catalog.providers.bitbucketServer"


@pytest.mark.parametrize(
    ("said", "providers", "told"),
    [
        ([{}], {}, f"{AT}[0].host: expected a value, got none"),
        ([{"host": "https://x"}], {}, f"{AT}[0].host: expected the name of a host, got 'https://x'"),
        ([{"host": "x"}, {"host": "x"}], {}, f"{AT}[1].host: expected a host of its own, got x again"),
        ([{"host": "x", "apiBaseUrl": "y"}], {}, f"{AT}[0].apiBaseUrl: expected a URL, got 'y'"),
        ([{"host": "x", "password": "s3cret"}], {}, f"{AT}[0].username: expected a text"),
        ([{"host": "x", "token": 5}], {}, f"{AT}[0].token: expected a text"),
        ([], {"host": "x"}, f"{PROVIDERS_AT}.host: expected a host of integrations.bitbucketServer, got x"),
        ([{"host": "x"}], {"a": {"catalogPath": "y"}}, f"{PROVIDERS_AT}.a.host: expected a value, got none"),
        ([{"host": "x"}], {"host": "x", "catalogPath": "/"}, f"{PROVIDERS_AT}.catalogPath: expected a path, got '/'"),
        (
            [{"host": "x"}],
            {"host": "x", "filters": {"repoSlug": "("}},
            f"{PROVIDERS_AT}.filters.repoSlug: expected a regular expression",
        ),
        (
            [{"host": "x"}],
            {"host": "x", "catalogPath": "**/a.yaml", "validateLocationsExist": True},
            f"{PROVIDERS_AT}.validateLocationsExist: expected catalogPath to have no wildcards",
        ),
    ],
)
def test_what_the_configuration_can_not_mean_is_named_by_its_key(
    said: JsonValue, providers: JsonObject, told: str
) -> None:
    config = PluginConfig(providers={"bitbucketServer": providers}, integrations={"bitbucketServer": said})

    def make() -> None:
        bitbucket_server.code_hosts(PluginContext(config))
        bitbucket_server.discovery(PluginContext(config))

    with pytest.raises(InvalidConfiguration) as caught:
        make()

    assert str(caught.value).startswith(told)
    assert "s3cret" not in str(caught.value)


def provider_of(host: FakeBitbucketServer, clock: FakeClock, **said: JsonValue) -> BitbucketServerDiscovery:
    providers: JsonObject = {"bitbucketServer": {"acme": {"host": HOST, **said}}}
    entries: list[JsonValue] = [{"host": HOST, "token": "t0ken"}, {"host": "other.example.com"}]
    (provider,) = bitbucket_server.discovery(context_of(host, clock, {"bitbucketServer": entries}, providers))
    return provider


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ["A/repos/old", "A/repos/one", "B/repos/bare", "B/repos/two"]),
        ({"filters": {"skipArchivedRepos": True}}, ["A/repos/one", "B/repos/bare", "B/repos/two"]),
        ({"filters": {"projectKey": "^A$"}}, ["A/repos/old", "A/repos/one"]),
        ({"filters": {"repoSlug": "w"}}, ["B/repos/two"]),
        ({"validateLocationsExist": True}, ["A/repos/old", "A/repos/one", "B/repos/two"]),
    ],
)
async def test_filters_say_which_repositories_count(clock: FakeClock, said: JsonObject, expected: list[str]) -> None:
    host = FakeBitbucketServer(clock=clock)
    host.add("A", "one", {"catalog-info.yaml": ""})
    host.add("A", "old", {"catalog-info.yaml": ""}, is_archived=True)
    host.add("B", "two", {"catalog-info.yaml": ""})
    host.add("B", "bare", {"README.md": ""})
    host.add("~jane", "own", {"catalog-info.yaml": ""})

    found = await targets_of(provider_of(host, clock, **said))

    assert found == [f"https://{HOST}/projects/{place}/browse/catalog-info.yaml" for place in expected]


async def test_pages_go_on(clock: FakeClock) -> None:
    host = FakeBitbucketServer(clock=clock)
    host.page_size = 2
    for number in range(5):
        host.add("A", f"r{number}", {"x.yaml": ""})
    provider = provider_of(host, clock, catalogPath="x.yaml")

    pages = await pages_of(provider)

    assert [len(page) for page in pages] == [2, 2, 1]
    assert spec_of(pages[0][0])["presence"] == "optional"
    assert provider.name == "bitbucketServer-provider:acme"


PROVIDER = "bitbucketServer-provider:acme"


@pytest.fixture
async def story(database: Database, host: FakeBitbucketServer, clock: FakeClock) -> AsyncIterator[HostStory]:
    host.repositories.clear()
    for name in ("shop", "web"):
        host.add("ACME", name, {"catalog-info.yaml": component_yaml(name)})
    said: JsonObject = {"host": HOST, "filters": {"projectKey": "ACME"}, "validateLocationsExist": True}
    integrations: JsonObject = {"bitbucketServer": TOKEN}
    providers: JsonObject = {"bitbucketServer": {"acme": said}}
    async with story_of(database, host, clock, integrations=integrations, providers=providers) as story:
        await story.round(PROVIDER)
        yield story


def fake(story: HostStory) -> FakeBitbucketServer:
    assert isinstance(story.host, FakeBitbucketServer)
    return story.host


async def test_rounds_bring_the_catalog_files_of_a_server_and_then_nothing(story: HostStory) -> None:
    assert story.catalog.refs() == ["component:default/shop", "component:default/web"]
    assert annotations_of(story.catalog.entity("component:default/shop")) == {
        "backstage.io/managed-by-location": f"url:{FILE}",
        "backstage.io/managed-by-origin-location": f"url:{FILE}",
        "backstage.io/view-url": FILE,
        "backstage.io/edit-url": FILE,
        "backstage.io/source-location": f"url:{ROOT}/shop/browse/",
    }
    events = len(await story.catalog.history())

    story.catalog.clock.advance(3601)
    asked = await story.round(PROVIDER)

    assert asked == 1 + 2, "a list, and where each branch is; that the file was there is believed for some hours"
    assert len(await story.catalog.history()) == events
    fake(story).repositories["ACME/web"].commit({"catalog-info.yaml": None})
    story.catalog.clock.advance(6 * 3600)
    await story.round(PROVIDER)
    assert story.catalog.refs() == ["component:default/shop"]


@pytest.mark.parametrize("says_where", [True, False])
async def test_pushes_are_read_with_at_most_three_requests(story: HostStory, says_where: bool) -> None:
    host = fake(story)
    host.says_where = says_where
    shop = host.repositories["ACME/shop"]

    body = host.push(shop, {"catalog-info.yaml": component_yaml("shop", owner="others")})
    asked = [await story.hear(System.BITBUCKET_SERVER, "repo:refs_changed", body, roots=[host.web])]
    assert story.catalog.entity("component:default/shop")["spec"]["owner"] == "others"  # type: ignore[index,call-overload]

    body = host.push(host.add("ACME", "new"), {"catalog-info.yaml": component_yaml("new")})
    asked.append(await story.hear(System.BITBUCKET_SERVER, "repo:refs_changed", body, roots=[host.web]))
    assert "component:default/new" in story.catalog.refs()

    gone = host.push(shop, {"catalog-info.yaml": None})
    asked.append(await story.hear(System.BITBUCKET_SERVER, "repo:refs_changed", gone, roots=[host.web]))
    assert "component:default/shop" not in story.catalog.refs()
    assert max(asked) <= 3


async def test_what_happens_to_a_repository_is_heard(story: HostStory) -> None:
    host = fake(story)
    web, shop = host.repositories.pop("ACME/web"), host.repositories.pop("ACME/shop")

    old = host.payload_of(web)
    web.name = "site"
    host.repositories["ACME/site"] = web
    await story.hear(System.BITBUCKET_SERVER, "repo:modified", {"old": old, "new": host.payload_of(web)})
    await story.hear(System.BITBUCKET_SERVER, "repo:deleted", {"repository": host.payload_of(shop)})

    assert story.catalog.refs() == ["component:default/web"]
    where = annotations_of(story.catalog.entity("component:default/web"))
    assert where["backstage.io/view-url"] == f"{ROOT}/site/browse/catalog-info.yaml"


async def test_webhooks_of_others_and_of_other_branches_change_nothing(story: HostStory) -> None:
    host = fake(story)
    before = len(await story.catalog.history())

    foreign = host.push(host.add("OTHER", "shop"), {"catalog-info.yaml": component_yaml("foreign")})
    assert await story.hear(System.BITBUCKET_SERVER, "repo:refs_changed", foreign) == 0
    branch = host.push(host.repositories["ACME/shop"], {"catalog-info.yaml": component_yaml("x")}, "side")
    assert await story.hear(System.BITBUCKET_SERVER, "repo:refs_changed", branch) <= 3
    elsewhere: JsonObject = {
        "repository": {**host.payload_of(host.repositories["ACME/shop"]), "links": {"self": [{"href": "x"}]}}
    }
    await story.hear(System.BITBUCKET_SERVER, "repo:deleted", elsewhere)
    odd: list[JsonObject] = [{}, {"repository": 5}, {"repository": {"links": {"self": 5}}}, {"new": {}, "old": []}]
    for body in odd:
        for event in ("repo:modified", "repo:deleted", "repo:forked"):
            await story.hear(System.BITBUCKET_SERVER, event, body)

    assert len(await story.catalog.history()) == before


async def test_a_repository_that_may_be_on_another_host_is_looked_for(clock: FakeClock) -> None:
    host = FakeBitbucketServer(clock=clock)
    host.says_where = False
    provider = provider_of(host, clock)
    shop = host.add("ACME", "shop", {"catalog-info.yaml": ""})
    applied = Applied()

    for repository in (host.payload_of(shop), {**host.payload_of(shop), "slug": "elsewhere"}):
        webhook = Webhook(system="bitbucketServer", event="repo:forked", body={"repository": repository})
        await provider.on_webhook(webhook, applied)

    there, elsewhere = applied.deltas
    assert [spec_of(offer)["target"] for offer in there.added] == [FILE]
    assert (elsewhere.added, len(elsewhere.removed)) == ([], 1)
