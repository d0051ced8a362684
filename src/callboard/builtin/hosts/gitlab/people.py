"""Users and groups of GitLab, as entities.

Their names, annotations and locations are those of Backstage's module.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from callboard.builtin.hosts.gitlab.projects import ProviderOptions, group_patterns, js_pattern
from callboard.errors import Unreadable
from callboard.extend import JsonObject, JsonValue
from callboard.extend.configuration import function_named
from callboard.model.annotations import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION

_BOT = re.compile(r"(?:project|group)_\w+_bot_\w+")
"""Users that stand for access tokens."""

Transform = Callable[[JsonObject, JsonObject], JsonObject | None]
"""Takes what GitLab says and the entity that is made of it; returns another one, or None for none."""


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
        self._user_function = _function(options.user_transformer, f"{at}.userTransformer")
        self._group_function = _function(options.group_transformer, f"{at}.groupTransformer")

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

    def user(self, person: Person, groups: Sequence[str]) -> JsonObject | None:
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
        return _transformed(self._user_function, said, entity, person.username)

    def group_entity(self, group: Group) -> JsonObject | None:
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
        return _transformed(self._group_function, group.said, entity, group.path)

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


def _transformed(function: Transform | None, said: JsonObject, entity: JsonObject, name: str) -> JsonObject | None:
    if function is None:
        return entity
    try:
        made = function(said, entity)
    except Exception as error:
        # Who is missing for that is not to be withdrawn.
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise Unreadable(f"the transformer failed at {name}: {told}") from error
    if made is not None and not isinstance(made, dict):
        raise Unreadable(f"expected the transformer to return an entity or None for {name}, got {type(made).__name__}")
    return made


def _function(name: str | None, at: str) -> Transform | None:
    return None if name is None else function_named(name, at)


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(values: JsonObject) -> JsonObject:
    return {name: value for name, value in values.items() if _text(value) is not None}
