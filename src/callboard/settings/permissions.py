"""The sections `permission` and `callboard.permissions`: who may see and do what, and who decides that."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final

from callboard.settings import forms
from callboard.settings.forms import Adjusted, Computed, Form
from callboard.settings.values import JsonValue, Value

_WHO_EXPECTED = "*, authenticated, user:<ref>, group:<ref>, external:<subject> or plugin:<id>"
_WHO: Final = re.compile(r"\*|authenticated|(?:user|group|external|plugin):\S+")
_SERVICE: Final = ("external:", "plugin:")


@dataclass(frozen=True, slots=True)
class PermissionSettings:
    """Whether permissions are asked for."""

    enabled: bool | None = None
    """Whether callers need permissions, as in Backstage: `false` allows everybody everything, whatever else is said.
    Without it, they need them when `callboard.permissions` names a policy or a backend."""


def _who(value: Value) -> str:
    text = forms.text_of(value)
    if _WHO.fullmatch(text) is None:
        raise forms.Refused
    return text


def _strict(rule: "PermissionRuleSetting", value: Value, warn: Callable[[Value, str], None]) -> "PermissionRuleSetting":
    entries = value.entries()
    # A condition that is misspelt, or a variable that is not set, would grant for all entities what is meant for some.
    stranger = next((key for key in entries if key not in ("who", "allow", "where")), None)
    if stranger is not None:
        raise forms.Refused(f"has the unknown key {stranger!r}, expected who, allow and where")
    if "where" in entries and not rule.where:
        raise forms.Refused("has a where that says nothing; leave it out to grant for all entities")
    for who in rule.who:
        if who.startswith(_SERVICE):
            warn(value, f"{who} in who has no effect: services may do all that their accessRestrictions leave them")
    return replace(rule, position=str(value.position))


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRuleSetting:
    """A rule of the policy: grants permissions to callers."""

    who: tuple[Annotated[str, Form(_WHO_EXPECTED, _who)], ...]
    """Whom it is about: `*` is everybody, `authenticated` everybody who has signed in, `user:default/jane` this user,
    `group:default/team-a` every user whom this group stands for. `external:<subject>` and `plugin:<id>` are understood
    but have no effect: services may do everything that their `accessRestrictions` leave them."""

    allow: tuple[str, ...]
    """The permissions that it grants, such as `catalog.entity.read`; a `*` stands for any characters, so that
    `catalog.*` is all of them."""

    where: Annotated[Mapping[str, JsonValue] | None, forms.RAW] = None
    """The entities for which it grants them: a predicate as in queries, in which `$user` stands for the caller's ref
    and `$ownership`, in the list of an `$in`, for the refs of the caller and the caller's groups. Without it, for all.
    With it the rule grants nothing but permissions that are about entities."""

    position: Annotated[str, Computed()] = ""
    """The file and line of the rule, for what is found out about it later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidingSettings:
    """Who decides about permissions."""

    policy: tuple[Annotated[PermissionRuleSetting, Adjusted(_strict)], ...] | None = None
    """The rules by which Callboard decides itself. A caller has what any rule grants; what no rule grants is denied, so
    that an empty list denies everything. It excludes `callboard.permissions.backend`."""

    backend: Annotated[str | None, forms.WEB_ADDRESS] = None
    """The URL of a Backstage permission backend that decides, such as `http://backstage:7007/api/permission`. Without
    it and without a policy, the one that `discovery.endpoints` names."""

    def __post_init__(self) -> None:
        if self.policy is not None and self.backend is not None:
            raise ValueError("has both policy and backend; give one of them")
