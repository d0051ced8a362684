"""The synchronous face of the client."""

import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx2

from callboard.client import core, failures
from callboard.client.core import Call, EntityList, EntityQuery, Filters, Mode
from callboard.client.following import Following, FollowOptions, News
from callboard.client.results import Entity, EntityPage, EventPage, Facets, Location
from callboard.errors import CallboardError
from callboard.model.refs import EntityRef

T = TypeVar("T")


class CatalogClient:
    """Talks to a catalog. Errors are those of `callboard.errors`; no answer at all is Unavailable.

    *timeout* counts the seconds of silence, beyond those that an answer is asked to be held back. *transport* and
    *sleep* can be replaced where there is no network or no time.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:7007",
        *,
        token: str | None = None,
        timeout: float = 10.0,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._sleep = sleep
        self._http = httpx2.Client(base_url=core.base_of(url), headers=core.headers(token), transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Make a call of `callboard.client.core`."""
        try:
            answer = self._http.request(
                call.method,
                call.path,
                params=list(call.params),
                json=call.body,
                timeout=self._timeout + call.wait,
            )
        except httpx2.RequestError as error:
            raise failures.unreachable(self._url, error) from error
        return call.result(answer.status_code, answer.content)

    def get_entity_by_ref(self, ref: str | EntityRef) -> Entity:
        """The entity with this ref, for example `component:payments`. Raises NotFound."""
        return self.send(core.entity_by_ref(ref))

    def get_entities(self, **wanted: Unpack[EntityList]) -> list[Entity]:
        """All entities that are wanted, in one answer."""
        return self.send(core.entities(**wanted))

    def query_entities(self, **wanted: Unpack[EntityQuery]) -> EntityPage:
        """The first page of the entities that are wanted."""
        return self.send(core.first_page(**wanted))

    def query_page(self, cursor: str, *, limit: int | None = None, fields: Sequence[str] = ()) -> EntityPage:
        """The page that a cursor of another page leads to."""
        return self.send(core.page_at(cursor, limit=limit, fields=fields))

    def iterate_entities(self, **wanted: Unpack[EntityQuery]) -> Iterator[Entity]:
        """All entities that are wanted, fetched page by page; *limit* is the size of a page."""
        limit, fields = wanted.get("limit"), wanted.get("fields", ())
        call = core.first_page(**wanted)
        cursor: str | None = ""
        while cursor is not None:
            page = self.send(call)
            yield from page.items
            cursor = page.next_cursor
            if cursor is not None:
                call = core.page_at(cursor, limit=limit, fields=fields)

    def get_facets(self, fields: Sequence[str], filters: Filters = ()) -> Facets:
        """How often each value of *fields* occurs."""
        return self.send(core.facets(fields, filters))

    def get_locations(self) -> list[Location]:
        """All registered locations."""
        return self.send(core.locations())

    def add_location(self, target: str, *, on_conflict: str | None = None) -> Location:
        """Register the URL *target*; *on_conflict* is `reject` or `refresh`. Raises Conflict."""
        return self.send(core.add_location(target, on_conflict=on_conflict))

    def remove_location(self, location_id: str) -> None:
        """Unregister a location, and remove what only it had brought. Raises NotFound."""
        self.send(core.remove_location(location_id))

    def refresh_entity(self, ref: str | EntityRef) -> None:
        """Ask for an entity to be read again at its source, soon."""
        self.send(core.refresh(ref))

    def events(
        self,
        offset: int = 0,
        *,
        limit: int | None = None,
        wait: float = 0.0,
        mode: Mode = "log",
        epoch: str | None = None,
    ) -> EventPage:
        """The changes after *offset*, held back up to *wait* seconds until there is one.

        Raises OffsetExpired when some are forgotten or the stream has begun another epoch, and OffsetInTheFuture.
        """
        return self.send(core.events(offset, limit=limit, wait=wait, mode=mode, epoch=epoch))

    def follow(self, offset: int = 0, **options: Unpack[FollowOptions]) -> Iterator[News]:
        """All changes after *offset*, the past compacted and then live, with a bookmark after each page of them.

        Failures that pass are waited out, however long that takes. Raises OffsetExpired and OffsetInTheFuture.
        """
        following = Following(offset, **options)
        while not following.done:
            try:
                page = self.send(following.next_call())
            except CallboardError as error:
                self._sleep(following.pause_after(error))
                continue
            yield from following.take(page)
