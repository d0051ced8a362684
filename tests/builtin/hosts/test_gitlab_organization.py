"""Users and groups come from GitLab."""

import datetime as dt

import pytest

from callboard.builtin.hosts import gitlab
from callboard.builtin.hosts.gitlab import GitLabOrganization
from callboard.errors import InvalidConfiguration, LocationNotFound, Unreadable
from callboard.model.json import JsonObject
from callboard.model.repositories import System
from callboard.store.database import Database
from callboard.testing import FakeClock
from callboard.testing.gitlab import FakeGitLab
from callboard.testing.repositories import Failure
from tests.builtin.hosts.reading import context_of
from tests.builtin.hosts.stories import HostStory, story_of

PROVIDER = "GitlabOrgDiscoveryEntityProvider:all"
OWN = "code.example.com"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC))


def host_of(clock: FakeClock, name: str = OWN) -> FakeGitLab:
    host = FakeGitLab(name, clock=clock)
    host.page_size = 2
    host.group("acme/tools/till", description="Takes money")
    host.group("other")
    host.user("ann", "acme/tools/till", email="ann@acme.example")
    host.user("bob", "acme", "acme/tools/till")
    host.user("cleo", "acme/tools/till", is_using_seat=False)
    host.user("dan", "other")
    host.user("gone", "acme/tools/till", state="blocked")
    host.user("project_7_bot_1a2b", "acme", is_bot=True)
    return host


def provider_of(host: FakeGitLab, clock: FakeClock, **options: object) -> GitLabOrganization:
    said: JsonObject = {"host": host.host, "orgEnabled": True, **options}  # type: ignore[dict-item]
    integrations: JsonObject = {"gitlab": [{"host": host.host, "token": "t0ken"}]}
    (provider,) = gitlab.organizations(context_of(host, clock, integrations, {"gitlab": {"all": said}}))
    return provider


async def everybody(provider: GitLabOrganization) -> dict[str, JsonObject]:
    """The entities of a round, by kind and name."""
    page = await provider.next(None)
    assert page.done
    found: dict[str, JsonObject] = {}
    for offered in page.entities:
        metadata = offered.entity["metadata"]
        assert isinstance(metadata, dict)
        assert offered.location_key == provider.name
        found[f"{offered.entity['kind']} {metadata['name']}"] = offered.entity
    return found


def members(found: dict[str, JsonObject]) -> dict[str, object]:
    """Who is in which groups."""
    specs = {name: entity["spec"] for name, entity in found.items() if name.startswith("User ")}
    return {name.removeprefix("User "): spec["memberOf"] for name, spec in specs.items() if isinstance(spec, dict)}


async def test_users_and_groups_are_made_as_backstage_makes_them(clock: FakeClock) -> None:
    found = await everybody(provider_of(host_of(clock), clock, group="acme"))

    assert found["User ann"] == {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "User",
        "metadata": {
            "name": "ann",
            "annotations": {
                "backstage.io/managed-by-location": f"url:https://{OWN}/ann",
                "backstage.io/managed-by-origin-location": f"url:https://{OWN}/ann",
                f"{OWN}/user-login": f"https://{OWN}/ann",
            },
        },
        "spec": {
            "profile": {
                "displayName": "Ann",
                "picture": f"https://{OWN}/uploads/ann.png",
                "email": "ann@acme.example",
            },
            "memberOf": ["tools-till"],
        },
    }
    assert found["Group tools-till"] == {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Group",
        "metadata": {
            "name": "tools-till",
            "description": "Takes money",
            "annotations": {
                "backstage.io/managed-by-location": f"url:https://{OWN}/acme/tools/till",
                "backstage.io/managed-by-origin-location": f"url:https://{OWN}/acme/tools/till",
                f"{OWN}/team-path": "acme/tools/till",
            },
        },
        "spec": {"type": "team", "children": [], "profile": {"displayName": "Till"}, "parent": "tools"},
    }
    assert sorted(found) == [
        "Group acme",
        "Group tools",
        "Group tools-till",
        "User ann",
        "User bob",
        "User cleo",
        "User dan",
    ]


@pytest.mark.parametrize(
    ("host", "options", "expected"),
    [
        (
            OWN,
            {},
            {
                "ann": ["acme-tools-till"],
                "bob": ["acme", "acme-tools-till"],
                "cleo": ["acme-tools-till"],
                "dan": ["other"],
            },
        ),
        (
            OWN,
            {"group": "acme"},
            {"ann": ["tools-till"], "bob": ["acme", "tools-till"], "cleo": ["tools-till"], "dan": []},
        ),
        (OWN, {"group": "acme", "restrictUsersToGroup": True}, {"bob": ["acme", "tools-till"]}),
        (
            OWN,
            {"group": "acme/tools/till", "restrictUsersToGroup": True},
            {"ann": ["acme-tools-till"], "bob": ["acme-tools-till"], "cleo": ["acme-tools-till"]},
        ),
        (OWN, {"userPattern": "@acme|dan"}, {"ann": ["acme-tools-till"], "dan": ["other"]}),
        (OWN, {"userPattern": "bob", "groupPattern": "till$"}, {"bob": ["acme-tools-till"]}),
        (OWN, {"userPattern": "bob", "groupPattern": ["^acme$", "^other$"]}, {"bob": ["acme"]}),
        (OWN, {"userPattern": "bob", "allowInherited": True}, {"bob": ["acme", "acme-tools", "acme-tools-till"]}),
        (OWN, {"userPattern": "ann", "relations": ["DESCENDANTS"]}, {"ann": ["acme", "acme-tools", "acme-tools-till"]}),
        (
            "gitlab.com",
            {"group": "acme/tools/till", "restrictUsersToGroup": True},
            {"ann": ["acme-tools-till"], "bob": ["acme-tools-till"]},
        ),
        ("gitlab.com", {"group": "acme/tools/till"}, {"bob": ["acme-tools-till"]}),
        (
            "gitlab.com",
            {"group": "acme/tools/till", "restrictUsersToGroup": True, "includeUsersWithoutSeat": True},
            {"ann": ["acme-tools-till"], "bob": ["acme-tools-till"], "cleo": ["acme-tools-till"]},
        ),
    ],
)
async def test_the_options_say_who_counts(
    clock: FakeClock, host: str, options: JsonObject, expected: dict[str, list[str]]
) -> None:
    assert members(await everybody(provider_of(host_of(clock, host), clock, **options))) == expected


async def test_memberships_of_many_groups_are_asked_with_few_requests(clock: FakeClock) -> None:
    host = host_of(clock)
    host.page_size = 100
    for number in range(40):
        host.group(f"acme/g{number}").members.append("ann")

    found = await everybody(provider_of(host, clock))

    assert len(found) == 4 + 4 + 40
    assert host.requests["POST /api/graphql"] == 5


@pytest.mark.parametrize("inherited", [True, False])
async def test_without_graphql_the_rest_api_tells_direct_and_inherited_members(
    clock: FakeClock, inherited: bool
) -> None:
    host = host_of(clock)
    with_graphql = members(await everybody(provider_of(host, clock, allowInherited=inherited)))
    host.may_graphql = False

    assert members(await everybody(provider_of(host, clock, allowInherited=inherited))) == with_graphql
    with pytest.raises(Unreadable, match="tells members by DESCENDANTS with GraphQL alone"):
        await everybody(provider_of(host, clock, relations=["DESCENDANTS"]))


def only_seniors(said: JsonObject, entity: JsonObject) -> JsonObject | None:
    spec = entity["spec"]
    assert isinstance(spec, dict)
    return None if said["username"] != "bob" else {**entity, "spec": {**spec, "profile": {"displayName": "B."}}}


def failing(said: JsonObject, entity: JsonObject) -> JsonObject | None:
    raise KeyError("team")


async def test_functions_of_the_installation_change_users_and_groups(clock: FakeClock) -> None:
    name = f"{__name__}:only_seniors"
    found = await everybody(provider_of(host_of(clock), clock, userTransformer=name))

    assert members(found) == {"bob": ["acme", "acme-tools-till"]}
    with pytest.raises(Unreadable, match=r"the transformer .*:failing failed at Group 'acme': KeyError: 'team'"):
        await everybody(provider_of(host_of(clock), clock, groupTransformer=f"{__name__}:failing"))


async def test_a_group_that_can_not_be_seen_or_has_nobody_is_an_error_and_no_empty_set(clock: FakeClock) -> None:
    with pytest.raises(LocationNotFound, match="404 Group Not Found"):
        await everybody(provider_of(host_of(clock), clock, group="nowhere", restrictUsersToGroup=True))
    with pytest.raises(Unreadable, match="told of no user that counts"):
        await everybody(provider_of(host_of(clock), clock, userPattern="nobody"))


@pytest.mark.parametrize(
    ("key", "host", "options"),
    [
        ("group", "gitlab.com", {}),
        ("group", OWN, {"restrictUsersToGroup": True}),
        ("relations", OWN, {"relations": ["FRIENDS"]}),
        ("userPattern", OWN, {"userPattern": "("}),
        ("userTransformer", OWN, {"userTransformer": "nowhere"}),
        ("groupTransformer", OWN, {"groupTransformer": f"{__name__}:missing"}),
        ("orgEnabled", OWN, {"orgEnabled": "maybe"}),
    ],
)
def test_what_the_configuration_can_not_mean_is_named_by_its_key(
    clock: FakeClock, key: str, host: str, options: JsonObject
) -> None:
    with pytest.raises(InvalidConfiguration, match=rf"^catalog\.providers\.gitlab\.all\.{key}: "):
        provider_of(host_of(clock, host), clock, **options)


async def test_an_organization_comes_changes_and_is_guarded(database: Database, clock: FakeClock) -> None:
    host = host_of(clock)
    host.page_size = 100
    providers: JsonObject = {"gitlab": {"all": {"host": OWN, "group": "acme", "orgEnabled": True}}}
    integrations: JsonObject = {"gitlab": [{"host": OWN, "token": "t0ken"}]}
    async with story_of(database, host, clock, integrations=integrations, providers=providers) as story:
        await story.round(PROVIDER)
        assert {"user:default/ann", "group:default/tools-till"} < set(story.catalog.refs())
        events = len(await story.catalog.history())
        clock.advance(3601)
        await story.round(PROVIDER)
        assert len(await story.catalog.history()) == events

        await _hear_changes(story, host)

        events = len(await story.catalog.history())
        clock.advance(3601)
        await story.round(PROVIDER)
        assert len(await story.catalog.history()) == events, "what webhooks have brought is what a round brings"

        for user in list(host.users.values())[:4]:
            user.state = "blocked"
        clock.advance(3601)
        await story.round(PROVIDER)
        assert "user:default/ann" in story.catalog.refs(), "so many do not leave at once"


async def _hear_changes(story: HostStory, host: FakeGitLab) -> None:
    host.group("acme/sales")
    ann = host.user("eve", "acme/sales", email="eve@acme.example")
    joined: JsonObject = {"event_name": "user_add_to_group", "user_id": ann.number, "user_username": "eve"}
    assert await story.hear(System.GITLAB, "user_add_to_group", joined) <= 2
    assert story.catalog.entity("user:default/eve")["spec"]["memberOf"] == ["sales"]  # type: ignore[index,call-overload]
    assert "group:default/sales" in story.catalog.refs()

    left: JsonObject = {"event_name": "user_remove_from_group", "user_id": 2, "user_username": "bob"}
    host.groups["acme/tools/till"].members.remove("bob")
    assert await story.hear(System.GITLAB, "user_remove_from_group", left) <= 2
    assert story.catalog.entity("user:default/bob")["spec"]["memberOf"] == ["acme"]  # type: ignore[index,call-overload]

    del host.users["dan"]
    host.groups["other"].members.clear()
    destroyed: JsonObject = {"event_name": "user_destroy", "user_id": 4, "username": "dan"}
    assert await story.hear(System.GITLAB, "user_destroy", destroyed) == 0
    assert "user:default/dan" not in story.catalog.refs()

    group = host.groups.pop("acme/sales")
    host.groups["acme/shops"] = group
    group.path, group.name = "acme/shops", "Shops"
    renamed: JsonObject = {
        "event_name": "group_rename",
        "group_id": group.number,
        "full_path": "acme/shops",
        "old_full_path": "acme/sales",
    }
    assert await story.hear(System.GITLAB, "group_rename", renamed) == 1
    assert "group:default/sales" not in story.catalog.refs()
    assert story.catalog.entity("group:default/shops")["spec"]["parent"] == "acme"  # type: ignore[index,call-overload]

    host.groups["acme/shops"].members.clear()
    del host.users["eve"]
    await story.hear(System.GITLAB, "user_destroy", {"event_name": "user_destroy", "username": "eve"})
    del host.groups["acme/shops"]
    gone: JsonObject = {"event_name": "group_destroy", "group_id": group.number, "full_path": "acme/shops"}
    assert await story.hear(System.GITLAB, "group_destroy", gone) == 0
    assert "group:default/shops" not in story.catalog.refs()


async def test_a_failing_host_withdraws_nobody(database: Database, clock: FakeClock) -> None:
    host = host_of(clock)
    providers: JsonObject = {"gitlab": {"all": {"host": OWN, "orgEnabled": True}}}
    integrations: JsonObject = {"gitlab": [{"host": OWN, "token": "t0ken"}]}
    async with story_of(database, host, clock, integrations=integrations, providers=providers) as story:
        await story.round(PROVIDER)
        before = story.catalog.refs()
        clock.advance(3601)
        host.failures.append(Failure(status=429, headers={"retry-after": "90"}))

        assert await story.rounds(PROVIDER).step() >= 90
        await story.catalog.settle()

        assert story.catalog.refs() == before
