"""Narrowing: how much of a graph somebody wants to see, as the query string says it."""

import enum
from dataclasses import dataclass

from callboard.ui.graphs.pairs import forward_name
from callboard.ui.visits import Visit

DEEPEST = 5


class Direction(enum.StrEnum):
    """Which way relations are followed."""

    BOTH = "both"
    OUT = "out"
    """Towards what an entity says that it needs or belongs to."""
    IN = "in"
    """Towards what says the same of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """Which relations are followed, and how far."""

    depth: int = 1
    direction: Direction = Direction.BOTH
    relations: frozenset[str] = frozenset()
    """Forward names; empty stands for all."""
    kinds: frozenset[str] = frozenset()
    """In lower case; empty stands for all."""
    without: frozenset[str] = frozenset()
    """Forward names that are not followed where *relations* is empty."""

    def has_relation(self, forward: str) -> bool:
        """Whether relations of this forward name are drawn."""
        return forward in self.relations if self.relations else forward not in self.without

    def has_kind(self, kind: str) -> bool:
        """Whether entities of this kind are drawn."""
        return not self.kinds or kind in self.kinds

    def has(self, relation: str, kind: str, *, is_backward: bool) -> bool:
        """Whether a relation of this forward name is followed to an entity of this kind."""
        if not self.has_relation(relation) or not self.has_kind(kind):
            return False
        return self.direction is Direction.BOTH or (self.direction is Direction.IN) == is_backward

    @property
    def is_narrow(self) -> bool:
        """Whether anything is left out on purpose."""
        return bool(self.relations or self.kinds or self.direction is not Direction.BOTH)


def read(visit: Visit, depth: int = 1, without: frozenset[str] = frozenset()) -> Narrowing:
    """What a visit asks for, in our words or in those of Backstage's page; what can't be meant is passed over."""
    relations = visit.texts("relation") + visit.texts("selectedRelations[]") + visit.texts("selectedRelations")
    kinds = visit.texts("kind") + visit.texts("selectedKinds[]") + visit.texts("selectedKinds")
    direction = visit.text("direction")
    return Narrowing(
        depth=_depth(visit.text("depth") or visit.text("maxDepth"), depth),
        direction=Direction(direction) if direction in list(Direction) else Direction.BOTH,
        relations=frozenset(map(forward_name, relations)),
        kinds=frozenset(kind.lower() for kind in kinds),
        without=without,
    )


def _depth(text: str, usual: int) -> int:
    if text in ("∞", "Infinity"):
        return DEEPEST
    return min(max(int(text), 1), DEEPEST) if text.isascii() and text.isdigit() and len(text) < 9 else usual
