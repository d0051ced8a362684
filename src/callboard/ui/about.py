"""About: what an entity says of itself, fact by fact, in the order in which people ask."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from callboard.model.annotations import EDIT_URL, MANAGED_BY_LOCATION, SOURCE_LOCATION, VIEW_URL
from callboard.model.json import JsonObject, JsonValue
from callboard.ui.addresses import Place, outside, place
from callboard.ui.presenting import KINDS, kind_name, kind_of
from callboard.ui.shapes import mapping, mappings, sequence, text
from callboard.ui.subjects import Subject

MOST_REFS: Final = 12
"""Refs in one fact: of more there is a number."""

_OWNED: Final = frozenset(KINDS) - {"group", "user", "location"}
_PICTURES: Final = {
    "docs": "template", "documentation": "template", "techdocs": "template", "code": "source", "github": "source",
    "gitlab": "source", "dashboard": "stream", "chat": "user", "email": "user", "user": "user", "group": "group",
    "catalog": "system", "alert": "warning", "help": "other",
}  # fmt: skip
"""Ours, for the pictures of links that Backstage has a name for."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: text, refs or places. Without any of them it is one that is missing."""

    label: str
    text: str = ""
    refs: Sequence[str] = ()
    expected: str = ""
    """The kind that refs usually have here, which goes without saying."""
    places: Sequence[Place] = ()
    wide: bool = False

    @property
    def more(self) -> int:
        """How many refs are too many to be shown."""
        return max(0, len(self.refs) - MOST_REFS)


@dataclass(frozen=True, slots=True)
class Link:
    """A link that an entity has, with a picture of ours."""

    title: str
    address: str
    """Empty when a browser must not follow it."""
    picture: str
    type: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where an entity is kept."""

    view: str
    """The address of a page that shows its file, or nothing."""
    edit: str
    """The same, of one that edits it."""
    managed_by: Place
    code: Place | None
    """Where the code of it is, if that is another place."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation, with its address if it is one."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an entity says of itself."""

    description: str
    facts: Sequence[Fact]
    tags: Sequence[str]
    labels: Sequence[tuple[str, str]]
    annotations: Sequence[Annotation]
    links: Sequence[Link]
    source: Source
    steps: Sequence[tuple[str, str]] = field(default=())
    """Of a template: names and actions."""

    @property
    def refs(self) -> list[str]:
        """All that facts lead to, of which titles are wanted."""
        return [ref for fact in self.facts for ref in fact.refs[:MOST_REFS]]


def of(subject: Subject) -> About:
    """What *subject* says of itself, whatever shape it has."""
    metadata = subject.metadata
    return About(
        description=text(metadata.get("description")),
        facts=list(_facts(subject)),
        tags=[text(tag) for tag in sequence(metadata.get("tags"))],
        labels=sorted((name, text(value)) for name, value in mapping(metadata.get("labels")).items()),
        annotations=[
            Annotation(name, Place(text(value), outside(value))) for name, value in sorted(subject.annotations.items())
        ],
        links=[_link(each) for each in mappings(metadata.get("links"))],
        source=_source(subject),
        steps=[_step(each) for each in sequence(subject.spec.get("steps"))] if subject.kind == "template" else (),
    )


def _facts(subject: Subject) -> Iterator[Fact]:
    spec = subject.spec
    owners = subject.related("ownedBy")
    if owners or subject.kind in _OWNED:
        yield Fact("Owner", refs=owners, expected="group")
    yield from _parents(subject)
    yield from _of_people(subject)
    for label, name in (("Type", "type"), ("Lifecycle", "lifecycle")):
        if value := text(spec.get(name)):
            yield Fact(label, value)
    targets = [text(each) for each in (spec.get("target"), *sequence(spec.get("targets")))]
    if subject.kind == "location" and any(targets):
        yield Fact("Targets", places=[Place(target, outside(target)) for target in targets if target], wide=True)


def _parents(subject: Subject) -> Iterator[Fact]:
    parents = subject.related("partOf")
    for kind in dict.fromkeys(kind_of(ref) for ref in parents):
        refs = [ref for ref in parents if kind_of(ref) == kind]
        yield Fact(f"Parent {kind}" if kind == subject.kind else kind_name(kind, len(refs)), refs=refs, expected=kind)


def _of_people(subject: Subject) -> Iterator[Fact]:
    if email := text(mapping(subject.spec.get("profile")).get("email")):
        yield Fact("Email", places=[Place(email, outside(f"mailto:{email}"))])
    for label, relation in (("Parent group", "childOf"), ("Child groups", "parentOf"), ("Groups", "memberOf")):
        refs = subject.related(relation)
        if refs or (subject.kind, relation) == ("user", "memberOf"):
            yield Fact(label, refs=refs, expected="group", wide=len(refs) > 3)


def _link(link: JsonObject) -> Link:
    address = outside(link.get("url"))
    icon = text(link.get("icon")).lower()
    picture = icon if icon in KINDS else _PICTURES.get(icon, "link")
    return Link(text(link.get("title")) or text(link.get("url")), address, picture, text(link.get("type")))


def _source(subject: Subject) -> Source:
    said = subject.annotations
    managed_by = place(said.get(MANAGED_BY_LOCATION))
    code = place(said[SOURCE_LOCATION]) if said.get(SOURCE_LOCATION) else None
    return Source(
        view=outside(said.get(VIEW_URL)) or managed_by.address,
        edit=outside(said.get(EDIT_URL)),
        managed_by=managed_by,
        code=code if code != managed_by else None,
    )


def _step(step: JsonValue) -> tuple[str, str]:
    said = mapping(step)
    return text(said.get("name")) or text(said.get("id")), text(said.get("action"))
