"""What the webhooks of code hosts tell."""

from collections.abc import Callable
from typing import Any

import pytest

from callboard.errors import InvalidInput
from callboard.model.pushes import Push, event_of, is_push, parse_pushes
from callboard.model.repositories import System
from tests import payloads
from tests.payloads import AFTER, NOTHING, commit

Payload = Callable[..., dict[str, Any]]
WITH_FILES = [
    pytest.param(System.GITHUB, payloads.github, id="github"),
    pytest.param(System.GITLAB, payloads.gitlab, id="gitlab"),
    pytest.param(System.GITEA, payloads.gitea, id="gitea"),
]


def one(system: System, payload: dict[str, Any]) -> Push:
    [push] = parse_pushes(system, payload)
    return push


def changes(push: Push) -> tuple[set[str], set[str], set[str]]:
    return set(push.added), set(push.modified), set(push.removed)


@pytest.mark.parametrize(("system", "payload"), WITH_FILES)
def test_a_push_names_its_repository_its_branch_its_commit_and_its_files(system: System, payload: Payload) -> None:
    push = one(system, payload(commit(added=["a"], modified=["m"], removed=["r"])))

    assert push.branch.system is system
    assert push.branch.repository.endswith("/acme/shop")
    assert (push.branch.name, push.branch.is_default, push.commit, push.complete) == ("main", True, AFTER, True)
    assert changes(push) == ({"a"}, {"m"}, {"r"})
    assert push.touched == {"a", "m", "r"}
    assert str(push) == f"{system} push aaaaaaaaaaaa"


@pytest.mark.parametrize(("system", "payload"), WITH_FILES)
def test_only_what_is_left_of_several_commits_counts(system: System, payload: Payload) -> None:
    first = commit("b" * 40, added=["short", "new"], removed=["replaced", "gone"], modified=["edited", "doomed"])
    last = commit(added=["replaced"], removed=["short", "doomed"], modified=["new"])

    push = one(system, payload(first, last))

    assert changes(push) == ({"new"}, {"replaced", "edited"}, {"gone", "doomed"})


def test_the_order_of_gitea_which_tells_the_last_commit_first_is_turned_round() -> None:
    first, last = commit("b" * 40, added=["a"]), commit(removed=["a"])

    push = one(System.GITEA, payloads.gitea(last, first))

    assert push.touched == set()


@pytest.mark.parametrize(("system", "payload"), WITH_FILES)
def test_a_branch_that_is_not_the_default_one_is_told_as_such(system: System, payload: Payload) -> None:
    push = one(system, payload(commit(added=["a"]), ref="refs/heads/feature/x"))

    assert (push.branch.name, push.branch.is_default) == ("feature/x", False)


@pytest.mark.parametrize(("system", "payload"), WITH_FILES)
@pytest.mark.parametrize("more", [{"ref": "refs/tags/v1"}, {"after": NOTHING}])
def test_tags_and_removed_branches_are_no_pushes(system: System, payload: Payload, more: dict[str, Any]) -> None:
    assert parse_pushes(system, payload(**more)) == []


@pytest.mark.parametrize(
    ("system", "payload"),
    [
        (System.GITHUB, payloads.github()),
        (System.GITHUB, payloads.github(commit(added=["a"]), forced=True)),
        (System.GITHUB, payloads.github(commit(added=["a"]), created=True)),
        (System.GITHUB, payloads.github(commit(added=["a"]), before=NOTHING)),
        (System.GITHUB, payloads.github(commit(added=["a"]), commit("b" * 40))),
        (System.GITHUB, payloads.github(*(commit(f"{number:040}", added=["a"]) for number in range(2048)))),
        (System.GITLAB, payloads.gitlab()),
        (System.GITLAB, payloads.gitlab(commit(added=["a"]), total_commits_count=21)),
        (System.GITLAB, payloads.gitlab(commit(added=["a"]), before=NOTHING)),
        (System.GITEA, payloads.gitea(commit(added=["a"]), total_commits=6)),
        (System.BITBUCKET_CLOUD, payloads.bitbucket("main")),
    ],
)
def test_a_push_that_does_not_tell_all_files_may_have_touched_any(system: System, payload: dict[str, Any]) -> None:
    push = one(system, payload)

    assert not push.complete
    assert push.touched == set()


def test_bitbucket_tells_of_several_branches_at_once() -> None:
    tag = {"old": None, "new": {"type": "tag", "name": "v1", "target": {"hash": AFTER}}}
    removed = {"old": {"type": "branch", "name": "old"}, "new": None}

    pushes = parse_pushes(System.BITBUCKET_CLOUD, payloads.bitbucket("main", "next", more=[tag, removed]))

    assert [(push.branch.name, push.branch.is_default, push.commit) for push in pushes] == [
        ("main", None, AFTER),
        ("next", None, AFTER),
    ]
    assert {push.branch.repository for push in pushes} == {"https://bitbucket.org/acme/shop"}


@pytest.mark.parametrize(
    ("system", "headers", "body", "expected"),
    [
        (System.GITHUB, {"x-github-event": "push"}, {}, True),
        (System.GITHUB, {"x-github-event": "ping"}, {"zen": "Bake."}, False),
        (System.GITLAB, {}, {"object_kind": "push"}, True),
        (System.GITLAB, {}, {"object_kind": "tag_push"}, False),
        (System.GITLAB, {}, {"event_name": "project_create"}, False),
        (System.BITBUCKET_CLOUD, {"x-event-key": "repo:push"}, {}, True),
        (System.BITBUCKET_CLOUD, {"x-event-key": "pullrequest:created"}, {}, False),
        (System.BITBUCKET_SERVER, {"x-event-key": "repo:refs_changed"}, {}, True),
        (System.BITBUCKET_SERVER, {"x-event-key": "diagnostics:ping"}, {"test": True}, False),
        (System.AZURE_DEVOPS, {}, {"eventType": "git.push"}, True),
        (System.AZURE_DEVOPS, {}, {"eventType": "git.repo.created"}, False),
        (System.GITEA, {"x-gitea-event": "push"}, {}, True),
        (System.GITEA, {"x-gitea-event": "issues"}, {}, False),
        (System.GERRIT, {}, payloads.gerrit(), True),
        (System.GERRIT, {}, {"type": "change-merged"}, False),
    ],
)
def test_each_system_says_in_its_way_what_has_happened(
    system: System, headers: dict[str, str], body: dict[str, Any], expected: bool
) -> None:
    assert is_push(system, event_of(system, headers, body)) is expected


@pytest.mark.parametrize(
    ("system", "missing"),
    [
        (System.GITHUB, "request/headers must have required property 'x-github-event'"),
        (System.GITLAB, "request/body must have required property 'object_kind'"),
        (System.BITBUCKET_CLOUD, "request/headers must have required property 'x-event-key'"),
        (System.GITEA, "request/headers must have required property 'x-gitea-event'"),
        (System.BITBUCKET_SERVER, "request/headers must have required property 'x-event-key'"),
        (System.AZURE_DEVOPS, "request/body must have required property 'eventType'"),
        (System.GERRIT, "request/body must have required property 'type'"),
    ],
)
def test_a_webhook_that_does_not_say_what_has_happened_is_refused(system: System, missing: str) -> None:
    with pytest.raises(InvalidInput, match=missing):
        event_of(system, {}, {})


@pytest.mark.parametrize(
    ("system", "payload", "reason"),
    [
        (System.GITHUB, {}, "request/body must have required property 'ref'"),
        (System.GITHUB, {**payloads.github(), "ref": 3}, "request/body/ref must be string"),
        (
            System.GITHUB,
            payloads.github(repository={}),
            "request/body/repository must have required property 'html_url'",
        ),
        (System.GITHUB, payloads.github(repository=[]), "request/body/repository must be object"),
        (System.GITHUB, payloads.github(commits={}), "request/body/commits must be array"),
        (System.GITHUB, payloads.github({"id": "x"}), "request/body/commits/0 must have required property 'added'"),
        (System.GITHUB, payloads.github(commit(added=["a", 3])), "request/body/commits/0/added/1 must be string"),  # type: ignore[list-item]
        (System.GITLAB, payloads.gitlab(project=None), "request/body/project must be object"),
        (
            System.GITLAB,
            payloads.gitlab(commit(), total_commits_count="x"),
            "request/body/total_commits_count must be int",
        ),
        (System.GITEA, payloads.gitea(commits=None), "request/body/commits must be array"),
        (System.BITBUCKET_CLOUD, {}, "request/body must have required property 'repository'"),
        (System.BITBUCKET_SERVER, {}, "request/body must have required property 'changes'"),
        (
            System.BITBUCKET_SERVER,
            {**payloads.bitbucket_server("main"), "repository": {"links": {"self": 5}}},
            "request/body/repository/links/self must be array",
        ),
        (
            System.BITBUCKET_SERVER,
            {**payloads.bitbucket_server("main"), "repository": {}},
            "request/body/repository must have required property 'project'",
        ),
        (System.AZURE_DEVOPS, {}, "request/body must have required property 'resource'"),
        (
            System.AZURE_DEVOPS,
            {"resource": {"repository": {}}},
            "request/body/resource/repository must have required property 'remoteUrl'",
        ),
        (
            System.BITBUCKET_CLOUD,
            payloads.bitbucket(more=[{"new": {"type": "branch", "name": "x"}}]),
            "request/body/push/changes/0/new must have required property 'target'",
        ),
    ],
)
def test_what_is_missing_or_of_another_type_is_named(system: System, payload: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput) as wrong:
        parse_pushes(system, payload)

    assert str(wrong.value).startswith(reason)


def test_gitea_may_write_an_empty_list_as_null() -> None:
    payload = payloads.gitea({**commit(added=["a"]), "modified": None, "removed": None})

    assert changes(one(System.GITEA, payload)) == ({"a"}, set(), set())


def test_bitbucket_server_tells_branches_and_not_always_on_which_host() -> None:
    told = parse_pushes(System.BITBUCKET_SERVER, payloads.bitbucket_server("main", "f/x"), roots=["https://other"])
    untold = parse_pushes(
        System.BITBUCKET_SERVER, payloads.bitbucket_server("main", url=None), roots=["https://one", "https://two/"]
    )

    assert [(push.branch.name, push.complete, push.commit) for push in told] == [
        ("main", False, payloads.AFTER),
        ("f/x", False, payloads.AFTER),
    ]
    assert told[0].branch.repository == "https://bitbucket.example.com/projects/ACME/repos/shop"
    assert [push.branch.repository for push in untold] == [
        "https://one/projects/ACME/repos/shop",
        "https://two/projects/ACME/repos/shop",
    ]


def test_tags_and_removed_branches_of_bitbucket_server_are_no_pushes() -> None:
    body = payloads.bitbucket_server("main", "next")
    body["changes"][0]["ref"]["type"] = "TAG"
    body["changes"][1]["toHash"] = NOTHING

    assert parse_pushes(System.BITBUCKET_SERVER, body) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://dev.azure.com/acme/My%20Project/_git/shop",
        "https://acme@dev.azure.com/acme/My%20Project/_git/shop",
        "https://acme.visualstudio.com/My%20Project/_git/shop",
        "https://acme.visualstudio.com/DefaultCollection/My%20Project/_git/shop",
    ],
)
def test_azure_devops_tells_branches_under_any_of_its_names(url: str) -> None:
    (main, side) = parse_pushes(System.AZURE_DEVOPS, payloads.azure("main", "side", url=url))

    assert main.branch.repository == "https://dev.azure.com/acme/My%20Project/_git/shop"
    assert (main.branch.is_default, side.branch.is_default, main.complete) == (True, False, False)


def test_tags_and_removed_branches_of_azure_devops_are_no_pushes() -> None:
    body = payloads.azure("main", "next")
    body["resource"]["refUpdates"][0]["name"] = "refs/tags/v1"
    body["resource"]["refUpdates"][1]["newObjectId"] = NOTHING

    assert parse_pushes(System.AZURE_DEVOPS, body) == []


@pytest.mark.parametrize("ref", ["refs/heads/feature/till", "feature/till"])
def test_gerrit_tells_a_branch_with_or_without_its_beginning_and_never_on_which_host(ref: str) -> None:
    found = parse_pushes(System.GERRIT, payloads.gerrit(ref), roots=["https://one/g/", "https://two"])

    assert [(push.branch.repository, push.branch.name) for push in found] == [
        ("https://one/g/acme/shop", "feature/till"),
        ("https://two/acme/shop", "feature/till"),
    ]
    assert not any(push.complete for push in found)


@pytest.mark.parametrize(
    "body",
    [payloads.gerrit("refs/changes/01/1/meta"), payloads.gerrit("refs/tags/v1"), payloads.gerrit(after=NOTHING)],
)
def test_changes_tags_and_removed_branches_of_gerrit_are_no_pushes(body: dict[str, Any]) -> None:
    assert parse_pushes(System.GERRIT, body, roots=["https://one"]) == []
