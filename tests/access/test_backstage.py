"""Users and plugins of a Backstage installation."""

import pytest

from callboard.access.authentication import Authenticator
from callboard.access.principals import Service, User
from callboard.errors import Unauthenticated, Unavailable
from callboard.model.json import JsonObject
from callboard.testing import FakeClock, FakeHost
from tests.access.conftest import Authenticating
from tests.access.issuing import BACKSTAGE, NOW, SCAFFOLDERS_KEYS, Issuer, key_named, limited, scaffolder, users

OURS = f"callboard: {{auth: {{backstageUrl: '{BACKSTAGE}'}}}}"


@pytest.fixture
def auth(host: FakeHost) -> Issuer:
    return users(host)


@pytest.fixture
def plugin(host: FakeHost) -> Issuer:
    return scaffolder(host)


@pytest.fixture
def authenticator(authenticating: Authenticating) -> Authenticator:
    return authenticating(OURS, {"user:default/jane": ["group:default/A", "group:default/b"]})


async def test_a_user_comes_with_what_the_token_says_about_ownership(
    authenticator: Authenticator, auth: Issuer
) -> None:
    token = auth.token(sub="User:Default/Jane", ent=["User:default/Jane", "Group:default/Team-A", "nonsense", 1])

    user = await authenticator.authenticate(f"Bearer {token}")

    assert user == User("user:default/jane", ("user:default/jane", "group:default/team-a"))
    assert isinstance(user, User)
    assert user.token == token


async def test_without_it_the_catalog_knows_what_a_user_belongs_to(authenticator: Authenticator, auth: Issuer) -> None:
    user = await authenticator.authenticate(f"Bearer {auth.token(ent=None)}")

    assert user == User("user:default/jane", ("user:default/jane", "group:default/a", "group:default/b"))


async def test_a_user_who_joins_a_group_need_not_sign_in_again(authenticating: Authenticating, auth: Issuer) -> None:
    groups = {"user:default/jane": ["group:default/a"]}
    authenticator, token = authenticating(OURS, groups), auth.token(ent=None)
    before = await authenticator.authenticate(f"Bearer {token}")

    groups["user:default/jane"] = ["group:default/b"]
    after = await authenticator.authenticate(f"Bearer {token}")

    assert isinstance(before, User)
    assert before.ownership == ("user:default/jane", "group:default/a")
    assert isinstance(after, User)
    assert after.ownership == ("user:default/jane", "group:default/b")


async def test_a_user_whom_the_catalog_does_not_know_is_alone(authenticator: Authenticator, auth: Issuer) -> None:
    user = await authenticator.authenticate(f"Bearer {auth.token(sub='user:default/stranger', ent=None)}")

    assert user == User("user:default/stranger", ("user:default/stranger",))


async def test_a_plugin_is_a_service(authenticator: Authenticator, plugin: Issuer) -> None:
    assert await authenticator.authenticate(f"Bearer {plugin.token()}") == Service("plugin:scaffolder")


async def test_a_plugin_that_calls_on_behalf_of_a_user_is_that_user(
    authenticator: Authenticator, auth: Issuer, plugin: Issuer
) -> None:
    user = await authenticator.authenticate(f"Bearer {plugin.token(obo=limited(auth))}")

    assert user == User("user:default/jane", ("user:default/jane", "group:default/a", "group:default/b"))
    assert isinstance(user, User)
    assert user.token is None


async def test_a_plugin_may_also_hand_on_a_whole_user_token(
    authenticator: Authenticator, auth: Issuer, plugin: Issuer
) -> None:
    shown = auth.token()

    user = await authenticator.authenticate(f"Bearer {plugin.token(obo=shown)}")

    assert user == User("user:default/jane", ("user:default/jane", "group:default/a"))
    assert isinstance(user, User)
    assert user.token == shown


async def test_on_behalf_of_a_user_lasts_no_longer_than_the_users_token(
    authenticator: Authenticator, auth: Issuer, plugin: Issuer, clock: FakeClock
) -> None:
    token = plugin.token(obo=limited(auth, exp=NOW + 60))
    await authenticator.authenticate(f"Bearer {token}")

    clock.advance(66)

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(f"Bearer {token}")


async def test_what_is_wrong_with_the_users_token_is_wrong_with_the_plugins(
    authenticator: Authenticator, auth: Issuer, plugin: Issuer
) -> None:
    other = Issuer(auth.host, "https://evil.example.com/keys", key_id="first", algorithm="ES384")
    wrongs: tuple[object, ...] = (
        limited(other),
        limited(auth, exp=NOW - 60),
        limited(auth, sub=""),
        plugin.token(),
        "garbage",
        7,
        {},
    )
    for wrong in wrongs:
        with pytest.raises(Unauthenticated, match="Illegal token"):
            await authenticator.authenticate(f"Bearer {plugin.token(obo=wrong)}")


async def test_a_limited_token_is_no_credential_by_itself(authenticator: Authenticator, auth: Issuer) -> None:
    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {limited(auth)}")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "callboard"},
        {"aud": None},
        {"exp": NOW - 60},
        {"exp": None},
        {"exp": "9999999999"},
        {"nbf": NOW + 60},
        {"sub": None},
        {"sub": "jane"},
        {"sub": ["user:default/jane"]},
        {"ent": "group:default/admins"},
    ],
    ids=str,
)
async def test_a_user_token_with_wrong_claims_is_refused(
    authenticator: Authenticator, auth: Issuer, changes: dict[str, object]
) -> None:
    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {auth.token(**changes)}")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "scaffolder"},
        {"aud": None},
        {"exp": NOW - 60},
        {"exp": None},
        {"nbf": NOW + 60},
        {"sub": None},
        {"sub": "search"},
        {"sub": "../../evil"},
        {"sub": "a/b"},
        {"sub": "x" * 101},
    ],
    ids=lambda changes: str(changes)[:30],
)
async def test_a_plugin_token_with_wrong_claims_is_refused(
    authenticator: Authenticator, plugin: Issuer, changes: dict[str, object]
) -> None:
    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {plugin.token(**changes)}")


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "ES384"},
        {"kid": "unknown"},
        {"typ": "vnd.backstage.plugin"},
        {"typ": "JWT"},
        {"typ": None},
    ],
    ids=str,
)
async def test_a_user_token_with_a_wrong_header_is_refused(
    authenticator: Authenticator, auth: Issuer, header: JsonObject
) -> None:
    key = key_named("first", "ES384") if header.get("alg") == "ES384" else None

    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {auth.token(header, key)}")


async def test_nobody_signs_for_another(authenticator: Authenticator, auth: Issuer, plugin: Issuer) -> None:
    as_user = plugin.token({"typ": "vnd.backstage.user"}, sub="user:default/jane", aud="backstage")
    as_plugin = auth.token({"typ": "vnd.backstage.plugin"}, sub="scaffolder", aud="catalog")

    for token in (as_user, as_plugin):
        with pytest.raises(Unauthenticated, match="Illegal token"):
            await authenticator.authenticate(f"Bearer {token}")


async def test_a_changed_payload_is_refused(authenticator: Authenticator, auth: Issuer) -> None:
    header, _, signature = auth.token().split(".")
    payload = auth.token(sub="user:default/admin").split(".")[1]

    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {header}.{payload}.{signature}")


async def test_clocks_may_differ_a_little(authenticator: Authenticator, auth: Issuer) -> None:
    for token in (auth.token(exp=NOW - 3), auth.token(nbf=NOW + 3)):
        assert isinstance(await authenticator.authenticate(f"Bearer {token}"), User)


async def test_discovery_says_where_plugins_are(authenticating: Authenticating, host: FakeHost) -> None:
    moved = "http://scaffolder.internal/api/scaffolder"
    plugin = Issuer(host, f"{moved}/.backstage/auth/v1/jwks.json", "vnd.backstage.plugin")
    authenticator = authenticating(
        OURS
        + "\ndiscovery: {endpoints: [{target: 'http://{{pluginId}}.internal/api/{{pluginId}}', plugins: [scaffolder]}]}"
    )

    principal = await authenticator.authenticate(f"Bearer {plugin.token(sub='scaffolder', aud='catalog')}")

    assert principal == Service("plugin:scaffolder")
    assert SCAFFOLDERS_KEYS not in host.requests


async def test_a_plugin_of_which_nobody_knows_where_it_is_is_refused(
    authenticating: Authenticating, plugin: Issuer
) -> None:
    authenticator = authenticating("discovery: {endpoints: [{target: 'http://auth/', plugins: [auth]}]}")

    with pytest.raises(Unauthenticated, match="Illegal token"):
        await authenticator.authenticate(f"Bearer {plugin.token()}")


async def test_made_up_plugins_are_refused_and_do_not_push_out_real_ones(
    authenticator: Authenticator, plugin: Issuer
) -> None:
    await authenticator.authenticate(f"Bearer {plugin.token()}")

    for number in range(500):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(f"Bearer {plugin.token(sub=f'made-up-{number}')}")
    await authenticator.authenticate(f"Bearer {plugin.token(exp=NOW + 1800)}")

    assert plugin.host.requests[SCAFFOLDERS_KEYS] == 1


async def test_a_backstage_that_is_away_is_not_the_users_fault(authenticator: Authenticator, auth: Issuer) -> None:
    auth.host.down = True

    with pytest.raises(Unavailable, match="can't be asked for its keys"):
        await authenticator.authenticate(f"Bearer {auth.token()}")
