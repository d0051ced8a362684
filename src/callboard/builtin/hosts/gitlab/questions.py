"""Questions: what is asked about many projects with one request, by GraphQL.

What GraphQL says nothing about is asked again of the REST API, whose errors say what is wrong. A token that may not use
it, or an installation that has no such fields, is served by REST alone.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from callboard.builtin.hosts import looking
from callboard.builtin.hosts.asking import Api
from callboard.builtin.hosts.repositories import Head
from callboard.errors import LocationNotFound, NotAllowed, Unreadable
from callboard.extend import JsonObject, JsonValue
from callboard.model import json

_log = structlog.get_logger(__name__)

MOST = 50
"""Projects that may be named in one query."""
_MOST_CHARACTERS = 8_000
"""A query may have 10,000."""
_ADDRESS = "../graphql"
"""From that of the REST API."""


class TooComplex(Exception):
    """GitLab counts what a query costs it, and has refused this one."""


@dataclass(slots=True)
class Questions:
    """Asks one installation."""

    api: Api
    is_refused: bool = False
    """Whether it has said that it does not answer such questions."""

    async def heads(self, wanted: Sequence[Head]) -> dict[Head, str]:
        """The commits of those that it tells of. Raises Unreadable."""

        def commit(project: JsonObject) -> JsonValue:
            return looking.at(project, "repository", "tree", "lastCommit", "sha")

        found = await self._ask(wanted, lambda ref: f"repository{{tree{_at(ref)}{{lastCommit{{sha}}}}}}", commit)
        return {head: sha for head, sha in found.items() if isinstance(sha, str)}

    async def holders(self, wanted: Sequence[Head], path: str) -> dict[Head, bool]:
        """Whether there is a file at *path*, of those that it tells of. Raises Unreadable."""

        def files(project: JsonObject) -> JsonValue:
            return looking.at(project, "repository", "blobs", "nodes")

        named = json.encode([path]).decode()
        found = await self._ask(
            wanted, lambda ref: f"repository{{blobs{_at(ref, f'paths:{named}')}{{nodes{{path}}}}}}", files
        )
        # Null is no list without entries: git may have failed for this project.
        return {head: bool(nodes) for head, nodes in found.items() if isinstance(nodes, list)}

    async def _ask(
        self, wanted: Sequence[Head], fields: "Callable[[str | None], str]", told: Callable[[JsonObject], JsonValue]
    ) -> dict[Head, JsonValue]:
        if self.is_refused or not wanted:
            return {}
        query, refs = _query(wanted, fields)
        try:
            if len(wanted) > MOST or len(query) > _MOST_CHARACTERS:
                raise TooComplex
            data = await self.answer(query)
        except TooComplex:
            if len(wanted) == 1:
                return {}
            half = len(wanted) // 2
            return {**await self._ask(wanted[:half], fields, told), **await self._ask(wanted[half:], fields, told)}
        return _found(data, refs, wanted, told)

    async def answer(self, query: str) -> JsonObject:
        """What is said to *query*; nothing, when such questions are not answered. Raises TooComplex and Unreadable."""
        try:
            said = (await self.api.ask("POST", _ADDRESS, body={"query": query})).object()
        except (NotAllowed, LocationNotFound) as error:
            return self._refuse(str(error))
        data, errors = said.get("data"), said.get("errors")
        if isinstance(data, dict):
            return data
        reason = _message(errors)
        if "complexity" in reason:
            raise TooComplex
        return self._refuse(reason)

    def _refuse(self, reason: str) -> JsonObject:
        self.is_refused = True
        _log.warning("gitlab.no_graphql", host=self.api.base_url.host, reason=reason)
        return {}


def _query(wanted: Sequence[Head], fields: "Callable[[str | None], str]") -> tuple[str, list[str | None]]:
    """The query, and the refs that its parts are about."""
    by_ref: defaultdict[str | None, list[str]] = defaultdict(list)
    for head in wanted:
        by_ref[head.ref].append(head.repository)
    parts = [
        f"q{index}:projects(fullPaths:{json.encode(paths).decode()},first:{MOST}){{nodes{{fullPath {fields(ref)}}}}}"
        for index, (ref, paths) in enumerate(by_ref.items())
    ]
    return f"query{{{' '.join(parts)}}}", list(by_ref)


def _at(ref: str | None, *more: str) -> str:
    """The arguments of a field that knows refs; without one it takes the default branch."""
    arguments = [*more, *([] if ref is None else [f"ref:{json.encode(ref).decode()}"])]
    return f"({','.join(arguments)})" if arguments else ""


def _found(
    data: JsonObject,
    refs: Sequence[str | None],
    wanted: Sequence[Head],
    told: Callable[[JsonObject], JsonValue],
) -> dict[Head, JsonValue]:
    by_place = {(head.ref, head.repository.lower()): head for head in wanted}
    found: dict[Head, JsonValue] = {}
    for index, ref in enumerate(refs):
        for project in looking.objects_at(data, f"q{index}", "nodes"):
            path = looking.text_at(project, "fullPath")
            head = None if path is None else by_place.get((ref, path.lower()))
            if head is not None:
                found[head] = told(project)
    return found


def _message(errors: JsonValue) -> str:
    if not isinstance(errors, list):
        raise Unreadable("GitLab answered a GraphQL query with neither data nor errors")
    messages = [str(error.get("message", "")) for error in errors if isinstance(error, dict)]
    return "; ".join(messages)[:500]
