"""GitHub is read by URL, crawled, and heard."""

import datetime as dt
from collections.abc import AsyncIterator

import httpx2
import pytest
from joserfc.jwk import RSAKey

from callboard.builtin.hosts import github
from callboard.builtin.hosts.github import GitHub
from callboard.builtin.hosts.github.options import HostOptions
from callboard.errors import InvalidConfiguration, InvalidRef, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import Content, NotModified, Outside, PluginConfig, PluginContext
from callboard.extend.configuration import Secret
from callboard.extend.outside import OwnBudgets
from callboard.model.json import JsonObject, JsonValue
from callboard.model.repositories import System
from callboard.store.database import Database
from callboard.testing import FakeClock
from callboard.testing.github import FakeApp, FakeGitHub, FakeMember, FakeTeam
from callboard.testing.repositories import Failure
from tests.builtin.hosts.stories import HostStory, story_of
from tests.harness import component_yaml

ROOT = "https://github.com/acme"
FILE = f"{ROOT}/shop/blob/main/catalog-info.yaml"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC))


@pytest.fixture
def host(clock: FakeClock) -> FakeGitHub:
    host = FakeGitHub(clock=clock)
    host.add(
        "acme",
        "shop",
        {"catalog-info.yaml": "the shop", "docs/a b.yaml": "spaced", "services/till/catalog-info.yaml": "the till"},
    )
    return host


def reader_of(host: FakeGitHub, clock: FakeClock, **options: object) -> GitHub:
    outside = Outside(client=httpx2.AsyncClient(transport=host.transport), clock=clock, budgets=OwnBudgets(clock))
    said = {"token": Secret("t0ken"), **options}
    return GitHub(outside, HostOptions(**said), "integrations.github[0]")  # type: ignore[arg-type]


@pytest.fixture
def reader(host: FakeGitHub, clock: FakeClock) -> GitHub:
    return reader_of(host, clock)


async def content(reader: GitHub, url: str, version: str | None = None) -> str:
    read = await reader.read(url, version=version)
    assert isinstance(read, Content), "the content is sent"
    return read.data.decode()


@pytest.mark.parametrize(
    "url",
    [
        FILE,
        f"{ROOT}/shop/tree/main/catalog-info.yaml",
        f"{ROOT}/shop/raw/main/catalog-info.yaml",
        f"{ROOT}/shop/edit/main/catalog-info.yaml",
        f"{ROOT}/shop/blob/HEAD/catalog-info.yaml",
        f"{ROOT}/shop/blob/refs/heads/main/catalog-info.yaml",
        "https://raw.githubusercontent.com/acme/shop/main/catalog-info.yaml",
        "https://raw.githubusercontent.com/acme/shop/refs/heads/main/catalog-info.yaml",
        f"{FILE}#L3-L5",
        f"{FILE}?plain=1",
    ],
)
async def test_a_file_is_read_whatever_form_its_url_has(reader: GitHub, url: str) -> None:
    assert reader.covers(url)
    assert await content(reader, url) == "the shop"


async def test_paths_are_encoded_in_urls(reader: GitHub) -> None:
    assert await content(reader, f"{ROOT}/shop/blob/main/docs/a%20b.yaml") == "spaced"


@pytest.mark.parametrize("written", ["feature/new/till", "feature%2Fnew%2Ftill"])
async def test_a_branch_may_have_slashes(host: FakeGitHub, reader: GitHub, written: str) -> None:
    host.repositories["acme/shop"].commit({"a/b.yaml": "on the branch"}, "feature/new/till")
    host.repositories["acme/shop"].commit({"a/b.yaml": "on another"}, "feature/ne")
    url = f"{ROOT}/shop/blob/{written}/a/b.yaml"

    assert await content(reader, url) == "on the branch"
    assert reader.resolve(url, "../catalog-info.yaml") == f"{ROOT}/shop/blob/{written}/catalog-info.yaml"


async def test_a_commit_is_read_without_asking_where_it_is(host: FakeGitHub, reader: GitHub) -> None:
    sha = host.repositories["acme/shop"].branches["main"].sha
    url = f"{ROOT}/shop/blob/{sha}/catalog-info.yaml"

    assert await content(reader, url) == "the shop"
    assert "backstage.io/edit-url" not in reader.links(url)
    assert not [path for path in host.requests if "graphql" in path]


async def test_what_has_not_changed_is_not_sent(host: FakeGitHub, reader: GitHub) -> None:
    first = await reader.read(FILE)
    assert isinstance(first, Content)
    host.forget()

    same = await reader.read(FILE, version=first.version)
    assert (same, dict(host.requests)) == (NotModified(FILE, first.version or ""), {"POST /graphql": 1})

    host.repositories["acme/shop"].commit({"other.yaml": "another file"})
    moved = await reader.read(FILE, version=first.version)
    assert isinstance(moved, NotModified), "the file itself is the same"
    assert (moved.version != first.version, host.unchanged) == (True, 1)

    host.repositories["acme/shop"].commit({"catalog-info.yaml": "a new shop"})
    assert await content(reader, FILE, moved.version) == "a new shop"


async def test_strangers_read_what_is_public(host: FakeGitHub, clock: FakeClock) -> None:
    host.tokens.clear()
    host.repositories["acme/shop"].visibility = "public"
    reader = reader_of(host, clock, token=None)

    assert await content(reader, FILE) == "the shop"
    assert not [path for path in host.requests if "graphql" in path], "GraphQL tells nothing to strangers"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"{ROOT}/shop/blob/main/nothing.yaml", "404"),
        (f"{ROOT}/shop/blob/nowhere/catalog-info.yaml", "there is no nowhere in acme/shop"),
        (f"{ROOT}/nothing/blob/main/catalog-info.yaml", "there is no repository acme/nothing"),
        (f"{ROOT}/shop/blob/main/services", "is a folder"),
    ],
)
async def test_what_is_not_there_is_not_found(reader: GitHub, url: str, told: str) -> None:
    with pytest.raises(LocationNotFound, match=told):
        await reader.read(url)


@pytest.mark.parametrize("url", [f"{ROOT}/shop", f"{ROOT}", f"{ROOT}/shop/issues/5", f"{ROOT}/shop/blob/main"])
async def test_a_url_of_no_file_is_refused(reader: GitHub, url: str) -> None:
    with pytest.raises(InvalidRef, match="does not name a file in a repository on github"):
        await reader.read(url)


async def test_wildcards_match_files_of_the_whole_tree_with_one_request_for_a_commit(
    host: FakeGitHub, reader: GitHub
) -> None:
    everywhere = f"{ROOT}/shop/blob/main/**/catalog-info.yaml"

    assert await reader.expand(everywhere) == [FILE, f"{ROOT}/shop/blob/main/services/till/catalog-info.yaml"]
    assert await reader.expand(f"{ROOT}/shop/blob/main/services/*/catalog-info.yaml") == [
        f"{ROOT}/shop/blob/main/services/till/catalog-info.yaml"
    ]
    assert await reader.expand(f"{ROOT}/shop/blob/main/none/*.yaml") == []
    assert len([path for path in host.requests if "/git/trees/" in path]) == 1
    assert await reader.expand(FILE) == [FILE]


async def test_a_tree_that_is_cut_off_is_walked(host: FakeGitHub, reader: GitHub) -> None:
    host.add("acme", "mono", {f"libs/{n}/src/{m}.py": "" for n in range(6) for m in range(4)})
    host.repositories["acme/mono"].commit({"services/deep/er/catalog-info.yaml": "x"})
    host.most_entries = 10

    found = await reader.expand(f"{ROOT}/mono/blob/main/services/**/catalog-info.yaml")
    assert found == [f"{ROOT}/mono/blob/main/services/deep/er/catalog-info.yaml"]
    assert len(await reader.expand(f"{ROOT}/mono/blob/main/libs/**/*.py")) == 24


async def test_links_lead_to_the_folder_and_the_editor(reader: GitHub) -> None:
    assert reader.links(f"{ROOT}/shop/blob/main/services/till/catalog-info.yaml") == {
        "backstage.io/source-location": f"url:{ROOT}/shop/tree/main/services/till/",
        "backstage.io/edit-url": f"{ROOT}/shop/edit/main/services/till/catalog-info.yaml",
    }
    assert reader.links(FILE)["backstage.io/source-location"] == f"url:{ROOT}/shop/tree/main/"


@pytest.mark.parametrize(
    ("relative", "expected"),
    [
        ("./x.yaml", "services/till/x.yaml"),
        ("../x.yaml", "services/x.yaml"),
        ("/x.yaml", "x.yaml"),
        ("a b.yaml", "services/till/a%20b.yaml"),
        ("**/x.yaml", "services/till/**/x.yaml"),
    ],
)
def test_relative_targets_stay_at_the_same_ref(reader: GitHub, relative: str, expected: str) -> None:
    base = f"{ROOT}/shop/blob/main/services/till/catalog-info.yaml"

    assert reader.resolve(base, relative) == f"{ROOT}/shop/blob/main/{expected}"


@pytest.mark.parametrize("relative", ["", "../../../x.yaml", "../..", "a\0b"])
def test_relative_targets_do_not_leave_the_repository(reader: GitHub, relative: str) -> None:
    with pytest.raises(InvalidRef):
        reader.resolve(f"{ROOT}/shop/blob/main/services/till/catalog-info.yaml", relative)


def test_files_belong_together_when_their_repository_is_the_same(reader: GitHub) -> None:
    assert reader.contains(FILE, f"{ROOT}/shop/blob/other/x.yaml")
    assert not reader.contains(FILE, f"{ROOT}/shop2/blob/main/x.yaml")
    assert not reader.covers("https://github.com.evil.example/acme/shop/blob/main/x")
    assert not reader.covers("https://user@github.com/acme/shop/blob/main/x")


async def test_a_repository_has_a_slug_and_its_catalog_files_are_found(reader: GitHub) -> None:
    repository = reader.repository(f"{ROOT}/shop.git")
    assert repository is not None
    assert (repository.slug, repository.annotation) == ("acme/shop", "github.com/project-slug")
    assert await reader.find(f"{ROOT}/shop", "catalog-info.yaml") == [
        FILE,
        f"{ROOT}/shop/blob/main/services/till/catalog-info.yaml",
    ]


async def test_many_branches_are_looked_up_with_few_requests(
    host: FakeGitHub, clock: FakeClock, reader: GitHub
) -> None:
    import asyncio

    for number in range(150):
        host.add("acme", f"r{number}", {"x.yaml": "x"})
    urls = [f"{ROOT}/r{number}/blob/main/x.yaml" for number in range(150)]
    versions = [read.version for read in await asyncio.gather(*map(reader.read, urls))]
    host.forget()

    again = await asyncio.gather(*(reader.read(url, version=v) for url, v in zip(urls, versions, strict=True)))

    assert all(isinstance(read, NotModified) for read in again)
    assert dict(host.requests) == {"POST /graphql": 2}


async def test_a_wrong_token_is_named_by_its_place_and_not_shown(host: FakeGitHub, clock: FakeClock) -> None:
    reader = reader_of(host, clock, token=Secret("wr0ng"))

    with pytest.raises(
        Unreadable, match=r"does not accept the credentials of github\.com integrations\.github"
    ) as told:
        await reader.read(FILE)
    assert "wr0ng" not in str(told.value)


async def test_the_budget_is_kept_and_what_waits_for_it_says_until_when(
    host: FakeGitHub, clock: FakeClock, reader: GitHub
) -> None:
    host.budget = 1
    await reader.read(FILE)
    host.repositories["acme/shop"].commit({"catalog-info.yaml": "later"})
    before = host.total

    with pytest.raises(
        Unreadable, match=r"budget of .* is used up; api\.github\.com takes requests again from"
    ) as told:
        await reader.read(FILE)

    assert told.value.retry_at == host.resets_at
    assert [path for path in list(host.requests)[before:] if "contents" in path] == [], "GitHub is not even asked"
    clock.advance(3601)
    host.budget = 5000
    assert await content(reader, FILE) == "later"


@pytest.mark.parametrize(
    "failure",
    [
        Failure(
            status=403, headers={"retry-after": "90"}, body={"message": "You have exceeded a secondary rate limit"}
        ),
        Failure(status=429, headers={"retry-after": "90"}),
    ],
)
async def test_a_host_that_wants_to_be_left_alone_is(
    host: FakeGitHub, clock: FakeClock, reader: GitHub, failure: Failure
) -> None:
    host.failures.append(failure)

    with pytest.raises(Unreadable, match="takes requests again") as told:
        await reader.read(FILE)
    with pytest.raises(Unreadable):
        await reader.read(FILE)

    assert told.value.retry_at == clock.now() + dt.timedelta(seconds=90)
    assert host.total == 1
    clock.advance(91)
    assert await content(reader, FILE) == "the shop"


async def test_a_forbidden_file_says_whose_credentials_are_too_weak(host: FakeGitHub, reader: GitHub) -> None:
    sha = host.repositories["acme/shop"].branches["main"].sha
    host.failures.append(Failure(status=403, body={"message": "Resource not accessible by personal access token"}))

    with pytest.raises(NotAllowed, match=r"Resource not accessible .*; the credentials of github\.com .* may not see"):
        await reader.read(f"{ROOT}/shop/blob/{sha}/catalog-info.yaml")


async def test_what_passes_is_tried_again(host: FakeGitHub, clock: FakeClock, reader: GitHub) -> None:
    import asyncio

    host.failures.extend([Failure(status=502), Failure(status=503)])
    reading = asyncio.create_task(content(reader, FILE))
    while not reading.done():
        await asyncio.wait([reading], timeout=0.01)
        clock.advance(1)

    assert await reading == "the shop"


async def test_a_query_that_graphql_refuses_is_an_error_of_each_location(host: FakeGitHub, reader: GitHub) -> None:
    host.graphql_budget = 0

    with pytest.raises(Unreadable, match="API rate limit exceeded"):
        await reader.read(FILE)


async def test_a_renamed_repository_is_followed(host: FakeGitHub, reader: GitHub) -> None:
    host.repositories["acme/store"] = host.repositories.pop("acme/shop")
    host.renamed["acme/shop"] = "acme/store"

    assert await content(reader, FILE) == "the shop"


KEY = RSAKey.generate_key(2048).as_pem(private=True).decode()


def app_entry(**more: JsonValue) -> JsonObject:
    return {"host": "github.com", "apps": [{"appId": 7, "privateKey": KEY, **more}]}


async def test_an_app_reads_what_its_installations_may(host: FakeGitHub, clock: FakeClock) -> None:
    host.apps["7"] = FakeApp({1: "acme", 2: "other"})
    host.add("other", "thing", {"x.yaml": "of another"})
    context = PluginContext(
        PluginConfig(integrations={"github": [app_entry()]}),
        outside=Outside(client=httpx2.AsyncClient(transport=host.transport), clock=clock, budgets=OwnBudgets(clock)),
    )
    (reader,) = github.code_hosts(context)

    assert await content(reader, FILE) == "the shop"
    assert await content(reader, "https://github.com/other/thing/blob/main/x.yaml") == "of another"
    assert len(host.apps["7"].tokens) == 2
    clock.advance(3500)
    assert await content(reader, FILE) == "the shop"
    assert len(host.apps["7"].tokens) == 3, "a token is renewed before it runs out"


@pytest.mark.parametrize(
    ("integrations", "providers", "told"),
    [
        ([{"token": 5}], {}, "integrations.github[0].token: expected a text"),
        ([{}, {}], {}, "integrations.github[1].host: expected a host of its own, got github.com again"),
        (
            [{"apps": [{"appId": 7, "privateKey": "s3cret"}]}],
            {},
            "integrations.github[0].apps[0].privateKey: expected an",
        ),
        ([{}], {"github": {"a": {"organization": "acme", "app": 7}}}, "catalog.providers.github.a: expected either"),
        (
            [{}],
            {"github": {"a": {"app": 7}}},
            "catalog.providers.github.a.app: expected apps in the entry of github.com",
        ),
        (
            [{}],
            {"github": {"organization": "acme", "host": "ghe"}},
            "catalog.providers.github.host: expected a host of",
        ),
        (
            [{}],
            {"github": {"organization": "a", "filters": {"repository": "("}}},
            "catalog.providers.github.filters.repository: expected a regular expression",
        ),
        (
            [{}],
            {"github": {"organization": "a", "validateLocationsExist": True, "catalogPath": "/**/x.yaml"}},
            "catalog.providers.github.validateLocationsExist: expected catalogPath to have no wildcards",
        ),
        ([{}], {"githubOrg": {"id": "x"}}, "catalog.providers.githubOrg.orgs: expected a list of organizations"),
        (
            [{}],
            {"githubOrg": [{"orgs": ["a"], "githubUrl": "https://ghe"}]},
            "catalog.providers.githubOrg[0].githubUrl: ",
        ),
        (
            [{}],
            {"githubOrg": {"orgs": ["a"], "teamTransformer": "no"}},
            "catalog.providers.githubOrg.teamTransformer: ",
        ),
    ],
)
def test_what_the_configuration_can_not_mean_is_named_by_its_key(
    integrations: JsonValue, providers: JsonObject, told: str
) -> None:
    context = PluginContext(PluginConfig(providers=providers, integrations={"github": integrations}))

    def make() -> None:
        for factory in (github.code_hosts, github.discovery, github.organizations):
            factory(context)

    with pytest.raises(InvalidConfiguration) as caught:
        make()

    assert str(caught.value).startswith(told)
    assert "s3cret" not in str(caught.value)


DISCOVERY: JsonObject = {"acme": {"organization": "acme", "schedule": {"frequency": "PT30M", "timeout": "PT3M"}}}
PROVIDER = "github-provider:acme"


@pytest.fixture
async def story(database: Database, host: FakeGitHub, clock: FakeClock) -> AsyncIterator[HostStory]:
    for name in ("shop", "web", "old"):
        repository = host.repositories.get(f"acme/{name}") or host.add("acme", name)
        repository.commit({"catalog-info.yaml": component_yaml(name)})
    host.repositories["acme/old"].is_archived = True
    integrations: JsonObject = {"github": [{"host": "github.com", "token": "t0ken"}]}
    async with story_of(database, host, clock, integrations=integrations, providers={"github": DISCOVERY}) as story:
        yield story


async def test_a_round_brings_the_catalog_files_of_an_organization(story: HostStory) -> None:
    await story.round(PROVIDER)

    assert story.catalog.refs() == ["component:default/shop", "component:default/web"]
    annotations = story.catalog.entity("component:default/web")["metadata"]["annotations"]  # type: ignore[index,call-overload]
    assert annotations == {
        "backstage.io/managed-by-location": f"url:{ROOT}/web/blob/main/catalog-info.yaml",
        "backstage.io/managed-by-origin-location": f"url:{ROOT}/web/blob/main/catalog-info.yaml",
        "backstage.io/view-url": f"{ROOT}/web/blob/main/catalog-info.yaml",
        "backstage.io/edit-url": f"{ROOT}/web/edit/main/catalog-info.yaml",
        "backstage.io/source-location": f"url:{ROOT}/web/tree/main/",
    }


async def test_a_second_round_without_changes_asks_little_and_changes_nothing(story: HostStory) -> None:
    await story.round(PROVIDER)
    events = len(await story.catalog.history())

    story.catalog.clock.advance(1801)
    asked = await story.round(PROVIDER)

    assert asked <= 2, "the list, and where all branches are"
    assert len(await story.catalog.history()) == events


async def test_a_push_is_read_with_at_most_three_requests(story: HostStory) -> None:
    await story.round(PROVIDER)
    host = story.host
    assert isinstance(host, FakeGitHub)

    body = host.push(host.repositories["acme/shop"], {"catalog-info.yaml": component_yaml("shop", owner="others")})
    asked = await story.hear(System.GITHUB, "push", body)

    assert story.catalog.entity("component:default/shop")["spec"]["owner"] == "others"  # type: ignore[index,call-overload]
    assert asked <= 3


async def test_a_new_repository_comes_with_its_first_push(story: HostStory) -> None:
    await story.round(PROVIDER)
    host = story.host
    assert isinstance(host, FakeGitHub)

    body = host.push(host.add("acme", "new"), {"catalog-info.yaml": component_yaml("new")})
    asked = await story.hear(System.GITHUB, "push", body)

    assert "component:default/new" in story.catalog.refs()
    assert asked <= 3
    story.catalog.clock.advance(1801)
    await story.round(PROVIDER)
    assert "component:default/new" in story.catalog.refs()


async def test_what_happens_to_a_repository_is_heard(story: HostStory) -> None:
    await story.round(PROVIDER)
    host = story.host
    assert isinstance(host, FakeGitHub)
    shop, web, old = (host.repositories[f"acme/{name}"] for name in ("shop", "web", "old"))

    shop.is_archived, old.is_archived = True, False
    await story.hear(System.GITHUB, "repository", {"action": "archived", "repository": host.payload_of(shop)})
    await story.hear(System.GITHUB, "repository", {"action": "unarchived", "repository": host.payload_of(old)})
    web.name = "site"
    host.repositories["acme/site"] = host.repositories.pop("acme/web")
    renamed: JsonObject = {
        "action": "renamed",
        "changes": {"repository": {"name": {"from": "web"}}},
        "repository": host.payload_of(web),
    }
    await story.hear(System.GITHUB, "repository", renamed)

    assert story.catalog.refs() == ["component:default/old", "component:default/web"]
    where = story.catalog.entity("component:default/web")["metadata"]["annotations"]  # type: ignore[index,call-overload]
    assert where["backstage.io/view-url"] == f"{ROOT}/site/blob/main/catalog-info.yaml"  # type: ignore[call-overload,index]


async def test_webhooks_of_others_are_not_meant(story: HostStory) -> None:
    await story.round(PROVIDER)
    host = story.host
    assert isinstance(host, FakeGitHub)
    before = len(await story.catalog.history())

    foreign = host.push(host.add("strangers", "shop"), {"catalog-info.yaml": component_yaml("foreign")})
    assert await story.hear(System.GITHUB, "push", foreign) == 0
    branch = host.push(host.repositories["acme/shop"], {"catalog-info.yaml": component_yaml("x")}, "side")
    await story.hear(System.GITHUB, "push", branch)
    await story.hear(System.GITHUB, "repository", {"action": "archived", "repository": {"name": 5}})

    assert len(await story.catalog.history()) == before


async def test_a_host_that_lists_nothing_empties_nothing(story: HostStory) -> None:
    await story.round(PROVIDER)
    story.catalog.clock.advance(1801)
    story.host.failures.append(Failure(status=200, body={"data": {"repositoryOwner": None}}))

    rounds = story.rounds(PROVIDER)
    assert await rounds.step() > 0
    await story.catalog.settle()

    assert story.catalog.refs() == ["component:default/shop", "component:default/web"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, {"plain", "forked", "public", "topical"}),
        ({"allowArchived": True}, {"plain", "forked", "public", "topical", "archived"}),
        ({"allowForks": False}, {"plain", "public", "topical"}),
        ({"repository": "p.*"}, {"plain", "public"}),
        ({"visibility": ["public", "internal"]}, {"public"}),
        ({"topic": {"include": ["backstage"]}}, {"topical"}),
        ({"topic": {"exclude": ["backstage"]}}, {"plain", "forked", "public"}),
        ({"branch": "next"}, {"plain", "forked", "public", "topical"}),
    ],
)
async def test_filters_say_which_repositories_count(clock: FakeClock, filters: JsonObject, expected: set[str]) -> None:
    host = FakeGitHub(clock=clock)
    host.add("acme", "plain", {"catalog-info.yaml": ""})
    host.add("acme", "forked", {"catalog-info.yaml": ""}, is_fork=True)
    host.add("acme", "public", {"catalog-info.yaml": ""}, visibility="public")
    host.add("acme", "topical", {"catalog-info.yaml": ""}, topics=["backstage"])
    host.add("acme", "archived", {"catalog-info.yaml": ""}, is_archived=True)
    if "branch" not in filters:
        host.add("acme", "empty")
    (provider,) = github.discovery(context_of(host, clock, {"github": {"organization": "acme", "filters": filters}}))

    page = await provider.next(None)

    targets = {str(offer.entity["spec"]["target"]) for offer in page.entities}  # type: ignore[index,call-overload]
    branch = filters.get("branch", "main")
    assert targets == {f"{ROOT}/{name}/blob/{branch}/catalog-info.yaml" for name in expected}


async def test_only_files_that_exist_count_when_that_is_asked_for_and_pages_go_on(clock: FakeClock) -> None:
    host = FakeGitHub(clock=clock)
    for number in range(5):
        host.add("acme", f"r{number}", {"info.yaml" if number % 2 else "other.yaml": ""})
    said: JsonObject = {
        "organization": "acme",
        "catalogPath": "info.yaml",
        "validateLocationsExist": True,
        "pageSizes": {"repositories": 2},
    }
    (provider,) = github.discovery(context_of(host, clock, {"github": said}))

    pages, page = [], await provider.next(None)
    while not page.done:
        pages.append(page)
        page = await provider.next(page.cursor)
    pages.append(page)

    assert (len(pages), sum(len(page.entities) for page in pages), provider.name) == (3, 2, "github-provider:default")


def context_of(host: FakeGitHub, clock: FakeClock, providers: JsonObject) -> PluginContext:
    return PluginContext(
        PluginConfig(providers=providers, integrations={"github": [{"token": "t0ken"}]}),
        outside=Outside(client=httpx2.AsyncClient(transport=host.transport), clock=clock, budgets=OwnBudgets(clock)),
    )


def bosses(said: JsonObject, entity: JsonObject) -> JsonObject | None:
    """A transformer that leaves robots out."""
    return None if str(said["login"]).endswith("-bot") else entity


async def test_people_and_teams_of_an_organization_are_users_and_groups(database: Database, clock: FakeClock) -> None:
    host = FakeGitHub(clock=clock)
    host.members["acme"] = [
        FakeMember(login=f"dev{number}", name=f"Developer {number}", email=f"d{number}@acme.example")
        for number in range(3)
    ]
    host.members["acme"] += [FakeMember(login="build-bot"), FakeMember(login="jane_acme", bio="Likes trains")]
    host.teams["acme"] = [
        FakeTeam(slug="platform", name="Platform", members=["dev0", "dev1", "dev2"], description="Below all"),
        FakeTeam(slug="db", name="Databases", members=["jane_acme"], parent="platform"),
    ]
    said: JsonObject = {
        "id": "acme",
        "orgs": ["acme"],
        "userTransformer": f"{__name__}:bosses",
        "pageSizes": {"organizationMembers": 2, "teams": 1, "teamMembers": 2},
    }
    integrations: JsonObject = {"github": [{"token": "t0ken"}]}
    async with story_of(database, host, clock, integrations=integrations, providers={"githubOrg": said}) as story:
        await story.round("GithubMultiOrgEntityProvider:acme")
        catalog = story.catalog

        assert catalog.refs() == [
            "group:default/db",
            "group:default/platform",
            "user:default/dev0",
            "user:default/dev1",
            "user:default/dev2",
            "user:default/jane_acme",
        ]
        relations = catalog.entity("group:default/platform")["relations"]
        assert {"type": "parentOf", "targetRef": "group:default/db"} in relations  # type: ignore[operator]
        assert {"type": "hasMember", "targetRef": "user:default/dev2"} in relations  # type: ignore[operator]

        host.teams["acme"][1].members.append("dev0")
        changed: JsonObject = {"action": "added", "organization": {"login": "acme"}, "team": {"slug": "db"}}
        await story.hear(System.GITHUB, "membership", changed)
        assert {"type": "memberOf", "targetRef": "group:default/db"} in catalog.entity("user:default/dev0")["relations"]  # type: ignore[operator]

        gone: JsonObject = {
            "action": "member_removed",
            "organization": {"login": "acme"},
            "membership": {"user": {"login": "dev2"}},
        }
        await story.hear(System.GITHUB, "organization", gone)
        await story.hear(
            System.GITHUB, "team", {"action": "deleted", "organization": {"login": "acme"}, "team": {"slug": "db"}}
        )
        assert not {"user:default/dev2", "group:default/db"} & set(catalog.refs())


async def test_the_removal_guard_of_an_organization_is_on_by_default(database: Database, clock: FakeClock) -> None:
    host = FakeGitHub(clock=clock)
    host.members["acme"] = [FakeMember(login=f"dev{number}") for number in range(10)]
    integrations: JsonObject = {"github": [{"token": "t0ken"}]}
    providers: JsonObject = {"githubOrg": {"orgs": ["acme"]}}
    async with story_of(database, host, clock, integrations=integrations, providers=providers) as story:
        await story.round("GithubMultiOrgEntityProvider:default")
        host.members["acme"] = host.members["acme"][:3]
        clock.advance(3601)
        await story.round("GithubMultiOrgEntityProvider:default")

        assert len(story.catalog.refs()) == 10
