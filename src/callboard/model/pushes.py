"""Pushes: what the webhooks of code hosts tell about commits that have come into a branch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from callboard.errors import InvalidInput
from callboard.model.json import JsonObject, JsonValue
from callboard.model.repositories import Branch, System, azure_roots

_BRANCHES = "refs/heads/"
_NOTHING = "0" * 40
"""The commit before the first one, and after the last one."""

_GITHUB_MOST_COMMITS = 2048
"""GitHub lists no more of them, and does not say when there were more."""

_EVENT_HEADERS = {
    System.GITHUB: "x-github-event",
    System.BITBUCKET_CLOUD: "x-event-key",
    System.BITBUCKET_SERVER: "x-event-key",
    System.GITEA: "x-gitea-event",
}
_PUSHES = {
    System.GITHUB: "push",
    System.GITLAB: "push",
    System.BITBUCKET_CLOUD: "repo:push",
    System.BITBUCKET_SERVER: "repo:refs_changed",
    System.AZURE_DEVOPS: "git.push",
    System.GITEA: "push",
    System.GERRIT: "ref-updated",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Commits that have come into a branch, and what has become of its files from the first to the last of them."""

    branch: Branch
    commit: str
    """The last one."""
    complete: bool
    """Whether all files that were touched are told. If not, any file of the branch may have been."""
    added: frozenset[str] = frozenset()
    modified: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()

    @property
    def touched(self) -> frozenset[str]:
        """The paths of all files that are other than before."""
        return self.added | self.modified | self.removed

    @property
    def hides_old_names(self) -> bool:
        """Whether a file that was renamed is told as added only: GitLab does not say what it was called."""
        return self.branch.system is System.GITLAB

    def __str__(self) -> str:
        return f"{self.branch.system} push {self.commit[:12]}"


def event_of(system: System, headers: Mapping[str, str], body: JsonObject) -> str:
    """What a webhook tells, in the words of the *system*. Raises InvalidInput when it does not say."""
    if system is System.GITLAB:
        # The header has another word for the same event when it comes from the whole instance.
        kind = body.get("object_kind", body.get("event_name"))
        if not isinstance(kind, str):
            raise InvalidInput("request/body must have required property 'object_kind'")
        return kind
    if system is System.AZURE_DEVOPS:
        return _Part(body).text("eventType")
    if system is System.GERRIT:
        return _Part(body).text("type")
    event = headers.get(_EVENT_HEADERS[system])
    if event is None:
        raise InvalidInput(f"request/headers must have required property '{_EVENT_HEADERS[system]}'")
    return event


def is_push(system: System, event: str) -> bool:
    """Whether *event* is a push to anything."""
    return event == _PUSHES[system]


def parse_pushes(system: System, body: JsonObject, *, roots: Sequence[str] = ()) -> list[Push]:
    """The pushes to branches that the *body* of a push webhook tells of; tags and removed branches are none.

    *roots* are the URLs of the hosts of the *system*: Bitbucket Server does not always say which one it is, and Gerrit
    never does. Raises InvalidInput with the name of what is missing, or has another type.
    """
    payload = _Part(body)
    match system:
        case System.BITBUCKET_CLOUD:
            return _bitbucket(payload)
        case System.BITBUCKET_SERVER:
            return _bitbucket_server(payload, roots)
        case System.AZURE_DEVOPS:
            return _azure(payload.part("resource"))
        case System.GERRIT:
            return _gerrit(payload.part("refUpdate"), roots)
    ref, after = payload.text("ref"), payload.text("after")
    if not ref.startswith(_BRANCHES) or not after.strip("0"):
        return []
    place, url = ("project", "web_url") if system is System.GITLAB else ("repository", "html_url")
    repository = payload.part(place)
    name = ref.removeprefix(_BRANCHES)
    default = repository.optional_text("default_branch")
    branch = Branch(
        system=system,
        repository=repository.text(url),
        name=name,
        is_default=None if default is None else default == name,
    )
    commits = payload.parts("commits")
    if not _are_all(system, payload, commits):
        return [Push(branch=branch, commit=after, complete=False)]
    return [_with_files(Push(branch=branch, commit=after, complete=True), commits)]


def _bitbucket(payload: "_Part") -> list[Push]:
    """Bitbucket names the branches that have changed, and no files."""
    repository = payload.part("repository").part("links").part("html").text("href")
    found: list[Push] = []
    for change in payload.part("push").parts("changes"):
        if change.value.get("new") is None:
            continue
        new = change.part("new")
        if new.text("type") == "branch":
            branch = Branch(system=System.BITBUCKET_CLOUD, repository=repository, name=new.text("name"))
            found.append(Push(branch=branch, commit=new.part("target").text("hash"), complete=False))
    return found


def _bitbucket_server(payload: "_Part", roots: Sequence[str]) -> list[Push]:
    """Bitbucket Server names the branches that have changed, and no files."""
    found: list[Push] = []
    for change in payload.parts("changes"):
        ref, after = change.part("ref"), change.text("toHash")
        if ref.text("type") != "BRANCH" or not after.strip("0"):
            continue
        for url in bitbucket_server_urls(payload.part("repository").value, roots):
            branch = Branch(system=System.BITBUCKET_SERVER, repository=url, name=ref.text("displayId"))
            found.append(Push(branch=branch, commit=after, complete=False))
    return found


def bitbucket_server_urls(repository: JsonObject, roots: Sequence[str]) -> list[str]:
    """The URL of a *repository* that a webhook of Bitbucket Server tells of. Raises InvalidInput.

    It is one, or one on each of the hosts *roots* when the webhook doesn't say on which.
    """
    told = _Part(repository, "request/body/repository")
    links = repository.get("links")
    if isinstance(links, dict) and links.get("self"):
        return [told.part("links").parts("self")[0].text("href").removesuffix("/browse").rstrip("/")]
    place = f"projects/{told.part('project').text('key')}/repos/{told.text('slug')}"
    return [f"{root.rstrip('/')}/{place}" for root in roots]


def _azure(resource: "_Part") -> list[Push]:
    """Azure DevOps names the branches that have changed, and no files."""
    repository = resource.part("repository")
    url, default = azure_roots(repository.text("remoteUrl"))[0], repository.optional_text("defaultBranch")
    found: list[Push] = []
    for update in resource.parts("refUpdates"):
        ref, after = update.text("name"), update.text("newObjectId")
        if not ref.startswith(_BRANCHES) or not after.strip("0"):
            continue
        branch = Branch(
            system=System.AZURE_DEVOPS,
            repository=url,
            name=ref.removeprefix(_BRANCHES),
            is_default=None if default is None else default == ref,
        )
        found.append(Push(branch=branch, commit=after, complete=False))
    return found


def _gerrit(update: "_Part", roots: Sequence[str]) -> list[Push]:
    """Gerrit names the branch that has changed, and no files. Older ones leave out `refs/heads/`."""
    ref, after, project = update.text("refName"), update.text("newRev"), update.text("project")
    name = ref.removeprefix(_BRANCHES)
    if name.startswith("refs/") or not after.strip("0"):
        return []
    branches = [Branch(system=System.GERRIT, repository=f"{root.rstrip('/')}/{project}", name=name) for root in roots]
    return [Push(branch=branch, commit=after, complete=False) for branch in branches]


def _are_all(system: System, payload: "_Part", commits: list["_Part"]) -> bool:
    """Whether *commits* tell all that has changed in the branch."""
    # Without commits it was made, or turned back to older ones; then nothing says which files are other than before.
    if not commits or payload.text("before") == _NOTHING:
        return False
    match system:
        case System.GITHUB:
            # A commit with very many files has empty lists, as one without any.
            told = all(any(commit.texts(name) for name in ("added", "modified", "removed")) for commit in commits)
            turned = payload.value.get("forced") is True or payload.value.get("created") is True
            return told and not turned and len(commits) < _GITHUB_MOST_COMMITS
        case System.GITLAB:
            return payload.whole_number("total_commits_count", len(commits)) <= len(commits)
        case _:
            return payload.whole_number("total_commits", len(commits)) <= len(commits)


def _with_files(push: Push, commits: list["_Part"]) -> Push:
    """*push* with the files that its commits have touched."""
    # Gitea tells the last one first.
    is_last_first = len(commits) > 1 and commits[0].text("id") == push.commit
    state: dict[str, str] = {}
    for commit in reversed(commits) if is_last_first else commits:
        for path in commit.texts("removed"):
            if state.get(path) == "added":
                del state[path]
            else:
                state[path] = "removed"
        for path in commit.texts("added"):
            state[path] = "modified" if state.get(path) == "removed" else "added"
        for path in commit.texts("modified"):
            state[path] = "added" if state.get(path) == "added" else "modified"
    return replace(push, added=_in(state, "added"), modified=_in(state, "modified"), removed=_in(state, "removed"))


def _in(state: Mapping[str, str], wanted: str) -> frozenset[str]:
    return frozenset(path for path, found in state.items() if found == wanted)


@dataclass(frozen=True, slots=True)
class _Part:
    """An object within a payload. Each look at it names what is wrong there."""

    value: JsonObject
    at: str = "request/body"

    def text(self, name: str) -> str:
        """A text that must be there."""
        return self._text(self._required(name), name)

    def optional_text(self, name: str) -> str | None:
        """A text, None where there is none."""
        value = self.value.get(name)
        return None if value is None else self._text(value, name)

    def whole_number(self, name: str, default: int) -> int:
        """A whole number, or *default* where there is none."""
        value = self.value.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidInput(f"{self.at}/{name} must be integer")
        return value

    def part(self, name: str) -> "_Part":
        """An object that must be there."""
        return self._part(self._required(name), name)

    def parts(self, name: str) -> list["_Part"]:
        """A list of objects that must be there."""
        return [self._part(value, f"{name}/{index}") for index, value in enumerate(self._list(name))]

    def texts(self, name: str) -> list[str]:
        """A list of texts that must be there; null, as Gitea writes an empty one, will do."""
        if name in self.value and self.value[name] is None:
            return []
        return [self._text(value, f"{name}/{index}") for index, value in enumerate(self._list(name))]

    def _required(self, name: str) -> JsonValue:
        if name not in self.value:
            raise InvalidInput(f"{self.at} must have required property '{name}'")
        return self.value[name]

    def _list(self, name: str) -> Iterable[JsonValue]:
        value = self._required(name)
        if not isinstance(value, list):
            raise InvalidInput(f"{self.at}/{name} must be array")
        return value

    def _part(self, value: JsonValue, name: str) -> "_Part":
        if not isinstance(value, dict):
            raise InvalidInput(f"{self.at}/{name} must be object")
        return _Part(value, f"{self.at}/{name}")

    def _text(self, value: JsonValue, name: str) -> str:
        if not isinstance(value, str):
            raise InvalidInput(f"{self.at}/{name} must be string")
        return value
