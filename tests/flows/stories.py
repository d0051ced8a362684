"""Stories: what happens to a catalog, told over the HTTP API of a started server.

Engines and readers run by themselves. A story says something, waits for what it leads to by following the stream, and
looks at the catalog.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import asyncpg
import httpx2

from callboard.client import AsyncCatalogClient, Entity, Event, Location
from callboard.errors import NotFound
from callboard.model.annotations import ORPHAN
from callboard.model.refs import EntityRef
from tests.audit import audit
from tests.flows import engines
from tests.flows.started import Server
from tests.flows.web import WebHost, web_host

_PATIENCE = 30.0
_LONGEST_ANSWER = 90.0
"""Seconds of silence: some answers are held back until something has happened."""


@dataclass(frozen=True, slots=True)
class Story:
    """A caller of a server, and a host whose files the server may read."""

    server: Server
    host: WebHost
    catalog: AsyncCatalogClient
    http: httpx2.AsyncClient
    """For what the client has no method for: paths are below `/api/catalog`."""
    began: int = 0
    """The head of the stream at the beginning of the story."""

    async def register(self, url: str) -> Location:
        """Register a file as a location."""
        return (await self.catalog.add_location(url)).location

    async def unregister(self, location: Location) -> int:
        """Delete a registered location. The offset at which all that only it had brought is gone."""
        return await self.catalog.remove_location(location.id)

    async def refresh(self, ref: str) -> None:
        """Ask for *ref* to be read again."""
        await self.catalog.refresh_entity(ref)

    async def delete(self, ref: str) -> None:
        """Delete one entity."""
        await self.catalog.remove_entity_by_uid(await self.uid(ref))

    async def refs(self) -> set[str]:
        """What readers see, but for Locations that only stand for a registration."""
        found = await self.catalog.get_entities(fields=["kind", "metadata.namespace", "metadata.name"])
        return {ref for ref in map(_ref, found) if "/generated-" not in ref}

    async def entity(self, ref: str) -> Entity:
        """An entity as readers see it."""
        return await self.catalog.get_entity_by_ref(ref)

    async def uid(self, ref: str) -> str:
        """What is the same as long as the entity is the same."""
        return (await self.entity(ref))["metadata"]["uid"]

    async def owner(self, ref: str) -> object:
        """Its `spec.owner`, by which a story tells one content from another."""
        return (await self.entity(ref))["spec"]["owner"]

    async def status(self, ref: str) -> list[str]:
        """The messages in the status of an entity; none if it isn't visible."""
        found = await self.catalog.find_entity_by_ref(ref)
        items = found.get("status", {}).get("items", []) if found else []
        assert isinstance(items, list)
        return [str(item["message"]) for item in items if isinstance(item, dict)]

    async def orphans(self) -> set[str]:
        """The entities that say of themselves that nothing claims them."""
        return {
            _ref(entity)
            for entity in await self.catalog.get_entities(filters={f"metadata.annotations.{ORPHAN}": "true"})
        }

    async def failures(self) -> dict[str, str]:
        """The first error of each entity that was never good."""
        answer = (await self.http.get("/entities/unprocessed/failed")).raise_for_status()
        return {failed["entity_ref"]: failed["errors"][0]["message"] for failed in answer.json()["entities"]}

    async def head(self) -> int:
        """The last offset of the stream, as far as the API has seen it."""
        return (await self.catalog.query_entities(limit=0)).offset

    async def quiet(self) -> int:
        """Wait until nothing is left to be done, and return the head of the stream, which the API has seen then.

        The one thing that a caller can't know, so it is looked up in the tables.
        """
        connection = await asyncpg.connect(self.server.database_url)
        try:
            await engines.until(lambda: engines.quiet(connection), "nothing to be left to do")
            head = await connection.fetchval("select head from stream")
        finally:
            await connection.close()
        return (await self.catalog.query_entities(limit=0, min_offset=head)).offset

    async def events(self, since: int | None = None) -> list[Event]:
        """All changes after an offset, from the beginning of the story as a rule; none may be missing."""
        offset = self.began if since is None else since
        found: list[Event] = []
        while not (page := await self.catalog.events(offset + len(found), limit=1_000)).caught_up or page.events:
            found += page.events
        assert [event.offset for event in found] == list(range(offset + 1, offset + 1 + len(found)))
        return found

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait until the *condition* holds, which is asked again after each change of the catalog."""
        try:
            async with asyncio.timeout(_PATIENCE):
                offset = await self.head()
                while not await condition():
                    # Not everything shows in the stream, so it is asked every now and then as well.
                    offset = (await self.catalog.events(offset, limit=1_000, wait=0.5)).next_offset
        except TimeoutError:
            raise AssertionError(f"waited in vain for {what}; the log says:\n{self.server.log.tail()}") from None

    async def until_visible(self, *refs: str) -> None:
        """Wait until readers see these and nothing else, but for Locations that only stand for a registration."""

        async def visible() -> bool:
            return await self.refs() == set(refs)

        await self.until(visible, f"{sorted(refs)} to be visible")

    async def until_read(self, location: Location) -> None:
        """Wait until all that the file of *location* holds has been claimed, though it may not be visible yet."""

        async def read() -> bool:
            return await self.catalog.find_entity_by_ref(str(location.entity_ref)) is not None

        await self.until(read, f"{location.target} to be read")

    async def until_orphaned(self, *refs: str) -> None:
        """Wait until these and no others are orphans."""

        async def orphaned() -> bool:
            return await self.orphans() == set(refs)

        await self.until(orphaned, f"{sorted(refs)} to be orphans")

    async def until_owned(self, ref: str, owner: str) -> None:
        """Wait until *ref* has the content with this owner."""

        async def owned() -> bool:
            return await self.catalog.find_entity_by_ref(ref) is not None and await self.owner(ref) == owner

        await self.until(owned, f"{ref} to be owned by {owner}")

    async def until_status(self, ref: str, text: str) -> None:
        """Wait until the status of *ref* says *text*; with an empty text, until there is no status."""

        async def said() -> bool:
            messages = await self.status(ref)
            return any(text in message for message in messages) if text else not messages

        await self.until(said, f"the status of {ref} to say {text!r}")

    async def until_asked(self, name: str, times: int) -> None:
        """Wait until the server has asked the host for the file *name* so often altogether."""
        await asyncio.to_thread(self.host.wait_until_asked, name, times)

    @contextlib.asynccontextmanager
    async def told_by(self, token: str | None) -> AsyncIterator["Story"]:
        """The same story, going on with somebody who has another token, or none."""
        async with AsyncCatalogClient(self.server.url, token=token) as catalog, _http(self.server, token) as http:
            yield replace(self, catalog=catalog, http=http)

    async def clear(self) -> None:
        """Remove everything from the catalog, for the next story."""
        for location in await self.catalog.get_locations():
            with contextlib.suppress(NotFound):
                await self.unregister(location)
        for provider in (await self.http.get("/providers")).json()["items"]:
            if provider["kind"] == "http":
                (await self.http.delete(f"/providers/{provider['name']}")).raise_for_status()
        await self.until(self._cleared, "an empty catalog")

    async def _cleared(self) -> bool:
        visible = [entity["metadata"]["uid"] for entity in await self.catalog.get_entities(fields=["metadata.uid"])]
        for uid in visible:
            await self.catalog.remove_entity_by_uid(uid)
        others = [
            str(unprocessed["entity_id"])
            for state in ("failed", "pending")
            for unprocessed in (await self.http.get(f"/entities/unprocessed/{state}")).json()["entities"]
        ]
        for uid in others:
            (await self.http.delete(f"/entities/unprocessed/delete/{uid}")).raise_for_status()
        return not visible and not others


@contextlib.asynccontextmanager
async def story(server: Server, *, token: str | None = None) -> AsyncIterator[Story]:
    """A story on *server*, which must have come through it without a scratch: neither in its tables nor in its log."""
    server.wait_until_whole()
    said = len(server.log.records)
    with web_host() as host:
        async with AsyncCatalogClient(server.url, token=token) as catalog, _http(server, token) as http:
            begun = Story(server, host, catalog, http)
            yield replace(begun, began=await begun.head())
    await audit(server.database_url)
    assert server.complaints(said) == []


def _http(server: Server, token: str | None) -> httpx2.AsyncClient:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx2.AsyncClient(base_url=f"{server.url}/api/catalog", headers=headers, timeout=_LONGEST_ANSWER)


def _ref(entity: Entity) -> str:
    metadata = entity["metadata"]
    return str(
        EntityRef(entity["kind"].lower(), metadata.get("namespace", "default").lower(), metadata["name"].lower())
    )
