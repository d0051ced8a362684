"""Relation cards: what an entity has to do with others, one short table for each way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef
from callboard.ui.presenting import KINDS, as_ref, first_line, kind_name, kind_of, title_of
from callboard.ui.shapes import mapping, text
from callboard.ui.subjects import Subject
from callboard.ui.visits import Visit

MOST_ROWS: Final = 10
"""Rows of a card; the tab of the relations has the rest."""

_MOST_CARDS: Final = 24

_TITLES: Final = {
    "dependsOn": "Depends on",
    "dependencyOf": "What depends on it",
    "providesApi": "Provided APIs",
    "consumesApi": "Consumed APIs",
    "apiProvidedBy": "Provided by",
    "apiConsumedBy": "Consumed by",
}
_ELSEWHERE: Final = frozenset(
    ("ownedBy", "ownerOf", "partOf", "childOf", "parentOf", "memberOf", "hasMember")
)  # fmt: skip
"""What other cards tell of."""

_FIELDS: Final = (
    "kind", "metadata.namespace", "metadata.name", "metadata.title", "metadata.description", "spec.type",
    "spec.lifecycle", "spec.owner", "spec.profile.displayName",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One entity at the other end, and what is known of it. One that can't be found has nothing but its ref."""

    ref: str
    title: str
    description: str
    type: str
    lifecycle: str
    owner: str
    """A ref, or nothing."""
    is_missing: bool


@dataclass(frozen=True, slots=True)
class Card:
    """The entities that are at the other end of one sort of relations."""

    title: str
    relation: str
    refs: Sequence[str]

    @property
    def shown(self) -> Sequence[str]:
        """Those that have a row."""
        return self.refs[:MOST_ROWS]


def of(subject: Subject) -> list[Card]:
    """The cards of *subject*: its parts by their kind, then what APIs and dependencies say, then the rest by name."""
    sorts: dict[tuple[str, str], dict[str, None]] = {}
    for type_ in subject.targets.keys() - _ELSEWHERE:
        for ref in subject.targets[type_]:
            sorts.setdefault((type_, kind_of(ref) if type_ == "hasPart" else ""), {})[ref] = None
    return [
        Card(_title(subject.kind, *sort), sort[0], [*sorts[sort]]) for sort in sorted(sorts, key=_rank)[:_MOST_CARDS]
    ]


def _rank(sort: tuple[str, str]) -> tuple[int, int, str, str]:
    type_, kind = sort
    types = ("hasPart", *_TITLES)
    return (
        types.index(type_) if type_ in types else len(types),
        KINDS.index(kind) if kind in KINDS else len(KINDS),
        type_,
        kind,
    )


async def known(visit: Visit, refs: Sequence[str]) -> Mapping[str, Row]:
    """What is known of the entities under *refs*, all asked for at once."""
    wanted = list(dict.fromkeys(refs))
    found = await visit.catalog.by_refs(wanted, _FIELDS)
    return {ref: _row(ref, entity) for ref, entity in zip(wanted, found, strict=True)}


def _row(ref: str, entity: JsonObject | None) -> Row:
    if entity is None:
        return Row(ref, "", "", "", "", "", is_missing=True)
    metadata, spec = mapping(entity.get("metadata")), mapping(entity.get("spec"))
    return Row(
        ref,
        title_of(entity),
        first_line(text(metadata.get("description"))),
        text(spec.get("type")),
        text(spec.get("lifecycle")),
        as_ref(spec.get("owner"), "group", EntityRef.parse(ref).namespace) or "",
        is_missing=False,
    )


def _title(subject_kind: str, type_: str, kind: str) -> str:
    if type_ == "hasPart":
        return f"Sub{kind_name(kind, 2).lower()}" if kind == subject_kind else kind_name(kind, 2)
    return _TITLES.get(type_) or _spelled_out(type_)


def _spelled_out(type_: str) -> str:
    """A name in one word as several.

    >>> _spelled_out("deployedTo")
    'Deployed to'
    """
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type_).strip()
    return spaced[:1].upper() + spaced[1:]
