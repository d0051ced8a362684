"""Texts in order, sorted when first needed and mended after changes."""

from bisect import bisect_left
from collections.abc import Callable, Iterable


class SortedTexts:
    """The order of a collection of distinct texts that somebody else owns.

    The owner tells of every text that appears or disappears. Nothing is sorted before somebody reads; after that, a few
    changes are mended one by one and many are sorted anew, both when somebody reads again.
    """

    __slots__ = ("_changed", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] | None = None
        self._changed: set[str] = set()

    def note(self, text: str) -> None:
        """*text* has appeared in the collection, or disappeared from it."""
        if self._texts is not None:
            self._changed.add(text)

    def read(self, collect: Callable[[], Iterable[str]], has: Callable[[str], bool]) -> list[str]:
        """The texts in the order of their code points; the caller must not change the list.

        *collect* gives all of them, *has* says whether one of them is there now.
        """
        # One mended text costs a shift of the list, so a twentieth of it is about the price of sorting.
        if self._texts is None or len(self._changed) > 8 + len(self._texts) // 20:
            self._texts = sorted(collect())
        else:
            for text in self._changed:
                self._mend(self._texts, text, present=has(text))
        self._changed.clear()
        return self._texts

    @staticmethod
    def _mend(texts: list[str], text: str, *, present: bool) -> None:
        at = bisect_left(texts, text)
        listed = at < len(texts) and texts[at] == text
        if present and not listed:
            texts.insert(at, text)
        elif listed and not present:
            del texts[at]
