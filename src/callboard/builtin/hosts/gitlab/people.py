"""Users and groups of GitLab, as entities.

Their names, annotations and locations are those of Backstage's module.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from callboard.builtin.hosts.gitlab.projects import ProviderOptions, group_patterns, js_pattern
from callboard.builtin.organisations import transformers
from callboard.extend import JsonObject, JsonValue
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION

_BOT = re.compile(r"(?:project|group)_\w+_bot_\w+")
"""Users that stand for access tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user."""

    number: int
    username: str
    email: str | None
    is_active: bool
    has_seat: bool
    said: JsonObject = field(repr=False)

    @property
    def is_bot(self) -> bool:
        """Whether it stands for an access token."""
        return _BOT.fullmatch(self.username) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group."""

    path: str
    """With those of the groups around it."""
    said: JsonObject = field(repr=False)


class People:
    """Decides who counts, and makes entities of them."""

    def __init__(self, options: ProviderOptions, base_url: str, at: str) -> None:
        """Raises InvalidConfiguration, which names the key below *at*."""
        self._options = options
        self._base_url = base_url
        self.group = options.group.strip("/")
        self._users = js_pattern(options.user_pattern, f"{at}.userPattern")
        self._groups = group_patterns(options, at)
        self._user = transformers.named(options.user_transformer, f"{at}.userTransformer")
        self._group = transformers.named(options.group_transformer, f"{at}.groupTransformer")

    def admits_user(self, person: Person) -> bool:
        """Whether a user counts."""
        return person.is_active and (self._users is None or bool(self._users.search(person.email or person.username)))

    def admits_group(self, path: str) -> bool:
        """Whether the group at *path* counts."""
        lower, own = path.lower(), self.group.lower()
        is_inside = not own or lower == own or lower.startswith(f"{own}/")
        return is_inside and (not self._groups or any(each.search(path) for each in self._groups))

    def group_name(self, path: str) -> str:
        """What the entity of the group at *path* is called: its path from the configured group on."""
        if self.group and path.lower().startswith(f"{self.group.lower()}/"):
            path = path[len(self.group) + 1 :]
        return path.replace("/", "-")

    async def user(self, person: Person, groups: Sequence[str]) -> JsonObject | None:
        """The entity of a user who is a member of the groups at these paths; None when a transformer wants none."""
        said, host = person.said, self._options.host
        profile = _texts({"displayName": said.get("name"), "picture": said.get("avatar_url")})
        if email := person.email or _text(said.get("public_email")):
            profile["email"] = email
        saml = said.get("group_saml_identity")
        annotations: JsonObject = {
            **self._located(person.username),
            f"{host}/user-login": _text(said.get("web_url")) or f"{self._base_url}/{person.username}",
        }
        if isinstance(saml, dict) and (outer := _text(saml.get("extern_uid"))):
            annotations[f"{host}/saml-external-uid"] = outer
        entity: JsonObject = {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "User",
            "metadata": {"name": person.username, "annotations": annotations},
            "spec": {"profile": profile, "memberOf": [self.group_name(path) for path in groups]},
        }
        return entity if self._user is None else await self._user.apply(entity, said)

    async def group_entity(self, group: Group) -> JsonObject | None:
        """The entity of a group, within the one around it if that counts; None when a transformer wants none."""
        metadata: JsonObject = {
            "name": self.group_name(group.path),
            "annotations": {**self._located(group.path), f"{self._options.host}/team-path": group.path},
        }
        if description := _text(group.said.get("description")):
            metadata["description"] = description
        spec: JsonObject = {"type": "team", "children": [], "profile": _texts({"displayName": group.said.get("name")})}
        parent = group.path.rpartition("/")[0]
        if parent and self.admits_group(parent):
            spec["parent"] = self.group_name(parent)
        entity: JsonObject = {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Group",
            "metadata": metadata,
            "spec": spec,
        }
        return entity if self._group is None else await self._group.apply(entity, group.said)

    def _located(self, path: str) -> JsonObject:
        location = f"url:{self._base_url}/{path}"
        return {MANAGED_BY_LOCATION: location, MANAGED_BY_ORIGIN_LOCATION: location}


def person_of(value: JsonValue) -> Person | None:
    """A user, as the REST API tells of one; None for something else."""
    if not isinstance(value, dict):
        return None
    number, username = value.get("id"), value.get("username")
    if not isinstance(number, int) or not isinstance(username, str):
        return None
    return Person(
        number=number,
        username=username,
        email=_text(value.get("email")),
        is_active=value.get("state") == "active",
        has_seat=value.get("is_using_seat") is True,
        said=value,
    )


def group_of(value: JsonValue) -> Group | None:
    """A group, as the REST API tells of it; None for something else."""
    path = value.get("full_path") if isinstance(value, dict) else None
    return Group(path=path, said=value) if isinstance(value, dict) and isinstance(path, str) else None


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(values: JsonObject) -> JsonObject:
    return {name: value for name, value in values.items() if _text(value) is not None}
