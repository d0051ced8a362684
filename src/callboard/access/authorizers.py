"""Authorizers: which one an installation has."""

import httpx2

from callboard.access.authentication import plugin_url
from callboard.access.decisions import Authorizer, Unrestricted
from callboard.access.policies import parse_policy
from callboard.access.remote import RemoteBackend
from callboard.clock import Clock
from callboard.errors import InvalidConfiguration
from callboard.settings import Settings

_PLUGIN = "permission"


def authorizer_of(settings: Settings, client: httpx2.AsyncClient, clock: Clock) -> Authorizer:
    """Who decides in this installation. Raises InvalidConfiguration when that is not clear, or the policy is wrong."""
    chosen = _choose(settings)
    return RemoteBackend(chosen, client, clock) if isinstance(chosen, str) else chosen


def check(settings: Settings) -> None:
    """Raise InvalidConfiguration unless it is clear who decides."""
    _choose(settings)


def _choose(settings: Settings) -> Authorizer | str:
    """Who decides: somebody here, or the permission backend at a URL."""
    enabled, deciding = settings.permission.enabled, settings.callboard.permissions
    if enabled is False:
        return Unrestricted()
    if deciding.policy is not None:
        return parse_policy(deciding.policy)
    if deciding.backend is None and not enabled:
        return Unrestricted()
    url = deciding.backend or plugin_url(settings, _PLUGIN)
    if url is None:
        raise InvalidConfiguration(
            "permission.enabled: nobody is there to decide; expected callboard.permissions.policy,"
            f" callboard.permissions.backend, or an endpoint for the plugin {_PLUGIN} in discovery.endpoints"
        )
    try:
        httpx2.URL(url)
    except httpx2.InvalidURL as error:
        key = "callboard.permissions.backend" if deciding.backend else "discovery.endpoints"
        raise InvalidConfiguration(f"{key}: expected the URL of a permission backend, got {url!r}: {error}") from error
    return url
