"""Filters: which entities are meant, as callers write it and as the catalog reads it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from callboard.errors import InvalidInput
from callboard.model.predicates import format_query, parse_filters

Filter: TypeAlias = str | Mapping[str, str | Sequence[str] | Literal[True]]
"""Conditions that must all hold: `{"kind": "component", "spec.type": ["service", "website"]}`, where True means "is
there with any value"; or the same as Backstage writes it, `kind=component,spec.type=service,spec.type=website`."""

Filters: TypeAlias = Filter | Sequence[Filter]
"""One filter, or several of which one must hold."""

Query: TypeAlias = Mapping[str, object]
"""A predicate, which can say more than filters: `{"$not": {"metadata.tags": {"$contains": "legacy"}}}`."""


def texts(filters: Filters) -> list[str]:
    """The values of the parameter `filter`."""
    several = [filters] if isinstance(filters, str | Mapping) else filters
    return [each if isinstance(each, str) else ",".join(_conditions(each)) for each in several]


def predicate(filters: Filters, query: Query | None) -> Query | None:
    """What meets both, as one predicate; None when they say nothing."""
    filtered = parse_filters(texts(filters))
    if filtered is None:
        return query
    stated = format_query(filtered)
    return stated if query is None else {"$all": [query, stated]}


def _conditions(conditions: Mapping[str, str | Sequence[str] | Literal[True]]) -> Iterator[str]:
    for key, expected in conditions.items():
        if expected is True:
            yield key
            continue
        for value in [expected] if isinstance(expected, str) else expected:
            if "," in value:
                raise InvalidInput(
                    f"a filter can't ask for {key} to be {value!r}: its texts can't have commas; a query's can"
                )
            yield f"{key}={value}"
