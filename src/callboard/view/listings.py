"""Listings: the entities as a plain list, whole or by offset (`GET /entities`)."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyroaring import BitMap

from callboard.model.predicates import Predicate, both
from callboard.view.bodies import Selection
from callboard.view.cursors import Window, format_after
from callboard.view.orders import FieldWalk, Order
from callboard.view.views import View


@dataclass(frozen=True, slots=True)
class Listing:
    """Entities as JSON, and the `after` cursor of the next window if there is one."""

    bodies: Selection
    after: str | None = None


def list_entities(
    view: View,
    predicate: Predicate | None = None,
    *,
    orders: Sequence[Order] = (),
    window: Window | None = None,
    visible: Predicate | None = None,
) -> Listing:
    """The entities that are meant, by ref when no order is asked for.

    As in the Backstage catalog, the two forms differ. A *window* honours all orders, and puts the entities that lack a
    field last. Without one the first order counts, and the entities that lack its field are left out.
    """
    ids = view.evaluate(both(predicate, visible))
    if window is None:
        return Listing(view.contents.bodies.select(_order_by_first(view, ids, orders)))
    end = len(ids) if window.limit is None else window.offset + window.limit
    members = _order_by_all(view, ids, orders, end)
    bodies = view.contents.bodies.select(members[window.offset : end])
    following = Window(end, window.limit)
    return Listing(bodies, format_after(following) if end < len(ids) else None)


def _order_by_first(view: View, ids: BitMap, orders: Sequence[Order]) -> list[int]:
    if not orders:
        return view.contents.refs.take(ids, len(ids))
    walk = _walk(view, orders[0])
    if walk is None:
        return []
    having = ids & walk.column.holders()
    return [member for _, member in walk.take(having, len(having))]


def _order_by_all(view: View, ids: BitMap, orders: Sequence[Order], count: int) -> list[int]:
    """At least the first *count* of *ids*."""
    if not orders:
        return view.contents.refs.take(ids, count)
    if len(orders) == 1:
        return _order_by_one(view, ids, orders[0], count)
    members = view.contents.uids.take(ids, len(ids))
    for order in reversed(orders):
        walk = _walk(view, order)
        if walk is not None:
            holders = walk.column.holders()
            having = [member for member in members if member in holders]
            having.sort(key=walk.value, reverse=order.descending)
            members = having + [member for member in members if member not in holders]
    return members


def _order_by_one(view: View, ids: BitMap, order: Order, count: int) -> list[int]:
    walk = _walk(view, order)
    if walk is None:
        return view.contents.uids.take(ids, count)
    having = ids & walk.column.holders()
    members = [member for _, member in walk.take(having, count)]
    if len(members) < count:
        members += view.contents.uids.take(ids - having, count - len(members))
    return members


def _walk(view: View, order: Order) -> FieldWalk | None:
    column = view.contents.index.column(order.key)
    return None if column is None else FieldWalk(column, view.contents.uids, order.descending)
