"""A plugin with two providers: the boards of a stock exchange, and everything that is listed there."""

import asyncio
from collections.abc import Sequence

from callboard.extend import (
    EntityProvider,
    Full,
    IncrementalEntityProvider,
    JsonObject,
    JsonValue,
    Offered,
    Page,
    PluginContext,
    ProviderConnection,
)

PLACE = "url:https://exchange.example.com/"


def resource(name: str, type: str, **spec: JsonValue) -> JsonObject:
    """An entity of the kind Resource. Both annotations say where it comes from; without them it is not processed."""
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Resource",
        "metadata": {
            "name": name,
            "annotations": {
                "backstage.io/managed-by-location": PLACE + name,
                "backstage.io/managed-by-origin-location": PLACE + name,
            },
        },
        "spec": {"type": type, "owner": "exchange", **spec},
    }


class Boards:
    """The boards, of which there are few: everything at once, and again every minute."""

    name = "ticker-boards"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    async def connect(self, connection: ProviderConnection) -> None:
        """Deliver once, so that a failure is noticed and tried again; then go on in a task."""
        await self.deliver(connection)
        self.going_on = asyncio.create_task(self.go_on(connection))

    async def deliver(self, connection: ProviderConnection) -> None:
        """What is not in the set any more is withdrawn; a set like the last one costs nothing."""
        await connection.apply(Full([Offered(resource(name, "board")) for name in self.names]))

    async def go_on(self, connection: ProviderConnection) -> None:
        """Deliver again and again."""
        while True:
            await asyncio.sleep(60)
            await self.deliver(connection)


class Listings(IncrementalEntityProvider):
    """What is listed, which is too much for one set: a page at a time, and a new round every hour."""

    name = "ticker-listings"
    rest_seconds = 3600.0

    def __init__(self, listed: int, board: str) -> None:
        self.listed = listed
        self.board = board

    async def next(self, cursor: JsonValue) -> Page:
        """The hundred listings from *cursor* on. A real source would be asked over the network here."""
        start = cursor if isinstance(cursor, int) else 0
        end = min(start + 100, self.listed)
        entities = [
            resource(f"share-{number}", "share", dependsOn=[f"resource:{self.board}"]) for number in range(start, end)
        ]
        return Page([Offered(entity) for entity in entities], cursor=end, done=end == self.listed)


def providers(context: PluginContext) -> list[EntityProvider | IncrementalEntityProvider]:
    """What the entry point names: makes the parts of the plugin, as its options say."""
    boards, listed = context.options.get("boards", ["main-board"]), context.options.get("listed", 250)
    if not isinstance(boards, list) or not boards or not isinstance(listed, int):
        raise ValueError("expected boards, a list of names, and listed, a number")
    return [Boards([str(name) for name in boards]), Listings(listed, str(boards[0]))]
