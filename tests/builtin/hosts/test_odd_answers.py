"""Hosts that answer something that nobody expects are errors of what was read, and never more than that."""

import contextlib
from collections.abc import Awaitable, Callable

import pytest

from callboard.builtin.hosts import azure_devops, bitbucket_cloud, bitbucket_server, gerrit, gitea, gitlab
from callboard.errors import CallboardError, Unreadable
from callboard.extend import CodeHost, IncrementalEntityProvider
from callboard.model.json import JsonObject, JsonValue
from callboard.testing import FakeClock
from callboard.testing.azure_devops import FakeAzureDevOps
from callboard.testing.bitbucket_cloud import FakeBitbucketCloud
from callboard.testing.bitbucket_server import FakeBitbucketServer
from callboard.testing.gerrit import FakeGerrit
from callboard.testing.gitea import FakeGitea
from callboard.testing.gitlab import FakeGitLab
from callboard.testing.repositories import Failure, FakeCodeHost
from tests.builtin.hosts.reading import context_of

_ODD: list[JsonValue] = [
    None,
    5,
    "text",
    [],
    {},
    [None, 5, "text", [], {}],
    [{"id": "x", "path_with_namespace": 5, "web_url": None, "full_path": 5, "username": 5, "name": 5, "owner": []}],
    {"data": None},
    {"data": 5, "errors": [5, {"message": 5}]},
    {"data": {"q0": [], "g0": 5, "user": {"groupMemberships": {"nodes": 5}}}},
    {"data": {"q0": {"nodes": [5, {"fullPath": 5}, {"fullPath": "acme/shop", "repository": {"tree": 5, "blobs": 5}}]}}},
    {"data": {"g0": {"groupMembers": {"nodes": [None, {"user": {"id": 5}}], "pageInfo": {"hasNextPage": True}}}}},
    {"tree": [5, {"type": "blob"}], "truncated": True, "entries": 5, "commit": [], "default_branch": 5, "id": 5},
    {"acme/shop": 5, "other": {"branches": 5}},
    {"values": [{"links": 5, "mainbranch": 5, "file": 5, "path_matches": 5, "id": 5, "project": 5}], "next": 5},
    {"value": [{"commitId": 5, "project": 5, "gitObjectType": "blob"}], "results": [{"versions": 5, "path": 5}]},
]

Look = Callable[[], Awaitable[object]]


def gitlab_of(clock: FakeClock) -> tuple[FakeCodeHost, CodeHost, list[IncrementalEntityProvider], str]:
    host = FakeGitLab(clock=clock)
    providers: JsonObject = {
        "gitlab": {
            "all": {"host": "gitlab.com", "group": "acme", "orgEnabled": True},
            "some": {"host": "gitlab.com", "groupPattern": "x"},
            "found": {"host": "gitlab.com", "group": "acme", "useSearch": True},
        }
    }
    context = context_of(host, clock, {"gitlab": [{"token": "t0ken"}]}, providers)
    found = [*gitlab.discovery(context), *gitlab.organizations(context)]
    return host, gitlab.code_hosts(context)[0], list(found), "https://gitlab.com/acme/shop/-/blob/main"


def gitea_of(clock: FakeClock) -> tuple[FakeCodeHost, CodeHost, list[IncrementalEntityProvider], str]:
    host = FakeGitea(clock=clock)
    providers: JsonObject = {"gitea": {"all": {"host": host.host, "organization": "acme"}}}
    context = context_of(host, clock, {"gitea": [{"host": host.host, "password": "t0ken"}]}, providers)
    reader = gitea.code_hosts(context)[0]
    return host, reader, list(gitea.discovery(context)), "https://gitea.example.com/acme/shop/src/branch/main"


def gerrit_of(clock: FakeClock) -> tuple[FakeCodeHost, CodeHost, list[IncrementalEntityProvider], str]:
    host = FakeGerrit(clock=clock)
    providers: JsonObject = {"gerrit": {"all": {"host": host.host, "query": "state=ACTIVE"}}}
    entry: JsonObject = {"host": host.host, "username": "carol", "password": "t0ken"}
    context = context_of(host, clock, {"gerrit": [entry]}, providers)
    reader = gerrit.code_hosts(context)[0]
    return host, reader, list(gerrit.discovery(context)), "https://gerrit.example.com/acme/shop/+/refs/heads/main"


def bitbucket_cloud_of(clock: FakeClock) -> tuple[FakeCodeHost, CodeHost, list[IncrementalEntityProvider], str]:
    host = FakeBitbucketCloud(clock=clock)
    providers: JsonObject = {"bitbucketCloud": {"workspace": "acme"}}
    context = context_of(host, clock, {"bitbucketCloud": [{"token": "t0ken"}]}, providers)
    found = list(bitbucket_cloud.discovery(context))
    return host, bitbucket_cloud.code_hosts(context)[0], list(found), "https://bitbucket.org/acme/shop/src/main"


def bitbucket_server_of(clock: FakeClock) -> tuple[FakeCodeHost, CodeHost, list[IncrementalEntityProvider], str]:
    host = FakeBitbucketServer(clock=clock)
    providers: JsonObject = {"bitbucketServer": {"host": host.host}}
    context = context_of(host, clock, {"bitbucketServer": [{"host": host.host, "token": "t0ken"}]}, providers)
    reader, root = bitbucket_server.code_hosts(context)[0], f"{host.web}/projects/ACME/repos/shop/browse"
    return host, reader, list(bitbucket_server.discovery(context)), root


def azure_devops_of(clock: FakeClock) -> tuple[FakeCodeHost, CodeHost, list[IncrementalEntityProvider], str]:
    host = FakeAzureDevOps(clock=clock)
    providers: JsonObject = {"azureDevOps": {"all": {"organization": "acme"}}}
    context = context_of(host, clock, {"azure": [{"token": "t0ken"}]}, providers)
    reader, root = azure_devops.code_hosts(context)[0], "https://dev.azure.com/acme/shop/_git/shop?path="
    return host, reader, list(azure_devops.discovery(context)), root


OBJECTS = [bitbucket_cloud_of, bitbucket_server_of, azure_devops_of]
"""Hosts that tell lists as members of objects."""


@pytest.mark.parametrize("odd", _ODD, ids=str)
@pytest.mark.parametrize("made", [gitlab_of, gitea_of, gerrit_of, *OBJECTS])
async def test_no_answer_is_more_than_an_error(
    made: Callable[[FakeClock], tuple[FakeCodeHost, CodeHost, list[IncrementalEntityProvider], str]], odd: JsonValue
) -> None:
    host, reader, providers, root = made(FakeClock())
    looks: list[Look] = [
        lambda: reader.read(f"{root}/a/b.yaml"),
        lambda: reader.expand(f"{root}/**/b.yaml"),
        lambda: reader.find(root, "b.yaml"),
        *(lambda provider=provider: provider.next(None) for provider in providers),
    ]

    for look in looks:
        host.failures.extend(Failure(status=200, body=odd) for _ in range(1_100))
        with contextlib.suppress(CallboardError):
            await look()
        assert host.failures, "no question is asked for ever"
        host.failures.clear()


@pytest.mark.parametrize("made", [gitlab_of, gitea_of])
async def test_a_list_with_something_else_in_it_is_no_shorter_list(
    made: Callable[[FakeClock], tuple[FakeCodeHost, CodeHost, list[IncrementalEntityProvider], str]],
) -> None:
    host, _, providers, _ = made(FakeClock())

    for provider in providers:
        host.failures.append(Failure(status=200, body=[{"id": 1}, 5]))
        with pytest.raises(CallboardError):
            await provider.next(None)
        host.failures.clear()


@pytest.mark.parametrize(
    ("made", "before"),
    [(bitbucket_cloud_of, [{"values": [{"key": "A"}]}]), (bitbucket_server_of, []), (azure_devops_of, [])],
)
@pytest.mark.parametrize("told", [5, [5], [{"path_matches": [1], "project": {"key": "A"}}]], ids=str)
async def test_a_list_within_an_object_with_something_else_in_it_is_no_shorter_list(
    made: Callable[[FakeClock], tuple[FakeCodeHost, CodeHost, list[IncrementalEntityProvider], str]],
    before: list[JsonValue],
    told: JsonValue,
) -> None:
    host, reader, (provider,), root = made(FakeClock())
    odd: JsonObject = {"values": told, "value": told, "results": told}

    host.failures.extend(Failure(status=200, body=body) for body in [*before, odd])
    with pytest.raises(Unreadable):
        await provider.next(None)
    host.failures.clear()
    host.failures.append(Failure(status=200, body=odd))
    with pytest.raises(Unreadable):
        await reader.read(f"{root}/a.yaml")
