"""Parts: what a page shows of any definition, whichever format it has."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A schema, or a property in one."""

    name: str
    type: str
    """In words, up to the name of another schema: `array of`."""
    target: str = ""
    """The name of the schema that it refers to."""
    anchor: str = ""
    """Where that one is on the page; empty when the definition has it not."""
    required: bool = False
    description: str = ""
    notes: Sequence[str] = ()
    """What else is said of it, each a few words: limits, a default, its values."""
    children: Sequence["Node"] = ()
    cut: bool = False
    """Whether there is more below it than is shown."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation."""

    name: str
    place: str
    """Where it goes: path, query, header, cookie, or form."""
    node: Node


@dataclass(frozen=True, slots=True)
class Content:
    """One form that a body has: a media type, or a part of a message."""

    label: str
    node: Node | None
    example: str = ""
    """As JSON, if it is small."""


@dataclass(frozen=True, slots=True)
class Section:
    """What goes in, or comes out: a request's body, a response, a message."""

    title: str
    tone: str
    """Of the title, as badges have them."""
    description: str
    contents: Sequence[Content]
    headers: Sequence[Node] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """All that an operation says."""

    description: str
    operation_id: str
    parameters: Sequence[Parameter]
    sections: Sequence[Section]
    security: Sequence[str]
    """The ways to prove who one is, any of which will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One line of the list of operations."""

    anchor: str
    badge: str
    """GET, SEND, …"""
    name: str
    """A path, or a channel."""
    summary: str
    deprecated: bool
    details: Details | None
    """None when the page is full; it has a page of its own then."""


@dataclass(frozen=True, slots=True)
class Group:
    """Operations that belong together."""

    name: str
    description: str
    operations: Sequence[Operation]


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema with a name of its own."""

    anchor: str
    name: str
    node: Node | None
    """None when the page is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What an API says of itself."""

    format: str
    """And its version: `OpenAPI 3.1.0`."""
    title: str
    version: str
    description: str
    contacts: Sequence[tuple[str, str]]
    """Words and addresses, of which some are empty."""
    servers: Sequence[tuple[str, str]]
    """Addresses and what is said of them."""
    schemes: Sequence[tuple[str, str]]
    """How to prove who one is: names and what they are."""
    groups: Sequence[Group]
    schemas: Sequence[Schema]

    @property
    def size(self) -> int:
        """How many operations it has."""
        return sum(len(group.operations) for group in self.groups)

    @property
    def is_full(self) -> bool:
        """Whether something has a page of its own, since this one is full."""
        operations = (operation for group in self.groups for operation in group.operations)
        return any(each.details is None for each in operations) or any(each.node is None for each in self.schemas)


MOST_ROWS = 800
"""Rows of a page, properties and parameters and responses together: some 10 KB compressed, and 25 ms."""

LONGEST_DESCRIPTION = 20_000
"""Characters of what a definition, or an operation, says of itself."""

LONGEST_REMARK = 1_000
"""Characters of what is said of anything in it."""

MOST_LISTED = 2_000
"""Operations, and schemas, that are named at all."""


@dataclass(slots=True)
class Page:
    """The room on a page that shows a definition, or *only* what one anchor names."""

    only: str = ""
    rows: int = MOST_ROWS
    _anchors: dict[str, int] = field(default_factory=dict[str, int])

    def anchor(self, *words: str) -> str:
        """A new anchor that says *words*, always the same for the same document."""
        said = re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[:80]
        count = self._anchors[said] = self._anchors.get(said, 0) + 1
        return said if count == 1 else f"{said}--{count}"

    def has_room(self, anchor: str) -> bool:
        """Whether there is room for what *anchor* names."""
        return self.rows > 0 and self.only in ("", anchor)

    def take(self, rows: int = 1) -> None:
        """So many *rows* are gone."""
        self.rows -= rows


Anchors = Mapping[str, str]
"""Where the schemas with names are on the page, by the references to them."""
