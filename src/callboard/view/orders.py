"""Orders: by which field a list is sorted, and the walk through it.

Values are compared as lower-case text, so that 10 comes before 9. Where an entity has several values, the lowest counts
in an ascending and the highest in a descending order, so that it comes up once. Ties go by uid, in the same direction.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from pyroaring import BitMap

from callboard.errors import InvalidInput
from callboard.view.columns import Column
from callboard.view.ids import Ids, bitmap
from callboard.view.rosters import Roster


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by *field*, in any case."""

    field: str
    descending: bool = False

    @property
    def key(self) -> str:
        """The field as the index knows it."""
        return self.field.lower()


def parse_order(text: str) -> Order:
    """The order that `asc:<field>` or `desc:<field>` says, the form of `GET /entities`."""
    direction, _, field = text.partition(":")
    if direction not in ("asc", "desc") or not field:
        raise InvalidInput(f'Invalid order parameter "{text}", expected "<asc or desc>:<field name>"')
    return Order(field, direction == "desc")


def parse_order_field(text: str) -> Order:
    """The order that `<field>` or `<field>,asc|desc` says, the form of `by-query`."""
    field, _, direction = text.partition(",")
    if direction not in ("", "asc", "desc"):
        raise InvalidInput("Invalid order field order, must be asc or desc")
    return Order(field, direction == "desc")


@dataclass(frozen=True, slots=True)
class FieldWalk:
    """The entities that have a value of one field, in the order of these values."""

    column: Column
    uids: Roster
    descending: bool

    def take(
        self, ids: BitMap, count: int, *, after: tuple[str, str] | None = None, backwards: bool = False
    ) -> list[tuple[str, int]]:
        """The first *count* of *ids* beyond *after*, a value and a uid, each with the value that it is sorted by.

        All of *ids* must have a value. *backwards* walks the same list from its end.
        """
        # Sorting costs a step per entity, walking one per value that is passed until there are enough: the cheaper one.
        falling = self.descending is not backwards
        if len(ids) * len(ids) <= count * len(self.column.values):
            return self._take_by_sorting(ids, count, after, falling)
        return self._take_by_walking(ids, count, after, falling)

    def value(self, member: int) -> str:
        """The value that *member* is sorted by."""
        return self.column.highest(member) if self.descending else self.column.lowest(member)

    def _take_by_sorting(
        self, ids: BitMap, count: int, after: tuple[str, str] | None, falling: bool
    ) -> list[tuple[str, int]]:
        places = [(self.value(member), self.uids.text(member), member) for member in ids]
        if after is not None:
            places = [place for place in places if (place[:2] < after if falling else place[:2] > after)]
        places.sort(reverse=falling)
        return [(value, member) for value, _, member in places[:count]]

    def _take_by_walking(
        self, ids: BitMap, count: int, after: tuple[str, str] | None, falling: bool
    ) -> list[tuple[str, int]]:
        order = self.column.order()
        taken: list[tuple[str, int]] = []
        for at in _steps(order, None if after is None else after[0], falling):
            if len(taken) >= count:
                break
            value = order[at]
            holders = self.column.find(value)
            if isinstance(holders, int) and holders not in ids:
                # Most values of most walks belong to one entity, which a filter has left out.
                continue
            beyond = after[1] if after is not None and after[0] == value else None
            among = self._sorted_by(value, holders, ids)
            if isinstance(among, int):
                uid = self.uids.text(among)
                if beyond is None or (uid < beyond if falling else uid > beyond):
                    taken.append((value, among))
            elif among:
                members = self.uids.take(among, count - len(taken), after=beyond, descending=falling)
                taken.extend((value, member) for member in members)
        return taken

    def _sorted_by(self, value: str, holders: Ids | None, ids: BitMap) -> int | BitMap | None:
        """Those of *ids* that have *value*, as *holders* do, and are sorted by it."""
        if holders is None:
            return None
        if isinstance(holders, int):
            elsewhere = self.column.has_several(holders) and self.value(holders) != value
            return None if elsewhere else holders
        among = bitmap(holders) & ids
        if among and self.column.multiple is not None:
            several = among & bitmap(self.column.multiple)
            return among - BitMap([member for member in several if self.value(member) != value])
        return among


def _steps(order: list[str], after: str | None, falling: bool) -> Iterable[int]:
    """The places of the values from *after*, itself included, to the end."""
    if falling:
        return range((len(order) if after is None else bisect_right(order, after)) - 1, -1, -1)
    return range(0 if after is None else bisect_left(order, after), len(order))
