"""Restrictions: what is left to a service that may not do everything."""

from callboard.access.permissions import Permission
from callboard.access.principals import Principal, Restriction, Service


def may(principal: Principal, permission: Permission) -> bool:
    """Whether the restrictions of *principal* leave *permission* to it; those who have none are left everything."""
    if not isinstance(principal, Service) or principal.restrictions is None:
        return True
    return any(_leaves(restriction, permission) for restriction in principal.restrictions)


def _leaves(restriction: Restriction, permission: Permission) -> bool:
    named = not restriction.permissions or permission.name in restriction.permissions
    return named and (not restriction.actions or permission.action in restriction.actions)
