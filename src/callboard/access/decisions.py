"""Decisions: the answer to whether a principal may do something."""

from dataclasses import dataclass
from typing import Protocol

from callboard.access.permissions import Permission
from callboard.access.principals import Principal, Service
from callboard.access.restrictions import may
from callboard.model.predicates import AnyOf, Predicate


@dataclass(frozen=True, slots=True)
class Allowed:
    """Yes."""


@dataclass(frozen=True, slots=True)
class Denied:
    """No."""


@dataclass(frozen=True, slots=True)
class Conditional:
    """For the entities that *predicate* holds for; only where the permission is about entities."""

    predicate: Predicate


Decision = Allowed | Denied | Conditional

NOTHING: Predicate = AnyOf(())
"""Holds for no entity: what those may see who may see nothing."""


def of_service(service: Service, permission: Permission) -> Decision:
    """What its restrictions say: nothing else limits a service, as in Backstage."""
    return Allowed() if may(service, permission) else Denied()


class Authorizer(Protocol):
    """Decides who may do what: by the configuration, or by asking a permission backend."""

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        """Whether *principal* has *permission*. Raises Unavailable when whoever knows can't be asked."""
        ...


@dataclass(frozen=True, slots=True)
class Unrestricted:
    """Allows everything that no restriction of a service forbids: no permissions are configured."""

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        """Yes, but for restricted services."""
        return of_service(principal, permission) if isinstance(principal, Service) else Allowed()
