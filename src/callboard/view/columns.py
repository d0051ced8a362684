"""Columns: what the entities hold under one key."""

from bisect import bisect_left
from collections.abc import Callable, Iterator

from pyroaring import BitMap

from callboard.view.ids import Ids, bitmap, contains, excluding, including, union
from callboard.view.sorting import SortedTexts

_SEARCHES = 8
"""The last few searches for a text are remembered until a value comes or goes."""


class Column:
    """The entities by their values of one key.

    Values are kept as they are written, because facets show them so; comparisons are in lower case. `lowered` has an
    entry only for what is not written in lower case, which is rare.
    """

    __slots__ = (
        "_by_entity",
        "_lowered",
        "_order",
        "_searched",
        "_shared",
        "_written",
        "blank",
        "exists",
        "multiple",
        "values",
    )

    def __init__(self, shared: Callable[[str], str] = str) -> None:
        """A column without entities. *shared* knows of texts that are kept elsewhere, and need not be kept twice."""
        self._shared = shared
        self.exists: Ids | None = None
        """Who has the key."""
        self.blank: Ids | None = None
        """Who has the key, but no value that is known."""
        self.multiple: Ids | None = None
        """Who has more than one value."""
        self.values: dict[str, Ids] = {}
        """Who has which value, as written."""
        self._lowered: dict[str, list[str]] | None = None
        self._order: SortedTexts | None = None
        self._written: list[str] | None = None
        self._searched: dict[str, list[str]] | None = None
        self._by_entity: dict[int, str | tuple[str, ...]] | None = None

    @classmethod
    def of_marks(cls, ids: Ids) -> "Column":
        """The column of a key that says `true` for *ids* and nothing else; only for reading."""
        column = cls()
        column.exists = ids
        column.values["true"] = ids
        return column

    @classmethod
    def grown_from_marks(cls, ids: Ids | None, shared: Callable[[str], str]) -> "Column":
        """A column to go on with, for a key that has said `true` for *ids* and nothing else until now."""
        column = cls(shared)
        for member in bitmap(ids):
            column.put(member, ("true",))
        return column

    def put(self, member: int, values: tuple[str, ...]) -> None:
        """Add *member*, which was not here, with its values."""
        if isinstance(self.exists, BitMap):
            self.exists.add(member)
        else:
            self.exists = including(self.exists, member)
        if len(values) != 1:
            if not values:
                self.blank = including(self.blank, member)
                return
            self.multiple = including(self.multiple, member)
        for value in values:
            known = self.values.get(value)
            if known is None:
                self.values[self._shared(value)] = member
                self._appeared(value)
            elif isinstance(known, BitMap):
                known.add(member)
            else:
                self.values[value] = including(known, member)
        if self._by_entity is not None:
            self._by_entity[member] = _sort_values(values)

    def drop(self, member: int, values: tuple[str, ...]) -> None:
        """Take *member* out, which was put here with *values*."""
        self.exists = excluding(self.exists, member)
        if not values:
            self.blank = excluding(self.blank, member)
            return
        if len(values) > 1:
            self.multiple = excluding(self.multiple, member)
        for value in values:
            rest = excluding(self.values[value], member)
            if rest is None:
                del self.values[value]
                self._disappeared(value)
            else:
                self.values[value] = rest
        if self._by_entity is not None:
            del self._by_entity[member]

    def holders(self) -> BitMap:
        """Who has a value; never change it."""
        return bitmap(self.exists) if self.blank is None else bitmap(self.exists) - bitmap(self.blank)

    def find(self, value: str) -> Ids | None:
        """Who has *value*, which is lower case; never change it."""
        ids = self.values.get(value)
        spellings = None if self._lowered is None else self._lowered.get(value)
        if spellings is None:
            return ids
        if ids is None and len(spellings) == 1:
            return self.values[spellings[0]]
        return union((ids, *(self.values[written] for written in spellings)))

    def equal_to(self, value: str) -> BitMap:
        """Who has *value*, which is lower case, as a bitmap; never change it."""
        return bitmap(self.find(value))

    def starting_with(self, prefix: str) -> BitMap:
        """Who has a value that starts with *prefix*, which is lower case."""
        order = self.order()
        found: list[Ids | None] = []
        for at in range(bisect_left(order, prefix), len(order)):
            if not order[at].startswith(prefix):
                break
            found.append(self.find(order[at]))
        return union(found)

    def having(self, text: str) -> BitMap:
        """Who has a value with *text*, which is lower case, somewhere in it."""
        values = self._values_having(text)
        if self._lowered is None:
            return union([self.values[value] for value in values])
        return union([self.find(value) for value in values])

    def _values_having(self, text: str) -> list[str]:
        # Somebody who types asks for "pa", "pay", "payr", each time for a page and for a count: what has the longer
        # text is among what has the shorter one.
        if self._searched is None:
            self._searched = {}
        found = self._searched.get(text)
        if found is None:
            wider = [known for part, known in self._searched.items() if part in text]
            found = [value for value in min(wider, key=len, default=self.order()) if text in value]
            if len(self._searched) >= _SEARCHES:
                self._searched.clear()
            self._searched[text] = found
        return found

    def written(self) -> list[str]:
        """The values as written, in order; the caller must not change the list."""
        if self._written is None:
            self._written = sorted(self.values)
        return self._written

    def order(self) -> list[str]:
        """The lower-case values in order; the caller must not change the list."""
        if self._order is None:
            self._order = SortedTexts()
        return self._order.read(self._iterate_lowered, self._has_lowered)

    def has_several(self, member: int) -> bool:
        """Whether *member* has more than one value."""
        return contains(self.multiple, member)

    def lowest(self, member: int) -> str:
        """The first of the values of *member*, which has some, in lower case."""
        value = self._values_by_entity()[member]
        return value if isinstance(value, str) else value[0]

    def highest(self, member: int) -> str:
        """The last of the values of *member*, which has some, in lower case."""
        value = self._values_by_entity()[member]
        return value if isinstance(value, str) else value[-1]

    def _values_by_entity(self) -> dict[int, str | tuple[str, ...]]:
        # Needed for sorting only, hence made when somebody sorts by this key and kept up from then on.
        if self._by_entity is None:
            gathered: dict[int, str | tuple[str, ...]] = {}
            for value in self.order():
                for member in self.equal_to(value):
                    known = gathered.get(member)
                    if known is None:
                        gathered[member] = value
                    else:
                        gathered[member] = (*((known,) if isinstance(known, str) else known), value)
            self._by_entity = gathered
        return self._by_entity

    def _appeared(self, value: str) -> None:
        self._written = self._searched = None
        lowered = value.lower()
        if lowered != value:
            if self._lowered is None:
                self._lowered = {}
            self._lowered.setdefault(lowered, []).append(value)
        if self._order is not None:
            self._order.note(lowered)

    def _disappeared(self, value: str) -> None:
        self._written = self._searched = None
        lowered = value.lower()
        if lowered != value and self._lowered is not None:
            written = self._lowered[lowered]
            written.remove(value)
            if not written:
                del self._lowered[lowered]
        if self._order is not None:
            self._order.note(lowered)

    def _has_lowered(self, value: str) -> bool:
        # Under itself a lower-case text stands for itself.
        return value in self.values or (self._lowered is not None and value in self._lowered)

    def _iterate_lowered(self) -> Iterator[str]:
        if not self._lowered:
            return iter(self.values)
        return iter({value.lower() for value in self.values})


def _sort_values(values: tuple[str, ...]) -> str | tuple[str, ...]:
    if len(values) == 1:
        return values[0].lower()
    return tuple(sorted(value.lower() for value in values))
