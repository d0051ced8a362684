"""Memberships: who is in which group of GitLab."""

import asyncio
from collections.abc import Sequence

from callboard.builtin.hosts import looking
from callboard.builtin.hosts.asking import Api
from callboard.builtin.hosts.gitlab.installations import group_path
from callboard.builtin.hosts.gitlab.questions import Questions, TooComplex
from callboard.errors import InvalidConfiguration, Unreadable
from callboard.extend import JsonObject, JsonValue
from callboard.model import json

RELATIONS = ("DIRECT", "INHERITED", "DESCENDANTS", "SHARED_FROM_GROUPS")
_MOST = 10
"""Groups whose members are asked for at once; each of them costs GitLab about 15 of 200."""
_PAGE = 100
_FIELDS = "{nodes{user{id}} pageInfo{hasNextPage endCursor}}"


class Memberships:
    """Tells the members of groups, by the numbers of users."""

    def __init__(self, api: Api, relations: Sequence[str]) -> None:
        """*relations* are how somebody may belong to a group."""
        self._api = api
        self._questions = Questions(api)
        self.relations = relations

    async def of_groups(self, paths: Sequence[str]) -> dict[str, list[int]]:
        """The members of each group. Raises Unreadable."""
        parts = [paths[start : start + _MOST] for start in range(0, len(paths), _MOST)]
        found: dict[str, list[int]] = {}
        for part in await asyncio.gather(*map(self._of_some, parts)):
            found |= part
        return found

    async def of_user(self, username: str) -> list[JsonObject] | None:
        """The groups that a user belongs to; None when that can't be told with few requests. Raises Unreadable."""
        if list(self.relations) != ["DIRECT"]:
            return None
        fields = "fullPath name description"
        query = (
            f"query{{user(username:{_literal(username)}){{groupMemberships(first:{_PAGE}){{nodes{{group{{{fields}}}}}"
        )
        try:
            data = await self._questions.answer(f"{query} pageInfo{{hasNextPage endCursor}}}}}}}}")
        except TooComplex:
            return None
        members = looking.at(data, "user", "groupMemberships")
        if not isinstance(members, dict) or _after(members) is not None:
            return None
        groups = [looking.at(node, "group") for node in looking.objects_at(members, "nodes")]
        return [
            {"full_path": group["fullPath"], "name": group.get("name"), "description": group.get("description")}
            for group in groups
            if isinstance(group, dict) and "fullPath" in group
        ]

    async def _of_some(self, paths: Sequence[str]) -> dict[str, list[int]]:
        try:
            data = await self._questions.answer(self._query([(path, None) for path in paths]))
        except TooComplex:
            if len(paths) == 1:
                return {paths[0]: await self._by_rest(paths[0])}
            half = len(paths) // 2
            return {**await self._of_some(paths[:half]), **await self._of_some(paths[half:])}
        if self._questions.is_refused:
            return dict(zip(paths, await asyncio.gather(*map(self._by_rest, paths)), strict=True))
        found: dict[str, list[int]] = {}
        for index, path in enumerate(paths):
            members = looking.at(data, f"g{index}", "groupMembers")
            found[path] = [*_numbers(members), *await self._rest_of(path, _after(members))]
        return found

    async def _rest_of(self, path: str, after: str | None) -> list[int]:
        """The members on the pages from *after* on."""
        found: list[int] = []
        while after is not None:
            data = await self._questions.answer(self._query([(path, after)]))
            members = looking.at(data, "g0", "groupMembers")
            if not isinstance(members, dict):
                raise Unreadable(f"{self._api.base_url.host} told only of a part of the members of {path}")
            found += _numbers(members)
            after = _after(members)
        return found

    def _query(self, wanted: Sequence[tuple[str, str | None]]) -> str:
        relations = f"relations:[{','.join(self.relations)}]"
        parts = []
        for index, (path, after) in enumerate(wanted):
            place = "" if after is None else f",after:{_literal(after)}"
            members = f"groupMembers({relations},first:{_PAGE}{place}){_FIELDS}"
            parts.append(f"g{index}:group(fullPath:{_literal(path)}){{{members}}}")
        return f"query{{{' '.join(parts)}}}"

    async def _by_rest(self, path: str) -> list[int]:
        """The members by the REST API, which knows two of the relations."""
        if beyond := [relation for relation in self.relations if relation not in RELATIONS[:2]]:
            raise Unreadable(
                f"{self._api.base_url.host} tells members by {', '.join(beyond)} with GraphQL alone,"
                f" which {self._api.credentials.name} may not use"
            )
        address = f"{group_path(path)}/members{'/all' if 'INHERITED' in self.relations else ''}"
        found: list[int] = []
        async for page in self._api.pages(address, params={"per_page": _PAGE}):
            found += [number for each in page if isinstance(each, dict) and isinstance(number := each.get("id"), int)]
        return found


def relations_of(said: Sequence[str] | None, *, inherited: bool, at: str) -> list[str]:
    """How somebody may belong to a group, by what the configuration says. Raises InvalidConfiguration."""
    if said is None:
        return ["DIRECT", "INHERITED"] if inherited else ["DIRECT"]
    if wrong := [relation for relation in said if relation not in RELATIONS]:
        raise InvalidConfiguration(f"{at}.relations: expected {', '.join(RELATIONS)}, got {wrong[0]!r}")
    return list(dict.fromkeys(["DIRECT", *said]))


def _literal(text: str) -> str:
    return json.encode(text).decode()


def _numbers(members: JsonValue) -> list[int]:
    ids = [looking.at(node, "user", "id") for node in looking.objects_at(members, "nodes")]
    numbers = [str(each).rpartition("/")[2] for each in ids if each is not None]
    return [int(number) for number in numbers if number.isdecimal()]


def _after(members: JsonValue) -> str | None:
    has_more = looking.at(members, "pageInfo", "hasNextPage") is True
    return looking.text_at(members, "pageInfo", "endCursor") if has_more else None
