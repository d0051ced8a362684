"""Queries: one page after the other of what a query finds, forwards and backwards (`by-query`)."""

from dataclasses import dataclass, replace

from pyroaring import BitMap

from callboard.model.predicates import Predicate, both
from callboard.view.cursors import Cursor, Place, Query, format_cursor, parse_cursor
from callboard.view.orders import FieldWalk
from callboard.view.texts import having_text
from callboard.view.views import View

DEFAULT_LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the entities that a query finds."""

    bodies: list[bytes]
    """The entities as JSON."""
    total: int
    """How many entities the whole walk has, as counted at its beginning; 0 when nobody asked."""
    next_cursor: str | None = None
    previous_cursor: str | None = None


def query(
    view: View,
    asked: Query,
    *,
    limit: int = DEFAULT_LIMIT,
    offset: int = 0,
    count: bool = True,
    visible: Predicate | None = None,
) -> Page:
    """The first page of what *asked* finds among the *visible* entities, without the first *offset* ones.

    An entity without a value in the field that the list is sorted by is not in it and doesn't count.
    """
    walk = _Walk(view, asked, visible)
    total = len(walk.ids) if count else None
    places = walk.take(offset + limit + 1, None, backwards=False)[offset:] if limit else []
    shown = places[:limit]
    page = Page(bodies=walk.bodies(shown), total=total or 0)
    if len(places) <= limit:
        return page
    first, last = walk.place(shown[0]), walk.place(shown[-1])
    cursor = Cursor(query=asked, place=last, backwards=False, first=first, total=total)
    return replace(page, next_cursor=format_cursor(cursor))


def resume(view: View, text: str, *, limit: int = DEFAULT_LIMIT, visible: Predicate | None = None) -> Page:
    """The page that the cursor *text* leads to. Raises InvalidInput.

    Pages are cut at places in the order, not at numbers: whatever happens to the catalog meanwhile, an entity that
    stays where it is comes up once.
    """
    cursor = parse_cursor(text)
    walk = _Walk(view, cursor.query, visible)
    places = walk.take(limit + 1, cursor.place, backwards=cursor.backwards) if limit else []
    shown = places[:limit]
    page = Page(bodies=[], total=cursor.total or 0)
    if not shown:
        return page
    more = len(places) > limit
    if cursor.backwards:
        shown.reverse()
    first, last = walk.place(shown[0]), walk.place(shown[-1])
    # The page that a walk backwards came from was there a moment ago, hence Backstage always says that there is a next.
    has_next = cursor.backwards or more
    has_previous = walk.is_beyond(first, cursor.first) and (not cursor.backwards or more)
    return replace(
        page,
        bodies=walk.bodies(shown),
        next_cursor=format_cursor(replace(cursor, place=last, backwards=False)) if has_next else None,
        previous_cursor=format_cursor(replace(cursor, place=first, backwards=True)) if has_previous else None,
    )


class _Walk:
    """All that a query finds, in its order."""

    def __init__(self, view: View, asked: Query, visible: Predicate | None) -> None:
        self._contents = view.contents
        self._falling = asked.order is not None and asked.order.descending
        self._by_field: FieldWalk | None = None
        self.ids = view.evaluate(both(asked.predicate, visible))
        if asked.order is not None:
            column = self._contents.index.column(asked.order.key)
            self.ids = BitMap() if column is None else self.ids & column.holders()
            if column is not None:
                self._by_field = FieldWalk(column, self._contents.uids, asked.order.descending)
        if asked.text is not None:
            default = asked.order.field if asked.order is not None else "metadata.uid"
            self.ids = self.ids & having_text(view, asked.text, default)

    def take(self, count: int, after: Place | None, *, backwards: bool) -> list[tuple[str | None, int]]:
        """The next *count* entities beyond *after*, each with the value that it is sorted by."""
        if self._by_field is None:
            uid = None if after is None else after.uid
            members = self._contents.uids.take(self.ids, count, after=uid, descending=self._falling is not backwards)
            return [(None, member) for member in members]
        place = None if after is None else (after.value or "", after.uid)
        return list(self._by_field.take(self.ids, count, after=place, backwards=backwards))

    def place(self, found: tuple[str | None, int]) -> Place:
        """Where *found* stands."""
        value, member = found
        return Place(value, self._contents.uids.text(member))

    def is_beyond(self, place: Place, other: Place) -> bool:
        """Whether *place* comes after *other* in the list."""
        here, there = (place.value or "", place.uid), (other.value or "", other.uid)
        return here < there if self._falling else here > there

    def bodies(self, found: list[tuple[str | None, int]]) -> list[bytes]:
        """The entities that were found."""
        return self._contents.bodies_of([member for _, member in found])
