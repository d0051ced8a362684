"""The cases of code hosts."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from callboard.errors import CallboardError
from callboard.extend import CodeHost, Repository
from callboard.testing.conformance.readers import ReaderCases
from callboard.testing.conformance.verdicts import fail, must, must_be_async, must_be_name, skip

_FOREIGN = ("https://elsewhere.invalid/a/b/blob/main/x.yaml", "file:///etc/passwd", "", "not a URL", "https://[")
_SOURCE, _EDIT = "backstage.io/source-location", "backstage.io/edit-url"


def _path(url: str) -> str:
    """The path of the file that *url* names: what the parameter `path` says, if there is one."""
    before, _, query = url.partition("#")[0].partition("?")
    return dict(parse_qsl(query)).get("path", unquote(before))


class CodeHostCases(ReaderCases):
    """What a `CodeHost` must do beside what a reader must do. Override `make` and the targets."""

    root: str | None = None
    """The URL of the repository that `there` is in, as people open it, for `find`."""

    def make(self) -> CodeHost:
        """A new code host."""
        raise NotImplementedError("make must return a new code host")

    def test_its_type_is_fit_and_always_the_same(self) -> None:
        """It has a name for that; its type is that of all URLs."""

        async def case() -> None:
            host = self.make()
            must_be_name(host, self.make())
            for method in ("read", "expand", "find"):
                must_be_async(host, method)

        self.run_case(case())

    def test_it_covers_its_own_urls_and_no_others(self) -> None:
        """Whatever the text is: it is asked about every URL of the catalog."""

        async def case() -> None:
            host = self.make()
            for target in (self.there, self.missing, self.elsewhere, self.pattern):
                must(target is None or host.covers(target) is True, f"covers({target!r}) must be True")
            for foreign in _FOREIGN:
                must(host.covers(foreign) is False, f"covers({foreign!r}) must be False")
            disguised = self.there.replace("://", "://somebody@", 1)
            must(host.covers(disguised) is False, f"covers({disguised!r}) must be False: it names a user")

        self.run_case(case())

    def test_its_links_lead_to_the_source(self) -> None:
        """A folder, and perhaps an editor."""

        async def case() -> None:
            links: object = self.make().links(self.there)
            if not isinstance(links, Mapping) or not all(isinstance(text, str) for text in links.values()):
                fail(f"links must be a mapping of texts, got {links!r}")
            source = links.get(_SOURCE, "")
            must(
                source.startswith("url:") and _path(source).endswith("/"),
                f"{_SOURCE} must be url: and the URL of a folder, with a slash at its end; got {source!r}",
            )
            must("://" in links.get(_EDIT, "://"), f"{_EDIT} must be a URL, got {links.get(_EDIT)!r}")

        self.run_case(case())

    def test_a_file_is_in_a_repository(self) -> None:
        """Which has an address, a name and as a rule a slug."""

        async def case() -> None:
            host = self.make()
            found: object = host.repository(self.there)
            if not isinstance(found, Repository):
                fail(f"repository({self.there!r}) must be a Repository, got {found!r}")
            must(not found.url.endswith("/"), f"its url must have no slash at its end, got {found.url!r}")
            must(found.annotation is None or found.slug, "an annotation needs a slug, of which there is none")
            must(host.repository(_FOREIGN[0]) is None, f"repository({_FOREIGN[0]!r}) must be None")

        self.run_case(case())

    def test_files_are_found_by_their_name(self) -> None:
        """In the whole repository."""

        async def case() -> None:
            if self.root is None:
                skip("say the `root`, the URL of the repository")
            host, name = self.make(), _path(self.there).rpartition("/")[2]
            try:
                found = list(await self.in_time(host.find(self.root, name), f"find({self.root!r}, {name!r})"))
            except CallboardError as error:
                fail(f"find({self.root!r}, {name!r}) raised {error!r}", error)
            must(found, f"find({self.root!r}, {name!r}) found nothing")
            must(found == sorted(set(found)), f"find must give each URL once, sorted; got {found!r}")
            for target in found:
                must(host.covers(target), f"find gave {target!r}, which it does not cover")
                await self._read(host, target, None)
            must(
                not await self.in_time(host.find(self.root, "no-such-name.yaml"), "find"),
                "find must be empty for a name that no file has",
            )

        self.run_case(case())
