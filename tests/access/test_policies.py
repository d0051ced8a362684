from collections.abc import Mapping

import pytest

from callboard.access.decisions import Allowed, Conditional, Decision, Denied
from callboard.access.permissions import (
    ALL,
    ENTITY_CREATE,
    ENTITY_DELETE,
    ENTITY_READ,
    ENTITY_REFRESH,
    LOCATION_CREATE,
    LOCATION_READ,
    Permission,
)
from callboard.access.policies import ConfiguredPolicy, parse_policy
from callboard.access.principals import Anonymous, Principal, Restriction, Service, User
from callboard.errors import InvalidConfiguration
from callboard.model.facts import facts_of
from callboard.model.json import JsonObject, JsonValue
from callboard.model.predicates import matches
from callboard.settings import PermissionRuleSetting

JANE = User("user:default/jane", ("user:default/jane", "group:default/bakers", "group:default/night-shift"))
JOE = User("user:default/joe", ("user:default/joe",))
READ = "catalog.entity.read"
OWN: JsonObject = {"relations.ownedBy": {"$in": ["$ownership"]}}


def rule(
    *who: str, allow: str | list[str] = READ, where: Mapping[str, JsonValue] | None = None
) -> PermissionRuleSetting:
    return PermissionRuleSetting(
        who=who, allow=(allow,) if isinstance(allow, str) else tuple(allow), where=where, position="app-config.yaml:7"
    )


def policy(*rules: PermissionRuleSetting) -> ConfiguredPolicy:
    return parse_policy(rules)


def sees(decision: Decision, *, kind: str = "Component", owner: str = "group:default/others") -> bool:
    """Whether a conditional decision holds for an entity."""
    assert isinstance(decision, Conditional)
    relations: list[JsonValue] = [{"type": "ownedBy", "targetRef": owner}]
    return matches(decision.predicate, facts_of({"kind": kind, "metadata": {"name": "x"}, "relations": relations}))


async def test_what_no_rule_grants_is_denied() -> None:
    nothing = policy()

    assert [await nothing.decide(JANE, permission) for permission in ALL] == [Denied()] * len(ALL)


@pytest.mark.parametrize(
    ("who", "granted"),
    [
        ("*", [Anonymous(), JANE, JOE]),
        ("authenticated", [JANE, JOE]),
        ("user:default/jane", [JANE]),
        ("user:Jane", [JANE]),
        ("group:default/bakers", [JANE]),
        ("group:default/Bakers", [JANE]),
        ("group:default/jane", []),
        ("external:ci", []),
    ],
)
async def test_a_rule_is_for_those_whom_it_names(who: str, granted: list[Principal]) -> None:
    found = policy(rule(who))

    for principal in (Anonymous(), JANE, JOE):
        expected = Allowed() if principal in granted else Denied()
        assert await found.decide(principal, ENTITY_READ) == expected


async def test_a_user_among_the_ownership_of_another_is_not_that_user() -> None:
    deputy = User("user:default/joe", ("user:default/joe", "user:default/jane"))

    assert await policy(rule("user:default/jane")).decide(deputy, ENTITY_READ) == Denied()


@pytest.mark.parametrize(
    ("allow", "granted"),
    [
        (READ, {ENTITY_READ}),
        ("catalog.entity.*", {p for p in ALL if p.name.startswith("catalog.entity.")}),
        ("catalog.*", set(ALL)),
        ("*", set(ALL)),
        ("*.read", {p for p in ALL if p.name.endswith(".read")}),
        ([READ, "catalog.location.create"], {ENTITY_READ, LOCATION_CREATE}),
    ],
)
async def test_permissions_are_granted_by_name_or_by_pattern(allow: str | list[str], granted: set[Permission]) -> None:
    found = policy(rule("*", allow=allow))

    assert {permission for permission in ALL if await found.decide(JANE, permission) == Allowed()} == granted


async def test_a_rule_without_conditions_outweighs_those_with_conditions() -> None:
    found = policy(rule("*", where={"kind": "api"}), rule("group:default/bakers"))

    assert await found.decide(JANE, ENTITY_READ) == Allowed()
    assert isinstance(await found.decide(JOE, ENTITY_READ), Conditional)


async def test_conditions_of_several_rules_are_alternatives() -> None:
    decision = await policy(rule("*", where={"kind": "api"}), rule("*", where=OWN)).decide(JANE, ENTITY_READ)

    assert sees(decision, kind="API")
    assert sees(decision, owner="group:default/bakers")
    assert not sees(decision)


async def test_a_rule_with_conditions_grants_nothing_that_is_not_about_entities() -> None:
    found = policy(rule("*", allow="catalog.*", where={"kind": "api"}))

    assert await found.decide(JANE, ENTITY_CREATE) == Denied()
    assert await found.decide(JANE, LOCATION_READ) == Denied()
    assert isinstance(await found.decide(JANE, ENTITY_DELETE), Conditional)
    assert isinstance(await found.decide(JANE, ENTITY_REFRESH), Conditional)


async def test_conditions_speak_of_the_caller() -> None:
    own = policy(rule("*", where=OWN))
    personal = policy(rule("*", where={"relations.ownedBy": "$user"}))

    assert sees(await own.decide(JANE, ENTITY_READ), owner="group:default/night-shift")
    assert not sees(await own.decide(JOE, ENTITY_READ), owner="group:default/night-shift")
    assert sees(await personal.decide(JOE, ENTITY_READ), owner="user:default/joe")
    assert not sees(await personal.decide(JANE, ENTITY_READ), owner="group:default/bakers")


async def test_the_caller_is_found_at_any_depth_and_among_others() -> None:
    own: JsonObject = {"relations.ownedBy": {"$in": ["group:default/all", "$ownership"]}}
    decision = await policy(rule("*", where={"$all": [{"$not": {"$not": own}}]})).decide(JANE, ENTITY_READ)

    assert sees(decision, owner="group:default/bakers")
    assert sees(decision, owner="group:default/all")
    assert not sees(decision, owner="user:default/joe")


async def test_nobody_in_particular_owns_nothing() -> None:
    decision = await policy(rule("*", where={"$any": [OWN, {"relations.ownedBy": "$user"}]})).decide(
        Anonymous(), ENTITY_READ
    )

    assert not sees(decision, owner="$user")
    assert not sees(decision, owner="user:default/jane")


@pytest.mark.parametrize("subject", ["plugin:scaffolder", "external:ci"])
async def test_a_service_needs_no_grant(subject: str) -> None:
    assert await policy().decide(Service(subject), ENTITY_DELETE) == Allowed()


async def test_no_grant_widens_what_restrictions_leave_to_a_service() -> None:
    reader = Service("external:ci", (Restriction(actions=frozenset({"read"})),))
    found = policy(rule("*", "external:ci", allow="catalog.*"))

    assert await found.decide(reader, ENTITY_READ) == Allowed()
    assert await found.decide(reader, ENTITY_DELETE) == Denied()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (rule("user:default/"), 'who[0]: Entity reference "user:default/" is not of the form [kind:][namespace/]name'),
        (
            rule("*", allow="catalog.entity.raed"),
            (
                "allow[0]: expected a permission, or a pattern such as catalog.*, got 'catalog.entity.raed'"
                " (did you mean catalog.entity.read?)"
            ),
        ),
        (rule("*", allow=[READ, "scaffolder.*"]), "allow[1]: expected a permission, or a pattern such as catalog.*"),
        (rule("*", where={"kind": None}), 'where: Invalid query: "kind" expects a text'),
        (rule("*", where={"$none": []}), 'where: Invalid query: unknown operator "$none"'),
        (
            rule("*", where={"$not": {"relations.ownedBy": {"$in": ["$owners"]}}}),
            "where: relations.ownedby: expected $user, $ownership or a text that does not begin with $, got '$owners'",
        ),
        (rule("*", where={"$any": [{"spec.owner": "$me"}]}), "where: spec.owner: expected $user, $ownership"),
        (rule("*", where={"kind": {"$hasPrefix": "$user"}}), "where: kind: $hasPrefix expects a text without $user"),
    ],
)
def test_a_rule_that_can_not_be_meant_is_refused(wrong: PermissionRuleSetting, problem: str) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        policy(rule("*"), wrong)

    assert str(refusal.value).startswith(f"app-config.yaml:7: callboard.permissions.policy[1].{problem}")


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        policy(rule("*", allow=["a", "b"]), rule("*", where={"kind": []}))

    assert [line.split(": ")[1] for line in str(refusal.value).splitlines()] == [
        "callboard.permissions.policy[0].allow[0]",
        "callboard.permissions.policy[0].allow[1]",
        "callboard.permissions.policy[1].where",
    ]
