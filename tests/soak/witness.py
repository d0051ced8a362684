"""The witness: reads the database beside Callboard, while it is written."""

import contextlib
from dataclasses import dataclass, field

import asyncpg

from callboard.model import json
from callboard.model.json import JsonObject
from tests.audit import audit
from tests.soak.figures import Report
from tests.soak.installation import LOST, connected
from tests.soak.replicas import described


@dataclass(slots=True)
class Witness:
    """What the database has said. While it is away nothing is seen, and nothing happens."""

    url: str
    report: Report
    told: dict[int, str] = field(default_factory=dict)
    """What the history had at each offset, before it was forgotten."""

    @property
    def head(self) -> int:
        """The last offset that was seen."""
        return max(self.told, default=0)

    async def look(self) -> None:
        """Read what is new in the history."""
        with contextlib.suppress(*LOST):
            async with connected(self.url) as connection:
                rows = await connection.fetch(
                    'select "offset", ref, uid::text as uid, body from history where "offset" > $1 order by 1',
                    self.head,
                )
            for row in rows:
                body = None if row["body"] is None else json.decode(row["body"])
                self.told[row["offset"]] = described(row["ref"], row["uid"], body)

    async def audit(self) -> None:
        """Compare the tables with one another."""
        with contextlib.suppress(*LOST):
            try:
                await audit(self.url)
            except AssertionError as error:
                self.report.wrong.append(f"the tables disagree: {error}")
            self.report.audits += 1


async def head_of(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """The last offset of the stream."""
    head: int = await connection.fetchval("select head from stream")
    return head


async def visible(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, JsonObject]:
    """All entities that readers should see, by ref."""
    rows = await connection.fetch("select ref, body from final_entities where removed_at is null")
    found: dict[str, JsonObject] = {}
    for row in rows:
        entity = json.decode(row["body"])
        assert isinstance(entity, dict)
        found[row["ref"]] = entity
    return found


async def holders(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, str]:
    """Who has each entity: `provider:…`, or the entity that emitted it."""
    return {row["ref"]: row["source"] for row in await connection.fetch("select ref, source from entities")}
