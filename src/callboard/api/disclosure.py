"""Disclosure: which entities a caller may be told of by name."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from starlette.requests import Request

from callboard.api import context
from callboard.model.predicates import Predicate
from callboard.store import claims
from callboard.view.views import View


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What a caller may be told of."""

    view: View
    visible: Predicate | None
    """What must hold for all that the caller sees; None when that is everything."""
    unseen: bool
    """Whether the caller is told of what readers can't see yet."""

    def of(self, refs: Iterable[str]) -> set[str]:
        """Those of *refs* that may be named."""
        if self.visible is None and self.unseen:
            return set(refs)
        asked = set(refs)
        told = self.view.among(asked, predicate=self.visible)
        return told | (asked - self.view.among(asked)) if self.unseen else told

    def hidden(self, refs: Iterable[str]) -> set[str]:
        """Those of *refs* that others see and the caller does not. What nobody sees may be no entity at all."""
        asked = set(refs)
        return self.view.among(asked) - self.view.among(asked, predicate=self.visible)


async def of(request: Request) -> Disclosure:
    """What whoever makes *request* may be told of."""
    # What readers can't see yet has nothing that conditions could hold for.
    visible = await context.visible(request)
    return Disclosure(context.of(request).view, visible, visible is None)


def parents(sources: Iterable[str]) -> set[str]:
    """The refs of the entities among *sources*; providers may be named to everybody."""
    return {parent for source in sources if (parent := claims.parent_in(source)) is not None}


def is_named(source: str, shown: Collection[str]) -> bool:
    """Whether *source* may be named to whom the entities *shown* may."""
    parent = claims.parent_in(source)
    return parent is None or parent in shown
