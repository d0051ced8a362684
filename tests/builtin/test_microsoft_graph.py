"""Users and groups of a tenant, from a fake that does what the documentation of Microsoft Graph says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest
from structlog.testing import capture_logs

from callboard import plugins
from callboard.builtin.organisations.graph.provider import providers
from callboard.errors import InvalidConfiguration, NotAllowed, Unreadable
from callboard.extend import IncrementalEntityProvider, JsonObject, JsonValue, Outside, PluginConfig, PluginContext
from callboard.extend.outside import OwnBudgets, nowhere
from callboard.settings import defaults
from callboard.testing import FakeClock, FakeMicrosoftGraph

APP: JsonObject = {"tenantId": "tenant-1", "clientId": "client-1", "clientSecret": "client-secret"}
PICTURE = b"\xff\xd8\xff small"


def made(options: JsonObject, outside: Outside | None = None) -> IncrementalEntityProvider:
    config = PluginConfig({"microsoftGraphOrg": options})
    [provider] = providers(PluginContext(config, {}, outside or nowhere()))
    return provider


@pytest.fixture
def graph(clock: FakeClock) -> FakeMicrosoftGraph:
    """A tenant with two people, in a team that is in a department."""
    graph = FakeMicrosoftGraph(clock=clock)
    graph.add_user("u1", "Jo.Doe@example.com", "Jo Doe")
    graph.add_user("u2", "asa@example.com", "Åsa Smith")
    graph.add_user("u3", None, "Meeting room 3", userPrincipalName="room3@example.com")
    graph.add_group("g1", "All Engineering", ["g2"], description="All who build")
    graph.add_group("g2", "Payments", ["u1", "u2"], mail="payments@example.com")
    return graph


Read = Callable[..., Awaitable[dict[str, JsonObject]]]


@pytest.fixture
async def outside(graph: FakeMicrosoftGraph, clock: FakeClock) -> AsyncIterator[Outside]:
    async with httpx2.AsyncClient(transport=graph.transport) as client:
        yield Outside(client=client, clock=clock, budgets=OwnBudgets(clock))


@pytest.fixture
def read(outside: Outside) -> Read:
    """Reads a tenant; the entities come by kind and name."""

    async def read(**changed: JsonValue) -> dict[str, JsonObject]:
        page = await made({**APP, **changed}, outside).next(None)
        assert page.done
        return {name_of(offered.entity): offered.entity for offered in page.entities}

    return read


def name_of(entity: JsonObject) -> str:
    return f"{entity['kind']} {part(entity, 'metadata')['name']}"


def part(entity: JsonObject, name: str) -> JsonObject:
    found = entity[name]
    assert isinstance(found, dict)
    return found


async def test_a_user_has_what_graph_says_and_is_in_all_groups_around(read: Read, graph: FakeMicrosoftGraph) -> None:
    graph.photos["u1"] = PICTURE

    found = await read()

    assert found["User jo.doe_example.com"] == {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "User",
        "metadata": {
            "name": "jo.doe_example.com",
            "annotations": {
                "backstage.io/managed-by-location": "msgraph:default/u1",
                "backstage.io/managed-by-origin-location": "msgraph:default/u1",
                "graph.microsoft.com/user-id": "u1",
                "microsoft.com/email": "Jo.Doe@example.com",
            },
        },
        "spec": {
            "profile": {
                "displayName": "Jo Doe",
                "email": "Jo.Doe@example.com",
                "picture": "data:image/jpeg;base64,/9j/IHNtYWxs",
            },
            "memberOf": ["group:default/all_engineering", "group:default/example", "group:default/payments"],
        },
    }


async def test_groups_hang_below_one_another_and_all_below_the_tenant(read: Read) -> None:
    found = await read()

    assert part(found["Group example"], "spec") == {
        "type": "root",
        "profile": {"displayName": "Example"},
        "children": ["group:default/all_engineering"],
    }
    assert part(found["Group all_engineering"], "spec")["parent"] == "group:default/example"
    payments = found["Group payments"]
    assert part(payments, "spec")["parent"] == "group:default/all_engineering"
    assert part(payments, "spec")["profile"] == {"displayName": "Payments", "email": "payments@example.com"}
    annotations = part(payments, "metadata")["annotations"]
    assert isinstance(annotations, dict)
    assert annotations["graph.microsoft.com/group-id"] == "g2"


async def test_who_has_no_mail_is_told(read: Read) -> None:
    with capture_logs() as logs:
        found = await read()

    assert not any("room" in name for name in found)
    assert [entry["left_out"] for entry in logs if entry["event"] == "organisation.nameless"] == [["u3 Meeting room 3"]]


async def test_groups_that_are_no_security_groups_have_the_names_that_mail_knows(
    read: Read, graph: FakeMicrosoftGraph
) -> None:
    graph.add_group("g3", "Friends of Coffee", securityEnabled=False, mailNickname="coffee")

    assert "Group coffee" in await read()


async def test_all_pages_are_read(read: Read, graph: FakeMicrosoftGraph) -> None:
    graph.page = 7
    for number in range(40):
        graph.add_user(f"p{number}", f"p{number}@example.com")
    graph.members["g2"] += [f"p{number}" for number in range(40)]

    found = await read(user={"loadPhotos": False})

    assert sum(name.startswith("User") for name in found) == 42
    assert part(found["User p39_example.com"], "spec")["memberOf"] == [
        "group:default/all_engineering",
        "group:default/example",
        "group:default/payments",
    ]
    assert graph.requests["GET /v1.0/users"] == 7


async def test_one_token_does_for_a_round_and_is_renewed_before_it_runs_out(
    outside: Outside, graph: FakeMicrosoftGraph, clock: FakeClock
) -> None:
    provider = made(APP, outside)
    token = "POST /tenant-1/oauth2/v2.0/token"

    await provider.next(None)
    first = graph.requests[token]
    clock.advance(3_550)
    await provider.next(None)

    assert (first, graph.requests[token]) == (1, 2)


async def test_a_token_that_was_revoked_is_an_error_once(outside: Outside, graph: FakeMicrosoftGraph) -> None:
    provider = made(APP, outside)
    await provider.next(None)
    graph.revoke()

    with pytest.raises(Unreadable, match="does not accept the credentials of catalog"):
        await provider.next(None)

    assert (await provider.next(None)).done


async def test_filters_and_selections_are_passed_on(read: Read, graph: FakeMicrosoftGraph) -> None:
    graph.users["u1"]["accountEnabled"] = True

    found = await read(
        user={"filter": "accountEnabled eq true and displayName eq 'Jo Doe'", "select": ["id", "jobTitle"]},
        group={"filter": "displayName eq 'Payments'", "select": ["id"], "expand": "owners"},
        queryMode="advanced",
    )

    assert sorted(found) == ["Group example", "Group payments", "User jo.doe_example.com"]
    users = next(query for query in graph.queries if "accountEnabled" in query.get("$filter", ""))
    assert users["$select"] == "id,jobTitle,displayName,mail"
    assert users["$count"] == "true"
    assert next(query for query in graph.queries if "$expand" in query)["$expand"] == "owners"


async def test_a_search_is_an_advanced_query(read: Read) -> None:
    found = await read(group={"search": '"displayName:pay"'})

    assert sorted(name for name in found if name.startswith("Group")) == ["Group example", "Group payments"]


async def test_groups_within_the_chosen_ones_come_along(read: Read, graph: FakeMicrosoftGraph) -> None:
    graph.add_group("g3", "Cards", ["u2", "g1"])
    graph.members["g2"].append("g3")

    alone = await read(group={"filter": "displayName eq 'All Engineering'"})
    found = await read(group={"filter": "displayName eq 'All Engineering'", "includeSubGroups": True})

    assert "Group payments" not in alone
    assert {"Group all_engineering", "Group payments", "Group cards"} <= set(found)
    assert part(found["Group cards"], "spec")["parent"] == "group:default/payments"


async def test_users_may_be_those_in_some_groups(read: Read, graph: FakeMicrosoftGraph) -> None:
    graph.members["g2"] = ["u2"]

    found = await read(userGroupMember={"filter": "displayName eq 'Payments'"})

    assert [name for name in found if name.startswith("User")] == ["User asa_example.com"]


async def test_paths_may_be_others(read: Read) -> None:
    path = "groups/g1/transitiveMembers/microsoft.graph.user/"

    found = await read(user={"path": path}, group={"path": "groups/g1/transitiveMembers/microsoft.graph.group"})

    assert sum(name.startswith("User") for name in found) == 2
    assert [name for name in found if name.startswith("Group")] == ["Group example", "Group payments"]


async def test_a_service_that_throttles_is_waited_for(
    outside: Outside, graph: FakeMicrosoftGraph, clock: FakeClock
) -> None:
    provider = made(APP, outside)
    graph.fail(429, retry_after="20")

    reading = asyncio.ensure_future(provider.next(None))
    while not reading.done():
        await asyncio.wait([reading], timeout=0.01)
        clock.advance(5)

    assert len(reading.result().entities) == 5
    assert clock.monotonic() >= 20


async def test_a_service_that_wants_to_be_left_alone_for_long_is(outside: Outside, graph: FakeMicrosoftGraph) -> None:
    graph.fail(429, retry_after="3600")

    with pytest.raises(Unreadable, match="takes requests again from") as raised:
        await made(APP, outside).next(None)

    assert raised.value.retry_at is not None


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"value": [{"id": ', "something that is not JSON"),
        (200, b'{"values": []}', "without an id"),
        (200, b"[]", "list where an object was expected"),
        (400, None, "answered 400 for /v1.0/organization/tenant-1 (told to fail)"),
        (401, None, "does not accept the credentials"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_an_error_and_no_round(
    read: Read, graph: FakeMicrosoftGraph, status: int, body: bytes | None, said: str
) -> None:
    graph.fail(status, body=body)

    with pytest.raises(Unreadable) as raised:
        await read()

    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (b'{"values": []}', "a page of groups without its value"),
        (b'{"value": [5]}', "int within groups"),
        (b'{"value": [{}]}', "an object without an id"),
        (b'{"value": [], "@odata.nextLink": "https://elsewhere.example.com/v1.0/groups"}', "an address on elsewhere"),
        (b'{"value": [], "@odata.nextLink": 5}', "a next page of groups that it had named before, or none"),
    ],
)
async def test_a_page_that_makes_no_sense_is_an_error_and_no_round(
    outside: Outside, graph: FakeMicrosoftGraph, page: bytes, said: str
) -> None:
    organization = b'{"id": "tenant-1", "displayName": "Example"}'
    graph.fail(200, body=organization)
    graph.fail(200, body=page)

    with pytest.raises(Unreadable) as raised:
        await made(APP, outside).next(None)

    assert said in str(raised.value)


async def test_pages_that_go_round_in_circles_end(outside: Outside, graph: FakeMicrosoftGraph) -> None:
    circle = b'{"value": [], "@odata.nextLink": "https://graph.microsoft.com/v1.0/groups?$skiptoken=1"}'
    graph.fail(200, body=b'{"id": "tenant-1", "displayName": "Example"}')
    graph.fail(200, body=circle, times=2)

    with pytest.raises(Unreadable, match="a next page of groups that it had named before"):
        await made(APP, outside).next(None)


async def test_a_tenant_without_users_is_an_error(read: Read, graph: FakeMicrosoftGraph) -> None:
    graph.users.clear()

    with pytest.raises(Unreadable, match="expected users in tenant tenant-1, found none; nothing is withdrawn"):
        await read()


async def test_without_the_permission_there_are_no_pictures_and_no_further_questions(
    read: Read, graph: FakeMicrosoftGraph
) -> None:
    graph.may_see_photos = False
    for number in range(40):
        graph.add_user(f"p{number}", f"p{number}@example.com")

    with capture_logs() as logs:
        found = await read()

    assert sum(name.startswith("User") for name in found) == 42
    assert [entry["event"] for entry in logs if entry["event"] == "graph.no_photos"] == ["graph.no_photos"]
    assert sum(count for path, count in graph.requests.items() if "photos" in path) <= 20


async def test_a_wrong_secret_is_told_and_not_shown(read: Read) -> None:
    with pytest.raises(NotAllowed, match=r"expected a token, got status 401: AADSTS7000215") as raised:
        await read(clientSecret="wr0ng")

    assert "wr0ng" not in str(raised.value)


async def test_a_machine_may_have_an_identity_of_its_own(outside: Outside, graph: FakeMicrosoftGraph) -> None:
    graph.has_machine_identity = True

    page = await made({"tenantId": "tenant-1"}, outside).next(None)

    assert len(page.entities) == 5


def by_login(source: object, entity: JsonObject) -> JsonObject | None:
    """For the configuration of a test."""
    assert isinstance(source, dict)
    name = source.get("userPrincipalName") or source["mail"]
    return {**entity, "metadata": {**part(entity, "metadata"), "name": name.partition("@")[0]}}


def nothing(source: object, entity: JsonObject) -> None:
    """For the configuration of a test."""


async def test_functions_of_the_installation_have_the_last_word(read: Read) -> None:
    found = await read(
        userTransformer=f"{__name__}:by_login",
        groupTransformer=f"{__name__}:nothing",
        organizationTransformer=f"{__name__}:nothing",
    )

    assert sorted(found) == ["User Jo.Doe", "User asa", "User room3"]
    assert part(found["User asa"], "spec")["memberOf"] == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"clientSecret": None}, r"default\.clientSecret: expected clientId and clientSecret, or neither of them"),
        ({"target": "graph"}, r"default\.target: expected the address of a server, got 'graph'"),
        ({"queryMode": "quick"}, r"queryMode: Invalid enum value 'quick'"),
        (
            {"user": {"filter": "x"}, "userGroupMember": {"search": "y"}},
            r"default\.user\.filter: expected this or userGroupMember, and not both",
        ),
        ({"userTransformer": "nowhere:f"}, r"default\.userTransformer: expected a module nowhere"),
        ({"tenantId": None}, r"tenantId: expected a text, got null"),
    ],
)
def test_what_can_not_be_meant_is_said_with_its_key(changed: JsonObject, said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=rf"^catalog\.providers\.microsoftGraphOrg\.{said}"):
        made({**APP, **changed})


def test_tenants_may_have_ids() -> None:
    settings = defaults().overridden({"catalog.providers": {"microsoftGraphOrg": {"main": APP}}})

    [provider] = plugins.load(settings).incremental

    assert provider.name == "MicrosoftGraphOrgEntityProvider:main"
    assert provider.max_removal_percent == 25
    assert "client-secret" not in repr(vars(provider))
