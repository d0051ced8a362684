"""The reckoning: when nobody writes any more, everything is compared with everything."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from callboard.client import AsyncCatalogClient
from callboard.errors import CallboardError
from callboard.model import json
from callboard.model.json import JsonObject
from tests.flows import engines
from tests.soak import witness
from tests.soak.crews import Crewed
from tests.soak.figures import Report
from tests.soak.followers import Order, Result
from tests.soak.following import CLOCK
from tests.soak.installation import Installation, connected
from tests.soak.witness import Witness
from tests.soak.writers import Pusher, Writer


@dataclass(slots=True, kw_only=True)
class Reckoning:
    """What was wrong goes into the report."""

    report: Report
    installation: Installation
    witness: Witness
    writers: Sequence[Writer]
    catalog: AsyncCatalogClient
    crews: Sequence[Crewed]

    async def run(self) -> None:
        """Wait until all is done, and compare."""
        report, url = self.report, self.installation.postgres.url
        began = CLOCK.monotonic()
        head = await self._settled()
        report.settled = CLOCK.monotonic() - began
        await self.witness.look()
        async with connected(url) as connection:
            truth, holders = await witness.visible(connection), await witness.holders(connection)
        report.changes, report.visible = head, len(truth)
        self._check_acknowledged(truth, holders)
        await self._check_providers()
        await self._follow_to_the_end(head, truth)
        await self.witness.audit()
        async with connected(url) as connection:
            await engines.until(lambda: self._has_forgotten(connection), "something to be forgotten")
            if (last := await witness.head_of(connection)) != head:
                self._complain(f"the head was {head} when all was settled, and is {last} now")

    async def _settled(self) -> int:
        """Wait until nothing is left to be done. Returns the head of the stream."""
        for writer in self.writers:
            try:
                if what := await writer.unsettled(self.catalog):
                    self._complain(f"has not settled: {what}")
            except CallboardError as error:
                self._complain(f"nobody says how far {writer.name} is: {type(error).__name__}: {error}")
        async with connected(self.installation.postgres.url) as connection:
            await engines.until(lambda: engines.quiet(connection), "nothing to be left to do")
            return await witness.head_of(connection)

    async def _has_forgotten(self, connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
        row = await connection.fetchrow("select history_floor, tombstone_floor from stream")
        assert row is not None
        self.report.history_floor, self.report.tombstone_floor = row["history_floor"], row["tombstone_floor"]
        return 0 < self.report.tombstone_floor <= self.report.history_floor

    def _check_acknowledged(self, truth: Mapping[str, JsonObject], holders: Mapping[str, str]) -> None:
        """Whatever was acknowledged is visible as it was written last, or stands behind somebody who was first."""
        wanted = {ref for writer in self.writers for ref in writer.acknowledged}
        for ref in sorted(wanted - truth.keys()):
            self._complain(f"{ref} was acknowledged, and is not visible")
        written = {ref for ref, entity in truth.items() if "soak/writer" in _annotations(entity)}
        for ref in sorted(written - wanted):
            self._complain(f"{ref} is visible, and whoever had it has withdrawn it")
        for writer in self.writers:
            for ref, entity in writer.acknowledged.items():
                if ref not in truth or (isinstance(writer, Pusher) and holders[ref] != f"provider:{writer.name}"):
                    continue
                if _version(truth[ref]) != _version(entity):
                    self._complain(f"{ref} was acknowledged as {entity}, and is {truth[ref]}")

    async def _check_providers(self) -> None:
        """Each provider has exactly what it was told that it has, be it behind somebody else."""
        for writer in self.writers:
            if isinstance(writer, Pusher):
                found = sorted([_version(each) async for each in self.catalog.iterate_provider_entities(writer.name)])
                told = sorted(map(_version, writer.acknowledged.values()))
                if found != told:
                    self._complain(f"{writer.name} has {found}, and was told that it has {told}")

    async def _follow_to_the_end(self, head: int, truth: Mapping[str, JsonObject]) -> None:
        """Let all followers come to the head, and take in what they have found."""
        file = self.installation.folder / "truth.json"
        file.write_bytes(json.encode(dict(truth)))
        patience = self.report.plan.patience
        results = await asyncio.gather(
            *(
                crew.finish(Order(head=head, patience=patience, truth=str(file), result=str(crew.result)))
                for crew in self.crews
            )
        )
        for result in results:
            self._add(result)
        everywhere = [self.witness.told, *(result.told for result in results)]
        offsets = set().union(*everywhere)
        for offset in sorted(offsets):
            said = {told[offset] for told in everywhere if offset in told}
            if len(said) > 1:
                self._complain(f"at {offset} there are several things: {said}")
        self.report.agreed = len(offsets)

    def _add(self, result: Result) -> None:
        report = self.report
        report.wrong += result.wrong
        report.past |= result.past
        report.compared += result.entities
        report.arrived = max(report.arrived, result.seconds)
        for name, value in msgspec.structs.asdict(result.tally).items():
            setattr(report.tally, name, getattr(report.tally, name) + value)

    def _complain(self, what: str) -> None:
        self.report.wrong.append(what)


def _annotations(entity: Mapping[str, Any]) -> Mapping[str, str]:
    annotations: Mapping[str, str] = entity["metadata"].get("annotations", {})
    return annotations


def _version(entity: Mapping[str, Any]) -> tuple[str, ...]:
    """By which one writing of an entity is told from all others."""
    annotations = _annotations(entity)
    return entity["metadata"]["name"], annotations["soak/writer"], annotations["soak/number"]
