"""Texts: the entities that have a text somewhere in some fields."""

from dataclasses import dataclass

from pyroaring import BitMap

from callboard.view.ids import union
from callboard.view.views import View


@dataclass(frozen=True, slots=True)
class TextSearch:
    """Entities with *term* somewhere in one of *fields*."""

    term: str
    fields: tuple[str, ...] = ()
    """Default: the field that the list is sorted by, else the uid."""


def having_text(view: View, text: TextSearch, default: str = "metadata.uid") -> BitMap:
    """Who has the text, in *default* where no fields are named. A blank text is one that everybody has."""
    term = text.term.strip().lower()
    if not term:
        return view.contents.index.everything
    columns = [view.contents.index.column(field.lower()) for field in text.fields or (default,)]
    return union([column.having(term) for column in columns if column is not None])
