from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import httpx2
import pytest

from callboard.access.authorizers import authorizer_of
from callboard.access.decisions import Allowed, Authorizer, Denied, Unrestricted
from callboard.access.permissions import ENTITY_DELETE, ENTITY_READ
from callboard.access.policies import ConfiguredPolicy
from callboard.access.principals import Anonymous, Restriction, Service
from callboard.access.remote import RemoteBackend
from callboard.errors import InvalidConfiguration
from callboard.settings import (
    DecidingSettings,
    DiscoverySettings,
    PermissionRuleSetting,
    PermissionSettings,
    Settings,
    defaults,
)
from callboard.settings.discovery import EndpointSetting, TargetSetting
from callboard.testing import FakeClock, FakeHost

RULE = PermissionRuleSetting(who=("*",), allow=("catalog.entity.read",))
BACKEND = "http://backstage:7007/api/permission"

Choose = Callable[[Settings], Authorizer]


@pytest.fixture
async def choose(host: FakeHost, clock: FakeClock) -> AsyncIterator[Choose]:
    async with httpx2.AsyncClient(transport=host.transport) as client:
        yield lambda settings: authorizer_of(settings, client, clock)


def with_permissions(enabled: bool | None = None, **deciding: object) -> Settings:
    return defaults().overridden(
        {
            "permission": PermissionSettings(enabled),
            **{f"callboard.permissions.{name}": value for name, value in deciding.items()},
        }
    )


@pytest.mark.parametrize(
    "settings",
    [
        with_permissions(),
        with_permissions(False),
        with_permissions(False, policy=(RULE,)),
        with_permissions(False, backend=BACKEND),
    ],
)
def test_permissions_are_off_unless_asked_for(choose: Choose, settings: Settings) -> None:
    assert isinstance(choose(settings), Unrestricted)


@pytest.mark.parametrize("enabled", [None, True])
async def test_a_policy_is_enough_to_switch_them_on(choose: Choose, enabled: bool | None) -> None:
    authorizer = choose(with_permissions(enabled, policy=(RULE,)))

    assert isinstance(authorizer, ConfiguredPolicy)
    assert await authorizer.decide(Anonymous(), ENTITY_READ) == Allowed()
    assert await authorizer.decide(Anonymous(), ENTITY_DELETE) == Denied()


async def test_an_empty_policy_grants_nothing(choose: Choose) -> None:
    authorizer = choose(with_permissions(policy=()))

    assert await authorizer.decide(Anonymous(), ENTITY_READ) == Denied()


@pytest.mark.parametrize("enabled", [None, True])
async def test_a_backend_is_asked_where_the_configuration_says(
    choose: Choose, host: FakeHost, enabled: bool | None
) -> None:
    host.put(f"{BACKEND}/authorize", '{"items": [{"id": "catalog.entity.read", "result": "ALLOW"}]}')

    authorizer = choose(with_permissions(enabled, backend=BACKEND))

    assert isinstance(authorizer, RemoteBackend)
    assert await authorizer.decide(Anonymous(), ENTITY_READ) == Allowed()


async def test_without_both_discovery_knows_where_the_backend_is(choose: Choose, host: FakeHost) -> None:
    host.put(f"{BACKEND}/authorize", '{"items": [{"id": "catalog.entity.read", "result": "ALLOW"}]}')
    target = TargetSetting(internal="http://backstage:7007/api/{{pluginId}}")
    discovery = DiscoverySettings((EndpointSetting(target, ("permission",)),))

    authorizer = choose(replace(with_permissions(True), discovery=discovery))

    assert await authorizer.decide(Anonymous(), ENTITY_READ) == Allowed()


def test_enabled_permissions_need_somebody_to_decide(choose: Choose) -> None:
    with pytest.raises(
        InvalidConfiguration, match=r"^permission.enabled: nobody is there to decide; expected"
    ) as error:
        choose(with_permissions(True))

    for remedy in ("callboard.permissions.policy", "callboard.permissions.backend", "discovery.endpoints"):
        assert remedy in str(error.value)


def test_a_backend_that_is_no_url_is_refused_at_start(choose: Choose) -> None:
    with pytest.raises(InvalidConfiguration, match=r"^callboard.permissions.backend: expected the URL"):
        choose(with_permissions(backend="http://backstage:port"))


async def test_restrictions_of_services_hold_without_permissions(choose: Choose) -> None:
    reader = Service("external:ci", (Restriction(actions=frozenset({"read"})),))
    authorizer = choose(defaults())

    assert await authorizer.decide(reader, ENTITY_READ) == Allowed()
    assert await authorizer.decide(reader, ENTITY_DELETE) == Denied()


def test_a_policy_and_a_backend_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        DecidingSettings(policy=(), backend=BACKEND)
