"""The asynchronous face of the client."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar, Unpack, overload

import httpx2

from callboard.client import answers, changes, claims, core, entities, failures, locations, providers, subscriptions
from callboard.client.changes import EventQuery, Include
from callboard.client.claim_results import ConflictPage, Explanation, Removal
from callboard.client.core import Call, Token
from callboard.client.entities import EntityBatch, EntityList, EntityQuery, EntitySelection
from callboard.client.filters import Filters, Query
from callboard.client.following import Following, FollowOptions, News
from callboard.client.lines import Splitter
from callboard.client.locations import OnConflict
from callboard.client.provider_results import HandedOver, Provider, Pushed, Refreshed, Status, WrittenEntity
from callboard.client.results import (
    AddedLocation,
    Ancestry,
    Entity,
    EntityHistory,
    EntityPage,
    EventPage,
    Facets,
    Listing,
    Location,
    LocationAnalysis,
    LocationPage,
    Validation,
)
from callboard.client.retries import Attempts
from callboard.client.subscription_results import Subscription, SubscriptionBatch
from callboard.client.subscriptions import Place
from callboard.clock import SystemClock
from callboard.errors import CallboardError, NotFound
from callboard.model.refs import EntityRef, LocationRef
from callboard.outgoing import AsyncClient

T = TypeVar("T")
R = TypeVar("R")


class AsyncCatalogClient:
    """Talks to a catalog without blocking. Errors are those of `callboard.errors`; no answer at all is Unavailable.

    *timeout* counts the seconds of silence, beyond those that an answer is asked to be held back. What may be asked
    twice is asked up to *retries* times more while the server is Unavailable. *transport* and *sleep* can be replaced
    where there is no network or no time.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:7007",
        *,
        token: Token | None = None,
        timeout: float = 10.0,
        retries: int = 3,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = SystemClock().sleep,
    ) -> None:
        self._url = url
        self._token = token
        self._timeout = timeout
        self._retries = retries
        self._sleep = sleep
        self._http = AsyncClient(base_url=core.base_of(url), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """What a call of `entities`, `locations` and the others gives; it is sent again where that may help."""
        return await self._repeated(call, self._once)

    async def _repeated(self, call: Call[T], once: Callable[[Call[T]], Awaitable[R]]) -> R:
        attempts = Attempts(self._retries if call.repeatable else 0)
        while attempts.left > 0:
            try:
                return await once(call)
            except CallboardError as error:
                if not call.again:
                    raise
                await self._sleep(attempts.pause_after(error))
        return await once(call)

    async def _once(self, call: Call[T]) -> T:
        try:
            answer = await self._http.send(self._request(call))
        except httpx2.RequestError as error:
            raise failures.unreachable(self._url, error) from error
        return call.result(answer.status_code, answer.content, answer.headers)

    async def _lines(self, call: Call[T]) -> AsyncIterator[T]:
        """What the call gives for each line of its answer, as they come."""
        splitter = Splitter()
        answer = await self._repeated(call, self._opened)
        try:
            async for piece in answer.aiter_bytes():
                for line in splitter.feed(piece):
                    yield call.result(answer.status_code, line, answer.headers)
            for line in splitter.end():
                yield call.result(answer.status_code, line, answer.headers)
        except httpx2.RequestError as error:
            raise failures.unreachable(self._url, error) from error
        finally:
            await answer.aclose()

    async def _opened(self, call: Call[T]) -> httpx2.Response:
        try:
            answer = await self._http.send(self._request(call), stream=True)
            if not answer.is_success:
                call.result(answer.status_code, await answer.aread(), answer.headers)
        except httpx2.RequestError as error:
            raise failures.unreachable(self._url, error) from error
        return answer

    def _request(self, call: Call[T]) -> httpx2.Request:
        return self._http.build_request(
            call.method,
            call.path,
            params=list(call.params),
            json=call.body,
            content=None if call.content is None else aiter(call.content),
            headers=core.headers(self._token, call),
            timeout=httpx2.Timeout(self._timeout + call.wait, connect=self._timeout),
        )

    async def get_entity_by_ref(self, ref: str | EntityRef, *, min_offset: int | None = None) -> Entity:
        """The entity with this ref, for example `component:payments`. Raises NotFound."""
        return await self.send(entities.by_ref(ref, min_offset=min_offset))

    async def find_entity_by_ref(self, ref: str | EntityRef, *, min_offset: int | None = None) -> Entity | None:
        """The entity with this ref, or None."""
        try:
            return await self.get_entity_by_ref(ref, min_offset=min_offset)
        except NotFound:
            return None

    async def get_entities(self, **wanted: Unpack[EntityList]) -> Listing[Entity]:
        """All entities that are wanted, in one answer."""
        return await self.send(entities.listing(**wanted))

    async def get_entities_by_refs(
        self, refs: Sequence[str | EntityRef], **wanted: Unpack[EntityBatch]
    ) -> Listing[Entity | None]:
        """The entities with these refs, in their order; None for those that are not there or not wanted.

        Many refs take several requests.
        """
        return answers.joined([await self.send(call) for call in entities.batches(refs, **wanted)])

    async def query_entities(self, **wanted: Unpack[EntityQuery]) -> EntityPage:
        """The first page of the entities that are wanted."""
        return await self.send(entities.first_page(**wanted))

    async def query_page(
        self, cursor: str, *, limit: int | None = None, fields: Sequence[str] = (), min_offset: int | None = None
    ) -> EntityPage:
        """The page that a cursor of another page leads to."""
        return await self.send(entities.page_at(cursor, limit=limit, fields=fields, min_offset=min_offset))

    async def stream_entities(
        self, *, page_size: int = 500, **wanted: Unpack[EntitySelection]
    ) -> AsyncIterator[EntityPage]:
        """All entities that are wanted, page by page; one page at least, be it empty."""
        call: Call[EntityPage] | None = entities.first_page(limit=page_size, **wanted)
        while call is not None:
            page = await self.send(call)
            yield page
            call = entities.page_after(page, page_size=page_size, wanted=wanted)

    async def iterate_entities(
        self, *, page_size: int = 500, **wanted: Unpack[EntitySelection]
    ) -> AsyncIterator[Entity]:
        """All entities that are wanted, fetched page by page."""
        async for page in self.stream_entities(page_size=page_size, **wanted):
            for entity in page.items:
                yield entity

    async def get_entity_ancestors(self, ref: str | EntityRef, *, min_offset: int | None = None) -> Ancestry:
        """What led to an entity: those that emitted it, those that emitted them, and so on. Raises NotFound."""
        return await self.send(entities.ancestry(ref, min_offset=min_offset))

    async def get_entity_facets(
        self,
        facets: Sequence[str],
        *,
        filters: Filters = (),
        query: Query | None = None,
        min_offset: int | None = None,
    ) -> Facets:
        """How often each value of the fields *facets* occurs among the entities that are meant."""
        return await self.send(entities.facets(facets, filters=filters, query=query, min_offset=min_offset))

    async def remove_entity_by_uid(self, uid: str) -> int:
        """Delete one entity. The offset at which it is gone. A source that still has it brings it back."""
        return await self.send(entities.remove(uid))

    async def preview_entity_removal(self, uid: str) -> Removal:
        """What would go, stay and come back if an entity were deleted. Raises NotFound. Only Callboard knows it."""
        return await self.send(claims.entity_removal(uid))

    @overload
    async def refresh_entity(self, ref: str | EntityRef, *, wait: None = None) -> None: ...
    @overload
    async def refresh_entity(self, ref: str | EntityRef, *, wait: float) -> Refreshed: ...
    async def refresh_entity(self, ref: str | EntityRef, *, wait: float | None = None) -> Refreshed | None:
        """Ask for an entity to be read again at its source, soon. Raises NotFound.

        With *wait* seconds the answer comes when that is done, or when they have passed, and says what came of it.
        """
        if wait is not None:
            return await self.send(providers.refresh(ref, wait=wait))
        await self.send(entities.refresh(ref))
        return None

    async def get_locations(self) -> Sequence[Location]:
        """All registered locations."""
        return await self.send(locations.listing())

    async def query_locations(
        self, *, query: Query | None = None, limit: int | None = None, cursor: str | None = None
    ) -> LocationPage:
        """A page of registered locations: the first of those that *query* means, or where a cursor leads to.

        A query can ask for `id`, `type`, `target` and `entityRef`.
        """
        return await self.send(locations.page(query, limit=limit, cursor=cursor))

    async def stream_locations(
        self, *, query: Query | None = None, page_size: int = 500
    ) -> AsyncIterator[LocationPage]:
        """The registered locations that *query* means, page by page; one page at least, be it empty."""
        call: Call[LocationPage] | None = locations.page(query, limit=page_size)
        while call is not None:
            page = await self.send(call)
            yield page
            call = locations.page_after(page, page_size=page_size)

    async def get_location_by_id(self, location_id: str) -> Location:
        """A registered location. Raises NotFound."""
        return await self.send(locations.by_id(location_id))

    async def get_location_by_ref(self, ref: str | LocationRef) -> Location:
        """The registered location with this ref, for example `url:https://host/a.yaml`. Raises NotFound."""
        return await self.send(locations.by_ref(ref))

    async def get_location_by_entity(self, ref: str | EntityRef) -> Location:
        """The registered location that an entity comes from. Raises NotFound."""
        return await self.send(locations.by_entity(ref))

    async def add_location(
        self, target: str, *, dry_run: bool = False, on_conflict: OnConflict | None = None, type_: str = "url"
    ) -> AddedLocation:
        """Register *target*, or only see what would come from it. Raises Conflict, unless asked to `refresh`."""
        return await self.send(locations.add(LocationRef(type_, target), dry_run=dry_run, on_conflict=on_conflict))

    async def update_location(self, location_id: str, target: str, *, type_: str = "url") -> Location:
        """Let a registered location point to *target*. Raises NotFound and Conflict."""
        return await self.send(locations.update(location_id, LocationRef(type_, target)))

    async def remove_location(self, location_id: str) -> int:
        """Unregister a location, and remove what only it had brought. The offset at which all is gone.

        Raises NotFound.
        """
        return await self.send(locations.remove(location_id))

    async def preview_location_removal(self, location_id: str) -> Removal:
        """What would go and stay if a location were unregistered. Raises NotFound. Only Callboard knows it."""
        return await self.send(claims.location_removal(location_id))

    async def get_conflicts(
        self, *, ref: str | EntityRef | None = None, limit: int | None = None, cursor: str | None = None
    ) -> ConflictPage:
        """A page of the entities that several sources claim: the first one, or where a cursor leads to.

        With *ref*, the conflict of one entity, if it has one.
        """
        return await self.send(claims.conflicts(ref=ref, limit=limit, cursor=cursor))

    async def hand_over(self, ref: str | EntityRef, location_key: str, *, wait: float = 0.0) -> HandedOver:
        """Let the claim under *location_key* have an entity that several sources claim, until that one lets go.

        The answer comes when readers see it so, or when *wait* seconds have passed. Raises NotFound when nobody claims
        it under this key. Only Callboard knows it.
        """
        return await self.send(claims.hand_over(ref, location_key, wait=wait))

    async def explain_entity(self, ref: str | EntityRef) -> Explanation:
        """Where an entity comes from, what became of it, and what it waits for, visible or not. Raises NotFound."""
        return await self.send(claims.explanation(ref))

    async def validate_entity(self, entity: Mapping[str, object], location: str | LocationRef) -> Validation:
        """Whether the catalog would take this entity from this location, `url:https://…`, and why not."""
        return await self.send(locations.validate(entity, location))

    async def analyze_location(
        self, target: str, *, catalog_filename: str | None = None, type_: str = "url"
    ) -> LocationAnalysis:
        """Which entities there are at *target*, and drafts of some that might be."""
        return await self.send(locations.analyze(LocationRef(type_, target), catalog_filename=catalog_filename))

    async def get_providers(self) -> Sequence[Provider]:
        """All sources of entities."""
        return await self.send(providers.listing())

    async def get_provider(self, name: str) -> Provider:
        """One source of entities: what it has, and what it did last. Raises NotFound."""
        return await self.send(providers.provider(name))

    async def get_provider_entity(self, provider: str, ref: str | EntityRef) -> WrittenEntity:
        """An entity as its provider wrote it, with the etag that `if_match` wants. Raises NotFound."""
        return await self.send(providers.entity(provider, ref))

    async def iterate_provider_entities(self, provider: str) -> AsyncIterator[Entity]:
        """All that a provider has, as it wrote it, in one answer that is read while it comes. Raises NotFound."""
        async for entity in self._lines(providers.entities(provider)):
            yield entity

    async def put_provider_entity(
        self,
        provider: str,
        entity: Mapping[str, object],
        *,
        if_match: str | None = None,
        if_absent: bool = False,
        dry_run: bool = False,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> Pushed:
        """Write one entity, and leave the others of the provider as they are.

        Raises PreconditionFailed unless what is there has the etag *if_match*, or nothing is (*if_absent*).
        """
        call = providers.put_entity(
            provider,
            entity,
            if_match=if_match,
            if_absent=if_absent,
            dry_run=dry_run,
            wait=wait,
            idempotency_key=idempotency_key,
        )
        return await self.send(call)

    async def delete_provider_entity(
        self,
        provider: str,
        ref: str | EntityRef,
        *,
        if_match: str | None = None,
        dry_run: bool = False,
        wait: float | None = None,
    ) -> Pushed:
        """Withdraw one entity. Raises NotFound, and PreconditionFailed unless it has the etag *if_match*."""
        return await self.send(providers.delete_entity(provider, ref, if_match=if_match, dry_run=dry_run, wait=wait))

    async def push_entities(
        self,
        provider: str,
        entities: Iterable[Mapping[str, object] | bytes],
        *,
        partial: bool = False,
        dry_run: bool = False,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> Pushed:
        """Write all that a provider has; what it had before and is not among them is withdrawn.

        *entities* are sent as they come, each a mapping or JSON in one line, so that there may be any number of them.
        Raises InvalidRows when there is anything wrong with some, unless *partial* takes the others, RemovalRefused,
        NotAllowed for a provider of somebody else, and KeyReused. *wait* is how many seconds the answer may be held
        back until all that changed has settled.
        """
        call = providers.push(
            provider, entities, partial=partial, dry_run=dry_run, wait=wait, idempotency_key=idempotency_key
        )
        return await self.send(call)

    async def push_delta(
        self,
        provider: str,
        added: Iterable[Mapping[str, object]] = (),
        removed: Iterable[str | EntityRef] = (),
        *,
        dry_run: bool = False,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> Pushed:
        """Write some entities of a provider and withdraw others. All of it fits into 10 MiB, and is done or not.

        Raises what `push_entities` does.
        """
        call = providers.delta(provider, added, removed, dry_run=dry_run, wait=wait, idempotency_key=idempotency_key)
        return await self.send(call)

    async def forget_provider(self, provider: str) -> Pushed:
        """Withdraw all that a provider has, and forget the provider. Raises NotFound."""
        return await self.send(providers.forget(provider))

    async def let_removal_through(self, provider: str) -> Provider:
        """Let the next mutation pass that the removal guard would refuse. Raises NotFound."""
        return await self.send(providers.let_through(provider))

    async def trigger_provider(self, provider: str) -> Provider:
        """Let an incremental provider go on, or begin another round, now.

        Raises NotFound, and InvalidInput for a provider that has no rounds.
        """
        return await self.send(providers.trigger(provider))

    async def provider_status(self, provider: str, *, wait: float | None = None) -> Status:
        """How far all that a provider has led to has come, at the latest after *wait* seconds. Raises NotFound."""
        return await self.send(providers.provider_status(provider, wait=wait))

    async def location_status(self, location_id: str, *, wait: float | None = None) -> Status:
        """How far all that a location has led to has come, at the latest after *wait* seconds. Raises NotFound."""
        return await self.send(providers.location_status(location_id, wait=wait))

    async def get_entity_history(
        self,
        ref: str | EntityRef,
        *,
        limit: int | None = None,
        before: int | None = None,
        include: Include | None = None,
    ) -> EntityHistory:
        """The changes of an entity, newest first, those before an offset if one is given. Raises NotFound.

        *include* adds to each change the `entity` that it led to, or the `patch` that leads there.
        """
        return await self.send(changes.history(ref, limit=limit, before=before, include=include))

    async def get_entity_at(self, ref: str | EntityRef, offset: int) -> Entity:
        """The entity as it was at *offset*. Raises NotFound, OffsetExpired and OffsetInTheFuture."""
        return await self.send(changes.entity_at(ref, offset))

    async def get_subscriptions(self) -> Sequence[Subscription]:
        """The cursors that the catalog keeps, as far as the caller may know of them."""
        return await self.send(subscriptions.listing())

    async def get_subscription(self, name: str) -> Subscription:
        """One of them: where it stands, and why it does not go on. Raises NotFound and NotAllowed."""
        return await self.send(subscriptions.subscription(name))

    async def put_subscription(
        self,
        name: str,
        *,
        filters: Filters = (),
        query: Query | None = None,
        fields: Sequence[str] = (),
        start: Place = 0,
        sink: Mapping[str, object] | None = None,
    ) -> Subscription:
        """Make a subscription that begins at *start*; one that is there tells something else from where it stands.

        *sink* is `{"type": "webhook", "url": …, "secrets": […]}`, or names a message broker, as
        `{"type": "kafka", "broker": …, "topic": …}`; without one, it is for `read_subscription`.
        Raises NotAllowed for one of somebody else, and OffsetExpired and OffsetInTheFuture.
        """
        call = subscriptions.put(name, filters=filters, query=query, fields=fields, start=start, sink=sink)
        return await self.send(call)

    async def delete_subscription(self, name: str) -> None:
        """Forget a subscription. Raises NotFound and NotAllowed."""
        await self.send(subscriptions.delete(name))

    async def pause_subscription(self, name: str) -> Subscription:
        """Let nothing be told until it is resumed. Raises NotFound and NotAllowed."""
        return await self.send(subscriptions.pause(name))

    async def resume_subscription(self, name: str) -> Subscription:
        """Let a paused or dead subscription go on where it stands. Raises NotFound and NotAllowed."""
        return await self.send(subscriptions.resume(name))

    async def seek_subscription(self, name: str, offset: Place) -> Subscription:
        """Move the cursor. Raises NotFound, NotAllowed, OffsetExpired and OffsetInTheFuture."""
        return await self.send(subscriptions.seek(name, offset))

    async def read_subscription(
        self,
        name: str,
        *,
        limit: int | None = None,
        wait: float = 0.0,
        lease: str | None = None,
        lease_seconds: float | None = None,
    ) -> SubscriptionBatch:
        """The events after the cursor, for one consumer at a time: others are told that it is `held`.

        *lease* is that of the batch before. Raises LeaseLost when it is somebody else's by now, Conflict when nothing
        can be read, OffsetExpired when the cursor has to be moved, NotFound and NotAllowed.
        """
        call = subscriptions.read(name, limit=limit, wait=wait, lease=lease, lease_seconds=lease_seconds)
        return await self.send(call)

    async def ack_subscription(
        self, name: str, lease: str, offset: int, *, lease_seconds: float | None = None, release: bool = False
    ) -> int:
        """Say that everything up to *offset* is dealt with, and keep the lease or *release* it. Returns the cursor.

        Raises LeaseLost when the lease is somebody else's by now, who is told the same events again.
        """
        call = subscriptions.acknowledge(name, lease, offset, lease_seconds=lease_seconds, release=release)
        return await self.send(call)

    async def events(self, offset: int = 0, **wanted: Unpack[EventQuery]) -> EventPage:
        """The changes after *offset*, all at once or by long-poll.

        Raises OffsetExpired when some are forgotten or the stream has begun another epoch, and OffsetInTheFuture.
        """
        return await self.send(changes.events(offset, **wanted))

    async def follow(self, offset: int = 0, **options: Unpack[FollowOptions]) -> AsyncIterator[News]:
        """All changes after *offset*, the past compacted and then live, with a bookmark after each page of them.

        Failures that pass are waited out, however long that takes. Raises OffsetExpired and OffsetInTheFuture.
        """
        following = Following(offset, **options)
        while not following.done:
            try:
                page = await self._once(following.next_call())
            except CallboardError as error:
                await self._sleep(following.pause_after(error))
                continue
            for news in following.take(page):
                yield news
