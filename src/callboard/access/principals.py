"""Principals: who makes a request."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody in particular: no authentication is configured, and everything is allowed."""


@dataclass(frozen=True, slots=True)
class User:
    """A person, signed in at a Backstage installation."""

    ref: str
    """The canonical ref of the User entity."""
    ownership: tuple[str, ...] = ()
    """The canonical refs that count as the user when it comes to ownership: the user and the groups."""
    token: str | None = field(default=None, repr=False, compare=False)
    """What the user has shown, to ask a permission backend in the user's name."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """Something that a service may do; one that has restrictions may do nothing else."""

    permissions: frozenset[str] = frozenset()
    """Names of permissions; none means all."""
    actions: frozenset[str] = frozenset()
    """`read`, `create`, `update` or `delete`; none means all."""


@dataclass(frozen=True, slots=True)
class Service:
    """A program: a plugin of Backstage, or an external caller with a token."""

    subject: str
    """`plugin:<id>` or `external:<subject>`."""
    restrictions: tuple[Restriction, ...] | None = None
    """None: it may do everything."""


Principal = Anonymous | User | Service
