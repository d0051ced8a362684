"""Who asks Azure DevOps: a personal access token, an application in Entra ID, or the machine itself.

learn.microsoft.com/entra: "client credentials flow", with a secret or with the token of a managed identity as the proof
of the application; and "How to use managed identities on an Azure VM to acquire an access token".
"""

from collections.abc import Mapping

from callboard.builtin.hosts.asking import Api, Credentials, Fixed, Nobody, basic
from callboard.builtin.hosts.azure_devops.options import CredentialOptions, HostOptions, Kind
from callboard.builtin.hosts.tokens import Granted
from callboard.extend import Outside

_ENTRA = "https://login.microsoftonline.com"
_MACHINE = "http://169.254.169.254"
"""Where a machine in Azure learns who it is."""
_OF_MACHINE = "system-assigned"
"""Backstage's name for the identity of the machine that has no number."""
_RESOURCE = "499b84ac-1321-427f-aa17-267ca6975798"
"""Azure DevOps, for who gives tokens for it."""
_EXCHANGE = "api://AzureADTokenExchange"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_HEADERS = {"x-tfs-fedauthredirect": "Suppress"}
"""Strangers are told so then, and not sent to where people sign in."""


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
    match each.kind:
        case Kind.PERSONAL:
            return Fixed(name, {"authorization": basic("", each.personal_access_token or "")})
        case Kind.MACHINE:
            return _of_machine(outside, each.client_id, _RESOURCE, name)
        case Kind.APPLICATION | Kind.FEDERATED:
            return _of_application(outside, each, name)
    return Nobody(name)


def _of_machine(outside: Outside, client_id: str | None, resource: str, name: str) -> Granted:
    params = {"api-version": "2018-02-01", "resource": resource}
    if client_id is not None and client_id != _OF_MACHINE:
        params["client_id"] = client_id
    machine = Api(outside, _MACHINE, Nobody(name), headers={"metadata": "true"})
    return Granted(name=name, api=machine, path="metadata/identity/oauth2/token", params=params, clock=outside.clock)


def _of_application(outside: Outside, each: CredentialOptions, name: str) -> Granted:
    said = {
        "grant_type": "client_credentials",
        "client_id": each.client_id or "",
        "scope": f"{_RESOURCE}/.default",
    }
    machine = _of_machine(outside, each.managed_identity_client_id, _EXCHANGE, name)

    async def form() -> Mapping[str, str]:
        if each.client_secret is not None:
            return {**said, "client_secret": each.client_secret.strip()}
        return {**said, "client_assertion_type": _ASSERTION, "client_assertion": await machine.token()}

    entra = Api(outside, _ENTRA, Nobody(name), resource="entra")
    return Granted(name=name, api=entra, path=f"{each.tenant_id}/oauth2/v2.0/token", form=form, clock=outside.clock)
