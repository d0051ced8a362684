"""The index: which entities have which facts."""

from collections.abc import Callable
from typing import assert_never

from pyroaring import BitMap

from callboard.model.facts import Facts
from callboard.model.predicates import AllOf, AnyOf, Equals, Exists, HasPrefix, In, Not, Predicate
from callboard.view.columns import Column
from callboard.view.ids import Ids, bitmap, excluding, including, union

_MARK = ("true",)


class Index:
    """The columns by key.

    Each text in a list is a key that says `true` and nothing else. There are as many of those as of all others, so they
    are kept as bare sets, and become columns when they turn out to be more.
    """

    __slots__ = ("_columns", "_marks", "_shared", "everything")

    def __init__(self, shared: Callable[[str], str] = str) -> None:
        """An index of nothing. *shared* knows of texts that are kept elsewhere: many values are refs of entities."""
        self._shared = shared
        self.everything = BitMap()
        """All entities."""
        self._columns: dict[str, Column] = {}
        self._marks: dict[str, Ids] = {}

    def add(self, member: int, facts: Facts) -> None:
        """Add an entity that is not here."""
        self.everything.add(member)
        columns = self._columns
        for key, values in facts.items():
            column = columns.get(key)
            if column is None:
                self._put(key, member, values)
            else:
                column.put(member, values)

    def replace(self, member: int, old: Facts, new: Facts) -> None:
        """Turn the facts of an entity from *old* to *new*; only what differs is touched."""
        for key, values in old.items():
            if new.get(key) != values:
                self._drop(key, member, values)
        for key, values in new.items():
            if old.get(key) != values:
                self._put(key, member, values)

    def remove(self, member: int, facts: Facts) -> None:
        """Remove an entity, which has exactly these facts."""
        self.everything.remove(member)
        for key, values in facts.items():
            self._drop(key, member, values)

    def column(self, key: str) -> Column | None:
        """The column of *key*, which is lower case; only for reading."""
        marked = self._marks.get(key)
        return self._columns.get(key) if marked is None else Column.of_marks(marked)

    def evaluate(self, predicate: Predicate) -> BitMap:
        """The entities that are meant; never change the bitmap, it may be the stored one."""
        match predicate:
            case AllOf(members):
                return self._all_of(members)
            case AnyOf(members):
                return union([self.evaluate(member) for member in members])
            case Not(member):
                return self.everything - self.evaluate(member)
            case Equals(key, value):
                column = self.column(key)
                return BitMap() if column is None else column.equal_to(value)
            case In(key, values):
                column = self.column(key)
                return BitMap() if column is None else union([column.find(value) for value in values])
            case HasPrefix(key, prefix):
                column = self.column(key)
                return BitMap() if column is None else column.starting_with(prefix)
            case Exists(key):
                column = self.column(key)
                return BitMap() if column is None else bitmap(column.exists)
            case _:
                assert_never(predicate)

    def _all_of(self, members: tuple[Predicate, ...]) -> BitMap:
        if not members:
            return self.everything
        found = self.evaluate(members[0])
        for member in members[1:]:
            if not found:
                break
            found = found & self.evaluate(member)
        return found

    def _put(self, key: str, member: int, values: tuple[str, ...]) -> None:
        column = self._columns.get(key)
        if column is None:
            marked = self._marks.get(key)
            if values == _MARK:
                self._marks[key] = including(marked, member)
                return
            column = self._columns[key] = Column.grown_from_marks(self._marks.pop(key, None), self._shared)
        column.put(member, values)

    def _drop(self, key: str, member: int, values: tuple[str, ...]) -> None:
        column = self._columns.get(key)
        if column is None:
            rest = excluding(self._marks.get(key), member)
            if rest is None:
                del self._marks[key]
            else:
                self._marks[key] = rest
            return
        column.drop(member, values)
        if column.exists is None:
            del self._columns[key]
