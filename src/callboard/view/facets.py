"""Facets: which values a field has, and how many entities have each."""

from collections.abc import Sequence

from callboard.model.json import JsonValue
from callboard.model.predicates import Predicate, both
from callboard.view.ids import size, size_within
from callboard.view.views import View


def facets(
    view: View, keys: Sequence[str], predicate: Predicate | None = None, *, visible: Predicate | None = None
) -> dict[str, list[JsonValue]]:
    """For each of *keys* a list of `{"value", "count"}`, values as written and in the order of their code points."""
    selection = both(predicate, visible)
    selected = None if selection is None else view.evaluate(selection)
    found: dict[str, list[JsonValue]] = {}
    for key in keys:
        column = view.contents.index.column(key.lower())
        sizes: list[tuple[str, int]] = []
        if column is not None and selected is None:
            sizes = [(value, size(ids)) for value, ids in column.values.items()]
        elif column is not None and selected is not None:
            sizes = [(value, size_within(ids, selected)) for value, ids in column.values.items()]
        found[key] = [{"value": value, "count": count} for value, count in sorted(sizes) if count]
    return found
