"""What the configuration says about Azure DevOps: `integrations.azure`, with Backstage's keys."""

from collections.abc import Sequence

from callboard.builtin.hosts.asking import Api, Credentials, Fixed, Nobody, basic
from callboard.builtin.hosts.tokens import Granted
from callboard.errors import InvalidConfiguration
from callboard.extend import JsonValue, Outside
from callboard.extend.configuration import Options, Secret, read_list

AT = "integrations.azure"
USUAL_HOST = "dev.azure.com"
_SEARCH = "https://almsearch.dev.azure.com"
_ENTRA = "https://login.microsoftonline.com"
_MACHINE = "http://169.254.169.254"
"""Where a machine in Azure learns who it is."""
_RESOURCE = "499b84ac-1321-427f-aa17-267ca6975798"
"""Azure DevOps, for who gives tokens for it."""
_HEADERS = {"x-tfs-fedauthredirect": "Suppress"}
"""Strangers are told so then, and not sent to where people sign in."""


class CredentialOptions(Options):
    """A personal access token, an application in Entra ID, or the identity of the machine."""

    organizations: Sequence[str] = ()
    """Which it is for. None: all that no other one is for."""
    personal_access_token: Secret | None = None
    client_id: str | None = None
    client_secret: Secret | None = None
    tenant_id: str | None = None


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
        if _kind(each) is None:
            raise InvalidConfiguration(
                f"{at}: expected a personalAccessToken; clientId, clientSecret and tenantId; or clientId alone"
            )
        if each.personal_access_token is None and not options.is_cloud:
            raise InvalidConfiguration(f"{at}.personalAccessToken: expected a text, since {options.host} has no other")
        names = [name.lower() for name in each.organizations] or [""]
        if again := seen.intersection(names):
            whose = f"the organization {again.pop()}" if each.organizations else "organizations without another one"
            raise InvalidConfiguration(f"{at}.organizations: expected one entry for {whose}, got two")
        seen.update(names)


def _kind(each: CredentialOptions) -> str | None:
    has = (each.personal_access_token, each.client_id, each.client_secret, each.tenant_id)
    match [value is not None for value in has]:
        case [True, False, False, False]:
            return "token"
        case [False, True, True, True]:
            return "application"
        case [False, True, False, False]:
            return "machine"
    return None


class Accounts:
    """Everybody as whom one Azure DevOps may be asked."""

    def __init__(self, outside: Outside, options: HostOptions, place: str) -> None:
        self.options = options
        self._apis: dict[str, tuple[Api, Api]] = {}
        for index, each in enumerate(options.all):
            credentials = _credentials(outside, each, f"{options.host} {place}.credentials[{index}]")
            apis = _apis(outside, options, credentials)
            self._apis |= {name.lower(): apis for name in each.organizations or [""]}
        self._apis.setdefault("", _apis(outside, options, Nobody(f"{options.host} {place}")))

    def of(self, organization: str) -> Api:
        """What the organization is asked with."""
        return self._apis.get(organization.lower(), self._apis[""])[0]

    def search(self, organization: str) -> Api:
        """What the code search is asked with."""
        return self._apis.get(organization.lower(), self._apis[""])[1]


def _apis(outside: Outside, options: HostOptions, credentials: Credentials) -> tuple[Api, Api]:
    return (
        Api(outside, options.api, credentials, headers=_HEADERS),
        Api(outside, options.search, credentials, headers=_HEADERS, resource="search"),
    )


def _credentials(outside: Outside, each: CredentialOptions, name: str) -> Credentials:
    if each.personal_access_token is not None:
        return Fixed(name, {"authorization": basic("", each.personal_access_token)})
    assert each.client_id is not None
    if each.client_secret is None:
        params = {"api-version": "2018-02-01", "resource": _RESOURCE, "client_id": each.client_id}
        machine = Api(outside, _MACHINE, Nobody(name), headers={"metadata": "true"})
        path = "metadata/identity/oauth2/token"
        return Granted(name=name, api=machine, path=path, params=params, clock=outside.clock)
    form = {
        "grant_type": "client_credentials",
        "client_id": each.client_id,
        "client_secret": each.client_secret.strip(),
        "scope": f"{_RESOURCE}/.default",
    }
    entra = Api(outside, _ENTRA, Nobody(name), resource="entra")
    return Granted(name=name, api=entra, path=f"{each.tenant_id}/oauth2/v2.0/token", form=form, clock=outside.clock)
