"""The core of the client, without I/O: which requests there are, and what their answers mean.

Each function makes a `Call`. A face sends its request and hands the answer back to it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypedDict, TypeVar, Unpack
from urllib.parse import quote, urlsplit

import msgspec

from callboard import __version__
from callboard.client import answers, failures
from callboard.client.results import Entity, EntityPage, EventPage, Facets, Location
from callboard.errors import InvalidInput, Unreadable
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef

T = TypeVar("T")

MOUNT = "/api/catalog"

Filter: TypeAlias = str | Mapping[str, str | Sequence[str] | Literal[True]]
"""Conditions that must all hold: `{"kind": "component", "spec.type": ["service", "website"]}`, where True means "is
there with any value"; or the same as Backstage writes it, `kind=component,spec.type=service,spec.type=website`."""

Filters: TypeAlias = Filter | Sequence[Filter]
"""One filter, or several of which one must hold."""

Mode: TypeAlias = Literal["log", "compacted"]
"""How the stream tells the past: change by change as far as it is kept, or each entity once."""


class EntityList(TypedDict, total=False):
    """Which entities to list, and what of them."""

    filters: Filters
    fields: Sequence[str]
    """Dotted paths to keep, such as `metadata.name`; everything by default."""
    order: Sequence[str]
    """Dotted paths to sort by, each with `,desc` behind it for the reverse order."""
    limit: int
    offset: int


class EntityQuery(EntityList, total=False):
    """Which entities to query page by page."""

    text: str
    """Words that the text fields, or *text_fields*, must contain."""
    text_fields: Sequence[str]
    count: bool
    """Whether to count all pages, as is usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """A request, and how to read its answer."""

    path: str
    read: Callable[[bytes], T]
    method: str = "GET"
    params: Sequence[tuple[str, str]] = ()
    body: JsonObject | None = None
    wait: float = 0.0
    """How many seconds the server may hold the answer back."""

    def result(self, status: int, content: bytes) -> T:
        """What the answer says. Raises the error that it stands for."""
        if not 200 <= status < 300:
            raise failures.of_answer(status, content)
        try:
            return self.read(content)
        except msgspec.DecodeError as error:
            raise Unreadable(f"the answer to {self.method} {self.path} is not that of a catalog: {error}") from error


def base_of(url: str) -> str:
    """The address of the catalog API on the server at *url*, which may name the API itself as well."""
    if not _is_server(url):
        raise InvalidInput(f"{url!r} is not the URL of a server; expected something like http://127.0.0.1:7007")
    base = url.rstrip("/")
    return base if base.endswith(MOUNT) else base + MOUNT


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Port 0 can't be connected to; a port that is not a number raises.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def headers(token: str | None) -> dict[str, str]:
    """What every request says about its sender."""
    own = {"user-agent": f"callboard-client/{__version__}", "accept": "application/json"}
    return own | ({"authorization": f"Bearer {token}"} if token else {})


def entity_by_ref(ref: str | EntityRef) -> Call[Entity]:
    """The entity with this ref."""
    parsed = EntityRef.parse(ref) if isinstance(ref, str) else ref
    parts = (quote(part, safe="") for part in (parsed.kind, parsed.namespace, parsed.name))
    return Call(path=f"/entities/by-name/{'/'.join(parts)}", read=answers.entity)


def entities(**wanted: Unpack[EntityList]) -> Call[list[Entity]]:
    """All entities, or a range of them."""
    order = [("order", ":".join(_order(text)[::-1])) for text in wanted.get("order", ())]
    return Call(path="/entities", params=[*_selection(wanted), *order], read=answers.entities)


def first_page(**wanted: Unpack[EntityQuery]) -> Call[EntityPage]:
    """The first page of a query."""
    params = _selection(wanted)
    params += [("orderField", ",".join(_order(text))) for text in wanted.get("order", ())]
    if text := wanted.get("text"):
        params.append(("fullTextFilterTerm", text))
    if text_fields := wanted.get("text_fields"):
        params.append(("fullTextFilterFields", ",".join(text_fields)))
    if not wanted.get("count", True):
        params.append(("totalItems", "exclude"))
    return Call(path="/entities/by-query", params=params, read=answers.page)


def page_at(cursor: str, *, limit: int | None = None, fields: Sequence[str] = ()) -> Call[EntityPage]:
    """The page that a cursor of another one leads to. The cursor knows the filters and the order, no more."""
    params = [("cursor", cursor)]
    params += [("limit", str(limit))] if limit is not None else []
    params += [("fields", ",".join(fields))] if fields else []
    return Call(path="/entities/by-query", params=params, read=answers.page)


def facets(fields: Sequence[str], filters: Filters = ()) -> Call[Facets]:
    """The values of *fields* among the entities that *filters* let through."""
    params = [("facet", field) for field in fields] + [("filter", text) for text in _filters(filters)]
    return Call(path="/entity-facets", params=params, read=answers.facets)


def locations() -> Call[list[Location]]:
    """All registered locations."""
    return Call(path="/locations", read=answers.locations)


def add_location(target: str, *, on_conflict: str | None = None) -> Call[Location]:
    """Register a URL."""
    return Call(
        method="POST",
        path="/locations",
        params=[("onConflict", on_conflict)] if on_conflict else (),
        body={"type": "url", "target": target},
        read=answers.registered,
    )


def remove_location(location_id: str) -> Call[None]:
    """Unregister a location."""
    return Call(method="DELETE", path=f"/locations/{quote(location_id, safe='')}", read=answers.nothing)


def refresh(ref: str | EntityRef) -> Call[None]:
    """Read an entity again at its source."""
    parsed = EntityRef.parse(ref) if isinstance(ref, str) else ref
    return Call(method="POST", path="/refresh", body={"entityRef": str(parsed)}, read=answers.nothing)


def events(
    offset: int, *, limit: int | None = None, wait: float = 0.0, mode: Mode = "log", epoch: str | None = None
) -> Call[EventPage]:
    """The events after *offset*."""
    params = [("offset", str(offset)), ("mode", mode)]
    params += [("limit", str(limit))] if limit is not None else []
    params += [("wait", f"{wait:g}")] if wait else []
    params += [("epoch", epoch)] if epoch is not None else []
    return Call(path="/events", params=params, wait=wait, read=answers.event_page)


def _selection(wanted: EntityList | EntityQuery) -> list[tuple[str, str]]:
    params = [("filter", text) for text in _filters(wanted.get("filters", ()))]
    if fields := wanted.get("fields"):
        params.append(("fields", ",".join(fields)))
    if "limit" in wanted:
        params.append(("limit", str(wanted["limit"])))
    if "offset" in wanted:
        params.append(("offset", str(wanted["offset"])))
    return params


def _order(text: str) -> tuple[str, str]:
    field, _, direction = text.partition(",")
    return field, direction or "asc"


def _filters(filters: Filters) -> list[str]:
    several = [filters] if isinstance(filters, str | Mapping) else filters
    return [each if isinstance(each, str) else ",".join(_conditions(each)) for each in several]


def _conditions(conditions: Mapping[str, str | Sequence[str] | Literal[True]]) -> Iterator[str]:
    for key, expected in conditions.items():
        if expected is True:
            yield key
            continue
        for value in [expected] if isinstance(expected, str) else expected:
            if "," in value:
                raise InvalidInput(f"a filter can't ask for {key} to be {value!r}: its texts can't have commas")
            yield f"{key}={value}"
