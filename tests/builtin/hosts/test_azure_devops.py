"""Azure DevOps is read by URL, crawled, and heard."""

import datetime as dt
from collections.abc import AsyncIterator

import pytest

from callboard.builtin.hosts import azure_devops
from callboard.builtin.hosts.azure_devops.discovery import AzureDevOpsDiscovery
from callboard.builtin.hosts.azure_devops.reader import AzureDevOps
from callboard.errors import InvalidConfiguration, InvalidRef, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import Content, NotModified, PluginConfig, PluginContext
from callboard.model.json import JsonObject, JsonValue
from callboard.model.repositories import System
from callboard.store.database import Database
from callboard.testing import FakeClock
from callboard.testing.azure_devops import FakeAzureDevOps
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

ROOT = "https://dev.azure.com/acme/My%20Project/_git/shop"
FILE = f"{ROOT}?path=/catalog-info.yaml"
TOKEN: JsonValue = [{"credentials": [{"personalAccessToken": "t0ken"}]}]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC))


@pytest.fixture
def host(clock: FakeClock) -> FakeAzureDevOps:
    host = FakeAzureDevOps(clock=clock)
    host.add(
        "acme/My Project",
        "shop",
        {"catalog-info.yaml": "the shop", "docs/a b&c.yaml": "spaced", "services/till/catalog-info.yaml": "the till"},
    )
    host.add("acme/same", "same", {"catalog-info.yaml": "one name"})
    return host


def reader_of(host: FakeAzureDevOps, clock: FakeClock, said: JsonValue = TOKEN) -> AzureDevOps:
    (reader,) = azure_devops.code_hosts(context_of(host, clock, {"azure": said}))
    return reader


@pytest.fixture
def reader(host: FakeAzureDevOps, clock: FakeClock) -> AzureDevOps:
    return reader_of(host, clock)


@pytest.mark.parametrize(
    "url",
    [
        FILE,
        f"{ROOT}?path=%2Fcatalog-info.yaml",
        f"{ROOT}?path=catalog-info.yaml",
        f"{FILE}&version=GBmain",
        f"{FILE}&version=GBmain&_a=contents",
        f"{ROOT}?version=GBmain&path=%2Fcatalog-info.yaml&line=3",
        "https://acme.visualstudio.com/My%20Project/_git/shop?path=/catalog-info.yaml",
        "https://acme.visualstudio.com/DefaultCollection/My%20Project/_git/shop?path=/catalog-info.yaml",
    ],
)
async def test_a_file_is_read_whatever_form_its_url_has(reader: AzureDevOps, url: str) -> None:
    assert reader.covers(url)
    assert await content(reader, url) == "the shop"


@pytest.mark.parametrize("root", ["https://dev.azure.com/acme", "https://acme.visualstudio.com"])
async def test_a_repository_may_be_named_without_its_project(reader: AzureDevOps, root: str) -> None:
    assert await content(reader, f"{root}/_git/same?path=/catalog-info.yaml") == "one name"


@pytest.mark.parametrize("written", ["/docs/a%20b%26c.yaml", "%2Fdocs%2Fa+b%26c.yaml"])
async def test_paths_are_encoded_in_urls(reader: AzureDevOps, written: str) -> None:
    assert await content(reader, f"{ROOT}?path={written}") == "spaced"


async def test_a_branch_may_have_slashes(host: FakeAzureDevOps, reader: AzureDevOps) -> None:
    host.repositories["acme/My Project/shop"].commit({"a/b.yaml": "on the branch"}, "feature/new/till")
    url = f"{ROOT}?path=/a/b.yaml&version=GBfeature%2Fnew%2Ftill"

    assert await content(reader, url) == "on the branch"
    expected = f"{ROOT}?path=%2Fcatalog-info.yaml&version=GBfeature%2Fnew%2Ftill"
    assert reader.resolve(url, "../catalog-info.yaml") == expected


async def test_a_commit_is_read_without_asking_where_it_is(host: FakeAzureDevOps, reader: AzureDevOps) -> None:
    sha = host.repositories["acme/My Project/shop"].branches["main"].sha
    url = f"{FILE}&version=GC{sha}"

    assert await content(reader, url) == "the shop"
    assert host.total == 1
    assert "backstage.io/edit-url" not in reader.links(url)


async def test_a_tag_is_no_branch(host: FakeAzureDevOps, reader: AzureDevOps) -> None:
    asked = f"{FILE}&version=GTv1"

    with pytest.raises(LocationNotFound, match="tag: v1"):
        await reader.read(asked)
    assert "backstage.io/edit-url" not in reader.links(asked)


async def test_what_has_not_changed_is_not_sent(host: FakeAzureDevOps, reader: AzureDevOps) -> None:
    shop = host.repositories["acme/My Project/shop"]
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
        (f"{ROOT}?path=/nothing.yaml", "TF401174"),
        (f"{FILE}&version=GBnowhere", "TF401175"),
        ("https://dev.azure.com/acme/My%20Project/_git/nothing?path=/x.yaml", "TF401019"),
        (f"{ROOT}?path=/services", "is a folder"),
        ("https://dev.azure.com/acme/My%20Project/_git/empty?path=/x.yaml", "no commit at the default branch of"),
    ],
)
async def test_what_is_not_there_is_not_found(host: FakeAzureDevOps, reader: AzureDevOps, url: str, told: str) -> None:
    host.add("acme/My Project", "empty")

    with pytest.raises(LocationNotFound, match=told):
        await reader.read(url)


@pytest.mark.parametrize(
    "url",
    [
        ROOT,
        f"{ROOT}?path=/",
        f"{ROOT}/pullrequest/5",
        f"{FILE}&version=GCabc",
        f"{FILE}&version=XXmain",
        f"{FILE}&version=GB",
        "https://dev.azure.com/acme/My%20Project?path=/x",
        "https://dev.azure.com/_git/shop?path=/x",
    ],
)
async def test_a_url_of_no_file_is_refused(reader: AzureDevOps, url: str) -> None:
    with pytest.raises(InvalidRef, match=r"does not name a file in a repository on dev\.azure\.com"):
        await reader.read(url)


async def test_wildcards_match_files_with_one_request_for_a_commit(host: FakeAzureDevOps, reader: AzureDevOps) -> None:
    found = await reader.expand(f"{ROOT}?path=/**/catalog-info.yaml&version=GBmain")

    assert found == [
        f"{ROOT}?path=%2Fcatalog-info.yaml&version=GBmain",
        f"{ROOT}?path=%2Fservices%2Ftill%2Fcatalog-info.yaml&version=GBmain",
    ]
    assert await reader.expand(f"{ROOT}?path=/none/*.yaml&version=GBmain") == []
    assert host.total == 3, "where the branch is, twice; and one list"
    assert [await content(reader, url) for url in found] == ["the shop", "the till"]


async def test_a_list_that_is_too_long_is_made_of_the_folder_alone(host: FakeAzureDevOps, reader: AzureDevOps) -> None:
    many = {f"libs/{n}/{'x' * 200}.py": "" for n in range(45_000)}
    host.add("acme/My Project", "mono", {**many, "services/till/catalog-info.yaml": "x"})
    root = ROOT.replace("shop", "mono")

    found = await reader.expand(f"{root}?path=/services/**/catalog-info.yaml")

    assert found == [f"{root}?path=%2Fservices%2Ftill%2Fcatalog-info.yaml"]
    with pytest.raises(Unreadable, match="larger than"):
        await reader.expand(f"{root}?path=/**/catalog-info.yaml")


def test_links_lead_to_the_folder_and_the_page(reader: AzureDevOps) -> None:
    url = f"{ROOT}?path=/services/till/catalog-info.yaml&version=GBmain"

    assert reader.links(url) == {
        "backstage.io/source-location": f"url:{ROOT}?path=%2Fservices%2Ftill%2F&version=GBmain",
        "backstage.io/edit-url": url,
    }
    assert reader.links(FILE)["backstage.io/source-location"] == f"url:{ROOT}?path=%2F"


@pytest.mark.parametrize(
    ("relative", "expected"),
    [
        ("./x.yaml", "%2Fservices%2Ftill%2Fx.yaml"),
        ("/x.yaml", "%2Fx.yaml"),
        ("a b&c.yaml", "%2Fservices%2Ftill%2Fa+b%26c.yaml"),
        ("**/x.yaml", "%2Fservices%2Ftill%2F**%2Fx.yaml"),
    ],
)
def test_relative_targets_stay_at_the_same_version(reader: AzureDevOps, relative: str, expected: str) -> None:
    base = f"{ROOT}?path=/services/till/catalog-info.yaml&version=GBmain"

    assert reader.resolve(base, relative) == f"{ROOT}?path={expected}&version=GBmain"


@pytest.mark.parametrize("relative", ["", "../../../x.yaml", "../..", "a\0b"])
def test_relative_targets_do_not_leave_the_repository(reader: AzureDevOps, relative: str) -> None:
    with pytest.raises(InvalidRef):
        reader.resolve(f"{ROOT}?path=/services/till/catalog-info.yaml", relative)


def test_files_belong_together_when_their_repository_is_the_same(reader: AzureDevOps) -> None:
    assert reader.contains(FILE, "https://acme.visualstudio.com/My%20Project/_git/shop?path=/x.yaml")
    assert not reader.contains(FILE, "https://dev.azure.com/acme/other/_git/shop?path=/x.yaml")
    assert not reader.covers("https://dev.azure.com.evil.example/acme/x/_git/shop?path=/x")
    assert not reader.covers("http://dev.azure.com/acme/x/_git/shop?path=/x")


@pytest.mark.parametrize("url", [ROOT, f"{ROOT}?version=GBmain", FILE])
async def test_a_repository_has_a_slug_and_its_catalog_files_are_found(reader: AzureDevOps, url: str) -> None:
    repository = reader.repository(url)

    assert repository is not None
    assert (repository.url, repository.slug) == (ROOT, "My Project/shop")
    assert repository.annotation == "dev.azure.com/project-repo"
    found = await reader.find(url, "catalog-info.yaml")
    assert [await content(reader, each) for each in found] == ["the shop", "the till"]


@pytest.mark.parametrize(
    "said",
    [
        TOKEN,
        [{"token": "t0ken"}],
        [
            {
                "credentials": [
                    {"personalAccessToken": "no", "organizations": ["other"]},
                    {"personalAccessToken": "t0ken"},
                ]
            }
        ],
        [{"credentials": [{"personalAccessToken": "t0ken", "organizations": ["Acme"]}]}],
        [{"credentials": [{"clientId": "app", "clientSecret": "s3cret", "tenantId": "tenant"}]}],
        [{"credential": {"clientId": "machine"}}],
        [{"credential": {"clientId": "system-assigned"}}],
        [{"credentials": [{"clientId": "app", "tenantId": "tenant", "managedIdentityClientId": "machine"}]}],
    ],
)
async def test_somebody_known_reads(host: FakeAzureDevOps, clock: FakeClock, said: JsonValue) -> None:
    host.applications["app"] = "s3cret"
    host.machines |= {"machine", "system-assigned"}

    assert await content(reader_of(host, clock, said), FILE) == "the shop"


async def test_the_token_of_an_application_is_renewed_before_it_runs_out(
    host: FakeAzureDevOps, clock: FakeClock
) -> None:
    host.applications["app"] = "s3cret"
    said: JsonValue = [{"credentials": [{"clientId": "app", "clientSecret": "s3cret", "tenantId": "tenant"}]}]
    reader = reader_of(host, clock, said)

    for seconds in (0, 2900, 200):
        clock.advance(seconds)
        await content(reader, FILE)
    assert len(host.granted) == 2


@pytest.mark.parametrize(
    "said",
    [
        [{"token": "wr0ng"}],
        [{"credentials": [{"clientId": "app", "clientSecret": "wr0ng", "tenantId": "tenant"}]}],
        [{}],
    ],
)
async def test_who_is_shown_the_page_for_signing_in_is_told_which_entry_is_wrong(
    host: FakeAzureDevOps, clock: FakeClock, said: JsonValue
) -> None:
    with pytest.raises(
        Unreadable, match=r"does not accept the credentials of dev\.azure\.com integrations\.azure\[0\]"
    ) as told:
        await reader_of(host, clock, said).read(FILE)

    assert "wr0ng" not in str(told.value)


async def test_a_server_of_ones_own_has_collections(clock: FakeClock) -> None:
    host = FakeAzureDevOps("azure.example.com", clock=clock)
    host.add("tfs/Main/shop", "till", {"catalog-info.yaml": "ours"})
    reader = reader_of(host, clock, [{"host": "azure.example.com", "token": "t0ken"}])

    assert await content(reader, "https://azure.example.com/tfs/Main/shop/_git/till?path=/catalog-info.yaml") == "ours"
    assert not reader.covers("https://acme.visualstudio.com/x/_git/y?path=/z")


async def test_a_host_that_wants_to_be_left_alone_is(
    host: FakeAzureDevOps, clock: FakeClock, reader: AzureDevOps
) -> None:
    host.budget = 0

    for _ in range(2):
        with pytest.raises(Unreadable, match=r"dev\.azure\.com takes requests again from") as told:
            await reader.read(FILE)
    assert (host.total, told.value.retry_at) == (1, host.resets_at)


async def test_a_wish_for_a_pause_that_comes_with_an_answer_is_respected(
    host: FakeAzureDevOps, clock: FakeClock, reader: AzureDevOps
) -> None:
    sha = host.repositories["acme/My Project/shop"].branches["main"].sha
    answer = {"value": [{"commitId": sha}]}
    host.failures.append(Failure(status=200, headers={"retry-after": "30"}, body=answer))

    with pytest.raises(Unreadable, match="takes requests again from"):
        await reader.read(FILE)
    assert host.total == 1
    clock.advance(31)
    assert await content(reader, FILE) == "the shop"


async def test_what_passes_is_tried_again(host: FakeAzureDevOps, clock: FakeClock, reader: AzureDevOps) -> None:
    host.failures.extend([Failure(status=500), Failure(status=503)])

    assert await while_time_passes(clock, content(reader, FILE)) == "the shop"


async def test_a_forbidden_file_says_whose_credentials_are_too_weak(host: FakeAzureDevOps, reader: AzureDevOps) -> None:
    host.failures.append(Failure(status=403, body={"message": "TF401027: You need the Git 'Read' permission"}))

    with pytest.raises(NotAllowed, match=r"TF401027: .*; the credentials of dev\.azure\.com .* may not see this"):
        await reader.read(FILE)


@pytest.mark.parametrize("body", [[], {"value": 5}, {"value": [5]}, {"value": [{"commitId": 5}]}, None])
async def test_an_answer_of_another_shape_is_an_error_of_the_location(
    host: FakeAzureDevOps, reader: AzureDevOps, body: JsonValue
) -> None:
    host.failures.append(Failure(status=200, body=body))

    with pytest.raises((Unreadable, LocationNotFound)):
        await reader.read(FILE)


@pytest.mark.parametrize(
    ("said", "providers", "told"),
    [
        ([{}, {}], {}, "integrations.azure[1].host: expected a host of its own, got dev.azure.com again"),
        (
            [{"token": "s3cret", "credentials": [{"clientId": "x"}]}],
            {},
            "integrations.azure[0].token: expected nothing",
        ),
        (
            [{"credentials": [{"clientId": "x", "clientSecret": "s3cret"}]}],
            {},
            "integrations.azure[0].credentials[0]: ",
        ),
        ([{"credentials": [{}]}], {}, "integrations.azure[0].credentials[0]: expected a personalAccessToken"),
        (
            [{"host": "own", "credentials": [{"clientId": "x"}]}],
            {},
            "integrations.azure[0].credentials[0].personalAccessToken: expected a text, since own",
        ),
        (
            [{"credentials": [{"clientId": "x", "organizations": ["a"]}, {"clientId": "y", "organizations": ["A"]}]}],
            {},
            "integrations.azure[0].credentials[1].organizations: expected one entry for the organization a, got two",
        ),
        (
            [{"credentials": [{"clientId": "x"}, {"clientId": "y"}]}],
            {},
            "integrations.azure[0].credentials[1].organizations: expected one entry",
        ),
        ([], {"a": {"project": "x"}}, "catalog.providers.azureDevOps.a.organization: expected a value, got none"),
        ([], {"a": {"organization": ""}}, "catalog.providers.azureDevOps.a.organization: expected a text, got an"),
        ([], {"a": {"organization": "x", "path": "/"}}, "catalog.providers.azureDevOps.a.path: expected a text"),
        (
            [],
            {"a": {"organization": "x", "host": "own"}},
            "catalog.providers.azureDevOps.a.host: expected a host of integrations.azure, got own",
        ),
    ],
)
def test_what_the_configuration_can_not_mean_is_named_by_its_key(
    said: JsonValue, providers: JsonObject, told: str
) -> None:
    config = PluginConfig(providers={"azureDevOps": providers}, integrations={"azure": said})

    def make() -> None:
        azure_devops.code_hosts(PluginContext(config))
        azure_devops.discovery(PluginContext(config))

    with pytest.raises(InvalidConfiguration) as caught:
        make()

    assert str(caught.value).startswith(told)
    assert "s3cret" not in str(caught.value)


def provider_of(host: FakeAzureDevOps, clock: FakeClock, **said: JsonValue) -> AzureDevOpsDiscovery:
    providers: JsonObject = {"azureDevOps": {"acme": {"organization": "acme", **said}}}
    (provider,) = azure_devops.discovery(context_of(host, clock, {"azure": TOKEN}, providers))
    return provider


@pytest.mark.parametrize("has_search", [True, False])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ["A%20b/_git/one", "A%20b/_git/two", "B/_git/three"]),
        ({"project": "*"}, ["A%20b/_git/one", "A%20b/_git/two", "B/_git/three"]),
        ({"project": "A b"}, ["A%20b/_git/one", "A%20b/_git/two"]),
        ({"repository": "three"}, ["B/_git/three"]),
        ({"project": "A b", "repository": "three"}, []),
    ],
)
async def test_patterns_say_which_repositories_count(
    clock: FakeClock, said: JsonObject, expected: list[str], has_search: bool
) -> None:
    host = FakeAzureDevOps(clock=clock)
    host.has_search = has_search
    for project, name in (("A b", "one"), ("A b", "two"), ("B", "three")):
        host.add(f"acme/{project}", name, {"catalog-info.yaml": ""})
    host.add("acme/B", "empty")
    host.add("others/B", "three", {"catalog-info.yaml": ""})

    found = await targets_of(provider_of(host, clock, **said))

    assert found == [f"https://dev.azure.com/acme/{place}?path=/catalog-info.yaml" for place in expected]


async def test_the_same_file_on_several_branches_is_one_and_another_branch_may_be_meant(clock: FakeClock) -> None:
    host = FakeAzureDevOps(clock=clock)
    shop = host.add("acme/A", "shop", {"catalog-info.yaml": ""})
    shop.commit({"x.yaml": ""}, "next")
    host.add("acme/A", "web", {"catalog-info.yaml": ""})

    assert len(await targets_of(provider_of(host, clock))) == 2
    assert await targets_of(provider_of(host, clock, branch="next")) == [
        "https://dev.azure.com/acme/A/_git/shop?path=/catalog-info.yaml&version=GBnext"
    ]


async def test_pages_of_the_search_go_on(clock: FakeClock) -> None:
    host = FakeAzureDevOps(clock=clock)
    host.most_searched = 2
    for number in range(5):
        host.add("acme/A", f"r{number}", {"catalog-info.yaml": ""})
    provider = provider_of(host, clock)

    pages = await pages_of(provider)

    assert [len(page) for page in pages] == [2, 2, 1]
    assert spec_of(pages[0][0])["presence"] == "required"
    assert provider.name == "AzureDevOpsEntityProvider:acme"


async def test_disabled_repositories_are_not_listed(clock: FakeClock) -> None:
    host = FakeAzureDevOps(clock=clock)
    host.has_search = False
    host.add("acme/A", "off", {"catalog-info.yaml": ""}, is_archived=True)

    assert await targets_of(provider_of(host, clock)) == []


PROVIDER = "AzureDevOpsEntityProvider:acme"


@pytest.fixture
async def story(database: Database, host: FakeAzureDevOps, clock: FakeClock) -> AsyncIterator[HostStory]:
    host.repositories.clear()
    for name in ("shop", "web"):
        host.add("acme/My Project", name, {"catalog-info.yaml": component_yaml(name)})
    integrations: JsonObject = {"azure": TOKEN}
    providers: JsonObject = {"azureDevOps": {"acme": {"organization": "acme"}}}
    async with story_of(database, host, clock, integrations=integrations, providers=providers) as story:
        await story.round(PROVIDER)
        yield story


def fake(story: HostStory) -> FakeAzureDevOps:
    assert isinstance(story.host, FakeAzureDevOps)
    return story.host


async def test_rounds_bring_the_catalog_files_of_an_organization_and_then_nothing(story: HostStory) -> None:
    assert story.catalog.refs() == ["component:default/shop", "component:default/web"]
    assert annotations_of(story.catalog.entity("component:default/shop")) == {
        "backstage.io/managed-by-location": f"url:{FILE}",
        "backstage.io/managed-by-origin-location": f"url:{FILE}",
        "backstage.io/view-url": FILE,
        "backstage.io/edit-url": FILE,
        "backstage.io/source-location": f"url:{ROOT}?path=%2F",
    }
    events = len(await story.catalog.history())

    story.catalog.clock.advance(3601)
    asked = await story.round(PROVIDER)

    assert asked <= 1 + 2, "a search; and each repository"
    assert len(await story.catalog.history()) == events


async def test_pushes_are_read_with_at_most_three_requests(story: HostStory) -> None:
    host = fake(story)
    shop = host.repositories["acme/My Project/shop"]

    body = host.push(shop, {"catalog-info.yaml": component_yaml("shop", owner="others")})
    asked = [await story.hear(System.AZURE_DEVOPS, "git.push", body)]
    assert story.catalog.entity("component:default/shop")["spec"]["owner"] == "others"  # type: ignore[index,call-overload]

    host.unindexed.add("acme/My Project/new")
    body = host.push(host.add("acme/My Project", "new"), {"catalog-info.yaml": component_yaml("new")})
    asked.append(await story.hear(System.AZURE_DEVOPS, "git.push", body))
    assert "component:default/new" in story.catalog.refs()

    gone = host.push(shop, {"catalog-info.yaml": None})
    asked.append(await story.hear(System.AZURE_DEVOPS, "git.push", gone))
    assert "component:default/shop" not in story.catalog.refs()
    assert max(asked) <= 3


async def test_a_push_to_another_branch_removes_nothing_even_if_nobody_says_which_is_the_default(
    story: HostStory,
) -> None:
    host = fake(story)

    body = host.push(host.repositories["acme/My Project/shop"], {"catalog-info.yaml": None}, "side")
    del body["resource"]["repository"]["defaultBranch"]
    await story.hear(System.AZURE_DEVOPS, "git.push", body)

    assert story.catalog.refs() == ["component:default/shop", "component:default/web"]


async def test_what_happens_to_a_repository_is_heard(story: HostStory) -> None:
    host = fake(story)
    web, shop = (host.repositories.pop(f"acme/My Project/{name}") for name in ("web", "shop"))

    web.name = "site"
    host.repositories["acme/My Project/site"] = web
    renamed = host.happening("git.repo.renamed", web, oldName="web", newName="site")
    asked = await story.hear(System.AZURE_DEVOPS, "git.repo.renamed", renamed)
    await story.hear(System.AZURE_DEVOPS, "git.repo.deleted", host.happening("git.repo.deleted", shop))

    assert story.catalog.refs() == ["component:default/web"]
    assert asked <= 3
    where = annotations_of(story.catalog.entity("component:default/web"))
    assert where["backstage.io/view-url"] == FILE.replace("shop", "site")


async def test_webhooks_of_others_and_of_other_branches_change_nothing(story: HostStory) -> None:
    host = fake(story)
    before = len(await story.catalog.history())

    foreign = host.push(host.add("strangers/x", "shop"), {"catalog-info.yaml": component_yaml("foreign")})
    assert await story.hear(System.AZURE_DEVOPS, "git.push", foreign) == 0
    shop = host.repositories["acme/My Project/shop"]
    branch = host.push(shop, {"catalog-info.yaml": component_yaml("x")}, "side")
    assert await story.hear(System.AZURE_DEVOPS, "git.push", branch) == 0
    for body in ({}, {"resource": 5}, {"resource": {"repository": {"remoteUrl": "x"}}}, {"resourceContainers": 5}):
        for event in ("git.repo.renamed", "git.repo.deleted"):
            await story.hear(System.AZURE_DEVOPS, event, body)  # type: ignore[arg-type]

    assert len(await story.catalog.history()) == before


@pytest.mark.parametrize("has_search", [True, False])
async def test_a_push_brings_a_file_that_the_wildcards_match(
    database: Database, host: FakeAzureDevOps, clock: FakeClock, has_search: bool
) -> None:
    host.has_search = has_search
    host.repositories.clear()
    mono = host.add("acme/My Project", "mono", {"README.md": "", "services/b.md": ""})
    integrations: JsonObject = {"azure": TOKEN}
    said: JsonObject = {"organization": "acme", "path": "/services/**/catalog-info.yaml"}
    providers: JsonObject = {"azureDevOps": {"acme": said}}
    async with story_of(database, host, clock, integrations=integrations, providers=providers) as story:
        await story.round(PROVIDER)
        side = host.push(mono, {"services/side/catalog-info.yaml": component_yaml("side")}, "side")
        await story.hear(System.AZURE_DEVOPS, "git.push", side)
        new = {"services/a b/till/catalog-info.yaml": component_yaml("till"), "catalog-info.yaml": component_yaml("no")}

        asked = await story.hear(System.AZURE_DEVOPS, "git.push", host.push(mono, new))

        assert story.catalog.refs() == ["component:default/till"]
        assert asked <= 3, "the files, where the branch is, and the new one"
