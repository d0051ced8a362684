"""GitLab is read by URL, crawled, and heard."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import httpx2
import pytest

from callboard.builtin.hosts import gitlab
from callboard.builtin.hosts.discovery import ref_of
from callboard.builtin.hosts.gitlab import GitLab
from callboard.errors import InvalidConfiguration, InvalidRef, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import Content, NotModified, PluginContext, Webhook
from callboard.model.json import JsonObject, JsonValue
from callboard.model.pushes import parse_pushes
from callboard.model.repositories import System
from callboard.store.database import Database
from callboard.testing import FakeClock
from callboard.testing.gitlab import FakeGitLab
from callboard.testing.repositories import Failure
from tests.builtin.hosts.reading import Noted, content, context_of, targets_of
from tests.builtin.hosts.stories import HostStory, story_of
from tests.harness import component_yaml

ROOT = "https://gitlab.com/acme/tools"
FILE = f"{ROOT}/shop/-/blob/main/catalog-info.yaml"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC))


@pytest.fixture
def host(clock: FakeClock) -> FakeGitLab:
    host = FakeGitLab(clock=clock)
    files = {"catalog-info.yaml": "the shop", "docs/a b#1.yaml": "odd", "services/till/catalog-info.yaml": "the till"}
    host.add("acme/tools", "shop", files)
    return host


def configured(host: FakeGitLab, clock: FakeClock, providers: JsonObject, /, **entry: JsonValue) -> PluginContext:
    return context_of(host, clock, {"gitlab": [{"host": host.host, "token": "t0ken", **entry}]}, providers)


def reader_of(host: FakeGitLab, clock: FakeClock, **entry: JsonValue) -> GitLab:
    (reader,) = gitlab.code_hosts(configured(host, clock, {}, **entry))
    return reader


@pytest.fixture
def reader(host: FakeGitLab, clock: FakeClock) -> GitLab:
    return reader_of(host, clock)


@pytest.mark.parametrize(
    "url",
    [
        FILE,
        f"{ROOT}/shop/-/tree/main/catalog-info.yaml",
        f"{ROOT}/shop/-/raw/main/catalog-info.yaml?inline=false",
        f"{ROOT}/shop/-/edit/main/catalog-info.yaml",
        f"{ROOT}/shop/blob/main/catalog-info.yaml",
        f"{ROOT}/shop/raw/main/catalog-info.yaml",
        f"{ROOT}/shop/tree/main/catalog-info.yaml",
        f"{ROOT}/shop/-/blob/HEAD/catalog-info.yaml",
        f"{ROOT}/shop/-/blob/refs/heads/main/catalog-info.yaml",
        f"{FILE}?ref_type=heads#L3",
    ],
)
async def test_a_file_is_read_whatever_form_its_url_has(reader: GitLab, url: str) -> None:
    assert reader.covers(url)
    assert await content(reader, url) == "the shop"


async def test_paths_are_encoded_in_urls(reader: GitLab) -> None:
    assert await content(reader, f"{ROOT}/shop/-/blob/main/docs/a%20b%231.yaml") == "odd"


@pytest.mark.parametrize("written", ["feature/new/till", "feature%2Fnew%2Ftill"])
async def test_a_branch_may_have_slashes(host: FakeGitLab, reader: GitLab, written: str) -> None:
    host.repositories["acme/tools/shop"].commit({"a/b.yaml": "on the branch"}, "feature/new/till")
    host.repositories["acme/tools/shop"].commit({"a/b.yaml": "on another"}, "feature/ne")
    url = f"{ROOT}/shop/-/blob/{written}/a/b.yaml"

    assert await content(reader, url) == "on the branch"
    assert reader.resolve(url, "../catalog-info.yaml") == f"{ROOT}/shop/-/blob/{written}/catalog-info.yaml"


async def test_a_commit_is_read_without_asking_where_it_is(host: FakeGitLab, reader: GitLab) -> None:
    sha = host.repositories["acme/tools/shop"].branches["main"].sha
    url = f"{ROOT}/shop/-/blob/{sha}/catalog-info.yaml"

    assert await content(reader, url) == "the shop"
    assert host.total == 1
    assert "backstage.io/edit-url" not in reader.links(url)


async def test_what_has_not_changed_is_not_sent(host: FakeGitLab, reader: GitLab) -> None:
    first = await reader.read(FILE)
    assert isinstance(first, Content)
    host.forget()

    same = await reader.read(FILE, version=first.version)

    assert (same, dict(host.requests)) == (NotModified(FILE, first.version or ""), {"POST /api/graphql": 1})


async def test_many_branches_are_looked_up_with_few_requests(host: FakeGitLab, reader: GitLab) -> None:
    urls = []
    for number in range(60):
        host.add("acme", f"p{number}", {"a.yaml": f"{number}"}, default_branch="main" if number % 2 else "master")
        urls.append(f"https://gitlab.com/acme/p{number}/-/blob/{'main' if number % 2 else 'master'}/a.yaml")
    versions = {url: (await reader.read(url)).version for url in urls}
    host.forget()

    unchanged = await asyncio.gather(*(reader.read(url, version=versions[url]) for url in urls))

    assert all(isinstance(each, NotModified) for each in unchanged)
    assert dict(host.requests) == {"POST /api/graphql": 2}


async def test_a_query_that_costs_too_much_is_cut_into_smaller_ones(host: FakeGitLab, reader: GitLab) -> None:
    host.most_complexity = 25
    repository = host.repositories["acme/tools/shop"]
    for number in range(8):
        repository.commit({"a.yaml": f"{number}"}, f"b{number}")

    urls = [f"{ROOT}/shop/-/blob/b{number}/a.yaml" for number in range(8)]
    read = await asyncio.gather(*(content(reader, url) for url in urls))

    assert read == [str(number) for number in range(8)]
    assert not [path for path in host.requests if path.endswith("commits/b0")]


@pytest.mark.parametrize("missing", ["has_graphql", "may_graphql"])
async def test_where_graphql_may_not_be_used_the_rest_api_will_do(
    host: FakeGitLab, reader: GitLab, missing: str
) -> None:
    setattr(host, missing, False)
    first = await reader.read(FILE)
    assert isinstance(first, Content)
    host.forget()

    assert isinstance(await reader.read(FILE, version=first.version), NotModified)
    assert dict(host.requests) == {"GET /api/v4/projects/acme/tools/shop/repository/commits/main": 1}


async def test_strangers_read_what_is_public(host: FakeGitLab, clock: FakeClock) -> None:
    host.tokens.clear()

    assert await content(reader_of(host, clock, token=None), FILE) == "the shop"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"{ROOT}/shop/-/blob/main/nothing.yaml", "404 File Not Found"),
        (f"{ROOT}/shop/-/blob/nowhere/catalog-info.yaml", "404 Commit Not Found"),
        (f"{ROOT}/nothing/-/blob/main/catalog-info.yaml", "404 Project Not Found"),
    ],
)
async def test_what_is_not_there_is_not_found(reader: GitLab, url: str, told: str) -> None:
    with pytest.raises(LocationNotFound, match=told):
        await reader.read(url)


@pytest.mark.parametrize(
    "url",
    [ROOT, f"{ROOT}/shop/-/issues/1", f"{ROOT}/shop/-/tree/main", f"{ROOT}/shop/-", "https://gitlab.com/acme/-/blob"],
)
async def test_a_url_of_no_file_is_refused(reader: GitLab, url: str) -> None:
    assert reader.covers(url)
    with pytest.raises(InvalidRef):
        await reader.read(url)


@pytest.mark.parametrize("url", ["https://gitlab.com.evil/acme/a/-/blob/main/x", "http://gitlab.com/a/b/-/blob/main/x"])
def test_other_hosts_are_not_covered(reader: GitLab, url: str) -> None:
    assert not reader.covers(url)


async def test_wildcards_match_files_of_the_tree_page_by_page(host: FakeGitLab, reader: GitLab) -> None:
    host.page_size = 2
    repository = host.repositories["acme/tools/shop"]
    repository.commit({f"services/s{number}/catalog-info.yaml": "x" for number in range(5)})

    found = await reader.expand(f"{ROOT}/shop/-/blob/main/services/**/catalog-info.yaml")

    names = [*(f"s{number}" for number in range(5)), "till"]
    assert found == [f"{ROOT}/shop/-/blob/main/services/{name}/catalog-info.yaml" for name in names]
    host.forget()
    await reader.expand(f"{ROOT}/shop/-/blob/main/services/*/catalog-info.yaml")
    assert dict(host.requests) == {"POST /api/graphql": 1}, "the tree of a commit is listed once"


@pytest.mark.parametrize(
    ("url", "edit"),
    [
        (f"{ROOT}/shop/-/blob/main/services/till/catalog-info.yaml", "main/services/till/catalog-info.yaml"),
        (f"{ROOT}/shop/blob/main/services/till/catalog-info.yaml", "main/services/till/catalog-info.yaml"),
        (f"{ROOT}/shop/-/blob/main/services/a%20b/c.yaml", "main/services/a%20b/c.yaml"),
    ],
)
async def test_links_lead_to_the_folder_and_the_editor(reader: GitLab, url: str, edit: str) -> None:
    assert reader.links(url) == {
        "backstage.io/source-location": f"url:{url.rpartition('/')[0]}/",
        "backstage.io/edit-url": f"{ROOT}/shop/-/edit/{edit}",
    }


def test_files_belong_together_when_their_project_is_the_same(reader: GitLab) -> None:
    assert reader.contains(FILE, f"{ROOT}/shop/-/raw/other/a.yaml")
    assert not reader.contains(FILE, f"{ROOT}/web/-/blob/main/a.yaml")


@pytest.mark.parametrize(
    "url", [f"{ROOT}/shop", f"{ROOT}/shop.git", f"{ROOT}/shop/-/issues", FILE, f"{ROOT}/shop/blob/main/a.yaml"]
)
async def test_a_project_has_a_slug_and_its_catalog_files_are_found(reader: GitLab, url: str) -> None:
    repository = reader.repository(url)

    assert repository is not None
    assert (repository.url, repository.name, repository.slug, repository.annotation) == (
        f"{ROOT}/shop",
        "shop",
        "acme/tools/shop",
        "gitlab.com/project-slug",
    )
    form = "blob" if "/blob/" in url and "/-/" not in url else "-/blob"
    assert await reader.find(url, "catalog-info.yaml") == [
        f"{ROOT}/shop/{form}/main/catalog-info.yaml",
        f"{ROOT}/shop/{form}/main/services/till/catalog-info.yaml",
    ]


async def test_an_installation_may_be_below_a_path(clock: FakeClock) -> None:
    host = FakeGitLab("code.example.com", path="/gitlab", clock=clock)
    host.add("acme", "shop", {"a.yaml": "here"})
    reader = reader_of(host, clock, baseUrl="https://code.example.com/gitlab/")
    url = "https://code.example.com/gitlab/acme/shop/-/blob/main/a.yaml"

    assert await content(reader, url) == "here"
    assert reader.repository(url) is not None
    assert reader.links(url)["backstage.io/edit-url"] == "https://code.example.com/gitlab/acme/shop/-/edit/main/a.yaml"


async def test_a_wrong_token_is_named_by_its_place_and_not_shown(host: FakeGitLab, clock: FakeClock) -> None:
    reader = reader_of(host, clock, token="wr0ng")

    with pytest.raises(
        Unreadable, match=r"401 .*does not accept the credentials of .*integrations\.gitlab\[0\]"
    ) as met:
        await reader.read(FILE)

    assert "wr0ng" not in str(met.value)
    assert "wr0ng" not in repr(reader._installation)


async def test_what_waits_for_the_budget_says_until_when(host: FakeGitLab, clock: FakeClock, reader: GitLab) -> None:
    host.budget = 2
    await reader.read(FILE)

    with pytest.raises(Unreadable, match="takes requests again from 2026-11-27T13:00:00") as met:
        await reader.read(FILE)

    assert met.value.retry_at == clock.now() + dt.timedelta(hours=1)
    clock.advance(3600)
    host.budget = None
    assert await content(reader, FILE) == "the shop"


async def test_a_host_that_wants_to_be_left_alone_is(host: FakeGitLab, clock: FakeClock, reader: GitLab) -> None:
    host.failures.append(Failure(status=429, headers={"retry-after": "90"}, body={"message": "Retry later"}))

    with pytest.raises(Unreadable, match="used up"):
        await reader.read(FILE)
    with pytest.raises(Unreadable, match="used up"):
        await reader.read(FILE)

    assert host.total == 1
    clock.advance(91)
    assert await content(reader, FILE) == "the shop"


async def test_a_forbidden_file_says_whose_credentials_are_too_weak(host: FakeGitLab, reader: GitLab) -> None:
    sha = host.repositories["acme/tools/shop"].branches["main"].sha
    host.failures.append(Failure(status=403, body={"message": "403 Forbidden"}))

    with pytest.raises(NotAllowed, match=r"gitlab\.com integrations\.gitlab\[0\] may not see this"):
        await reader.read(f"{ROOT}/shop/-/blob/{sha}/catalog-info.yaml")


@pytest.mark.parametrize(
    ("key", "integration", "provider"),
    [
        ("integrations.gitlab[0].baseUrl", {"baseUrl": "gitlab"}, {"host": "gitlab.com"}),
        ("integrations.gitlab[0].apiBaseUrl", {"apiBaseUrl": "https://h/?a=b"}, {"host": "gitlab.com"}),
        ("integrations.gitlab[0].host", {"host": "gitlab.com/x"}, {"host": "gitlab.com"}),
        ("integrations.gitlab[0].token", {"token": 5}, {"host": "gitlab.com"}),
        ("catalog.providers.gitlab.all.host", {}, {"host": "code.example.com"}),
        ("catalog.providers.gitlab.all.host", {}, {}),
        ("catalog.providers.gitlab.all.projectPattern", {}, {"host": "gitlab.com", "projectPattern": "("}),
        ("catalog.providers.gitlab.all.groupPattern", {}, {"host": "gitlab.com", "groupPattern": ["a", "("]}),
        ("catalog.providers.gitlab.all.excludeRepos", {}, {"host": "gitlab.com", "excludeRepos": "a/b"}),
        ("catalog.providers.gitlab.all.entityFilename", {}, {"host": "gitlab.com", "entityFilename": "/"}),
    ],
)
def test_what_the_configuration_can_not_mean_is_named_by_its_key(
    host: FakeGitLab, clock: FakeClock, key: str, integration: JsonObject, provider: JsonObject
) -> None:
    context = configured(host, clock, {"gitlab": {"all": provider}}, **integration)

    with pytest.raises(InvalidConfiguration) as met:
        gitlab.discovery(context)

    assert str(met.value).startswith(f"{key}: ")


PROVIDER = "GitlabDiscoveryEntityProvider:acme"


@pytest.fixture
async def story(database: Database, host: FakeGitLab, clock: FakeClock) -> AsyncIterator[HostStory]:
    for name in ("shop", "web", "old"):
        repository = host.repositories.get(f"acme/tools/{name}") or host.add("acme/tools", name)
        repository.commit({"catalog-info.yaml": component_yaml(name)})
    host.repositories["acme/tools/old"].is_archived = True
    integrations: JsonObject = {"gitlab": [{"host": "gitlab.com", "token": "t0ken"}]}
    schedule: JsonObject = {"frequency": {"minutes": 30}, "timeout": {"minutes": 3}}
    providers: JsonObject = {"gitlab": {"acme": {"host": "gitlab.com", "group": "acme", "schedule": schedule}}}
    async with story_of(database, host, clock, integrations=integrations, providers=providers) as story:
        yield story


def gitlab_of(story: HostStory) -> FakeGitLab:
    assert isinstance(story.host, FakeGitLab)
    return story.host


async def test_a_round_brings_the_catalog_files_of_a_group(story: HostStory) -> None:
    await story.round(PROVIDER)

    assert story.catalog.refs() == ["component:default/shop", "component:default/web"]
    metadata = story.catalog.entity("component:default/web")["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["annotations"] == {
        "backstage.io/managed-by-location": f"url:{ROOT}/web/-/blob/main/catalog-info.yaml",
        "backstage.io/managed-by-origin-location": f"url:{ROOT}/web/-/blob/main/catalog-info.yaml",
        "backstage.io/view-url": f"{ROOT}/web/-/blob/main/catalog-info.yaml",
        "backstage.io/edit-url": f"{ROOT}/web/-/edit/main/catalog-info.yaml",
        "backstage.io/source-location": f"url:{ROOT}/web/-/blob/main/",
    }


async def test_a_second_round_without_changes_asks_little_and_changes_nothing(story: HostStory) -> None:
    await story.round(PROVIDER)
    events = len(await story.catalog.history())

    story.catalog.clock.advance(1801)
    asked = await story.round(PROVIDER)

    assert asked <= 3, "the list, who has the file, and where all branches are"
    assert len(await story.catalog.history()) == events


async def test_a_push_is_read_with_at_most_three_requests(story: HostStory) -> None:
    await story.round(PROVIDER)
    host = gitlab_of(story)

    changed = component_yaml("shop", owner="others")
    body = host.push(host.repositories["acme/tools/shop"], {"catalog-info.yaml": changed})
    asked = await story.hear(System.GITLAB, "push", body)

    assert story.catalog.entity("component:default/shop")["spec"]["owner"] == "others"  # type: ignore[index,call-overload]
    assert asked <= 3


async def test_projects_come_and_go_with_their_files(story: HostStory) -> None:
    await story.round(PROVIDER)
    host = gitlab_of(story)

    asked = await story.hear(
        System.GITLAB, "push", host.push(host.add("acme/tools", "new"), {"catalog-info.yaml": component_yaml("new")})
    )
    assert asked <= 3
    await story.hear(System.GITLAB, "push", host.push(host.repositories["acme/tools/web"], {"catalog-info.yaml": None}))

    assert story.catalog.refs() == ["component:default/new", "component:default/shop"]
    story.catalog.clock.advance(1801)
    await story.round(PROVIDER)
    assert story.catalog.refs() == ["component:default/new", "component:default/shop"]


async def test_what_happens_to_a_project_is_heard(story: HostStory) -> None:
    await story.round(PROVIDER)
    host = gitlab_of(story)

    web = host.repositories.pop("acme/tools/web")
    await story.hear(System.GITLAB, "project_destroy", host.project_event("project_destroy", web))
    assert story.catalog.refs() == ["component:default/shop"]

    shop = host.repositories.pop("acme/tools/shop")
    shop.name = "store"
    host.repositories["acme/tools/store"] = shop
    renamed = host.project_event("project_rename", shop, former="acme/tools/shop")
    assert await story.hear(System.GITLAB, "project_rename", renamed) <= 4

    annotations = story.catalog.entity("component:default/shop")["metadata"]["annotations"]  # type: ignore[index,call-overload]
    assert annotations["backstage.io/view-url"] == f"{ROOT}/store/-/blob/main/catalog-info.yaml"  # type: ignore[index,call-overload]


async def test_webhooks_of_others_are_not_meant(story: HostStory) -> None:
    await story.round(PROVIDER)
    host = gitlab_of(story)
    before = len(await story.catalog.history())

    foreign = host.push(host.add("strangers", "shop"), {"catalog-info.yaml": component_yaml("foreign")})
    assert await story.hear(System.GITLAB, "push", foreign) == 0
    branch = host.push(host.repositories["acme/tools/shop"], {"catalog-info.yaml": component_yaml("x")}, "side")
    assert await story.hear(System.GITLAB, "push", branch) == 0
    assert await story.hear(System.GITLAB, "project_destroy", {"event_name": "project_destroy", "project_id": "x"}) == 0

    assert len(await story.catalog.history()) == before


async def test_a_group_that_can_not_be_seen_any_more_empties_nothing(story: HostStory) -> None:
    await story.round(PROVIDER)
    story.catalog.clock.advance(1801)
    story.host.failures.append(Failure(status=404, body={"message": "404 Group Not Found"}))

    assert await story.rounds(PROVIDER).step() > 0
    await story.catalog.settle()

    assert story.catalog.refs() == ["component:default/shop", "component:default/web"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"acme/plain", "acme/forked", "acme/deep/topical", "other/mine"}),
        ({"group": "acme"}, {"acme/plain", "acme/forked", "acme/deep/topical"}),
        ({"group": "acme/deep"}, {"acme/deep/topical"}),
        (
            {"includeArchivedRepos": True, "group": "acme", "excludeGroups": ["acme/deep"]},
            {"acme/plain", "acme/forked", "acme/archived"},
        ),
        ({"skipForkedRepos": True}, {"acme/plain", "acme/deep/topical", "other/mine"}),
        ({"projectPattern": "/p|(?<last>mine)$"}, {"acme/plain", "other/mine"}),
        ({"groupPattern": "deep$"}, {"acme/deep/topical"}),
        ({"groupPattern": ["^oth", "deep"]}, {"acme/deep/topical", "other/mine"}),
        ({"group": "acme", "groupPattern": "deep"}, {"acme/deep/topical"}),
        ({"excludeRepos": ["Acme/Plain"]}, {"acme/forked", "acme/deep/topical", "other/mine"}),
        ({"membership": True}, {"other/mine"}),
        ({"topics": "backstage,go"}, {"acme/deep/topical"}),
        ({"useSearch": True, "group": "acme"}, {"acme/plain", "acme/forked", "acme/deep/topical"}),
        (
            {"entityFilename": "docs/*.yaml", "group": "acme"},
            {"acme/plain", "acme/forked", "acme/deep/topical", "acme/nothing", "acme/empty"},
        ),
    ],
)
@pytest.mark.parametrize("has_graphql", [True, False])
async def test_the_options_say_which_projects_count(
    clock: FakeClock, options: JsonObject, expected: set[str], has_graphql: bool
) -> None:
    host = FakeGitLab(clock=clock)
    host.has_graphql = has_graphql
    host.page_size = 2
    host.add("acme", "plain", {"catalog-info.yaml": ""})
    host.add("acme", "forked", {"catalog-info.yaml": ""}, is_fork=True)
    host.add("acme", "archived", {"catalog-info.yaml": ""}, is_archived=True)
    host.add("acme", "nothing", {"other.yaml": ""})
    host.add("acme", "empty")
    host.add("acme/deep", "topical", {"catalog-info.yaml": ""}, topics=["backstage", "go", "more"])
    host.add("other", "mine", {"catalog-info.yaml": ""})
    host.member_of.add("other/mine")
    context = configured(host, clock, {"gitlab": {"all": {"host": "gitlab.com", **options}}})
    (provider,) = gitlab.discovery(context)

    found = {target.removeprefix("https://gitlab.com/").partition("/-/")[0] for target in await targets_of(provider)}

    assert found == expected


async def test_a_project_of_which_git_tells_nothing_is_asked_for_again_and_not_withdrawn(
    host: FakeGitLab, clock: FakeClock
) -> None:
    (provider,) = gitlab.discovery(configured(host, clock, {"gitlab": {"all": {"host": "gitlab.com"}}}))
    page = await provider.next(None)
    answered = host.answer

    def failing(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("graphql"):
            nodes = [{"fullPath": "acme/tools/shop", "repository": {"blobs": None}}]
            return httpx2.Response(200, json={"data": {"q0": {"nodes": nodes}}, "errors": [{"message": "git is down"}]})
        return answered(request)

    # What fails there is one storage of many, which the fake does not have.
    host.answer = failing  # type: ignore[method-assign]
    assert await provider.next(None) == page

    shop = host.repositories["acme/tools/shop"]
    shop.commit({"catalog-info.yaml": None})
    assert not (await provider.next(None)).entities


@pytest.mark.parametrize(
    ("options", "branch", "files", "added", "removed"),
    [
        ({}, "main", {"catalog-info.yaml": "x"}, ["main/catalog-info.yaml"], []),
        ({}, "main", {"catalog-info.yaml": None}, [], ["main/catalog-info.yaml"]),
        ({}, "main", {"docs/catalog-info.yaml": "x"}, [], []),
        ({}, "next", {"catalog-info.yaml": "x"}, [], []),
        ({"branch": "next"}, "main", {"catalog-info.yaml": "x"}, [], []),
        ({"branch": "next"}, "next", {"catalog-info.yaml": "x"}, ["next/catalog-info.yaml"], []),
        ({"entityFilename": "**/info.yml"}, "main", {"README.md": "x"}, ["main/**/info.yml"], []),
        (
            {"useSearch": True},
            "main",
            {"docs/catalog-info.yaml": "x", "a/catalog-info.yaml": "x", "catalog-info.yaml": None, "info.yaml": "x"},
            ["main/a/catalog-info.yaml", "main/docs/catalog-info.yaml"],
            ["main/catalog-info.yaml"],
        ),
        ({"group": "other"}, "main", {"catalog-info.yaml": "x"}, [], []),
        ({"excludeRepos": ["acme/tools/shop"]}, "main", {"catalog-info.yaml": "x"}, [], []),
    ],
)
async def test_a_push_means_what_the_options_say(
    host: FakeGitLab,
    clock: FakeClock,
    options: JsonObject,
    branch: str,
    files: dict[str, str | None],
    added: list[str],
    removed: list[str],
) -> None:
    (provider,) = gitlab.discovery(configured(host, clock, {"gitlab": {"all": {"host": "gitlab.com", **options}}}))
    shop = host.repositories["acme/tools/shop"]
    shop.commit({"catalog-info.yaml": "before"}, branch)
    body = host.push(shop, files, branch)
    noted = Noted()

    told = parse_pushes(System.GITLAB, body)
    await provider.on_webhook(Webhook(system="gitlab", event="push", body=body, pushes=told), noted)

    assert noted.added == [f"{ROOT}/shop/-/blob/{target}" for target in added]
    assert noted.removed == [ref_of(f"{ROOT}/shop/-/blob/{target}").name for target in removed]
    assert host.total == 0


@pytest.mark.parametrize(
    ("event", "instance", "added", "removed"),
    [
        ("project_update", "https://gitlab.com", 1, 0),
        ("project_update", None, 1, 0),
        ("project_update", "https://code.example.com", 0, 0),
        ("project_destroy", "https://gitlab.com/", 0, 2),
        ("project_archive", "https://gitlab.com", 0, 0),
    ],
)
async def test_events_of_projects_are_heard_from_their_own_installation(
    host: FakeGitLab, clock: FakeClock, event: str, instance: str | None, added: int, removed: int
) -> None:
    (provider,) = gitlab.discovery(configured(host, clock, {"gitlab": {"all": {"host": "gitlab.com"}}}))
    body = host.project_event(event, host.repositories["acme/tools/shop"])
    headers = {} if instance is None else {"x-gitlab-instance": instance}
    noted = Noted()

    await provider.on_webhook(Webhook(system="gitlab", event=event, body=body, headers=headers), noted)

    assert (len(noted.added), len(noted.removed)) == (added, removed)


@pytest.mark.parametrize("complete", [True, False])
async def test_pushes_take_at_most_three_requests_whatever_has_to_be_known(
    database: Database, host: FakeGitLab, clock: FakeClock, complete: bool
) -> None:
    options: JsonObject = {"host": "gitlab.com", "topics": "catalog", "skipForkedRepos": True}
    integrations: JsonObject = {"gitlab": [{"host": "gitlab.com", "token": "t0ken"}]}
    async with story_of(
        database, host, clock, integrations=integrations, providers={"gitlab": {"acme": options}}
    ) as story:
        await story.round(PROVIDER)
        new, fork = host.add("acme", "new", topics=["catalog"]), host.add("acme", "fork", is_fork=True)
        if complete:
            new.commit({"README.md": ""})

        pushed = host.push(new, {"catalog-info.yaml": component_yaml("new")})
        assert await story.hear(System.GITLAB, "push", pushed) <= 3
        forked = host.push(fork, {"catalog-info.yaml": component_yaml("fork")})
        assert await story.hear(System.GITLAB, "push", forked) <= 1

        assert story.catalog.refs() == ["component:default/new"]


@pytest.mark.parametrize(
    ("options", "targets"),
    [
        ({}, ["acme/shop/-/blob/trunk/catalog-info.yaml"]),
        ({"branch": "next"}, ["acme/shop/-/blob/next/catalog-info.yaml"]),
        ({"entityFilename": "docs/info.yml"}, ["acme/shop/-/blob/trunk/docs/info.yml"]),
        ({"useSearch": True, "entityFilename": "docs/info.yml"}, ["acme/shop/-/blob/trunk/docs/info.yml"]),
        (
            {"useSearch": True, "group": "acme"},
            ["acme/shop/-/blob/trunk/catalog-info.yaml", "acme/shop/-/blob/trunk/docs/catalog-info.yaml"],
        ),
    ],
)
async def test_targets_are_those_of_backstage(clock: FakeClock, options: JsonObject, targets: list[str]) -> None:
    host = FakeGitLab(clock=clock)
    files = {"catalog-info.yaml": "", "docs/info.yml": "", "docs/catalog-info.yaml": "", "my-catalog-info.yaml": ""}
    host.add("acme", "shop", files, default_branch="trunk").commit({"a": ""}, "next")
    context = configured(host, clock, {"gitlab": {"all": {"host": "gitlab.com", **options}}})
    (provider,) = gitlab.discovery(context)

    page = await provider.next(None)

    assert [each.entity["spec"] for each in page.entities] == [
        {"type": "url", "target": f"https://gitlab.com/{target}", "presence": "optional"} for target in targets
    ]
