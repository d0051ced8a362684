"""Users and groups of GitLab: the entries of `catalog.providers.gitlab` with `orgEnabled`.

A round reads everything and is one page, since who belongs to whom is known only then. System hooks, and the hooks of
groups, change single users and groups in between.
"""

from collections.abc import AsyncIterator, Sequence

from callboard.builtin.hosts import looking
from callboard.builtin.hosts.gitlab.discovery import AT, entries_of
from callboard.builtin.hosts.gitlab.installations import KEY, PUBLIC, Installation, group_path
from callboard.builtin.hosts.gitlab.memberships import Memberships, relations_of
from callboard.builtin.hosts.gitlab.people import Group, People, Person, group_of, person_of
from callboard.builtin.hosts.gitlab.projects import ProviderOptions
from callboard.builtin.hosts.installations import named
from callboard.errors import InvalidConfiguration, InvalidRef, LocationNotFound, Unreadable
from callboard.extend import (
    Delta,
    EntityRef,
    IncrementalEntityProvider,
    JsonObject,
    JsonValue,
    Offered,
    Page,
    PluginContext,
    ProviderConnection,
    Webhook,
)

MAX_REMOVAL_PERCENT = 25.0
"""Of what it holds; so many people do not leave within an hour."""
_PAGE = 100
_USER_EVENTS = ("user_create", "user_add_to_group", "user_remove_from_group", "user_update_for_group")
_GROUP_EVENTS = ("group_create", "group_rename")


class GitLabOrganization(IncrementalEntityProvider):
    """A User for each account that counts, and a Group for each group with one of them in it, or in one below it."""

    max_removal_percent = MAX_REMOVAL_PERCENT

    def __init__(self, name: str, options: ProviderOptions, installation: Installation, at: str) -> None:
        """Raises InvalidConfiguration, which names the key below *at*."""
        self.name = name
        self.schedule = options.schedule
        self._options = options
        self._installation = installation
        self._api = installation.api
        self._is_public = installation.host.lower() == PUBLIC
        self._people = People(options, installation.base_url, at)
        relations = relations_of(options.relations, inherited=options.allow_inherited, at=at)
        self._memberships = Memberships(installation.api, relations)
        if not self._people.group and (self._is_public or options.restrict_users_to_group):
            raise InvalidConfiguration(f"{at}.group: expected the path of a group, got none")

    async def next(self, cursor: JsonValue) -> Page:
        """All of them."""
        users = [person async for person in self._users() if self._people.admits_user(person)]
        found = {group.path: group async for group in self._groups() if self._people.admits_group(group.path)}
        groups = [found[path] for path in sorted(found)]
        if not users:
            raise Unreadable(f"{self._installation.host} told of no user that counts; nothing is withdrawn")
        members = await self._memberships.of_groups([group.path for group in groups])
        known = {person.number for person in users}
        inside: dict[int, list[str]] = {number: [] for number in known}
        for group in groups:
            for number in known.intersection(members[group.path]):
                inside[number].append(group.path)
        peopled = {part for paths in inside.values() for path in paths for part in _with_those_around(path)}
        entities = [
            *[await self._people.user(person, inside[person.number]) for person in users],
            *[await self._people.group_entity(group) for group in groups if group.path in peopled],
        ]
        return Page(self._offered(entities), done=True)

    async def _users(self) -> AsyncIterator[Person]:
        """Everybody among whom users are looked for."""
        params: dict[str, str | int] = {"per_page": _PAGE}
        if not self._looks_in_group:
            address = "users"
            params |= {"active": "true", "without_project_bots": "true", "exclude_internal": "true"}
        else:
            address = f"{group_path(self._user_group)}/members/all"
            params |= {"active": "true", "show_seat_info": "true"} if self._is_public else {}
        async for page in self._api.pages(address, params=params):
            for value in page:
                person = looking.understood(person_of(value), "a user")
                if self._is_somebody(person):
                    yield person

    async def _groups(self) -> AsyncIterator[Group]:
        """The groups among which some are looked for."""
        if not self._looks_in_group:
            pages = self._api.pages("groups", params={"per_page": _PAGE, "all_available": "true"})
        else:
            own = (await self._api.get(group_path(self._people.group))).json()
            yield looking.understood(group_of(own), self._people.group)
            pages = self._api.pages(f"{group_path(self._people.group)}/descendant_groups", params={"per_page": _PAGE})
        async for page in pages:
            for value in page:
                yield looking.understood(group_of(value), "a group")

    @property
    def _looks_in_group(self) -> bool:
        """Whether users and groups are those of the configured group, and not all that the installation has."""
        return self._is_public or self._options.restrict_users_to_group

    @property
    def _user_group(self) -> str:
        """The group whose members are the users: on gitlab.com, that around everything unless it says otherwise."""
        group = self._people.group
        return group if self._options.restrict_users_to_group else group.partition("/")[0]

    def _is_somebody(self, person: Person) -> bool:
        """Whether it is a person: on gitlab.com, one who is paid for, unless the others are wanted too."""
        if person.is_bot:
            return False
        return not self._is_public or person.has_seat or self._options.include_users_without_seat

    def _offered(self, entities: Sequence[JsonObject | None]) -> list[Offered]:
        return [Offered(entity, self.name) for entity in entities if entity is not None]

    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        """Who goes, goes at once; for all else one user or one group is read again."""
        if webhook.system != "gitlab" or not self._is_ours(webhook):
            return
        body = webhook.body
        if webhook.event == "user_destroy":
            await connection.apply(Delta(removed=_refs("user", body.get("username"))))
        elif webhook.event == "group_destroy":
            await connection.apply(Delta(removed=self._group_refs(body.get("full_path"))))
        elif webhook.event in _USER_EVENTS and isinstance(number := body.get("user_id"), int):
            await self._read_user(number, body.get("user_username", body.get("username")), connection)
        elif webhook.event in _GROUP_EVENTS and isinstance(number := body.get("group_id"), int):
            await self._read_group(number, self._group_refs(body.get("old_full_path")), connection)

    async def _read_user(self, number: int, username: JsonValue, connection: ProviderConnection) -> None:
        """Take over a user as it is now, and the groups that it is in."""
        person = await self._person(number)
        if person is None or not self._is_somebody(person) or not self._people.admits_user(person):
            await connection.apply(Delta(removed=_refs("user", username)))
            return
        said = await self._memberships.of_user(person.username)
        if said is None:
            # The next round will tell.
            return
        groups = [group for each in said if (group := group_of(each)) and self._people.admits_group(group.path)]
        groups.sort(key=lambda group: group.path)
        entities = [
            await self._people.user(person, [group.path for group in groups]),
            *[await self._people.group_entity(group) for group in groups],
        ]
        await connection.apply(Delta(added=self._offered(entities)))

    async def _person(self, number: int) -> Person | None:
        """The user with this *number*, told in the same way as in a round."""
        address = f"{group_path(self._user_group)}/members/all" if self._looks_in_group else "users"
        try:
            return person_of((await self._api.get(f"{address}/{number}")).json())
        except LocationNotFound:
            return None

    async def _read_group(self, number: int, removed: Sequence[EntityRef], connection: ProviderConnection) -> None:
        """Take over a group that is new or has another path."""
        try:
            group = group_of((await self._api.get(f"groups/{number}")).json())
        except LocationNotFound:
            group = None
        entities: list[JsonObject | None] = []
        if group is not None and self._people.admits_group(group.path):
            entities = [await self._people.group_entity(group)]
        if removed or entities:
            await connection.apply(Delta(added=self._offered(entities), removed=removed))

    def _group_refs(self, path: JsonValue) -> list[EntityRef]:
        return _refs("group", self._people.group_name(path)) if isinstance(path, str) else []

    def _is_ours(self, webhook: Webhook) -> bool:
        """Whether the installation has sent it. Those that are too old to say so are taken to be the one."""
        instance = webhook.headers.get("x-gitlab-instance")
        return instance is None or instance.rstrip("/") == self._installation.base_url


def organizations_of(context: PluginContext, known: Sequence[Installation]) -> list[GitLabOrganization]:
    """A provider for each entry of `catalog.providers.gitlab` with `orgEnabled`. Raises InvalidConfiguration."""
    providers: list[GitLabOrganization] = []
    for key, options in entries_of(context).items():
        if options.org_enabled:
            at = f"{AT}.{key}"
            installation = named(options.host, known, f"{at}.host", KEY)
            providers.append(GitLabOrganization(f"GitlabOrgDiscoveryEntityProvider:{key}", options, installation, at))
    return providers


def _with_those_around(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _refs(kind: str, name: JsonValue) -> list[EntityRef]:
    try:
        return [EntityRef.parse(f"{kind}:default/{name}")] if isinstance(name, str) and name else []
    except InvalidRef:
        return []
