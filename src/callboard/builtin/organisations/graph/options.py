"""Options: what the configuration says of a tenant, under the keys of Backstage."""

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from callboard.errors import InvalidConfiguration
from callboard.extend import Schedule
from callboard.extend.configuration import Options, Secret

FLAT = ("tenantId", "clientId", "clientSecret", "target", "authority")
"""Keys of a single tenant without an id."""


class UserOptions(Options):
    """Which users."""

    path: str = "users"
    expand: str | None = None
    filter: str | None = None
    select: tuple[str, ...] = ()
    load_photos: bool = True


class GroupOptions(Options):
    """Which groups."""

    path: str = "groups"
    expand: str | None = None
    filter: str | None = None
    search: str | None = None
    select: tuple[str, ...] = ()
    include_sub_groups: bool = False
    """Whether the groups within these come along."""


class MemberOptions(Options):
    """Which groups' members are the users, instead of all users."""

    path: str = "groups"
    filter: str | None = None
    search: str | None = None


class Tenant(Options):
    """A tenant, at `catalog.providers.microsoftGraphOrg.<id>`."""

    tenant_id: str
    target: str = "https://graph.microsoft.com/v1.0"
    authority: str = "https://login.microsoftonline.com"
    client_id: str | None = None
    client_secret: Secret | None = None
    """Without these two the machine's own identity asks, as virtual machines of Azure have one."""
    query_mode: Literal["basic", "advanced"] = "basic"
    user: UserOptions = msgspec.field(default_factory=UserOptions)
    group: GroupOptions = msgspec.field(default_factory=GroupOptions)
    user_group_member: MemberOptions | None = None
    schedule: Schedule | None = None
    user_transformer: str | None = None
    """`module:function`."""
    group_transformer: str | None = None
    organization_transformer: str | None = None


def check(tenant: Tenant, at: str) -> None:
    """Raise InvalidConfiguration, which names the key, for what can't be meant."""
    if (tenant.client_id is None) != (tenant.client_secret is None):
        missing = "clientSecret" if tenant.client_secret is None else "clientId"
        raise InvalidConfiguration(f"{at}.{missing}: expected clientId and clientSecret, or neither of them")
    chosen = tenant.user_group_member
    if tenant.user.filter is not None and chosen is not None and (chosen.filter or chosen.search):
        raise InvalidConfiguration(f"{at}.user.filter: expected this or userGroupMember, and not both")
    for key, url in (("target", tenant.target), ("authority", tenant.authority)):
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidConfiguration(f"{at}.{key}: expected the address of a server, got {url!r}")
