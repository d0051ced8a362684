import pytest

from callboard.access import permissions
from callboard.access.permissions import Permission
from callboard.access.principals import Anonymous, Principal, Restriction, Service, User
from callboard.access.restrictions import may

READ_ONLY = Restriction(actions=frozenset({"read"}))
REFRESH_ONLY = Restriction(permissions=frozenset({"catalog.entity.refresh"}))


@pytest.mark.parametrize("principal", [Anonymous(), User("user:default/jane"), Service("external:ci")])
@pytest.mark.parametrize("permission", permissions.ALL)
def test_who_has_no_restrictions_is_left_everything(principal: Principal, permission: Permission) -> None:
    assert may(principal, permission)


@pytest.mark.parametrize("permission", permissions.ALL)
def test_a_service_that_has_no_business_here_may_do_nothing(permission: Permission) -> None:
    assert not may(Service("external:ci", ()), permission)


def test_a_service_may_take_the_actions_that_are_named() -> None:
    reader = Service("external:ci", (READ_ONLY,))

    assert may(reader, permissions.ENTITY_READ)
    assert may(reader, permissions.LOCATION_READ)
    assert not may(reader, permissions.LOCATION_CREATE)


def test_a_permission_without_an_action_is_not_among_the_actions() -> None:
    assert not may(Service("external:ci", (READ_ONLY,)), permissions.ENTITY_VALIDATE)


def test_names_and_actions_of_one_restriction_must_both_hold() -> None:
    both = Restriction(frozenset({"catalog.entity.read", "catalog.entity.delete"}), frozenset({"read"}))
    caller = Service("external:ci", (both,))

    assert may(caller, permissions.ENTITY_READ)
    assert not may(caller, permissions.ENTITY_DELETE)
    assert not may(caller, permissions.LOCATION_READ)


def test_one_of_several_restrictions_is_enough() -> None:
    caller = Service("external:ci", (READ_ONLY, REFRESH_ONLY))

    assert may(caller, permissions.ENTITY_READ)
    assert may(caller, permissions.ENTITY_REFRESH)
    assert not may(caller, permissions.ENTITY_DELETE)
