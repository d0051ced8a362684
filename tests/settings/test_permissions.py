from collections.abc import Callable

import pytest

from callboard.errors import InvalidConfiguration
from callboard.settings import DecidingSettings, PermissionRuleSetting, PermissionSettings, Settings

Configured = Callable[..., Settings]

POLICY = """
permission: {enabled: true}
callboard:
  permissions:
    policy:
      - who: ['*', authenticated, 'user:default/jane', 'group:default/team-a']
        allow: [catalog.entity.read, catalog.location.*]
      - who: ['*']
        allow: ['*']
        where: {relations.ownedBy: {$in: [$ownership]}}
"""


def rule(text: str) -> str:
    return f"callboard:\n  permissions:\n    policy:\n      - {{{text}}}\n"


def test_a_policy_is_read_with_the_places_of_its_rules(configured: Configured) -> None:
    settings = configured(POLICY)

    assert settings.warnings == ()
    assert settings.permission == PermissionSettings(enabled=True)
    assert settings.callboard.permissions.policy == (
        PermissionRuleSetting(
            who=("*", "authenticated", "user:default/jane", "group:default/team-a"),
            allow=("catalog.entity.read", "catalog.location.*"),
            position="app-config.yaml:6",
        ),
        PermissionRuleSetting(
            who=("*",),
            allow=("*",),
            where={"relations.ownedBy": {"$in": ["$ownership"]}},
            position="app-config.yaml:8",
        ),
    )


def test_a_backend_is_read(configured: Configured) -> None:
    settings = configured("callboard: {permissions: {backend: 'http://backstage:7007/api/permission/'}}")

    assert settings.callboard.permissions == DecidingSettings(backend="http://backstage:7007/api/permission")


def test_an_empty_policy_is_not_the_same_as_none(configured: Configured) -> None:
    assert configured("callboard: {permissions: {policy: []}}").callboard.permissions.policy == ()
    assert configured("").callboard.permissions.policy is None
    assert configured("").permission.enabled is None


@pytest.mark.parametrize("who", ["external:ci", "plugin:scaffolder"])
def test_services_in_a_rule_are_worth_a_warning(configured: Configured, who: str) -> None:
    settings = configured(rule(f"who: ['*', '{who}'], allow: ['*']"))

    [warning] = settings.warnings
    assert warning.startswith(f"app-config.yaml:4: callboard.permissions.policy[0]: {who} in who has no effect")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "who: [Jane], allow: []",
            ".who[0]: expected *, authenticated, user:<ref>, group:<ref>, external:<subject> or plugin:<id>, got",
        ),
        ("who: ['user:'], allow: []", ".who[0]: expected *, authenticated"),
        ("who: '*', allow: []", ".who: expected a list, got '*'"),
        ("who: ['*']", ".allow: is missing"),
        ("who: ['*'], allow: ['']", ".allow[0]: expected a text, got ''"),
        ("who: ['*'], allow: [], where: [kind]", ".where: expected an object, got a list"),
        (
            "who: ['*'], allow: [], were: {kind: api}",
            ": has the unknown key 'were', expected who, allow and where",
        ),
        (
            "who: ['*'], allow: [], where: null",
            ": has a where that says nothing; leave it out to grant for all entities",
        ),
    ],
)
def test_a_wrong_rule_is_named(configured: Configured, text: str, problem: str) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        configured(rule(text))

    assert str(refusal.value).startswith(f"app-config.yaml:4: callboard.permissions.policy[0]{problem}")


def test_a_condition_that_hangs_on_an_unset_variable_does_not_grant_everything(configured: Configured) -> None:
    with pytest.raises(InvalidConfiguration, match="has a where that says nothing"):
        configured(rule("who: ['*'], allow: ['*'], where: {spec.system: '${UNSET}'}"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("permission: {enabled: maybe}", "permission.enabled: expected true or false, got 'maybe'"),
        (
            "callboard: {permissions: {backend: backstage}}",
            "callboard.permissions.backend: expected an http or https URL, got 'backstage'",
        ),
        (
            "callboard: {permissions: {policy: [], backend: 'http://b'}}",
            "callboard.permissions: has both policy and backend; give one of them",
        ),
    ],
)
def test_a_wrong_value_is_named(configured: Configured, text: str, problem: str) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        configured(text)

    assert str(refusal.value) == f"app-config.yaml:1: {problem}"
