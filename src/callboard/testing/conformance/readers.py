"""The cases of readers."""

from collections.abc import Awaitable
from typing import TypeAlias

from callboard.errors import InvalidInput, InvalidRef, LocationNotFound, NotAllowed, Unreadable
from callboard.extend import CodeHost, Content, NotModified, Reader
from callboard.testing.conformance.verdicts import Cases, T, allowed, fail, must, must_be_async, must_be_name, skip

_ODD = ("", " ", "\0", "?", "*" * 40, "[", "../" * 40, "http://[", "\u202e", "a" * 5_000)


Reads: TypeAlias = Reader | CodeHost


class ReaderCases(Cases):
    """What a `Reader` must do. Override `make` and the targets."""

    there: str
    """A target that can be read, and does not change during the cases."""

    missing: str
    """One beside it, where nothing is."""

    elsewhere: str | None = None
    """One of another repository or folder tree, that a file at `there` may not embed."""

    pattern: str | None = None
    """One with a wildcard, that `there` matches."""

    sibling: str = "./sibling.yaml"
    """How a file at `there` names one beside it."""

    def make(self) -> Reads:
        """A new reader."""
        raise NotImplementedError("make must return a new reader")

    def test_its_type_is_fit_and_always_the_same(self) -> None:
        """It is what stands before the colon of a location ref."""

        async def case() -> None:
            reader = self.make()
            must_be_name(reader, self.make(), "type")
            must(":" not in getattr(reader, "type", ""), f"the type of a reader has no colon, got {reader!r}")
            must_be_async(reader, "read")
            must_be_async(reader, "expand")

        self.run_case(case())

    def test_what_is_there_is_read(self) -> None:
        """As Content."""

        async def case() -> None:
            content = await self._content(self.make())
            must(content.target == self.there, f"Content.target must be {self.there!r}, got {content.target!r}")
            must(isinstance(content.data, bytes), f"Content.data must be bytes, got {type(content.data).__name__}")
            version: object = content.version
            must(
                version is None or (isinstance(version, str) and version),
                f"Content.version must be a text, or None where there is no such thing; got {version!r}",
            )

        self.run_case(case())

    def test_what_is_known_is_not_modified(self) -> None:
        """By the version that was read, and by no other one. A reader without versions has nothing to show here."""

        async def case() -> None:
            reader = self.make()
            known = await self._content(reader)
            other: object = await self._read(reader, self.there, "of-another-state")
            must(isinstance(other, Content), f"at an unknown version Content must be read, got {other!r}")
            if known.version is None:
                skip("this reader has no versions")
            again: object = await self._read(reader, self.there, known.version)
            if not isinstance(again, NotModified):
                fail(f"read with version={known.version!r} must be NotModified, got {again!r:.200}")
            must(
                again.version == known.version, f"NotModified has the version {again.version!r}, not {known.version!r}"
            )

        self.run_case(case())

    def test_what_is_missing_is_not_found(self) -> None:
        """LocationNotFound tells that something was removed, where every other error may be over tomorrow."""

        async def case() -> None:
            try:
                content: object = await self._read(self.make(), self.missing, None)
            except LocationNotFound:
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                fail(f"read({self.missing!r}) must raise LocationNotFound, and raised {error!r}", error)
            fail(f"read({self.missing!r}) must raise LocationNotFound, and returned {content!r:.200}")

        self.run_case(case())

    def test_a_target_without_wildcards_stands_for_itself(self) -> None:
        """expand returns it alone."""

        async def case() -> None:
            found = await self.in_time(self.make().expand(self.there), f"expand({self.there!r})")
            must(list(found) == [self.there], f"expand({self.there!r}) must be [{self.there!r}], got {list(found)!r}")

        self.run_case(case())

    def test_a_pattern_stands_for_what_it_matches(self) -> None:
        """Sorted, and each of them can be read."""

        async def case() -> None:
            if self.pattern is None:
                skip("say a `pattern` that matches `there`, if the reader knows wildcards")
            reader = self.make()
            found = list(await self.in_time(reader.expand(self.pattern), f"expand({self.pattern!r})"))
            must(self.there in found, f"expand({self.pattern!r}) lacks {self.there!r}, got {found!r}")
            must(found == sorted(set(found)), f"expand must give each target once, sorted; got {found!r}")
            for target in found:
                await self._read(reader, target, None)

        self.run_case(case())

    def test_relative_targets_are_beside_their_base(self) -> None:
        """What a file names beside itself belongs to the same tree."""

        async def case() -> None:
            reader = self.make()
            must(reader.contains(self.there, self.there) is True, "contains must be True for a file and itself")
            resolved: object = reader.resolve(self.there, self.sibling)
            if not isinstance(resolved, str):
                fail(f"resolve must return a text, got {resolved!r}")
            must(resolved != self.there, f"resolve({self.there!r}, {self.sibling!r}) is the base itself")
            must(
                reader.contains(self.there, resolved) is True,
                f"contains must be True for {resolved!r}, beside the base",
            )
            must(reader.resolve(self.there, resolved) == resolved, "resolve must leave a whole target as it is")

        self.run_case(case())

    def test_what_is_elsewhere_is_not_contained(self) -> None:
        """Otherwise whoever writes a file could have any other one embedded."""

        async def case() -> None:
            if self.elsewhere is None:
                skip("say a target that is `elsewhere`")
            must(self.make().contains(self.there, self.elsewhere) is False, f"{self.elsewhere!r} must not be contained")

        self.run_case(case())

    def test_odd_targets_are_refused_or_not_found(self) -> None:
        """Anybody can write them into a file."""

        async def case() -> None:
            reader = self.make()
            for target in _ODD:
                try:
                    resolved = reader.resolve(self.there, target)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                    allowed(error, f"resolve(…, {target[:40]!r})", InvalidRef)
                    continue
                must(
                    isinstance(reader.contains(self.there, resolved), bool),
                    f"contains(…, {resolved[:40]!r}) must be True or False",
                )
                try:
                    await self._read(reader, target, None)
                except AssertionError:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                    allowed(error, f"read({target[:40]!r})", LocationNotFound, NotAllowed, Unreadable, InvalidInput)

        self.run_case(case())

    async def _content(self, reader: Reads) -> Content:
        content: object = await self._read(reader, self.there, None)
        if not isinstance(content, Content):
            fail(f"read without a version must return Content, got {content!r}")
        return content

    async def _read(self, reader: Reads, target: str, version: str | None) -> Content | NotModified:
        return await self._done(reader.read(target, version=version), f"read({target[:60]!r}, version={version!r})")

    async def _done(self, work: Awaitable[T], what: str) -> T:
        return await self.in_time(work, what)
