"""Users and groups from a real directory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest
from structlog.testing import capture_logs

from callboard import plugins
from callboard.builtin.organisations.ldap.connecting import Entry
from callboard.builtin.organisations.ldap.entries import Attributes, uuid_of
from callboard.builtin.organisations.ldap.options import Vendor
from callboard.builtin.organisations.ldap.provider import providers
from callboard.errors import InvalidConfiguration, Unreadable
from callboard.extend import IncrementalEntityProvider, JsonObject, Outside, PluginConfig, PluginContext
from callboard.extend.outside import nowhere
from callboard.ingestion.guards import Guard
from callboard.ingestion.incremental import Rounds
from callboard.settings import defaults
from callboard.store import providers as stored
from callboard.store.database import Database
from callboard.testing import FakeClock
from tests.directories import MANY, PASSWORD, READER, SUFFIX, Slapd
from tests.harness import Catalog

PEOPLE: JsonObject = {"dn": f"ou=people,{SUFFIX}", "map": {"picture": "jpegPhoto"}}
GROUPS: JsonObject = {"dn": f"ou=groups,{SUFFIX}"}
CROWD: JsonObject = {"dn": f"ou=many,{SUFFIX}"}


def made(options: JsonObject, client: httpx2.AsyncClient | None = None) -> IncrementalEntityProvider:
    """The provider that the configuration asks for."""
    outside = nowhere() if client is None else Outside(client=client)
    [provider] = providers(PluginContext(PluginConfig({"ldapOrg": {"default": options}}), {}, outside))
    return provider


@pytest.fixture
def options(directory: Slapd) -> JsonObject:
    """A configuration that reads the organisation."""
    return {
        "target": directory.url,
        "bind": {"dn": READER, "secret": PASSWORD},
        "users": PEOPLE,
        "groups": [GROUPS],
    }


Read = Callable[[JsonObject], Awaitable[dict[str, JsonObject]]]


@pytest.fixture
async def read() -> AsyncIterator[Read]:
    """Reads a directory; the entities come by kind and name."""
    async with httpx2.AsyncClient() as client:

        async def read(options: JsonObject) -> dict[str, JsonObject]:
            page = await made(options, client).next(None)
            assert page.done
            return {
                f"{offered.entity['kind']} {metadata(offered.entity)['name']}": offered.entity
                for offered in page.entities
            }

        yield read


def metadata(entity: JsonObject) -> JsonObject:
    found = entity["metadata"]
    assert isinstance(found, dict)
    return found


def annotations(entity: JsonObject) -> JsonObject:
    found = metadata(entity)["annotations"]
    assert isinstance(found, dict)
    return found


def spec(entity: JsonObject) -> JsonObject:
    found = entity["spec"]
    assert isinstance(found, dict)
    return found


async def test_a_user_has_what_the_directory_says(read: Read, options: JsonObject) -> None:
    user = (await read(options))["User jdoe"]

    dn = f"uid=jdoe,ou=people,{SUFFIX}"
    location = f"ldap://default/{dn.replace('=', '%3D').replace(',', '%2C')}"
    uuid = annotations(user).pop("backstage.io/ldap-uuid")
    assert isinstance(uuid, str)
    assert len(uuid) == 36
    assert user == {
        "apiVersion": "backstage.io/v1beta1",
        "kind": "User",
        "metadata": {
            "name": "jdoe",
            "annotations": {
                "backstage.io/managed-by-location": location,
                "backstage.io/managed-by-origin-location": location,
                "backstage.io/ldap-dn": dn,
                "backstage.io/ldap-rdn": "jdoe",
            },
        },
        "spec": {
            "profile": {
                "displayName": "Jo Doe",
                "email": "jo@example.com",
                "picture": "data:image/jpeg;base64,/9j/4CBhIHNtYWxsIHBpY3R1cmU=",
            },
            "memberOf": ["group:default/payments_team"],
        },
    }


async def test_groups_know_one_another_and_their_members_however_their_dns_are_written(
    read: Read, options: JsonObject
) -> None:
    found = await read(options)

    assert spec(found["Group Engineering"])["children"] == ["group:default/payments_team"]
    assert metadata(found["Group Engineering"])["description"] == "All who build"
    assert spec(found["Group payments_team"])["parent"] == "group:default/engineering"
    assert spec(found["User asmith"])["memberOf"] == ["group:default/payments_team"]


async def test_members_may_be_named_by_their_uid(read: Read, options: JsonObject) -> None:
    found = await read({**options, "groups": {**GROUPS, "map": {"members": "memberUid"}}})

    assert spec(found["User jdoe"])["memberOf"] == ["group:default/operators"]


async def test_users_may_say_themselves_where_they_belong(read: Read, options: JsonObject) -> None:
    users: JsonObject = {**PEOPLE, "map": {"memberOf": "title"}}
    groups: JsonObject = {**GROUPS, "map": {"members": None}}

    found = await read({**options, "users": users, "groups": groups})

    assert spec(found["User jdoe"])["memberOf"] == ["group:default/engineering"]


async def test_values_are_set_and_attributes_are_mapped(read: Read, options: JsonObject) -> None:
    users: JsonObject = {
        **PEOPLE,
        "set": {
            "metadata.namespace": "people",
            'metadata.annotations["example.com/team"]': "x",
            "spec.extra.deep": [1],
        },
        "map": {"name": "employeeNumber", "description": "sn", "displayName": None},
    }

    found = await read({**options, "users": [users], "groups": []})

    [user] = found.values()
    assert metadata(user)["name"] == "17"
    assert metadata(user)["namespace"] == "people"
    assert metadata(user)["description"] == "Doe"
    assert annotations(user)["example.com/team"] == "x"
    assert spec(user)["extra"] == {"deep": [1]}
    assert spec(user)["profile"] == {"email": "jo@example.com"}


async def test_who_has_no_name_and_what_another_server_has_are_told(read: Read, options: JsonObject) -> None:
    with capture_logs() as logs:
        found = await read({**options, "groups": []})

    assert sorted(found) == ["User asmith", "User jdoe"]
    told = {entry["event"]: entry for entry in logs}
    assert told["organisation.nameless"]["left_out"] == [f"cn=printer,ou=people,{SUFFIX}"]
    assert told["ldap.referrals_not_followed"]["count"] == 1


async def test_pages_bring_more_than_the_server_gives_at_once(read: Read, options: JsonObject) -> None:
    found = await read({**options, "users": {**CROWD, "options": {"paged": True}}, "groups": []})

    assert len(found) == MANY


async def test_a_filter_may_be_on_several_lines(read: Read, options: JsonObject) -> None:
    wanted = "(|\n   (uid=p0001)\n   (uid=p0002)\n)"

    found = await read(
        {**options, "users": {**CROWD, "options": {"filter": wanted, "paged": {"pageSize": 1}}}, "groups": []}
    )

    assert sorted(found) == ["User p0001", "User p0002"]


async def test_the_whole_tree_can_be_searched(read: Read, options: JsonObject) -> None:
    users: JsonObject = {"dn": SUFFIX, "options": {"scope": "sub", "filter": "(mail=*)", "attributes": ["uid", "cn"]}}

    found = await read({**options, "users": users, "groups": []})

    assert spec(found["User jdoe"])["profile"] == {"displayName": "Jo Doe"}
    assert annotations(found["User jdoe"])["backstage.io/ldap-dn"] == f"uid=jdoe,ou=people,{SUFFIX}"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"users": CROWD}, r"sizeLimitExceeded \(4\): set options\.paged"),
        ({"users": {**CROWD, "options": {"sizeLimit": 10}}}, r"sizeLimitExceeded \(4\)"),
        ({"users": {"dn": f"ou=nowhere,{SUFFIX}"}}, rf"does not search 'ou=nowhere,{SUFFIX}': noSuchObject \(32\)"),
        ({"users": {"dn": "nothing"}}, r"invalidDNSyntax \(34\)"),
        ({"users": {"dn": f"ou=nobody,{SUFFIX}"}}, f"expected users at 'ou=nobody,{SUFFIX}', found none"),
        ({"groups": {"dn": f"ou=nobody,{SUFFIX}"}}, f"expected groups at 'ou=nobody,{SUFFIX}', found none"),
        ({"users": [], "groups": []}, "expected at least one user or group, found none"),
        ({"bind": {"dn": READER, "secret": "wr0ng"}}, rf"does not let {READER} log in: invalidCredentials \(49\)"),
        ({"bind": None}, r"noSuchObject \(32\)"),
        ({"target": "ldap://127.0.0.1:9"}, r"ldap://127\.0\.0\.1:9 can't be reached: .*refused"),
        ({"target": "ldap://nowhere.invalid"}, r"can't be reached"),
    ],
)
async def test_what_is_not_all_there_is_an_error_and_no_round(
    read: Read, options: JsonObject, changed: JsonObject, said: str
) -> None:
    with pytest.raises(Unreadable, match=said) as raised:
        await read({**options, **changed})

    assert "wr0ng" not in str(raised.value)
    assert PASSWORD not in repr(raised.value)


async def test_a_server_that_says_nothing_is_waited_for_only_so_long(options: JsonObject) -> None:
    async with _silent() as (target, _), httpx2.AsyncClient() as client:
        context = PluginContext(
            PluginConfig({"ldapOrg": {"default": {**options, "target": target}}}),
            {},
            Outside(client=client, timeout_seconds=1),
        )
        [provider] = providers(context)

        with pytest.raises(Unreadable, match=r"can't be reached: .*timed out"):
            await provider.next(None)


async def test_a_round_that_is_ended_leaves_no_thread_waiting(options: JsonObject) -> None:
    async with _silent() as (target, called), httpx2.AsyncClient() as client:
        reading = asyncio.ensure_future(made({**options, "target": target}, client).next(None))
        await called.wait()

        reading.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(reading, 10)


@asynccontextmanager
async def _silent() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that takes connections and never answers, and whether it was asked anything."""
    gone, called = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        called.set()
        await gone.wait()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"ldap://127.0.0.1:{server.sockets[0].getsockname()[1]}", called
    gone.set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("start_tls", [True, False])
async def test_a_connection_may_be_encrypted(
    read: Read, options: JsonObject, directory: Slapd, start_tls: bool
) -> None:
    target = directory.url if start_tls else directory.tls_url

    found = await read({**options, "target": target, "tls": {"ca": str(directory.authority), "startTls": start_tls}})

    assert "User jdoe" in found


@pytest.mark.parametrize("start_tls", [True, False])
async def test_a_certificate_that_nobody_has_signed_ends_the_connection(
    read: Read, options: JsonObject, directory: Slapd, start_tls: bool
) -> None:
    target = directory.url if start_tls else directory.tls_url

    with pytest.raises(Unreadable, match="certificate verify failed"):
        await read({**options, "target": target, "tls": {"startTls": start_tls}})


async def test_a_certificate_need_not_be_valid_if_somebody_says_so(
    read: Read, options: JsonObject, directory: Slapd
) -> None:
    found = await read({**options, "target": directory.tls_url, "tls": {"rejectUnauthorized": False}})

    assert "User jdoe" in found


def shouting(source: object, entity: JsonObject) -> JsonObject | None:
    """For the configuration of a test."""
    assert isinstance(source, dict)
    attributes = source["attributes"]
    if "uid" not in attributes:
        return None
    return {**entity, "metadata": {**metadata(entity), "name": attributes["uid"][0].upper(), "title": source["dn"]}}


async def test_a_function_of_the_installation_has_the_last_word(read: Read, options: JsonObject) -> None:
    found = await read({**options, "userTransformer": f"{__name__}:shouting"})

    assert sorted(name for name in found if name.startswith("User")) == ["User ASMITH", "User JDOE"]
    assert metadata(found["User JDOE"])["title"] == f"uid=jdoe,ou=people,{SUFFIX}"
    assert spec(found["User JDOE"])["memberOf"] == ["group:default/payments_team"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"target": "https://host"}, r"default\.target: expected ldap://host or ldaps://host, got 'https://host'"),
        ({"target": "ldap://[::1"}, r"default\.target: expected ldap://host"),
        ({"users": {"options": {}}}, r"default\.users\.dn: expected a value, got none"),
        (
            {"users": {"dn": "x", "options": {"filter": "(a=b"}}},
            r"default\.users\.options\.filter: expected a filter such as",
        ),
        ({"users": {"dn": "x", "options": {"scope": "all"}}}, r"default\.users\.options\.scope"),
        ({"users": {"dn": "x", "set": {"kind": "X"}}}, r"default\.users\.set: expected paths such as .*, got 'kind'"),
        ({"bind": {"dn": "x", "secret": 5}}, r"default\.bind\.secret: expected a text"),
        ({"userTransformer": "nowhere:f"}, r"default\.userTransformer: expected a module nowhere"),
        ({"groupTransformer": "f"}, r"default\.groupTransformer: expected a function as module:function, got 'f'"),
        ({"schedule": {"frequency": "often"}}, r"default\.schedule: expected frequency to be"),
    ],
)
def test_what_can_not_be_meant_is_said_with_its_key(changed: JsonObject, said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=rf"^catalog\.providers\.ldapOrg\.{said}"):
        made({"target": "ldap://host", **changed})


async def test_files_for_tls_that_are_not_there_are_said_with_their_key(read: Read, options: JsonObject) -> None:
    with pytest.raises(InvalidConfiguration, match=r"ldapOrg\.default\.tls: expected files in PEM format"):
        await read({**options, "tls": {"ca": "/nowhere.pem", "startTls": True}})


@pytest.mark.parametrize(
    ("signs", "said", "expected"),
    [
        ({}, Vendor(), Attributes("entryDN", "entryUUID")),
        ({"forestFunctionality": [b"7"]}, Vendor(), Attributes("distinguishedName", "objectGUID", is_guid=True)),
        ({"ipaDomainLevel": [b"1"]}, Vendor(), Attributes("dn", "ipaUniqueID")),
        ({}, Vendor(dn_attribute_name="d", uuid_attribute_name="u"), Attributes("d", "u")),
    ],
)
def test_servers_have_attributes_of_their_own(
    signs: dict[str, list[bytes]], said: Vendor, expected: Attributes
) -> None:
    assert Attributes.of(Entry("", signs), said) == expected


def test_the_guids_of_active_directory_are_written_as_everywhere() -> None:
    entry = Entry("cn=x", {"objectGUID": [bytes.fromhex("33221100554477668899aabbccddeeff")]})

    found = uuid_of(entry, Attributes("distinguishedName", "objectGUID", is_guid=True))

    assert found == "00112233-4455-6677-8899-aabbccddeeff"


def test_the_provider_has_the_name_that_it_has_in_backstage(options: JsonObject) -> None:
    settings = defaults().overridden({"catalog.providers": {"ldapOrg": {"corp": options}}})

    [provider] = plugins.load(settings).incremental

    assert provider.name == "LdapOrgEntityProvider:corp"
    assert provider.max_removal_percent == 25


def test_an_id_that_names_no_provider_is_said_with_its_key() -> None:
    settings = defaults().overridden({"catalog.providers": {"ldapOrg": {"a/b": {"target": "ldap://host"}}}})

    with pytest.raises(InvalidConfiguration, match=r"catalog\.providers\.ldapOrg: expected the name of a provider"):
        plugins.load(settings)


async def test_users_and_groups_are_in_the_catalog_and_half_of_them_do_not_vanish(
    options: JsonObject, database: Database, clock: FakeClock, catalog: Catalog
) -> None:
    async with httpx2.AsyncClient() as client:
        few: JsonObject = {
            "users": {**PEOPLE, "options": {"filter": "(uid=jdoe)"}},
            "groups": {**GROUPS, "options": {"filter": "(cn=E*)"}},
        }
        for provider in (made(options, client), made({**options, **few}, client)):
            await Rounds(database=database, clock=clock, provider=provider, guard=Guard(25)).step()
            clock.advance(7200)
        await catalog.settle()

    relations = catalog.entity("group:default/payments_team")["relations"]
    assert isinstance(relations, list)
    assert {"type": "hasMember", "targetRef": "user:default/asmith"} in relations
    async with database.transaction() as tx:
        standing = await stored.find(tx, "LdapOrgEntityProvider:default")
    assert standing is not None
    assert "it would withdraw 3 of the 5 entities" in (standing.refused or "")
