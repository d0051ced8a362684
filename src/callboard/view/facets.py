"""Facets: which values a field has, and how many entities have each."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyroaring import BitMap

from callboard.model.json import JsonValue
from callboard.model.predicates import Predicate
from callboard.view.texts import TextSearch, having_text
from callboard.view.views import View

_REMEMBERED = 100
"""Facets that are remembered until the view changes,"""

_REMEMBERED_VALUES = 2_000
"""but for those with more values."""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Which values are told."""

    limit: int | None = None
    """So many, those with the largest counts first; None: all, in the order of their code points."""
    containing: str = ""
    """Only those with this text in them, in any case."""


def facets(
    view: View,
    keys: Sequence[str],
    predicate: Predicate | None = None,
    narrowing: Narrowing | None = None,
    text: TextSearch | None = None,
) -> dict[str, list[JsonValue]]:
    """For each of *keys* a list of `{"value", "count"}`, values as written; nothing about other entities counts."""
    selected = None if text is None else view.evaluate(predicate) & having_text(view, text)
    found: dict[str, list[JsonValue]] = {}
    for key in keys:
        counted = _counted(view, key.lower(), predicate) if selected is None else _sizes(view, key.lower(), selected)
        found[key] = [{"value": value, "count": count} for value, count in _narrowed(counted, narrowing)]
    return found


def _counted(view: View, key: str, predicate: Predicate | None) -> list[tuple[str, int]]:
    # Each page of a front end asks for the same few facets, and between two changes they stay as they are.
    known = view.counted.get((key, predicate))
    if known is not None:
        return known
    sizes = _sizes(view, key, None if predicate is None else view.evaluate(predicate))
    if len(sizes) <= _REMEMBERED_VALUES:
        if len(view.counted) >= _REMEMBERED:
            view.counted.clear()
        view.counted[key, predicate] = sizes
    return sizes


def _sizes(view: View, key: str, selected: BitMap | None) -> list[tuple[str, int]]:
    """How many of *selected*, or of all, have each value, in the order of the values."""
    column = view.contents.index.column(key)
    if column is None:
        return []
    # One step per value of the catalog: a call of our own for each would double the time.
    values = column.values
    each = [(value, values[value]) for value in column.written()]
    if selected is None:
        return [(value, 1 if isinstance(ids, int) else len(ids)) for value, ids in each]
    within, has = selected.intersection_cardinality, selected.__contains__
    counted = [
        (
            value,
            int(ids in selected)
            if isinstance(ids, int)
            else (within(ids) if isinstance(ids, BitMap) else sum(map(has, ids))),
        )
        for value, ids in each
    ]
    return [pair for pair in counted if pair[1]]


def _narrowed(sizes: list[tuple[str, int]], narrowing: Narrowing | None) -> list[tuple[str, int]]:
    if narrowing is None:
        return sizes
    if narrowing.containing:
        text = narrowing.containing.lower()
        sizes = [each for each in sizes if text in each[0].lower()]
    if narrowing.limit is None:
        return sizes
    return sorted(sizes, key=lambda each: -each[1])[: narrowing.limit]
