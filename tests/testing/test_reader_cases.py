"""The cases of readers tell each that is wrong what it is."""

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from callboard.errors import LocationNotFound
from callboard.extend import (
    Content,
    NotModified,
)
from callboard.testing.conformance import (
    ReaderCases,
)
from tests.testing.verdicts import verdicts


class Shelf:
    """A reader as it should be: of books on shelves."""

    type = "shelf"
    books: ClassVar[dict[str, bytes]] = {"one/a": b"A", "one/b": b"B"}

    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        if target not in self.books:
            raise LocationNotFound(f"no book at {target[:40]!r}")
        return NotModified(target, "1") if version == "1" else Content(target, self.books[target], "1")

    async def expand(self, target: str) -> Sequence[str]:
        return sorted(book for book in self.books if book.startswith(target[:-1])) if target[-1:] == "*" else [target]

    def resolve(self, base: str, relative: str) -> str:
        return f"{base.partition('/')[0]}/{relative[2:]}" if relative.startswith("./") else relative

    def contains(self, base: str, target: str) -> bool:
        return base.partition("/")[0] == target.partition("/")[0]


class ShelfCases(ReaderCases):
    patience = 0.2
    there, missing, elsewhere, pattern = "one/a", "one/c", "two/a", "one/*"
    kind: type[Any] = Shelf

    def make(self) -> Any:
        return self.kind()


def test_a_reader_as_it_should_be_passes() -> None:
    assert verdicts(ShelfCases()) == {}


class AlwaysNew(Shelf):
    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        return await super().read(target)


class AlwaysOld(Shelf):
    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        return NotModified(target, version) if version else await super().read(target)


class Texts(Shelf):
    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        read = await super().read(target, version=version)
        return Content(target, "A", "1") if isinstance(read, Content) else read  # type: ignore[arg-type]


class Empty(Shelf):
    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        return await super().read(target, version=version) if target in self.books else Content(target, b"")


class Raw(Shelf):
    async def read(self, target: str, *, version: str | None = None) -> Content | NotModified:
        return await super().read(target, version=version) if target in self.books else self.books[target]  # type: ignore[return-value]


class Unsorted(Shelf):
    async def expand(self, target: str) -> Sequence[str]:
        return [*reversed(await super().expand(target))]


class Lavish(Shelf):
    async def expand(self, target: str) -> Sequence[str]:
        return [*self.books]


class Open(Shelf):
    def contains(self, base: str, target: str) -> bool:
        return True


class Closed(Shelf):
    def contains(self, base: str, target: str) -> bool:
        return base == target


class Splitting(Shelf):
    def resolve(self, base: str, relative: str) -> str:
        return (
            super().resolve(base, relative[0:1] + relative.split("/", 1)[1].join(("", "")))
            and relative[0]
            and (super().resolve(base, relative))
        )


@pytest.mark.parametrize(
    ("kind", "case", "words"),
    [
        (AlwaysNew, "what_is_known_is_not_modified", "must be NotModified, got Content"),
        (AlwaysOld, "what_is_known_is_not_modified", "at an unknown version Content must be read"),
        (Texts, "what_is_there_is_read", "Content.data must be bytes, got str"),
        (Empty, "what_is_missing_is_not_found", "must raise LocationNotFound, and returned Content"),
        (Raw, "what_is_missing_is_not_found", "must raise LocationNotFound, and raised KeyError"),
        (Raw, "odd_targets_are_refused_or_not_found", "raised KeyError"),
        (Unsorted, "a_pattern_stands_for_what_it_matches", "expand must give each target once, sorted"),
        (Lavish, "a_target_without_wildcards_stands_for_itself", "expand('one/a') must be ['one/a'], got"),
        (Open, "what_is_elsewhere_is_not_contained", "'two/a' must not be contained"),
        (Closed, "relative_targets_are_beside_their_base", "contains must be True for 'one/sibling.yaml'"),
        (Splitting, "odd_targets_are_refused_or_not_found", "raised IndexError"),
    ],
)
def test_a_reader_that_is_wrong_is_told_what(kind: type[Any], case: str, words: str) -> None:
    cases = ShelfCases()
    cases.kind = kind

    assert words in verdicts(cases)[case]
