"""Choosing: what the form that narrows a graph offers, with how much there is of each."""

from collections.abc import Mapping
from dataclasses import dataclass

from callboard.ui.graphs import pairs
from callboard.ui.graphs.narrowing import Narrowing
from callboard.ui.graphs.neighbourhoods import Neighbourhood
from callboard.ui.presenting import KINDS, kind_name


@dataclass(frozen=True, slots=True)
class Option:
    """One box to tick."""

    value: str
    text: str
    count: int
    """How many relations of the entity it means; 0 where that is not known."""
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """All boxes of the form."""

    relations: list[Option]
    kinds: list[Option]


def choices(found: Neighbourhood, narrowing: Narrowing) -> Choices:
    """What there is to choose from: what was met on the way, and what was chosen before."""
    return Choices(
        [
            Option(name, pairs.both_names(name), count, narrowing.relations.issuperset({name}))
            for name, count in sorted(
                _with(found.relations, narrowing.relations).items(), key=lambda each: pairs.place(each[0])
            )
        ],
        [
            Option(kind, kind_name(kind, 2), count, kind in narrowing.kinds)
            for kind, count in sorted(_with(found.kinds, narrowing.kinds).items(), key=lambda each: _place(each[0]))
        ],
    )


def _with(counted: Mapping[str, int], chosen: frozenset[str]) -> dict[str, int]:
    return {**dict.fromkeys(chosen, 0), **counted}


def _place(kind: str) -> tuple[int, str]:
    return (KINDS.index(kind) if kind in KINDS else len(KINDS), kind)
