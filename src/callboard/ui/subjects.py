"""Subjects: the entity that a page is about, and what all of its tabs say of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response

from callboard.access.permissions import ENTITY_DELETE, ENTITY_REFRESH, LOCATION_DELETE
from callboard.model.annotations import MANAGED_BY_LOCATION
from callboard.model.json import JsonObject, JsonValue
from callboard.model.refs import EntityRef
from callboard.ui.asking import path_of
from callboard.ui.presenting import page_of, related
from callboard.ui.visits import Visit

ORPHAN = "backstage.io/orphan"
_MOST_RELATIONS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An entity, with what the head of its page shows."""

    ref: str
    entity: JsonObject
    tabs: Sequence[tuple[str, str]]
    """Names and addresses."""
    may_refresh: bool
    may_delete: bool
    may_unregister: bool

    @property
    def kind(self) -> str:
        """Its kind in lower case."""
        return self.ref.partition(":")[0]

    @property
    def uid(self) -> str:
        """What is its own until it is removed."""
        return str(self.metadata.get("uid", ""))

    @property
    def metadata(self) -> JsonObject:
        """Its metadata."""
        return _object(self.entity.get("metadata"))

    @property
    def spec(self) -> JsonObject:
        """Its spec."""
        return _object(self.entity.get("spec"))

    @property
    def annotations(self) -> JsonObject:
        """Its annotations."""
        return _object(self.metadata.get("annotations"))

    @property
    def is_orphan(self) -> bool:
        """Whether nothing claims it any more."""
        return self.annotations.get(ORPHAN) == "true"

    @property
    def errors(self) -> list[JsonObject]:
        """What its last processing has found wrong, each with `level`, `message` and perhaps `error`."""
        items = _object(self.entity.get("status")).get("items")
        return [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []

    @property
    def is_read(self) -> bool:
        """Whether it comes from something that can be read again."""
        return str(self.annotations.get(MANAGED_BY_LOCATION, "")).startswith(("url:", "file:"))


async def find(visit: Visit) -> Subject:
    """The subject that the path names, in any case. Raises Refused when there is none."""
    named = (visit.request.path_params[part].lower() for part in ("kind", "namespace", "name"))
    ref = EntityRef(*named)
    entity = await visit.catalog.get_object("/entities/by-name" + path_of(ref.kind, ref.namespace, ref.name))
    return Subject(
        ref=str(ref),
        entity=entity,
        tabs=_tabs(str(ref)),
        may_refresh=await visit.may(ENTITY_REFRESH),
        may_delete=await visit.may(ENTITY_DELETE),
        may_unregister=await visit.may(LOCATION_DELETE),
    )


def _tabs(ref: str) -> list[tuple[str, str]]:
    tabs = [("Overview", page_of(ref))]
    if ref.startswith("api:"):
        tabs.append(("Definition", page_of(ref, "definition")))
    return [
        *tabs,
        ("Relations", page_of(ref, "relations")),
        ("History", page_of(ref, "history")),
        ("Inspect", page_of(ref, "inspect")),
        ("Events", page_of(ref, "events")),
    ]


async def page(visit: Visit, subject: Subject, template: str, **values: object) -> Response:
    """A tab of the page of *subject*: *template* extends `entity.html`."""
    return visit.page(
        template,
        subject=subject,
        changes=changes_of(visit, subject.ref),
        conflict=await _conflict(visit, subject),
        missing=await missing(visit, subject),
        **values,
    )


def changes_of(visit: Visit, ref: str) -> str:
    """Where scripts learn of the changes of one entity after this page was made."""
    parsed = EntityRef.parse(ref)
    only = f"kind={parsed.kind},metadata.namespace={parsed.namespace},metadata.name={parsed.name}"
    return f"/live/events?offset={visit.context.follower.view.offset}&fields=kind&filter={quote(only, safe='')}"


async def missing(visit: Visit, subject: Subject) -> list[str]:
    """The refs that *subject* has relations to and that nothing can be found under, at most the first thousand."""
    targets = list(dict.fromkeys(related(subject.entity)))[:_MOST_RELATIONS]
    if not targets:
        return []
    found = await visit.catalog.post_object("/entities/by-refs", {"entityRefs": [*targets], "fields": ["kind"]})
    items = found["items"]
    assert isinstance(items, list)
    return [ref for ref, item in zip(targets, items, strict=True) if item is None]


async def _conflict(visit: Visit, subject: Subject) -> JsonObject | None:
    found = await visit.catalog.get_object("/conflicts", entityRef=subject.ref)
    items = found["items"]
    assert isinstance(items, list)
    return _object(items[0]) if items else None


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
