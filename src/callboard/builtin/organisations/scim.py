"""SCIM: what the configuration says of identity providers that push (`catalog.providers.scim`).

Nothing is read: what they write comes in over the API.
"""

from typing import Literal

from callboard.builtin.organisations import transformers
from callboard.builtin.organisations.transformers import Transformer
from callboard.errors import InvalidConfiguration
from callboard.extend import IncrementalEntityProvider, JsonValue, PluginContext
from callboard.extend.configuration import Options, read_by_id
from callboard.model.refs import DEFAULT_NAMESPACE

KEY = "catalog.providers.scim"
_FLAT = ("namespace", "userName", "inactiveUsers", "groupType", "userTransformer", "groupTransformer")


class Scim(Options):
    """One identity provider."""

    namespace: str = DEFAULT_NAMESPACE
    """Where the entities are."""
    user_name: Literal["userName", "emailLocalPart"] = "userName"
    """What users are called: all of their `userName`, or what is before the `@` in it."""
    inactive_users: Literal["remove", "keep"] = "remove"
    """What becomes of the entity of a user with `active: false`: it goes, or it has an annotation."""
    group_type: str = "team"
    """`spec.type` of the groups."""
    user_transformer: str | None = None
    """`module:function`, which has the last word on each user."""
    group_transformer: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a namespace that entities can't have."""
        if not self.namespace or "/" in self.namespace or ":" in self.namespace:
            raise ValueError(f"expected namespace to be that of entities, got {self.namespace!r}")


def options_of(value: JsonValue) -> dict[str, Scim]:
    """The identity providers that *value*, which stands at `catalog.providers.scim`, names, by id."""
    found = read_by_id(Scim, value, KEY, flat=_FLAT)
    if "v2" in found:
        raise InvalidConfiguration(f"{KEY}.v2: expected another id, since addresses have v2 in its place")
    return found


def transformers_of(options: Scim, id_: str) -> dict[str, Transformer | None]:
    """Who has the last word on resources, by their type. Raises InvalidConfiguration."""
    at = f"{KEY}.{id_}"
    return {
        "User": transformers.named(options.user_transformer, f"{at}.userTransformer"),
        "Group": transformers.named(options.group_transformer, f"{at}.groupTransformer"),
    }


def provider_name(id_: str) -> str:
    """The provider that the entities belong to."""
    return f"scim-provider:{id_}"


def providers(context: PluginContext) -> list[IncrementalEntityProvider]:
    """None; but what the configuration says is checked."""
    for id_, options in options_of(context.config.providers.get("scim")).items():
        transformers_of(options, id_)
    return []
