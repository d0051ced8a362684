"""What the configuration says about Azure DevOps: `integrations.azure`, with Backstage's keys."""

import enum
from collections.abc import Sequence

from callboard.errors import InvalidConfiguration
from callboard.extend import JsonValue
from callboard.extend.configuration import Options, Secret, read_list

AT = "integrations.azure"
USUAL_HOST = "dev.azure.com"
_SEARCH = "https://almsearch.dev.azure.com"


class Kind(enum.Enum):
    """The kinds of credentials."""

    PERSONAL = "personal"
    APPLICATION = "application"
    FEDERATED = "federated"
    MACHINE = "machine"


_KINDS = {
    Kind.PERSONAL: {"personal_access_token"},
    Kind.APPLICATION: {"client_id", "client_secret", "tenant_id"},
    Kind.FEDERATED: {"client_id", "managed_identity_client_id", "tenant_id"},
    Kind.MACHINE: {"client_id"},
}
_PARTS = sorted(set().union(*_KINDS.values()))


class CredentialOptions(Options):
    """A personal access token, an application in Entra ID, or the identity of the machine."""

    organizations: Sequence[str] = ()
    """Which it is for. None: all that no other one is for."""
    personal_access_token: Secret | None = None
    client_id: str | None = None
    client_secret: Secret | None = None
    tenant_id: str | None = None
    managed_identity_client_id: str | None = None
    """The identity of the machine that proves who the application is, in the place of its secret."""

    @property
    def kind(self) -> "Kind | None":
        """What it is; None when it is nothing whole."""
        said = {name for name in _PARTS if getattr(self, name) is not None}
        return next((kind for kind, parts in _KINDS.items() if parts == said), None)


class HostOptions(Options):
    """Azure DevOps, or an Azure DevOps Server."""

    host: str = USUAL_HOST
    api_version: str = "6.0"
    token: Secret | None = None
    """The older form of a personal access token among the *credentials*."""
    credential: CredentialOptions | None = None
    credentials: Sequence[CredentialOptions] = ()

    @property
    def is_cloud(self) -> bool:
        """Whether Microsoft runs it."""
        return self.host == USUAL_HOST or self.host.endswith(".visualstudio.com")

    @property
    def search(self) -> str:
        """Where its code search is."""
        return _SEARCH if self.is_cloud else f"https://{self.host}"

    @property
    def api(self) -> str:
        """Where its API is."""
        return f"https://{USUAL_HOST}" if self.is_cloud else f"https://{self.host}"

    @property
    def all(self) -> list[CredentialOptions]:
        """The credentials, in whatever form they are written."""
        older = [] if self.token is None else [CredentialOptions(personal_access_token=self.token)]
        return [*self.credentials, *([] if self.credential is None else [self.credential]), *older]


def hosts_of(value: JsonValue) -> list[tuple[HostOptions, str]]:
    """The hosts that `integrations.azure` says, and where. Raises InvalidConfiguration."""
    found: list[tuple[HostOptions, str]] = []
    for index, options in enumerate(read_list(HostOptions, value, AT)):
        place = f"{AT}[{index}]"
        if options.host in [other.host for other, _ in found]:
            raise InvalidConfiguration(f"{place}.host: expected a host of its own, got {options.host} again")
        _check(options, place)
        found.append((options, place))
    return found


def _check(options: HostOptions, place: str) -> None:
    if options.credentials and (options.token is not None or options.credential is not None):
        other = "token" if options.token is not None else "credential"
        raise InvalidConfiguration(f"{place}.{other}: expected nothing beside credentials, which should have it")
    seen: set[str] = set()
    for index, each in enumerate(options.all):
        at = f"{place}.credentials[{index}]" if options.credentials else place
        if each.kind is None:
            raise InvalidConfiguration(
                f"{at}: expected a personalAccessToken; clientId, tenantId and clientSecret or"
                " managedIdentityClientId; or clientId alone"
            )
        if each.personal_access_token is None and not options.is_cloud:
            raise InvalidConfiguration(f"{at}.personalAccessToken: expected a text, since {options.host} has no other")
        names = [name.lower() for name in each.organizations] or [""]
        if again := seen.intersection(names):
            whose = f"the organization {again.pop()}" if each.organizations else "organizations without another one"
            raise InvalidConfiguration(f"{at}.organizations: expected one entry for {whose}, got two")
        seen.update(names)
