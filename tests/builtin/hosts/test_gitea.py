"""Gitea and Forgejo are read by URL, crawled, and heard."""

import asyncio
import base64
import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from callboard.builtin.hosts import gitea
from callboard.builtin.hosts.gitea import Gitea
from callboard.errors import InvalidConfiguration, InvalidRef, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import Content, NotModified, PluginContext
from callboard.model.json import JsonObject, JsonValue
from callboard.model.repositories import System
from callboard.store.database import Database
from callboard.testing import FakeClock
from callboard.testing.gitea import FakeGitea
from callboard.testing.repositories import Failure
from tests.builtin.hosts.reading import content, context_of, targets_of
from tests.builtin.hosts.stories import HostStory, story_of
from tests.harness import component_yaml

ROOT = "https://gitea.example.com/acme"
FILE = f"{ROOT}/shop/src/branch/main/catalog-info.yaml"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC))


@pytest.fixture
def host(clock: FakeClock) -> FakeGitea:
    host = FakeGitea(clock=clock)
    files = {"catalog-info.yaml": "the shop", "docs/a b#1.yaml": "odd", "services/till/catalog-info.yaml": "the till"}
    repository = host.add("acme", "shop", files)
    host.tags["acme/shop", "v1/rc"] = repository.branches["main"].sha
    return host


def configured(host: FakeGitea, clock: FakeClock, providers: JsonObject, **entry: JsonValue) -> PluginContext:
    return context_of(host, clock, {"gitea": [{"host": host.host, "password": "t0ken", **entry}]}, providers)


def reader_of(host: FakeGitea, clock: FakeClock, **entry: JsonValue) -> Gitea:
    (reader,) = gitea.code_hosts(configured(host, clock, {}, **entry))
    return reader


@pytest.fixture
def reader(host: FakeGitea, clock: FakeClock) -> Gitea:
    return reader_of(host, clock)


@pytest.mark.parametrize(
    "url",
    [
        FILE,
        f"{ROOT}/shop/raw/branch/main/catalog-info.yaml",
        f"{ROOT}/shop/media/branch/main/catalog-info.yaml",
        f"{ROOT}/shop/blame/branch/main/catalog-info.yaml",
        f"{ROOT}/shop/src/main/catalog-info.yaml",
        f"{ROOT}/shop/raw/main/catalog-info.yaml",
        f"{ROOT}/shop/_edit/main/catalog-info.yaml",
        f"{ROOT}/shop/src/tag/v1/rc/catalog-info.yaml",
        f"{ROOT}/shop/src/tag/v1%2Frc/catalog-info.yaml",
        f"{FILE}?display=source#L3",
    ],
)
async def test_a_file_is_read_whatever_form_its_url_has(reader: Gitea, url: str) -> None:
    assert reader.covers(url)
    assert await content(reader, url) == "the shop"


@pytest.mark.parametrize("length", [40, 10])
async def test_a_commit_is_read_by_its_hash_or_the_beginning_of_it(host: FakeGitea, reader: Gitea, length: int) -> None:
    sha = host.repositories["acme/shop"].branches["main"].sha[:length]
    url = f"{ROOT}/shop/src/commit/{sha}/catalog-info.yaml"

    assert await content(reader, url) == "the shop"
    assert host.total == (1 if length == 40 else 3)


async def test_paths_are_encoded_in_urls(reader: Gitea) -> None:
    assert await content(reader, f"{ROOT}/shop/src/branch/main/docs/a%20b%231.yaml") == "odd"


@pytest.mark.parametrize("written", ["feature/new/till", "feature%2Fnew%2Ftill"])
async def test_a_branch_may_have_slashes(host: FakeGitea, reader: Gitea, written: str) -> None:
    host.repositories["acme/shop"].commit({"a/b.yaml": "on the branch"}, "feature/new/till")
    url = f"{ROOT}/shop/src/branch/{written}/a/b.yaml"

    assert await content(reader, url) == "on the branch"
    assert reader.resolve(url, "../catalog-info.yaml") == f"{ROOT}/shop/src/branch/{written}/catalog-info.yaml"


async def test_what_has_not_changed_is_not_sent(host: FakeGitea, reader: Gitea) -> None:
    first = await reader.read(FILE)
    assert isinstance(first, Content)
    host.forget()

    same = await reader.read(FILE, version=first.version)
    assert isinstance(same, NotModified)
    assert dict(host.requests) == {"GET /api/v1/repos/acme/shop/branches/main": 1}

    host.repositories["acme/shop"].commit({"other.yaml": "another file"})
    moved = await reader.read(FILE, version=first.version)
    assert isinstance(moved, NotModified), "the file itself is the same"
    assert (moved.version != first.version, host.unchanged) == (True, 1)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"{ROOT}/shop/src/branch/main/nothing.yaml", "404"),
        (f"{ROOT}/shop/src/branch/nowhere/catalog-info.yaml", "branch couldn't be found"),
        (f"{ROOT}/shop/src/tag/v2/catalog-info.yaml", "tag couldn't be found"),
        (f"{ROOT}/nothing/src/branch/main/catalog-info.yaml", "404"),
        (f"{ROOT}/shop/src/branch/main/services", "404"),
    ],
)
async def test_what_is_not_there_is_not_found(reader: Gitea, url: str, told: str) -> None:
    with pytest.raises(LocationNotFound, match=told):
        await reader.read(url)


@pytest.mark.parametrize("url", [ROOT, f"{ROOT}/shop", f"{ROOT}/shop/issues/1/a/b", f"{ROOT}/shop/src/branch/main"])
async def test_a_url_of_no_file_is_refused(reader: Gitea, url: str) -> None:
    with pytest.raises(InvalidRef):
        await reader.read(url)


async def test_a_host_that_fails_on_the_second_look_does_not_make_files_vanish(host: FakeGitea, reader: Gitea) -> None:
    url = f"{ROOT}/shop/src/branch/nowhere/catalog-info.yaml"
    missing = Failure(status=404, body={"message": "branch couldn't be found."})
    host.failures += [missing, Failure(status=429, headers={"retry-after": "90"})]

    with pytest.raises(Unreadable):
        await reader.read(url)


async def test_wildcards_match_files_of_trees_that_come_in_parts(host: FakeGitea, reader: Gitea) -> None:
    host.tree_page_size = 2
    repository = host.repositories["acme/shop"]
    repository.commit({f"services/s{number}/catalog-info.yaml": "x" for number in range(5)})

    found = await reader.expand(f"{ROOT}/shop/src/branch/main/services/**/catalog-info.yaml")

    names = [*(f"s{number}" for number in range(5)), "till"]
    assert found == [f"{ROOT}/shop/src/branch/main/services/{name}/catalog-info.yaml" for name in names]


async def test_files_that_were_listed_are_read_at_the_commit_of_the_list_and_know_their_branch(
    host: FakeGitea, reader: Gitea
) -> None:
    host.repositories["acme/shop"].commit({"a/b.yaml": "listed"}, "feature/till")
    (url,) = await reader.expand(f"{ROOT}/shop/src/branch/feature/till/a/*.yaml")
    host.repositories["acme/shop"].commit({"a/b.yaml": "new"}, "feature/till")
    host.forget()

    listed, again = await content(reader, url), await content(reader, url)

    assert (listed, again) == ("listed", "new")
    assert host.total == 1 + 2, "the file; where the branch is, and the file"
    assert reader.links(url)["backstage.io/edit-url"] == f"{ROOT}/shop/_edit/feature/till/a/b.yaml"


async def test_links_lead_to_the_folder_and_the_editor(host: FakeGitea, reader: Gitea) -> None:
    assert reader.links(f"{ROOT}/shop/src/branch/main/services/till/catalog-info.yaml") == {
        "backstage.io/source-location": f"url:{ROOT}/shop/src/branch/main/services/till/",
        "backstage.io/edit-url": f"{ROOT}/shop/_edit/main/services/till/catalog-info.yaml",
    }
    assert reader.links(f"{ROOT}/shop/src/tag/v1%2Frc/a.yaml") == {
        "backstage.io/source-location": f"url:{ROOT}/shop/src/tag/v1%2Frc/"
    }


@pytest.mark.parametrize("url", [f"{ROOT}/shop", f"{ROOT}/shop.git", f"{ROOT}/shop/issues", FILE])
async def test_a_repository_has_a_slug_and_its_catalog_files_are_found(reader: Gitea, url: str) -> None:
    repository = reader.repository(url)

    assert repository is not None
    assert (repository.url, repository.name, repository.slug) == (f"{ROOT}/shop", "shop", "acme/shop")
    assert await reader.find(url, "catalog-info.yaml") == [
        FILE,
        f"{ROOT}/shop/src/branch/main/services/till/catalog-info.yaml",
    ]


@pytest.mark.parametrize(
    ("entry", "sent"),
    [
        ({}, "token t0ken"),
        ({"username": "carol"}, f"Basic {base64.b64encode(b'carol:t0ken').decode()}"),
        ({"password": None}, None),
    ],
)
async def test_a_password_is_a_token_unless_there_is_a_username(
    host: FakeGitea, clock: FakeClock, entry: JsonObject, sent: str | None
) -> None:
    reader = reader_of(host, clock, **entry)

    assert (await reader._api.credentials.headers()).get("authorization") == sent
    if sent is None:
        with pytest.raises(Unreadable, match=r"does not accept the credentials of .*integrations\.gitea\[0\]"):
            await reader.read(FILE)
    else:
        assert await content(reader, FILE) == "the shop"
        assert "t0ken" not in repr(reader._installation)


async def test_an_installation_may_be_below_a_path(clock: FakeClock) -> None:
    host = FakeGitea("code.example.com", path="/git", clock=clock)
    host.add("acme", "shop", {"a.yaml": "here"})
    reader = reader_of(host, clock, baseUrl="https://code.example.com/git/")
    url = "https://code.example.com/git/acme/shop/src/branch/main/a.yaml"

    assert await content(reader, url) == "here"
    assert reader.links(url)["backstage.io/edit-url"] == "https://code.example.com/git/acme/shop/_edit/main/a.yaml"


async def test_a_host_that_wants_to_be_left_alone_is(host: FakeGitea, clock: FakeClock, reader: Gitea) -> None:
    host.failures.append(Failure(status=429, headers={"retry-after": "90"}, body={"message": "Slow down"}))

    for _ in range(2):
        with pytest.raises(Unreadable, match="used up"):
            await reader.read(FILE)

    assert host.total == 1
    clock.advance(91)
    assert await content(reader, FILE) == "the shop"


async def test_a_forbidden_file_says_whose_credentials_are_too_weak(host: FakeGitea, reader: Gitea) -> None:
    host.failures.append(Failure(status=403, body={"message": "token does not have the required scope"}))

    with pytest.raises(NotAllowed, match=r"required scope.*integrations\.gitea\[0\] may not see this"):
        await reader.read(FILE)


@pytest.mark.parametrize(
    ("key", "integration", "provider"),
    [
        ("integrations.gitea[0].baseUrl", {"baseUrl": "gitea"}, {"host": "gitea.example.com", "organization": "a"}),
        ("catalog.providers.gitea.all.host", {}, {"host": "other.example.com", "organization": "a"}),
        ("catalog.providers.gitea.all.organization", {}, {"host": "gitea.example.com"}),
        (
            "catalog.providers.gitea.all.catalogPath",
            {},
            {"host": "gitea.example.com", "organization": "a", "catalogPath": "/"},
        ),
    ],
)
def test_what_the_configuration_can_not_mean_is_named_by_its_key(
    host: FakeGitea, clock: FakeClock, key: str, integration: JsonObject, provider: JsonObject
) -> None:
    context = configured(host, clock, {"gitea": {"all": provider}}, **integration)

    with pytest.raises(InvalidConfiguration) as met:
        gitea.discovery(context)

    assert str(met.value).startswith(f"{key}: ")


PROVIDER = "gitea-provider:acme"


@pytest.fixture
async def story(database: Database, host: FakeGitea, clock: FakeClock) -> AsyncIterator[HostStory]:
    host.repositories["acme/shop"].commit({"catalog-info.yaml": component_yaml("shop")})
    host.add("acme", "web", {"catalog-info.yaml": component_yaml("web")})
    host.add("acme", "docs", {"README.md": "nothing here"})
    host.add("acme", "empty")
    integrations: JsonObject = {"gitea": [{"host": "gitea.example.com", "password": "t0ken"}]}
    schedule: JsonObject = {"frequency": {"minutes": 30}, "timeout": {"minutes": 3}}
    options: JsonObject = {"host": "gitea.example.com", "organization": "acme", "schedule": schedule}
    clock.advance(600)
    async with story_of(
        database, host, clock, integrations=integrations, providers={"gitea": {"acme": options}}
    ) as story:
        yield story


def gitea_of(story: HostStory) -> FakeGitea:
    assert isinstance(story.host, FakeGitea)
    return story.host


async def test_rounds_bring_the_catalog_files_of_an_organization_and_look_again_only_where_something_happened(
    story: HostStory,
) -> None:
    await story.round(PROVIDER)

    assert story.catalog.refs() == ["component:default/shop", "component:default/web"]
    metadata = story.catalog.entity("component:default/web")["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["annotations"] == {
        "backstage.io/managed-by-location": f"url:{ROOT}/web/src/branch/main/catalog-info.yaml",
        "backstage.io/managed-by-origin-location": f"url:{ROOT}/web/src/branch/main/catalog-info.yaml",
        "backstage.io/view-url": f"{ROOT}/web/src/branch/main/catalog-info.yaml",
        "backstage.io/edit-url": f"{ROOT}/web/_edit/main/catalog-info.yaml",
        "backstage.io/source-location": f"url:{ROOT}/web/src/branch/main/",
    }
    events = len(await story.catalog.history())

    story.catalog.clock.advance(1801)
    asked = await story.round(PROVIDER)

    assert asked == 3, "the list, and where each of two branches is"
    assert asked <= len(story.host.repositories)
    assert len(await story.catalog.history()) == events


async def test_a_second_crawl_makes_fewer_requests_than_there_are_repositories(story: HostStory) -> None:
    host = gitea_of(story)
    for number in range(60):
        host.add("acme", f"r{number}", {"catalog-info.yaml": component_yaml(f"c{number}")})
    story.catalog.clock.advance(600)
    await story.round(PROVIDER)
    events = len(await story.catalog.history())

    story.catalog.clock.advance(1_795)
    await story.catalog.settle()
    story.catalog.clock.advance(6)
    asked = await story.round(PROVIDER)

    assert len(story.catalog.refs()) == 62
    assert asked < len(host.repositories) / 2
    assert len(await story.catalog.history()) == events


async def test_pushes_are_read_with_at_most_three_requests(story: HostStory) -> None:
    await story.round(PROVIDER)
    host = gitea_of(story)

    changed = component_yaml("shop", owner="others")
    body = host.push(host.repositories["acme/shop"], {"catalog-info.yaml": changed})
    assert await story.hear(System.GITEA, "push", body) <= 3
    assert story.catalog.entity("component:default/shop")["spec"]["owner"] == "others"  # type: ignore[index,call-overload]

    new = host.push(host.add("acme", "new"), {"catalog-info.yaml": component_yaml("new")})
    assert await story.hear(System.GITEA, "push", new) <= 3
    gone = host.push(host.repositories["acme/web"], {"catalog-info.yaml": None})
    await story.hear(System.GITEA, "push", gone)
    assert story.catalog.refs() == ["component:default/new", "component:default/shop"]

    deleted: JsonObject = {"action": "deleted", "repository": host.payload_of(host.repositories["acme/new"])}
    await story.hear(System.GITEA, "repository", deleted)
    assert story.catalog.refs() == ["component:default/shop"]


async def test_webhooks_of_others_are_not_meant(story: HostStory) -> None:
    await story.round(PROVIDER)
    host = gitea_of(story)
    before = len(await story.catalog.history())

    foreign = host.push(host.add("strangers", "shop"), {"catalog-info.yaml": component_yaml("foreign")})
    assert await story.hear(System.GITEA, "push", foreign) == 0
    branch = host.push(host.repositories["acme/shop"], {"catalog-info.yaml": component_yaml("x")}, "side")
    assert await story.hear(System.GITEA, "push", branch) == 0
    assert await story.hear(System.GITEA, "repository", {"action": "deleted", "repository": {"name": 5}}) == 0

    assert len(await story.catalog.history()) == before


@pytest.mark.parametrize(
    ("options", "targets"),
    [
        ({}, ["one/src/branch/main/catalog-info.yaml", "two/src/branch/trunk/catalog-info.yaml"]),
        ({"branch": "main"}, ["one/src/branch/main/catalog-info.yaml"]),
        ({"catalogPath": "/docs/info.yml"}, ["one/src/branch/main/docs/info.yml"]),
        ({"catalogPath": "**/info.yml"}, ["one/src/branch/main/**/info.yml", "two/src/branch/trunk/**/info.yml"]),
    ],
)
async def test_the_options_say_which_files_count(clock: FakeClock, options: JsonObject, targets: list[str]) -> None:
    host = FakeGitea(clock=clock)
    host.page_size = 1
    host.add("acme", "one", {"catalog-info.yaml": "", "docs/info.yml": ""})
    host.add("acme", "two", {"catalog-info.yaml": ""}, default_branch="trunk")
    host.add("acme", "empty")
    said: JsonObject = {"host": "gitea.example.com", "organization": "acme", **options}
    (provider,) = gitea.discovery(configured(host, clock, {"gitea": {"all": said}}))

    assert await targets_of(provider) == [f"{ROOT}/{target}" for target in targets]


async def test_what_has_changed_in_the_second_of_a_look_is_looked_at_again(clock: FakeClock) -> None:
    host = FakeGitea(clock=clock)
    repository = host.add("acme", "one", {"README.md": ""})
    said: JsonObject = {"host": "gitea.example.com", "organization": "acme"}
    (provider,) = gitea.discovery(configured(host, clock, {"gitea": {"all": said}}))
    assert await targets_of(provider) == []

    repository.commit({"catalog-info.yaml": ""})

    assert await targets_of(provider) == [f"{ROOT}/one/src/branch/main/catalog-info.yaml"]


async def test_an_organization_that_is_not_there_is_an_error_and_no_empty_list(clock: FakeClock) -> None:
    host = FakeGitea(clock=clock)
    said: JsonObject = {"host": "gitea.example.com", "organization": "acme"}
    (provider,) = gitea.discovery(configured(host, clock, {"gitea": {"all": said}}))

    with pytest.raises(LocationNotFound, match="org couldn't be found"):
        await provider.next(None)


@pytest.fixture
def many(host: FakeGitea, clock: FakeClock) -> list[str]:
    """The files of two hundred repositories more, which have been there for ten minutes."""
    for number in range(200):
        host.add("acme", f"r{number}", {"a.yaml": f"{number}"})
    clock.advance(600)
    return [f"{ROOT}/r{number}/src/branch/main/a.yaml" for number in range(200)]


async def versions_of(reader: Gitea, urls: Sequence[str]) -> dict[str, str]:
    """All files are read, and where they are is remembered."""
    read = await asyncio.gather(*map(reader.read, urls))
    return {url: str(each.version) for url, each in zip(urls, read, strict=True)}


async def moved(reader: Gitea, versions: Mapping[str, str]) -> list[str]:
    """The files whose commit is another one, or who are gone."""
    now = await asyncio.gather(
        *(reader.read(url, version=version) for url, version in versions.items()), return_exceptions=True
    )
    for each in now:
        if isinstance(each, BaseException) and not isinstance(each, LocationNotFound):
            raise each
    return [
        url
        for (url, version), each in zip(versions.items(), now, strict=True)
        if isinstance(each, BaseException) or each.version != version
    ]


async def test_branches_of_which_the_list_of_updates_says_nothing_are_not_asked_for(
    host: FakeGitea, clock: FakeClock, reader: Gitea, many: list[str]
) -> None:
    versions = await versions_of(reader, many)
    clock.advance(125)
    host.forget()

    assert await moved(reader, versions) == []
    first = host.total
    clock.advance(125)
    host.push(host.repositories["acme/r7"], {"a.yaml": "new"})
    host.forget()

    assert await moved(reader, versions) == [many[7]]
    assert first == 2, "a list for each hundred"
    assert host.total <= 2 + 2, "the lists, the branch and the file"


@pytest.mark.parametrize("most", [30, 300])
async def test_what_happens_between_lists_is_seen_however_much_it_is(
    host: FakeGitea, clock: FakeClock, reader: Gitea, many: list[str], most: int
) -> None:
    versions = await versions_of(reader, many)
    clock.advance(90)
    for number in range(min(most, 200)):
        host.push(host.repositories[f"acme/r{number}"], {"a.yaml": "new"})
    clock.advance(35)

    assert await moved(reader, versions) == many[:most]


async def test_a_mirror_is_always_asked_since_its_time_is_that_of_a_commit(
    host: FakeGitea, clock: FakeClock, reader: Gitea, many: list[str]
) -> None:
    host.mirrors.add("acme/r7")
    versions = await versions_of(reader, many)
    clock.advance(125)
    host.repositories["acme/r7"].commit({"a.yaml": "made a year ago, and fetched just now"})

    assert await moved(reader, versions) == [many[7]]


async def test_a_repository_that_is_gone_is_missed_in_the_number_of_them(
    host: FakeGitea, clock: FakeClock, reader: Gitea, many: list[str]
) -> None:
    versions = await versions_of(reader, many)
    clock.advance(125)
    host.add("acme", "new", {"a.yaml": ""})
    del host.repositories["acme/r7"]

    assert await moved(reader, versions) == [many[7]]


async def test_a_new_repository_is_no_reason_to_ask_for_all(
    host: FakeGitea, clock: FakeClock, reader: Gitea, many: list[str]
) -> None:
    versions = await versions_of(reader, many)
    clock.advance(125)
    host.add("acme", "new", {"a.yaml": ""})
    host.forget()

    assert await moved(reader, versions) == []
    assert host.total == 2


async def test_within_an_hour_each_branch_is_asked_for_itself(
    host: FakeGitea, clock: FakeClock, reader: Gitea, many: list[str]
) -> None:
    versions = await versions_of(reader, many)
    host.repositories["acme/r7"].commit({"a.yaml": "put there by hand"})
    clock.advance(125)
    assert await moved(reader, versions) == []

    clock.advance(3_600)

    assert await moved(reader, versions) == [many[7]]


async def test_a_branch_alone_is_asked_for_itself_since_gitea_tells_of_a_push_before_it_notes_it(
    host: FakeGitea, clock: FakeClock, reader: Gitea, many: list[str]
) -> None:
    versions = await versions_of(reader, many)
    clock.advance(125)
    host.repositories["acme/r7"].commit({"a.yaml": "new"})

    assert await moved(reader, {many[7]: versions[many[7]]}) == [many[7]]


@pytest.mark.parametrize(
    "failure",
    [
        Failure(status=404, body={"message": "no such page"}),
        Failure(status=200, body={"ok": True, "data": []}),
        Failure(
            status=200, headers={"date": "Fri, 27 Nov 2026 12:00:00 GMT", "x-total-count": "1"}, body={"data": [{}]}
        ),
        Failure(status=200, body=[]),
    ],
)
async def test_without_a_list_of_updates_all_are_asked(
    host: FakeGitea, clock: FakeClock, reader: Gitea, many: list[str], failure: Failure
) -> None:
    versions = await versions_of(reader, many[:50])
    clock.advance(125)
    host.repositories["acme/r7"].commit({"a.yaml": "new"})
    host.failures.append(failure)

    assert await moved(reader, versions) == [many[7]]
