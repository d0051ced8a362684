"""People and teams of GitHub organizations: `catalog.providers.githubOrg`, with Backstage's keys.

A round reads the members of an organization, and then its teams; each organization has its own namespace when there are
several.
"""

import re
from collections.abc import Sequence

from callboard.builtin.hosts.github.accounts import Account, Accounts
from callboard.builtin.hosts.looking import at, objects_at
from callboard.builtin.organisations import transformers
from callboard.builtin.organisations.transformers import Transformer
from callboard.errors import InvalidConfiguration, Unreadable
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
    Schedule,
    Webhook,
)
from callboard.extend.configuration import Options, read_list
from callboard.model.annotations import EDIT_URL, MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION, VIEW_URL

AT = "catalog.providers.githubOrg"
_USER_LOGIN = "github.com/user-login"
_TEAM_SLUG = "github.com/team-slug"
_MOST_REMOVED = 25.0
_UNUSABLE = re.compile(r"[^A-Za-z0-9_.-]+")

_MEMBERS = """
query($login: String!, $first: Int!, $after: String) {
  organization(login: $login) {
    membersWithRole(first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { login name email bio avatarUrl organizationVerifiedDomainEmails(login: $login) %s }
    }
  }
}
"""
_TEAMS = """
query($login: String!, $first: Int!, $after: String, $members: Int!) {
  organization(login: $login) {
    teams(first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes {
        slug combinedSlug name description avatarUrl url editTeamUrl
        parentTeam { slug }
        members(first: $members, membership: IMMEDIATE) { pageInfo { hasNextPage endCursor } nodes { login } }
      }
    }
  }
}
"""
_MORE_MEMBERS = """
query($login: String!, $slug: String!, $first: Int!, $after: String) {
  organization(login: $login) {
    team(slug: $slug) {
      members(first: $first, after: $after, membership: IMMEDIATE) {
        pageInfo { hasNextPage endCursor }
        nodes { login }
      }
    }
  }
}
"""


class UserOptions(Options):
    """How users are made."""

    use_verified_emails: bool = False


class PageSizes(Options):
    """How much is asked for at once."""

    teams: int = 25
    team_members: int = 50
    organization_members: int = 50


class OrganizationOptions(Options):
    """One entry of `catalog.providers.githubOrg`."""

    id: str = "default"
    github_url: str = "https://github.com"
    orgs: list[str] | None = None
    """None: all that have installed one of the Apps."""
    schedule: Schedule | None = None
    exclude_suspended_users: bool = False
    default_user_transformer: UserOptions | None = None
    page_sizes: PageSizes | None = None
    user_transformer: str | None = None
    """A function, as module:function. Our own key: Backstage takes functions from code only."""
    team_transformer: str | None = None


class GitHubOrganization(IncrementalEntityProvider):
    """The people and teams of organizations."""

    rest_seconds = 3600.0
    max_removal_percent = _MOST_REMOVED

    def __init__(self, name: str, options: OrganizationOptions, accounts: Accounts, place: str) -> None:
        self.name = name
        self.schedule = options.schedule
        self._options = options
        self._accounts = accounts
        self._sizes = options.page_sizes or PageSizes()
        self._user = transformers.named(options.user_transformer, f"{place}.userTransformer")
        self._team = transformers.named(options.team_transformer, f"{place}.teamTransformer")

    async def next(self, cursor: JsonValue) -> Page:
        """The next members or teams."""
        stand = await self._stand(cursor)
        orgs = stand["orgs"]
        assert isinstance(orgs, list)
        if not orgs:
            raise Unreadable(
                f"nobody has installed a GitHub App on {self._accounts.host}, and {self.name} names no orgs"
            )
        org, after = str(orgs[0]), stand["after"]
        account = await self._accounts.of(org)
        if not account.is_known:
            raise Unreadable(
                f"{self._accounts.host} tells strangers nothing of {org}: its entry needs a token or an app"
            )
        if stand["part"] == "members":
            entities, after = await self._members(account, org, after)
            part = "members" if after is not None else "teams"
        else:
            entities, after = await self._teams(account, org, after)
            part = "teams" if after is not None else "members"
            orgs = orgs if after is not None else orgs[1:]
        following: JsonObject = {**stand, "orgs": orgs, "part": part, "after": after}
        return Page(entities, cursor=following, done=not orgs)

    async def _stand(self, cursor: JsonValue) -> JsonObject:
        if isinstance(cursor, dict):
            return cursor
        orgs = self._options.orgs if self._options.orgs is not None else await self._accounts.owners()
        return {"orgs": list(orgs), "part": "members", "after": None}

    async def _members(self, account: Account, org: str, after: JsonValue) -> tuple[list[Offered], JsonValue]:
        suspended = "suspendedAt" if self._options.exclude_suspended_users else ""
        variables: JsonObject = {"login": org, "first": _size(self._sizes.organization_members), "after": after}
        nodes, following = await self._page(account, _MEMBERS % suspended, variables, "membersWithRole", org)
        nodes = [node for node in nodes if not node.get("suspendedAt")]
        verified = (self._options.default_user_transformer or UserOptions()).use_verified_emails
        return await self._offered([(node, _user(node, verified=verified)) for node in nodes], self._user), following

    async def _teams(self, account: Account, org: str, after: JsonValue) -> tuple[list[Offered], JsonValue]:
        sizes = self._sizes
        variables: JsonObject = {
            "login": org,
            "first": _size(sizes.teams),
            "after": after,
            "members": _size(sizes.team_members),
        }
        nodes, following = await self._page(account, _TEAMS, variables, "teams", org)
        made = [(node, self._group(node, org, await self._logins(account, org, node))) for node in nodes]
        return await self._offered(made, self._team), following

    async def _logins(self, account: Account, org: str, team: JsonObject) -> list[str]:
        """The members of a team, of which the first ones came with it."""
        members = team.get("members")
        logins, after = _logins(members)
        while after is not None:
            size = _size(self._sizes.team_members)
            variables: JsonObject = {"login": org, "slug": team.get("slug"), "first": size, "after": after}
            data, _ = await account.query(_MORE_MEMBERS, variables)
            found = at(data, "organization", "team", "members")
            more, after = _logins(found)
            logins += more
        return logins

    async def _page(
        self, account: Account, query: str, variables: JsonObject, connection: str, org: str
    ) -> tuple[list[JsonObject], JsonValue]:
        data, errors = await account.query(query, variables)
        found = at(data, "organization", connection)
        if not isinstance(found, dict):
            told = "; ".join(str(error.get("message")) for error in errors) or "it does not exist, or may not be seen"
            raise Unreadable(f"{self._accounts.host} does not tell the {connection} of {org}: {told}")
        return objects_at(found, "nodes"), _following(found)

    async def _offered(
        self, made: Sequence[tuple[JsonObject, JsonObject]], transformer: Transformer | None
    ) -> list[Offered]:
        entities = [await transformer.apply(entity, said) if transformer else entity for said, entity in made]
        return [Offered(entity, self.name) for entity in entities if entity is not None]

    @property
    def _has_namespaces(self) -> bool:
        return self._options.orgs is None or len(self._options.orgs) > 1

    def _namespace(self, org: str) -> str:
        return org.lower() if self._has_namespaces else "default"

    def _group(self, team: JsonObject, org: str, members: Sequence[str]) -> JsonObject:
        slug, url = str(team.get("slug")), str(team.get("url"))
        parent = at(team, "parentTeam", "slug")
        metadata: JsonObject = {
            "name": _name(slug),
            "annotations": {
                MANAGED_BY_LOCATION: f"url:{url}",
                MANAGED_BY_ORIGIN_LOCATION: f"url:{url}",
                _TEAM_SLUG: str(team.get("combinedSlug")),
                VIEW_URL: url,
                EDIT_URL: str(team.get("editTeamUrl")),
            },
        }
        if self._has_namespaces:
            metadata["namespace"] = self._namespace(org)
        if isinstance(description := team.get("description"), str) and description:
            metadata["description"] = description
        profile: JsonObject = {"displayName": team.get("name")}
        if isinstance(picture := team.get("avatarUrl"), str):
            profile["picture"] = picture
        spec: JsonObject = {
            "type": "team",
            "profile": profile,
            "children": [],
            # A user has no namespace, whatever teams it is in.
            "members": [f"user:default/{_name(login)}" for login in sorted(members, key=str.lower)],
        }
        if isinstance(parent, str):
            spec["parent"] = _name(parent)
        return {"apiVersion": "backstage.io/v1alpha1", "kind": "Group", "metadata": metadata, "spec": spec}

    async def on_webhook(self, webhook: Webhook, connection: ProviderConnection) -> None:
        """Who leaves, and teams that go, go at once; for all else one team or one member is read again."""
        org = at(webhook.body, "organization", "login")
        wanted = self._options.orgs
        if webhook.system != "github" or not isinstance(org, str):
            return
        if wanted is not None and org.lower() not in [each.lower() for each in wanted]:
            return
        action = webhook.body.get("action")
        if webhook.event == "organization" and action == "member_removed":
            login = at(webhook.body, "membership", "user", "login")
            await connection.apply(Delta(removed=[EntityRef("user", "default", _name(str(login)).lower())]))
        elif webhook.event == "team" and action == "deleted":
            slug = _name(str(at(webhook.body, "team", "slug"))).lower()
            await connection.apply(Delta(removed=[EntityRef("group", self._namespace(org), slug)]))
        elif webhook.event in ("organization", "team", "membership"):
            await self._read_again(webhook, org, connection)

    async def _read_again(self, webhook: Webhook, org: str, connection: ProviderConnection) -> None:
        account = await self._accounts.of(org)
        login, slug = at(webhook.body, "membership", "user", "login"), at(webhook.body, "team", "slug")
        if isinstance(slug, str):
            data, _ = await account.query(_ONE_TEAM, {"login": org, "slug": slug, "members": 100})
            team = at(data, "organization", "team")
            if isinstance(team, dict):
                group = self._group(team, org, await self._logins(account, org, team))
                await connection.apply(Delta(added=await self._offered([(team, group)], self._team)))
        elif isinstance(login, str):
            data, _ = await account.query(_ONE_MEMBER, {"login": login, "org": org})
            member = data.get("user")
            if isinstance(member, dict):
                verified = (self._options.default_user_transformer or UserOptions()).use_verified_emails
                made = await self._offered([(member, _user(member, verified=verified))], self._user)
                await connection.apply(Delta(added=made))


_ONE_TEAM = """
query($login: String!, $slug: String!, $members: Int!) {
  organization(login: $login) {
    team(slug: $slug) {
      slug combinedSlug name description avatarUrl url editTeamUrl
      parentTeam { slug }
      members(first: $members, membership: IMMEDIATE) { pageInfo { hasNextPage endCursor } nodes { login } }
    }
  }
}
"""
_ONE_MEMBER = """
query($login: String!, $org: String!) {
  user(login: $login) { login name email bio avatarUrl organizationVerifiedDomainEmails(login: $org) }
}
"""


def _user(member: JsonObject, *, verified: bool) -> JsonObject:
    login = str(member.get("login"))
    url = f"https://github.com/{login}"
    metadata: JsonObject = {
        "name": _name(login),
        "annotations": {
            MANAGED_BY_LOCATION: f"url:{url}",
            MANAGED_BY_ORIGIN_LOCATION: f"url:{url}",
            _USER_LOGIN: login,
        },
    }
    if isinstance(bio := member.get("bio"), str) and bio:
        metadata["description"] = bio
    domains = member.get("organizationVerifiedDomainEmails")
    emails = [str(email) for email in domains] if isinstance(domains, list) else []
    profile: JsonObject = {}
    if isinstance(name := member.get("name"), str) and name:
        profile["displayName"] = name
    email = emails[0] if verified and emails else None if verified else member.get("email")
    if isinstance(email, str) and email:
        profile["email"] = email
    if isinstance(picture := member.get("avatarUrl"), str) and picture:
        profile["picture"] = picture
    spec: JsonObject = {"profile": profile, "memberOf": []}
    return {"apiVersion": "backstage.io/v1alpha1", "kind": "User", "metadata": metadata, "spec": spec}


def _name(text: str) -> str:
    """*text* as the name of an entity: logins of managed users have characters that no name may have."""
    return _UNUSABLE.sub("-", text).strip("-_.")[:63]


def _size(wanted: int) -> int:
    return max(1, min(100, wanted))


def _following(connection: JsonValue) -> JsonValue:
    return at(connection, "pageInfo", "endCursor") if at(connection, "pageInfo", "hasNextPage") else None


def _logins(members: JsonValue) -> tuple[list[str], JsonValue]:
    return [str(node.get("login")) for node in objects_at(members, "nodes")], _following(members)


def organizations_of(context: PluginContext, accounts: Sequence[Accounts]) -> list[GitHubOrganization]:
    """A provider for each entry of `catalog.providers.githubOrg`. Raises InvalidConfiguration."""
    said = context.config.providers.get("githubOrg")
    entries = read_list(OrganizationOptions, said, AT)
    providers: list[GitHubOrganization] = []
    for index, options in enumerate(entries):
        place = f"{AT}[{index}]" if isinstance(said, list) else AT
        host = options.github_url.partition("://")[2].strip("/")
        own = next((each for each in accounts if each.host == host), None)
        if own is None:
            raise InvalidConfiguration(
                f"{place}.githubUrl: expected the URL of a host of integrations.github, got {options.github_url!r}"
            )
        if options.orgs is None and not own.has_apps:
            raise InvalidConfiguration(f"{place}.orgs: expected a list of organizations, as {host} has no apps")
        providers.append(GitHubOrganization(f"GithubMultiOrgEntityProvider:{options.id}", options, own, place))
    return providers
