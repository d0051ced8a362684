"""Users and groups that an identity provider pushes, and what the catalog makes of them."""

from pathlib import Path
from typing import Any

import pytest

from callboard import settings
from callboard.access import authentication
from callboard.builtin.organisations import scim as configuration
from callboard.errors import InvalidConfiguration
from callboard.model.json import JsonObject, JsonValue
from callboard.store import providers
from tests.api.conftest import app_of, client_of
from tests.api.scim.conftest import ENTERPRISE, USER, IdentityProvider

JO: JsonObject = {
    "schemas": [USER, ENTERPRISE],
    "externalId": "00u1",
    "userName": "Jo.Doe@example.com",
    "name": {"givenName": "Jo", "familyName": "Doe"},
    "emails": [{"value": "jo@home.org"}, {"value": "jo@example.com", "primary": True}],
    "phoneNumbers": [{"value": "+41 79 000 00 00", "type": "mobile"}],
    "active": True,
    ENTERPRISE: {"department": "Payments"},
}


async def test_a_user_is_an_entity_and_what_was_written_is_read_again(idp: IdentityProvider) -> None:
    answer = await idp.ask("POST", "/Users", JO, headers={"content-type": "application/scim+json"})
    written = answer.json()
    await idp.catalog.settle()

    assert answer.status_code == 201
    assert answer.headers["location"] == written["meta"]["location"]
    assert answer.headers["location"].endswith(f"/api/catalog/scim/v2/Users/{written['id']}")
    assert {**JO, "id": written["id"], "meta": written["meta"]} == written == await idp.get(f"/Users/{written['id']}")
    entity = idp.catalog.entity("user:default/jo.doe_example.com")
    assert entity["spec"] == {"profile": {"displayName": "Jo Doe", "email": "jo@example.com"}, "memberOf": []}
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["annotations"] == {
        "backstage.io/managed-by-location": "provider:scim-provider:default",
        "backstage.io/managed-by-origin-location": "provider:scim-provider:default",
        "callboard.io/scim-id": written["id"],
    }
    assert "+41" not in str(entity)


async def test_members_of_groups_are_related_and_groups_may_be_in_groups(idp: IdentityProvider) -> None:
    jo = await idp.add("/Users", **JO)
    team = await idp.add("/Groups", displayName="Payments", members=[{"value": jo}, {"value": "nobody-knows"}])
    await idp.add("/Groups", displayName="All of us", members=[{"value": team, "type": "Group"}])
    await idp.catalog.settle()

    payments = idp.catalog.entity("group:default/payments")
    assert payments["spec"] == {
        "type": "team",
        "profile": {"displayName": "Payments"},
        "children": [],
        "members": ["user:default/jo.doe_example.com"],
    }
    assert relations(payments) == {"hasMember user:default/jo.doe_example.com", "childOf group:default/all_of_us"}
    user = await idp.get(f"/Users/{jo}")
    groups = user["groups"]
    assert isinstance(groups, list)
    assert [each["display"] for each in groups if isinstance(each, dict)] == ["Payments"]
    assert (await idp.get(f"/Groups/{team}"))["members"] == [{"value": jo}, {"value": "nobody-knows"}]


def relations(entity: JsonObject) -> set[str]:
    found = entity["relations"]
    assert isinstance(found, list)
    return {f"{each['type']} {each['targetRef']}" for each in found if isinstance(each, dict)}


async def test_a_user_who_is_not_active_goes_and_comes_back_to_the_same_groups(idp: IdentityProvider) -> None:
    jo = await idp.add("/Users", **JO)
    await idp.add("/Groups", displayName="Payments", members=[{"value": jo}])
    await idp.catalog.settle()

    off = await idp.patch(f"/Users/{jo}", {"op": "Replace", "path": "active", "value": "False"})
    await idp.catalog.settle()
    gone = idp.catalog.refs()
    await idp.patch(f"/Users/{jo}", {"op": "replace", "value": {"active": True}})
    await idp.catalog.settle()

    assert off["active"] is False
    assert gone == ["group:default/payments"]
    assert relations(idp.catalog.entity("user:default/jo.doe_example.com")) == {"memberOf group:default/payments"}


@pytest.mark.parametrize("scim", [{"okta": {"inactiveUsers": "keep", "namespace": "people", "groupType": "squad"}}])
async def test_users_who_are_not_active_may_stay(idp: IdentityProvider, scim: JsonObject) -> None:
    # The only one there is needs no name in the path.
    await idp.add("/Users", userName="jo", active=False)
    idp.base = "/api/catalog/scim/okta/v2"
    await idp.add("/Groups", displayName="Payments")
    await idp.catalog.settle()

    metadata = idp.catalog.entity("user:people/jo")["metadata"]
    assert isinstance(metadata, dict)
    annotations = metadata["annotations"]
    assert isinstance(annotations, dict)
    assert annotations["callboard.io/scim-active"] == "false"
    spec = idp.catalog.entity("group:people/payments")["spec"]
    assert isinstance(spec, dict)
    assert spec["type"] == "squad"


async def test_another_name_is_another_entity_and_groups_know_it(idp: IdentityProvider) -> None:
    jo = await idp.add("/Users", userName="jo")
    await idp.add("/Groups", displayName="Payments", members=[{"value": jo}])
    await idp.catalog.settle()

    await idp.patch(f"/Users/{jo}", {"op": "replace", "path": "userName", "value": "joe"})
    await idp.catalog.settle()

    assert sorted(idp.catalog.refs()) == ["group:default/payments", "user:default/joe"]
    assert relations(idp.catalog.entity("group:default/payments")) == {"hasMember user:default/joe"}


async def test_who_is_deleted_is_in_no_group_any_more(idp: IdentityProvider) -> None:
    jo = await idp.add("/Users", userName="jo")
    team = await idp.add("/Groups", displayName="Payments", members=[{"value": jo}])
    await idp.catalog.settle()

    answer = await idp.ask("DELETE", f"/Users/{jo}")
    await idp.catalog.settle()

    assert answer.status_code == 204
    assert idp.catalog.refs() == ["group:default/payments"]
    assert "members" not in await idp.get(f"/Groups/{team}")
    assert relations(idp.catalog.entity("group:default/payments")) == set()
    assert (await idp.refused("GET", f"/Users/{jo}"))[0] == 404
    assert (await idp.refused("DELETE", f"/Users/{jo}"))[0] == 404


async def test_a_patch_that_changes_nothing_is_no_version_and_no_event(idp: IdentityProvider) -> None:
    jo = await idp.add("/Users", **JO)
    team = await idp.add("/Groups", displayName="Payments", members=[{"value": jo}])
    await idp.catalog.settle()
    offset = idp.catalog.follower.view.offset

    again = await idp.patch(f"/Groups/{team}", {"op": "add", "path": "members", "value": [{"value": jo}]})
    same = await idp.ask("PUT", f"/Users/{jo}", JO)
    await idp.catalog.settle()

    assert version(again) == version(same.json()) == 'W/"1"'
    assert idp.catalog.follower.view.offset == offset


def version(resource: JsonObject) -> JsonValue:
    meta = resource["meta"]
    assert isinstance(meta, dict)
    return meta["version"]


async def test_a_put_takes_the_place_of_everything(idp: IdentityProvider) -> None:
    jo = await idp.add("/Users", **JO)

    found = (await idp.ask("PUT", f"/Users/{jo}", {"userName": "jo"})).json()

    assert set(found) == {"schemas", "id", "userName", "meta"}
    assert version(found) == 'W/"2"'


async def test_a_version_that_is_not_the_last_one_is_not_written_over(idp: IdentityProvider) -> None:
    jo = await idp.add("/Users", userName="jo")
    change: JsonObject = {"Operations": [{"op": "add", "path": "title", "value": "x"}]}

    first = await idp.ask("PATCH", f"/Users/{jo}", change, headers={"if-match": 'W/"1"'})
    late = await idp.refused("DELETE", f"/Users/{jo}", headers={"if-match": '"1"'})
    held = await idp.ask("GET", f"/Users/{jo}", headers={"if-none-match": 'W/"2"'})

    assert first.headers["etag"] == 'W/"2"'
    assert late[0] == 412
    assert held.status_code == 304


async def test_names_that_are_taken_are_told(idp: IdentityProvider) -> None:
    await idp.add("/Users", userName="jo@example.com")

    same = await idp.refused("POST", "/Users", {"userName": "JO@example.com"})
    alike = await idp.refused("POST", "/Users", {"userName": "jo_example.com"})

    assert same[:2] == alike[:2] == (409, "uniqueness")
    assert "has the name 'jo@example.com' already" in same[2]
    assert "'jo_example.com' and 'jo@example.com'" in alike[2]
    assert "would both be the entity user:default/jo_example.com" in alike[2]


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ({}, "invalidValue", "userName must be there, and not empty"),
        ({"userName": " "}, "invalidValue", "userName must be there"),
        ({"userName": "!!!"}, "invalidValue", "userName '!!!' can't name an entity"),
        ({"userName": "x" * 64}, "invalidValue", "can't name an entity"),
        ({"userName": "jo", "emails": [{"value": 5}]}, "invalidValue", "emails[0].value must be a text"),
        ({"userName": "jo", "active": "perhaps"}, "invalidValue", "active must be true or false"),
        ({"userName": "jo", "name": "Jo"}, "invalidValue", "name must be an object"),
        ([], "invalidSyntax", "request/body must be object"),
    ],
)
async def test_what_is_no_user_is_refused(idp: IdentityProvider, body: object, kind: str, said: str) -> None:
    status, word, reason = await idp.refused("POST", "/Users", body)

    assert (status, word) == (400, kind)
    assert said in reason


async def test_users_are_found_as_identity_providers_look_for_them(idp: IdentityProvider) -> None:
    jo = await idp.add("/Users", **JO)
    for number in range(4):
        await idp.add("/Users", userName=f"u{number}", title="x")
    team = await idp.add("/Groups", displayName="Payments", members=[{"value": jo}])

    async def found(path: str, **parameters: str) -> tuple[int, list[str]]:
        answer = await idp.get(path, **parameters)
        listed = answer["Resources"]
        assert isinstance(listed, list)
        names = [str(each.get("userName", each.get("displayName"))) for each in listed if isinstance(each, dict)]
        return int(str(answer["totalResults"])), names

    assert await found("/Users", filter='userName eq "JO.DOE@example.com"') == (1, ["Jo.Doe@example.com"])
    assert await found("/Users", filter='externalId eq "00u1"') == (1, ["Jo.Doe@example.com"])
    assert await found("/Users", filter='emails[primary eq true and value sw "jo"]') == (1, ["Jo.Doe@example.com"])
    assert await found("/Users", filter=f'{ENTERPRISE}:department eq "payments"') == (1, ["Jo.Doe@example.com"])
    assert await found("/Users", filter='title eq "x"', startIndex="2", count="2") == (4, ["u1", "u2"])
    assert await found("/Users", startIndex="0", count="2") == (5, ["Jo.Doe@example.com", "u0"])
    assert await found("/Users", startIndex="5") == (5, ["u3"])
    assert await found("/Users", count="0") == (5, [])
    assert await found("/Users", filter='externalId eq "no"') == (0, [])
    assert await found("/Groups", filter='displayName eq "payments"') == (1, ["Payments"])
    # How Entra ID asks whether somebody is in a group.
    assert await found("/Groups", filter=f'id eq "{team}" and members eq "{jo}"') == (1, ["Payments"])
    assert await found("/Groups", filter=f'id eq "{team}" and members eq "x"') == (0, [])
    assert await found("/Groups", filter=f'members.value eq "{jo}"') == (1, ["Payments"])
    assert (await idp.refused("GET", "/Users", params={"filter": "userName"}))[:2] == (400, "invalidFilter")
    assert (await idp.refused("GET", "/Users", params={"count": "x"}))[:2] == (400, "invalidValue")


async def test_resources_are_sorted_by_what_is_asked_for(idp: IdentityProvider) -> None:
    people: dict[str, dict[str, Any]] = {
        "bea": {"name": {"familyName": "alba"}, "emails": [{"value": "z@x"}, {"value": "B@x", "primary": True}]},
        "Ada": {"name": {"familyName": "Zoe"}, "emails": [{"value": "a@x"}]},
        "cleo": {ENTERPRISE: {"department": "Bakery"}},
        "dora": {ENTERPRISE: {"department": "attic"}},
    }
    for name, more in people.items():
        await idp.add("/Users", userName=name, **more)

    async def sorted_by(by: str, **more: Any) -> list[str]:
        found = await idp.get("/Users", sortBy=by, **more)
        assert found["totalResults"] == 4
        return [str(each["userName"]) for each in found["Resources"]]  # type: ignore[union-attr,index,call-overload]

    assert await sorted_by("userName") == ["Ada", "bea", "cleo", "dora"]
    assert await sorted_by("userName", sortOrder="descending") == ["dora", "cleo", "bea", "Ada"]
    assert await sorted_by("name.familyName") == ["bea", "Ada", "cleo", "dora"], "without a value at the end"
    assert await sorted_by("name.familyName", sortOrder="Descending") == ["cleo", "dora", "Ada", "bea"]
    assert await sorted_by("emails") == ["Ada", "bea", "cleo", "dora"], "the primary one counts"
    assert await sorted_by(f"{ENTERPRISE}:department") == ["dora", "cleo", "bea", "Ada"]
    assert await sorted_by("meta.created", sortOrder="descending", startIndex=2, count=2) == ["cleo", "Ada"]
    assert await sorted_by("userName", sortOrder="ascending", filter="userName pr", count=1) == ["Ada"]
    refused = await idp.refused("GET", "/Users?sortBy=userName&sortOrder=up")
    assert refused == (400, "invalidValue", "sortOrder must be ascending or descending, got 'up'")
    assert (await idp.refused("GET", "/Users?sortBy=emails%5Btype%20eq%20%22work%22%5D"))[:2] == (400, "invalidPath")


async def test_parts_of_resources_can_be_asked_for(idp: IdentityProvider) -> None:
    jo = await idp.add("/Users", **JO)
    await idp.add("/Groups", displayName="Payments", members=[{"value": jo}])

    some = await idp.get(f"/Users/{jo}", attributes=f"USERNAME,name.givenName,emails.value,{ENTERPRISE}:department")
    others = await idp.get("/Groups", excludedAttributes="members,meta")

    assert {name: value for name, value in some.items() if name not in ("schemas", "id")} == {
        "userName": "Jo.Doe@example.com",
        "name": {"givenName": "Jo"},
        "emails": [{"value": "jo@home.org"}, {"value": "jo@example.com"}],
        ENTERPRISE: {"department": "Payments"},
    }
    listed = others["Resources"]
    assert isinstance(listed, list)
    assert [sorted(each) for each in listed if isinstance(each, dict)] == [["displayName", "id", "schemas"]]


CONFIGURATION = """
backend:
  auth:
    externalAccess:
      - {type: static, options: {token: token-of-okta, subject: okta}}
      - {type: static, options: {token: token-of-others, subject: others}}
catalog: {providers: {scim: {default: {}}}}
"""


async def test_whoever_began_goes_on_and_nobody_else_reads_or_writes(idp: IdentityProvider, tmp_path: Path) -> None:
    file = tmp_path / "app-config.yaml"
    file.write_text(CONFIGURATION, "utf-8")
    read = settings.read(settings.load([file], {}))
    known = authentication.build(read, idp.catalog.client, idp.catalog.clock, lambda ref: ())
    async with client_of(app_of(idp.catalog, settings=read, authenticator=known)) as client:
        path, okta, others = (
            f"{idp.base}/Users",
            *({"authorization": f"Bearer token-of-{who}"} for who in ("okta", "others")),
        )

        first = await client.post(path, json={"userName": "jo"}, headers=okta)
        other = await client.get(path, headers=others)
        nobody = await client.get(path)
        again = await client.get(path, headers=okta)

    assert [answer.status_code for answer in (first, other, nobody, again)] == [201, 403, 401, 200]
    assert "scim-provider:default belongs to" in other.json()["detail"]
    assert nobody.headers["content-type"] == "application/scim+json"
    assert nobody.headers["www-authenticate"] == "Bearer"


async def test_to_forget_the_provider_is_to_forget_what_it_wrote(idp: IdentityProvider) -> None:
    jo = await idp.add("/Users", **JO)
    await idp.add("/Groups", displayName="Payments", members=[{"value": jo}])
    await idp.catalog.settle()

    answer = await idp.api.delete("/providers/scim-provider:default")

    assert answer.status_code == 200
    assert (await idp.get("/Users"))["totalResults"] == 0
    async with idp.catalog.database.transaction() as tx:
        assert await providers.find(tx, "scim-provider:default") is None


@pytest.mark.parametrize("scim", [None])
async def test_without_a_place_in_the_configuration_there_is_nothing(idp: IdentityProvider, scim: None) -> None:
    status, _, reason = await idp.refused("POST", "/Users", JO)

    assert (status, reason) == (404, "There is no catalog.providers.scim.default in the configuration")


async def test_what_is_not_there_says_so(idp: IdentityProvider) -> None:
    assert (await idp.refused("GET", "/Nonsense"))[0] == 404
    assert (await idp.refused("GET", "/Users/%00"))[0] == 404
    assert (await idp.refused("PUT", "/Groups/x", {"displayName": "x"}))[0] == 404
    assert (await idp.refused("PATCH", "/Users"))[0] == 405


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": {"namespace": "x/y"}}, r"a.*: expected namespace to be that of entities, got 'x/y'"),
        ({"a": {"inactiveUsers": "hide"}}, r"a\.inactiveUsers"),
        ({"v2": {}}, r"v2: expected another id"),
        ([], r": expected an object with entries by id, got a list"),
    ],
)
def test_what_can_not_be_meant_is_said_with_its_key(value: JsonValue, said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=rf"^catalog\.providers\.scim\.?{said}"):
        configuration.options_of(value)
