"""The reader of URLs on GitLab."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, unquote

from callboard.builtin.hosts.gitlab.installations import Installation, project_path
from callboard.builtin.hosts.gitlab.questions import MOST, Questions
from callboard.builtin.hosts.installations import address_at
from callboard.builtin.hosts.places import Address, Target
from callboard.builtin.hosts.repositories import File, Head, Listing, Repositories
from callboard.errors import CallboardError, InvalidRef, Unreadable
from callboard.extend import Repository
from callboard.model.repositories import PLAIN, Place

_FORMS = ("blob", "tree", "raw", "edit", "blame")
_OLD_FORMS = ("blob", "tree", "raw")
"""Before version 12, nothing stood between the path of a project and these. No project may be called so."""
_NO_GROUPS = ("groups", "users", "explore", "dashboard", "admin", "help")
"""Where other pages are."""
_FULL_REFS = ("refs/heads", "refs/tags")
_PAGE = 100


class GitLab(Repositories):
    """The projects of one installation (an `extend.CodeHost`)."""

    annotation = "gitlab.com/project-slug"
    heads_per_request = MOST

    def __init__(self, installation: Installation) -> None:
        super().__init__(installation.host, installation.api.clock)
        self._installation = installation
        self._api = installation.api
        self._questions = Questions(installation.api)

    def covers(self, url: str) -> bool:
        """Whether *url* is below the address of the installation."""
        return self._address(url) is not None

    def target(self, url: str) -> Target | None:
        """The file that *url* names, in any of the forms that GitLab has for that."""
        address = self._address(url)
        at = None if address is None else _form(address)
        if address is None or at is None:
            return None
        project, ref_at = at
        return address.target(_path(address.segments[:project]), ref_at=ref_at, form=_FULL_REFS)

    def repository(self, url: str) -> Repository | None:
        """The project, at whatever page of it *url* is."""
        address = self._address(url)
        if address is None:
            return None
        segments = list(address.segments)
        at = _form(address)
        end = at[0] if at else segments.index("-") if "-" in segments else len(segments)
        if end < 2 or segments[0] in _NO_GROUPS:
            return None
        path = _path(segments[:end]).removesuffix(".git")
        return Repository(
            url=address.beginning(end).removesuffix(".git"),
            name=path.rpartition("/")[2],
            slug=path,
            annotation=self.annotation,
        )

    def spacing(self) -> float:
        """What the budget allows."""
        return self._api.spacing()

    async def heads(self, wanted: Sequence[Head]) -> Mapping[Head, str | CallboardError]:
        """The commits, most of them by one query."""
        found: dict[Head, str | CallboardError] = {**await self._questions.heads(wanted)}
        return {**found, **await self.one_by_one([head for head in wanted if head not in found])}

    async def head(self, wanted: Head) -> str:
        """By the REST API."""
        address = f"{project_path(wanted.repository)}/repository/commits/{quote(wanted.ref or 'HEAD', safe='')}"
        commit = (await self._api.get(address, params={"stats": "false"})).object().get("id")
        if not isinstance(commit, str):
            raise Unreadable(f"{self.name} told of no commit for {wanted.ref or 'HEAD'} of {wanted.repository}")
        return commit

    async def file(self, target: Target, commit: str, etag: str | None) -> File | None:
        """The raw file."""
        path = quote(target.path, safe="")
        answer = await self._api.get(
            f"{project_path(target.repository)}/repository/files/{path}/raw",
            params={"ref": commit},
            headers={"accept": "*/*"},
            etag=etag,
        )
        return None if answer.is_unchanged else File(answer.body, answer.etag)

    async def paths(self, target: Target, commit: str, folder: str) -> Listing:
        """The files in *folder* and below it, page by page."""
        address = f"{project_path(target.repository)}/repository/tree"
        # By name, not by number: the pages of a large tree would take longer and longer.
        params: dict[str, str | int] = {
            "ref": commit,
            "recursive": "true",
            "per_page": _PAGE,
            "pagination": "keyset",
            **({"path": folder} if folder else {}),
        }
        found: list[str] = []
        following: Mapping[str, str] | None = {}
        while following is not None:
            answer = await self._api.get(address, params={**params, **following})
            found += [
                str(entry["path"])
                for entry in answer.list()
                if isinstance(entry, dict) and entry.get("type") == "blob" and "path" in entry
            ]
            following = answer.following
        return Listing(found, folder)

    async def branches(self, target: Target) -> Sequence[str]:
        """Branches and tags, both looked for by their beginning."""
        found: list[str] = []
        for kind in ("branches", "tags"):
            address = f"{project_path(target.repository)}/repository/{kind}"
            params: dict[str, str | int] = {"search": f"^{target.ref}/", "per_page": _PAGE}
            async for page in self._api.pages(address, params=params):
                found += [str(entry["name"]) for entry in page if isinstance(entry, dict) and "name" in entry]
        return found

    async def root(self, url: str) -> Target:
        """The root of what *url* leads into: of its ref, or of the default branch."""
        known = self.target(url)
        if known is not None:
            return replace(known, place=known.place.at(""))
        repository = self.repository(url)
        if repository is None or repository.slug is None:
            raise InvalidRef(f"{url} does not lead to a project on {self.name}")
        project = (await self._api.get(project_path(repository.slug))).object()
        branch = project.get("default_branch")
        if not isinstance(branch, str):
            raise Unreadable(f"{repository.slug} on {self.name} has no default branch: nothing has been pushed to it")
        place = Place(f"{repository.url}/-/blob/{quote(branch, safe=PLAIN)}/", "")
        return Target(repository=repository.slug, ref=branch, place=place)

    def edit_url(self, target: Target) -> str | None:
        """The page that edits the file."""
        assert target.ref is None or target.ref
        ref = quote(target.ref or "HEAD", safe=PLAIN)
        return f"{self._installation.base_url}/{target.repository}/-/edit/{ref}/{target.place.written.lstrip('/')}"

    def _address(self, url: str) -> Address | None:
        return address_at(url, self._installation.base_url, self._installation.host)


def _form(address: Address) -> tuple[int, int] | None:
    """After how many segments the path of the project ends, and at which one the ref begins; None in other URLs."""
    segments = address.segments
    for at in range(2, len(segments)):
        if segments[at] == "-":
            has_form = at + 1 < len(segments) and segments[at + 1] in _FORMS
            return (at, at + 2) if has_form else None
        if segments[at] in _OLD_FORMS:
            return at, at + 1
    return None


def _path(segments: Sequence[str]) -> str:
    return unquote("/".join(segments))
