"""Rosters: every entity by a text that is its own, a ref or a uid."""

from bisect import bisect_left, bisect_right
from itertools import islice

from pyroaring import BitMap

from callboard.view.sorting import SortedTexts


class Roster:
    """Entity ids by text, texts by id, and the order of the texts.

    Ids are dense: a new one is at most one beyond the last.
    """

    __slots__ = ("_ids", "_order", "_texts")

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._texts: list[str | None] = []
        self._order = SortedTexts()

    def __len__(self) -> int:
        return len(self._ids)

    def put(self, member: int, text: str) -> None:
        """Give *member* its text, instead of the one that it had."""
        if member == len(self._texts):
            self._texts.append(None)
        elif self._texts[member] == text:
            return
        elif self._texts[member] is not None:
            self.drop(member)
        self._ids[text] = member
        self._texts[member] = text
        self._order.note(text)

    def drop(self, member: int) -> None:
        """Forget *member*."""
        text = self.text(member)
        self._texts[member] = None
        if self._ids.get(text) == member:
            del self._ids[text]
            self._order.note(text)

    def find(self, text: str) -> int | None:
        """The id of the entity with this text."""
        return self._ids.get(text)

    def text(self, member: int) -> str:
        """The text of *member*."""
        text = self._texts[member]
        assert text is not None
        return text

    def shared(self, text: str) -> str:
        """The very text that is here, if it is; else *text*."""
        member = self._ids.get(text)
        return text if member is None else self.text(member)

    def texts(self) -> list[str]:
        """All texts in order; the caller must not change the list."""
        return self._order.read(self._ids.keys, self._ids.__contains__)

    def take(self, ids: BitMap, count: int, *, after: str | None = None, descending: bool = False) -> list[int]:
        """The first *count* of *ids* in the order of their texts, beyond the text *after*."""
        # Sorting costs a step per member, walking one per text that is passed until there are enough: the cheaper one.
        if len(ids) * len(ids) <= count * len(self._ids):
            return self._take_by_sorting(ids, count, after, descending)
        return self._take_by_walking(ids, count, after, descending)

    def _take_by_sorting(self, ids: BitMap, count: int, after: str | None, descending: bool) -> list[int]:
        texts = [self.text(member) for member in ids]
        if after is not None:
            texts = [text for text in texts if (text < after if descending else text > after)]
        texts.sort(reverse=descending)
        return [self._ids[text] for text in texts[:count]]

    def _take_by_walking(self, ids: BitMap, count: int, after: str | None, descending: bool) -> list[int]:
        order = self.texts()
        if descending:
            passed = 0 if after is None else len(order) - bisect_left(order, after)
            walk = islice(reversed(order), passed, None)
        else:
            walk = islice(order, 0 if after is None else bisect_right(order, after), None)
        # A filter on the kind may pass thousands of refs of other kinds, so not one step is taken in Python.
        among = filter(ids.__contains__, map(self._ids.__getitem__, walk))
        # A caller may ask for any number, islice takes none beyond 2**63.
        return list(islice(among, min(count, len(ids))))
