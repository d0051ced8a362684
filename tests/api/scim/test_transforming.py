"""Functions of the installation have the last word on what is pushed."""

import pytest

from callboard.builtin.organisations import scim as configuration
from callboard.errors import InvalidConfiguration
from callboard.extend import PluginConfig, PluginContext
from callboard.model.json import JsonObject
from tests.api.scim.conftest import ENTERPRISE, IdentityProvider


def by_number(said: JsonObject, entity: JsonObject) -> JsonObject | None:
    """Names users by their number; leaves robots out."""
    extension = said.get(ENTERPRISE, {})
    assert isinstance(extension, dict)
    assert isinstance(entity["metadata"], dict)
    if said.get("userType") == "robot":
        return None
    if said.get("userType") == "broken":
        raise KeyError("badge")
    if "employeeNumber" in extension:
        entity["metadata"]["name"] = extension["employeeNumber"]
    if said.get("userType") == "foreign":
        entity["metadata"]["namespace"] = "elsewhere"
    return entity


async def squads(said: JsonObject, entity: JsonObject) -> JsonObject:
    """Has the owner of everything in each group, and calls it a squad."""
    assert isinstance(entity["spec"], dict)
    entity["spec"] |= {"type": "squad", "members": ["user:default/boss"]}
    return entity


@pytest.fixture
def scim() -> JsonObject:
    return {"default": {"userTransformer": f"{__name__}:by_number", "groupTransformer": f"{__name__}:squads"}}


def numbered(number: str) -> JsonObject:
    return {ENTERPRISE: {"employeeNumber": number}}


async def test_users_are_called_and_groups_are_made_as_the_functions_say(idp: IdentityProvider) -> None:
    jo, al = await idp.add("/Users", userName="jo", **numbered("n1")), await idp.add("/Users", userName="al")
    members = [{"value": jo}, {"value": al}]
    group = await idp.add("/Groups", displayName="bakers", members=members)
    await idp.catalog.settle()
    refs = idp.catalog.refs()

    await idp.patch(f"/Users/{jo}", {"op": "replace", "path": f"{ENTERPRISE}:employeeNumber", "value": "n2"})
    await idp.catalog.settle()

    assert refs == ["group:default/bakers", "user:default/al", "user:default/n1"]
    assert idp.catalog.refs() == ["group:default/bakers", "user:default/al", "user:default/n2"]
    spec = idp.catalog.entity("group:default/bakers")["spec"]
    assert isinstance(spec, dict)
    assert spec["type"] == "squad"
    assert isinstance(spec["members"], list)
    assert {*spec["members"]} == {"user:default/boss", "user:default/al", "user:default/n2"}
    assert (await idp.get(f"/Groups/{group}"))["members"] == members, "the writer reads what it wrote"


async def test_who_is_left_out_has_no_entity_and_comes_when_the_function_wants_it(idp: IdentityProvider) -> None:
    robot = await idp.add("/Users", userName="r2", userType="robot")
    await idp.add("/Groups", displayName="machines", members=[{"value": robot}])
    await idp.catalog.settle()
    before = idp.catalog.refs()

    await idp.patch(f"/Users/{robot}", {"op": "remove", "path": "userType"})
    await idp.catalog.settle()

    assert before == ["group:default/machines"]
    assert idp.catalog.refs() == ["group:default/machines", "user:default/r2"]
    assert (await idp.ask("DELETE", f"/Users/{robot}")).status_code == 204
    assert "user:default/r2" not in (await idp.catalog.look()).refs()


async def test_two_who_would_be_called_the_same_are_refused(idp: IdentityProvider) -> None:
    await idp.add("/Users", userName="jo", **numbered("n1"))

    refused = await idp.refused("POST", "/Users", {"userName": "al", **numbered("n1")})

    assert refused[:2] == (409, "uniqueness")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("broken", "by_number failed at User 'jo': KeyError: 'badge'"),
        ("foreign", "by_number to leave kind and namespace of user:default/jo, got user:elsewhere/jo"),
    ],
)
async def test_a_function_that_fails_stores_nothing_and_says_so(idp: IdentityProvider, kind: str, said: str) -> None:
    status, _, detail = await idp.refused("POST", "/Users", {"userName": "jo", "userType": kind})

    assert status >= 500
    assert said in detail
    assert (await idp.get("/Users"))["totalResults"] == 0


def test_a_function_that_is_not_there_is_named_with_its_key() -> None:
    config = PluginConfig(providers={"scim": {"okta": {"groupTransformer": f"{__name__}:nobody"}}})

    with pytest.raises(InvalidConfiguration, match=r"^catalog\.providers\.scim\.okta\.groupTransformer: expected"):
        configuration.providers(PluginContext(config))
