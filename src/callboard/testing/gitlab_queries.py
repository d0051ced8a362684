"""Queries: the GraphQL API of the fake GitLab.

They are executed by `graphql-core` over an excerpt of GitLab's schema, and cost what they would cost there: what GitLab
would refuse is refused here as well (`pip install 'callboard[testing]'`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphql import FieldNode, GraphQLSchema, IntValueNode, OperationDefinitionNode, build_schema, graphql_sync, parse

from callboard.testing.repositories import FakeRepository

if TYPE_CHECKING:
    from callboard.testing.gitlab import FakeGitLab, FakeGitLabUser

_SCHEMA = """
type PageInfo { hasNextPage: Boolean! endCursor: String }
type Commit { sha: String! }
type Tree { lastCommit: Commit }
type RepositoryBlob { path: String! }
type RepositoryBlobConnection { nodes: [RepositoryBlob] }
type Repository {
  rootRef: String
  tree(path: String, ref: String): Tree
  blobs(paths: [String!]!, ref: String): RepositoryBlobConnection
}
type Project { id: ID! fullPath: ID! webUrl: String repository: Repository }
type ProjectConnection { nodes: [Project] pageInfo: PageInfo! }
type UserCore {
  id: ID! username: String! name: String! publicEmail: String state: String! webUrl: String! avatarUrl: String
  groupMemberships(first: Int, after: String): GroupMemberConnection
}
enum GroupMemberRelation { DIRECT INHERITED DESCENDANTS SHARED_FROM_GROUPS }
type GroupMember { user: UserCore group: Group }
type GroupMemberConnection { nodes: [GroupMember] pageInfo: PageInfo! }
type Group {
  id: ID! fullPath: ID! name: String! description: String
  groupMembers(relations: [GroupMemberRelation!], first: Int, after: String): GroupMemberConnection
}
type Query {
  projects(fullPaths: [String!], first: Int): ProjectConnection
  group(fullPath: ID!): Group
  user(username: String!): UserCore
}
"""
_MOST_PATHS = 50
_CONNECTIONS = ("projects", "blobs", "groupMembers", "groupMemberships")
_COSTS_OF_GIT = {"tree": 1, "lastCommit": 1, "blobs": 15}


class Queries:
    """Answers queries about what *host* has."""

    def __init__(self, host: "FakeGitLab") -> None:
        self._host = host
        self._schema: GraphQLSchema = build_schema(_SCHEMA)

    def answer(self, query: str, variables: Mapping[str, Any] | None) -> dict[str, Any]:
        """The data, and the errors if there are any."""
        root = {"projects": self._projects, "group": self._group, "user": self._user}
        result = graphql_sync(self._schema, query, root, variable_values=dict(variables or {}))
        told: dict[str, Any] = {"data": result.data}
        if result.errors:
            told["errors"] = [{"message": error.message} for error in result.errors]
        return told

    def _projects(self, _info: object, fullPaths: Sequence[str] = (), first: int = 100) -> Mapping[str, Any]:  # noqa: N803 - as it is called
        if len(fullPaths) > _MOST_PATHS:
            raise ValueError(f"You cannot provide more than {_MOST_PATHS} full paths.")
        wanted = {path.lower() for path in fullPaths}
        found = [each for each in self._host.repositories.values() if each.slug.lower() in wanted]
        nodes = [
            {
                "id": f"gid://gitlab/Project/{each.number}",
                "fullPath": each.slug,
                "webUrl": f"{self._host.web}/{each.slug}",
                "repository": _repository(each),
            }
            for each in found[:first]
        ]
        return {"nodes": nodes, "pageInfo": {"hasNextPage": len(found) > first}}

    def _group(self, _info: object, fullPath: str) -> Mapping[str, Any] | None:  # noqa: N803 - as it is called
        group = self._host.groups.get(fullPath)
        if group is None:
            return None

        def members(
            _info: object,
            relations: Sequence[str] = ("DIRECT", "INHERITED"),
            first: int = 100,
            after: str | None = None,
        ) -> Mapping[str, Any]:
            names = self._host.members_of(group, relations)
            begin = int(after or 0)
            end = begin + min(first, self._host.page_size)
            nodes = [{"user": self._core(self._host.users[name])} for name in names[begin:end]]
            return {"nodes": nodes, "pageInfo": {"hasNextPage": end < len(names), "endCursor": str(end)}}

        number = f"gid://gitlab/Group/{group.number}"
        return {
            "id": number,
            "fullPath": group.path,
            "name": group.name,
            "description": group.description or None,
            "groupMembers": members,
        }

    def _user(self, _info: object, username: str) -> Mapping[str, Any] | None:
        return self._core(self._host.users[username]) if username in self._host.users else None

    def _core(self, user: "FakeGitLabUser") -> Mapping[str, Any]:
        def memberships(_info: object, first: int = 100, after: str | None = None) -> Mapping[str, Any]:
            groups = [group for group in self._host.sorted_groups() if user.username in group.members]
            nodes = [
                {"group": {"fullPath": each.path, "name": each.name, "description": each.description or None}}
                for each in groups[:first]
            ]
            return {"nodes": nodes, "pageInfo": {"hasNextPage": len(groups) > first, "endCursor": "more"}}

        return {
            "groupMemberships": memberships,
            "id": f"gid://gitlab/User/{user.number}",
            "username": user.username,
            "name": user.name,
            "publicEmail": user.email,
            "state": user.state,
            "webUrl": f"{self._host.web}/{user.username}",
            "avatarUrl": f"{self._host.web}/uploads/{user.username}.png",
        }


def _repository(repository: FakeRepository) -> Mapping[str, Any]:
    def tree(_info: object, path: str = "", ref: str | None = None) -> Mapping[str, Any]:
        commit = repository.at(ref)
        return {"lastCommit": {"sha": commit.sha} if commit is not None else None}

    def blobs(_info: object, paths: Sequence[str], ref: str | None = None) -> Mapping[str, Any]:
        commit = repository.at(ref)
        files = commit.files if commit is not None else {}
        return {"nodes": [{"path": path} for path in paths if path in files]}

    found: dict[str, Callable[..., Any] | str] = {"tree": tree, "blobs": blobs, "rootRef": repository.default_branch}
    return found


def cost_of(query: str) -> int:
    """What a query costs: one for each field, more for those that ask git, and a little more for lists."""

    def cost(node: FieldNode) -> float:
        inner = node.selection_set.selections if node.selection_set else ()
        name = node.name.value
        own = 1 + _COSTS_OF_GIT.get(name, 0) + sum(cost(field) for field in inner if isinstance(field, FieldNode))
        if name not in _CONNECTIONS:
            return own
        sizes = [
            int(each.value.value)
            for each in node.arguments or ()
            if each.name.value == "first" and isinstance(each.value, IntValueNode)
        ]
        return own * (1 + min([*sizes, 100]) * 0.01)

    operations = [each for each in parse(query).definitions if isinstance(each, OperationDefinitionNode)]
    selections = [each for operation in operations for each in operation.selection_set.selections]
    return round(sum(cost(each) for each in selections if isinstance(each, FieldNode)))
