"""The provider of a directory: one round reads all users and groups, and who is in which."""

import asyncio
from dataclasses import dataclass, field

from callboard.builtin.organisations import assembling, transformers
from callboard.builtin.organisations.assembling import Member, Organisation
from callboard.builtin.organisations.ldap import connecting, entries
from callboard.builtin.organisations.ldap.connecting import Connected, Entry
from callboard.builtin.organisations.ldap.entries import Attributes
from callboard.builtin.organisations.ldap.names import canonical
from callboard.builtin.organisations.ldap.options import Directory, Groups, UserMap, Users, server_of
from callboard.builtin.organisations.transformers import Transformer
from callboard.errors import Unreadable
from callboard.extend import IncrementalEntityProvider, JsonObject, JsonValue, Outside, Page, PluginContext
from callboard.extend.configuration import read_by_id

_KEY = "catalog.providers.ldapOrg"


def providers(context: PluginContext) -> list[IncrementalEntityProvider]:
    """One for each directory in the configuration."""
    directories = read_by_id(Directory, context.config.providers.get("ldapOrg"), _KEY, flat=("target",))
    return [LdapOrganisation(id_, directory, context.outside) for id_, directory in directories.items()]


@dataclass(slots=True)
class _Index:
    """Who is meant: by DN, by UUID, or by what the last part of the DN says."""

    ids: dict[str, str] = field(default_factory=dict)

    def add(self, id_: str, entry: Entry, fields: UserMap, attributes: Attributes) -> None:
        """Remember an *entry* under all its names. A DN is never taken for somebody else's."""
        self.ids[canonical(entry.dn) or entry.dn] = id_
        for other in (entry.text(fields.rdn), entries.uuid_of(entry, attributes)):
            if other:
                self.ids.setdefault(other.casefold(), id_)

    def find(self, name: str) -> str | None:
        """The id of whom *name* means."""
        return self.ids.get(canonical(name) or "") or self.ids.get(name.casefold())


@dataclass(slots=True)
class _Read:
    """What a round has read so far."""

    found: Organisation = field(default_factory=Organisation)
    member_of: list[tuple[str, str]] = field(default_factory=list)
    """(user or group, group), the latter as the directory writes it."""
    members: list[tuple[str, str]] = field(default_factory=list)
    """(group, user or group), the latter as the directory writes it."""
    users: _Index = field(default_factory=_Index)
    groups: _Index = field(default_factory=_Index)


class LdapOrganisation(IncrementalEntityProvider):
    """Users and groups of one directory."""

    max_removal_percent = assembling.MAX_REMOVAL_PERCENT

    def __init__(self, id_: str, directory: Directory, outside: Outside) -> None:
        """Raises InvalidConfiguration, which names the key of what can't be meant."""
        self.name = f"LdapOrgEntityProvider:{id_}"
        self.schedule = directory.schedule
        self._id = id_
        self._at = f"{_KEY}.{id_}"
        self._directory = directory
        self._outside = outside
        self._user_transformer = transformers.named(directory.user_transformer, f"{self._at}.userTransformer")
        self._group_transformer = transformers.named(directory.group_transformer, f"{self._at}.groupTransformer")
        server_of(directory.target, self._at)
        for key, searches in (("users", directory.user_searches), ("groups", directory.group_searches)):
            for search in searches:
                connecting.check_filter(search.options.filter, f"{self._at}.{key}.options.filter")
                entries.check_fixed(search.fixed, f"{self._at}.{key}.set")

    async def next(self, cursor: JsonValue) -> Page:
        """Everything that the directory has."""
        read = _Read()
        async with connecting.connected(self._directory, self._at, self._outside.timeout_seconds) as connected:
            attributes = Attributes.of(await connected.about(), self._directory.vendor)
            for users in self._directory.user_searches:
                await self._read_users(connected, users, attributes, read)
            for groups in self._directory.group_searches:
                await self._read_groups(connected, groups, attributes, read)
        self._check_emptiness(read.found)
        # A hundred thousand memberships take a second, in which the engine does other things.
        return await asyncio.to_thread(self._assembled, read)

    def _assembled(self, read: _Read) -> Page:
        _resolve(read)
        return assembling.page_of(read.found, self.name, f"ldap-org-provider:{self._id}")

    def _check_emptiness(self, found: Organisation) -> None:
        """Raise Unreadable when there is not one of a kind that was looked for: without groups, nobody is in one."""
        directory = self._directory
        for kind, places, members in (
            ("users", [search.dn for search in directory.user_searches], found.users),
            ("groups", [search.dn for search in directory.group_searches], found.groups),
        ):
            if places and not members:
                where = ", ".join(map(repr, places))
                raise Unreadable(f"expected {kind} at {where}, found none; nothing is withdrawn")

    async def _read_users(self, connected: Connected, users: Users, attributes: Attributes, read: _Read) -> None:
        async for entry in connected.search(users.dn, users.options):
            entity = entries.user_of(entry, users, attributes)
            member = await self._member(entry, entity, self._user_transformer, read)
            if member is not None:
                read.found.users.append(member)
                read.users.add(member.id, entry, users.fields, attributes)
                read.member_of += ((member.id, group) for group in entry.texts(users.fields.member_of))

    async def _read_groups(self, connected: Connected, groups: Groups, attributes: Attributes, read: _Read) -> None:
        async for entry in connected.search(groups.dn, groups.options):
            entity = entries.group_of(entry, groups, attributes)
            member = await self._member(entry, entity, self._group_transformer, read)
            if member is not None:
                read.found.groups.append(member)
                read.groups.add(member.id, entry, groups.fields, attributes)
                read.member_of += ((member.id, group) for group in entry.texts(groups.fields.member_of))
                read.members += ((member.id, other) for other in entry.texts(groups.fields.members))

    async def _member(
        self, entry: Entry, entity: JsonObject, transformer: Transformer | None, read: _Read
    ) -> Member | None:
        made: JsonObject | None = entity
        if transformer is not None:
            made = await transformer.apply(entity, {"dn": entry.dn, "attributes": entry.decoded})
        if made is None:
            return None
        if not transformers.has_name(made):
            read.found.nameless.append(entry.dn)
            return None
        return Member(entry.dn, assembling.placed(made, f"ldap://{self._id}/{assembling.in_path(_dn_in(made, entry))}"))


def _resolve(read: _Read) -> None:
    """Turn what the directory says of memberships into pairs of ids. What is not among what was read is left out."""
    users = {member.id for member in read.found.users}
    for id_, group in read.member_of:
        if (parent := read.groups.find(group)) is not None:
            (read.found.memberships if id_ in users else read.found.nesting).add((id_, parent))
    for group, name in read.members:
        if (user := read.users.find(name)) is not None:
            read.found.memberships.add((user, group))
        elif (child := read.groups.find(name)) is not None:
            read.found.nesting.add((child, group))


def _dn_in(entity: JsonObject, entry: Entry) -> str:
    metadata = entity["metadata"]
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    said = annotations.get(entries.DN) if isinstance(annotations, dict) else None
    return said if isinstance(said, str) else entry.dn
