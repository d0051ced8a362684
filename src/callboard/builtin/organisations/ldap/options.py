"""Options: what the configuration says of a directory, under the keys of Backstage."""

from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from callboard.errors import InvalidConfiguration
from callboard.extend import Schedule
from callboard.extend.configuration import Options, Secret

_PORTS = {"ldap": 389, "ldaps": 636}


class Bind(Options):
    """Who asks. Without it nobody logs in."""

    dn: str
    secret: Secret


class Tls(Options):
    """How the connection is encrypted."""

    reject_unauthorized: bool = True
    """Whether the certificate of the server has to be valid."""
    keys: str | None = None
    """A file with our private key (PEM)."""
    certs: str | None = None
    """A file with our certificates (PEM)."""
    ca: str | None = None
    """A file with the authorities to trust (PEM); those of the system if there is none."""
    start_tls: bool = False
    """Whether a connection to `ldap://` is encrypted before anybody logs in."""


class Paged(Options):
    """Results in pages: most servers give no more than 1,000 entries at once."""

    page_size: int = 500
    page_pause: bool = False


class Search(Options):
    """What is looked for below a DN."""

    scope: Literal["base", "one", "sub"] = "one"
    filter: str = "(objectClass=*)"
    attributes: tuple[str, ...] = ("*", "+")
    paged: bool | Paged = False
    size_limit: int = 0
    """Entries; 0: as many as the server likes."""
    time_limit: int = 10
    """Seconds; 0: as many as the server likes."""
    deref_aliases: Literal[0, 1, 2, 3] = 0
    """Never, while searching, for the DN, always."""

    @property
    def page_size(self) -> int | None:
        """How many entries a page has; None where there are no pages."""
        if self.paged is False:
            return None
        return Paged().page_size if self.paged is True else self.paged.page_size


class UserMap(Options):
    """The attribute for each field of a User."""

    rdn: str = "uid"
    name: str = "uid"
    description: str | None = None
    display_name: str | None = "cn"
    email: str | None = "mail"
    picture: str | None = None
    member_of: str | None = "memberOf"


class GroupMap(UserMap):
    """The attribute for each field of a Group."""

    rdn: str = "cn"
    name: str = "cn"
    description: str | None = "description"
    email: str | None = None
    type: str | None = "groupType"
    members: str | None = "member"


class Users(Options):
    """Where users are, and how they become entities."""

    dn: str
    options: Search = msgspec.field(default_factory=Search)
    fixed: dict[str, Any] = msgspec.field(name="set", default_factory=dict)
    """Values by path, `metadata.namespace` for example."""
    fields: UserMap = msgspec.field(name="map", default_factory=UserMap)


class Groups(Options):
    """Where groups are, and how they become entities."""

    dn: str
    options: Search = msgspec.field(default_factory=Search)
    fixed: dict[str, Any] = msgspec.field(name="set", default_factory=dict)
    fields: GroupMap = msgspec.field(name="map", default_factory=GroupMap)


class Vendor(Options):
    """Attributes that differ between servers. What is not said is found out."""

    dn_attribute_name: str | None = None
    uuid_attribute_name: str | None = None


class Directory(Options):
    """A directory, at `catalog.providers.ldapOrg.<id>`."""

    target: str
    bind: Bind | None = None
    tls: Tls = msgspec.field(default_factory=Tls)
    users: Users | tuple[Users, ...] = ()
    groups: Groups | tuple[Groups, ...] = ()
    vendor: Vendor = msgspec.field(default_factory=Vendor)
    schedule: Schedule | None = None
    user_transformer: str | None = None
    """`module:function`."""
    group_transformer: str | None = None

    @property
    def user_searches(self) -> Sequence[Users]:
        """One for each place where users are."""
        return (self.users,) if isinstance(self.users, Users) else self.users

    @property
    def group_searches(self) -> Sequence[Groups]:
        """One for each place where groups are."""
        return (self.groups,) if isinstance(self.groups, Groups) else self.groups


def server_of(target: str, at: str) -> tuple[str, int, bool]:
    """The host, the port and whether it is TLS, of a *target*. Raises InvalidConfiguration, which names the key."""
    url, port = _parsed(target)
    if url is None or url.scheme not in _PORTS or not url.hostname:
        raise InvalidConfiguration(f"{at}.target: expected ldap://host or ldaps://host, got {target!r}")
    return url.hostname, port or _PORTS[url.scheme], url.scheme == "ldaps"


def _parsed(target: str) -> tuple[SplitResult | None, int | None]:
    try:
        url = urlsplit(target)
        return url, url.port
    except ValueError:
        return None, None
