"""The provider of a tenant: one round reads all users and groups, and who is in which."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

import structlog

from callboard.builtin.organisations import assembling, transformers
from callboard.builtin.organisations.assembling import Member, Organisation
from callboard.builtin.organisations.graph import entities
from callboard.builtin.organisations.graph.asking import Graph, Query
from callboard.builtin.organisations.graph.options import FLAT, GroupOptions, Tenant, check
from callboard.builtin.organisations.transformers import Transformer
from callboard.errors import CallboardError, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import IncrementalEntityProvider, JsonObject, JsonValue, Outside, Page, PluginContext
from callboard.extend.configuration import read_by_id

_log = structlog.get_logger(__name__)

_KEY = "catalog.providers.microsoftGraphOrg"
_AT_ONCE = 20
_USER = ("id", "displayName", "mail")
_GROUP = ("id", "displayName", "mail", "mailNickname", "securityEnabled", "description")
_GROUP_TYPE, _USER_TYPE = "#microsoft.graph.group", "#microsoft.graph.user"


def providers(context: PluginContext) -> list[IncrementalEntityProvider]:
    """One for each tenant in the configuration."""
    tenants = read_by_id(Tenant, context.config.providers.get("microsoftGraphOrg"), _KEY, flat=FLAT)
    return [GraphOrganisation(id_, tenant, context.outside) for id_, tenant in tenants.items()]


class GraphOrganisation(IncrementalEntityProvider):
    """Users and groups of one tenant."""

    max_removal_percent = assembling.MAX_REMOVAL_PERCENT

    def __init__(self, id_: str, tenant: Tenant, outside: Outside) -> None:
        """Raises InvalidConfiguration, which names the key of what can't be meant."""
        at = f"{_KEY}.{id_}"
        check(tenant, at)
        self.name = f"MicrosoftGraphOrgEntityProvider:{id_}"
        self.schedule = tenant.schedule
        self._id = id_
        self._tenant = tenant
        self._graph = Graph(tenant, outside, at)
        self._user = transformers.named(tenant.user_transformer, f"{at}.userTransformer")
        self._group = transformers.named(tenant.group_transformer, f"{at}.groupTransformer")
        self._organization = transformers.named(tenant.organization_transformer, f"{at}.organizationTransformer")

    async def next(self, cursor: JsonValue) -> Page:
        """Everything that the tenant has."""
        found = Organisation()
        try:
            await self._read_root(found)
            await self._read_groups(found)
            await self._read_users(found)
        except CallboardError:
            self._graph.credentials.forget()
            raise
        if not found.users:
            raise Unreadable(f"expected users in tenant {self._tenant.tenant_id}, found none; nothing is withdrawn")
        key = f"msgraph-org-provider:{self._id}"
        return await asyncio.to_thread(assembling.page_of, found, self.name, key, transitive=True)

    async def _read_root(self, found: Organisation) -> None:
        tenant = self._tenant.tenant_id
        said = await self._graph.one(f"organization/{quote(tenant, safe='')}", Query())
        _checked(said)
        await self._take(found.groups, found, said, entities.root_of(said), self._organization)

    async def _read_groups(self, found: Organisation) -> None:
        """The groups, and those within them if these are wanted; then who hangs below the tenant itself."""
        root = found.groups[0].id if found.groups else None
        options, seen = self._tenant.group, set[str]()
        pending = [said async for said in self._graph.collection(options.path, self._group_query(options))]
        while pending:
            new = [said for said in pending if _checked(said) not in seen]
            seen.update(str(said["id"]) for said in new)
            inner: set[str] = set()
            for start in range(0, len(new), _AT_ONCE):
                batch = new[start : start + _AT_ONCE]
                members = await asyncio.gather(*(self._members(str(said["id"])) for said in batch))
                for said, (users, groups) in zip(batch, members, strict=True):
                    await self._take_group(found, said, users, groups)
                    inner.update(groups)
            wanted = sorted(inner - seen) if options.include_sub_groups else []
            known = [await self._group_by_id(id_) for id_ in wanted]
            pending = [said for said in known if said is not None]
        if root is not None:
            inside = {child for child, parent in found.nesting if parent in seen}
            found.nesting |= {(id_, root) for id_ in seen if id_ not in inside}

    async def _take_group(
        self, found: Organisation, said: JsonObject, users: Sequence[str], groups: Sequence[str]
    ) -> None:
        id_ = str(said["id"])
        if await self._take(found.groups, found, said, entities.group_of(said), self._group):
            found.memberships |= {(user, id_) for user in users}
            found.nesting |= {(group, id_) for group in groups}

    async def _members(self, group: str) -> tuple[list[str], list[str]]:
        """The ids of the users and the groups that are in a group."""
        users: list[str] = []
        groups: list[str] = []
        async for said in self._graph.collection(f"groups/{quote(group, safe='')}/members", Query(select=("id",))):
            id_, kind = said.get("id"), said.get("@odata.type")
            if isinstance(id_, str) and kind in (_USER_TYPE, _GROUP_TYPE):
                (users if kind == _USER_TYPE else groups).append(id_)
        return users, groups

    async def _group_by_id(self, id_: str) -> JsonObject | None:
        try:
            return await self._graph.one(f"groups/{quote(id_, safe='')}", self._group_query(GroupOptions()))
        except LocationNotFound:
            # It went between two requests.
            return None

    def _group_query(self, options: GroupOptions) -> Query:
        return Query(
            filter=options.filter,
            search=options.search,
            expand=options.expand,
            select=_with(options.select, _GROUP),
            advanced=self._tenant.query_mode == "advanced",
        )

    async def _read_users(self, found: Organisation) -> None:
        photos = self._tenant.user.load_photos
        users = {_checked(said): said async for said in self._users()}
        listed = list(users.items())
        for start in range(0, len(listed), _AT_ONCE):
            batch = listed[start : start + _AT_ONCE]
            pictures: Sequence[bytes | None] = [None] * len(batch)
            if photos:
                try:
                    pictures = await asyncio.gather(*(self._graph.photo(id_) for id_, _ in batch))
                except NotAllowed as error:
                    photos = False
                    _log.warning("graph.no_photos", provider=self.name, reason=str(error))
            for (_, said), picture in zip(batch, pictures, strict=True):
                await self._take(found.users, found, said, entities.user_of(said, picture), self._user)

    async def _users(self) -> AsyncIterator[JsonObject]:
        """All users that are wanted; some may come twice."""
        tenant, options, chosen = self._tenant, self._tenant.user, self._tenant.user_group_member
        query = Query(
            filter=options.filter,
            expand=options.expand,
            select=_with(options.select, _USER),
            advanced=tenant.query_mode == "advanced",
        )
        if chosen is None:
            async for said in self._graph.collection(options.path, query):
                yield said
            return
        groups = Query(filter=chosen.filter, search=chosen.search, advanced=query.advanced, select=("id",))
        async for group in self._graph.collection(chosen.path, groups):
            path = f"groups/{quote(_checked(group), safe='')}/members/microsoft.graph.user"
            async for said in self._graph.collection(path, query):
                yield said

    async def _take(
        self,
        into: list[Member],
        found: Organisation,
        said: JsonObject,
        entity: JsonObject,
        transformer: Transformer | None,
    ) -> bool:
        """Add what *said* stands for, after the *transformer*. Returns whether there is anything."""
        made: JsonObject | None = entity
        if transformer is not None:
            made = await transformer.apply(entity, said)
        if made is None:
            return False
        id_ = str(said["id"])
        if not transformers.has_name(made):
            found.nameless.append(f"{id_} {said.get('displayName') or said.get('userPrincipalName') or ''}".rstrip())
            return False
        into.append(Member(id_, assembling.placed(made, f"msgraph:{self._id}/{assembling.in_path(id_)}")))
        return True


def _with(selected: tuple[str, ...], needed: tuple[str, ...]) -> tuple[str, ...]:
    """What is selected, and what names and memberships need; nothing, if Graph may choose."""
    return tuple(dict.fromkeys([*selected, *needed])) if selected else ()


def _checked(said: JsonObject) -> str:
    """The id of what Graph says. Raises Unreadable."""
    id_ = said.get("id")
    if not isinstance(id_, str) or not id_:
        raise Unreadable("Microsoft Graph answered an object without an id")
    return id_
