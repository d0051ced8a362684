"""Crews: the processes that follow, seen from outside."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tests.soak.figures import Plan
from tests.soak.followers import Crew, Order, Result, Tally


@dataclass(slots=True)
class Crewed:
    """A process with followers."""

    process: asyncio.subprocess.Process
    result: Path
    tally: Tally = field(default_factory=Tally)

    async def listen(self) -> None:
        """Take in its figures, until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.tally = msgspec.json.decode(line, type=Tally)

    async def finish(self, order: Order) -> Result:
        """Let the followers come to the head, and compare."""
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(order) + b"\n")
        await self.process.stdin.drain()
        code = await self.process.wait()
        assert code == 0, f"a process of followers has ended with {code}"
        return msgspec.json.decode(self.result.read_bytes(), type=Result)


@contextlib.asynccontextmanager
async def following(plan: Plan, ports: list[int], folder: Path) -> AsyncIterator[list[Crewed]]:
    """Processes that follow from now on, killed at the end if they still run."""
    crews = [await _crew(plan, part, ports, folder) for part in range(plan.processes)]
    listening = [asyncio.create_task(crew.listen()) for crew in crews]
    try:
        yield crews
    finally:
        for crew in crews:
            if crew.process.returncode is None:
                crew.process.kill()
                await crew.process.wait()
        await asyncio.gather(*listening)


async def _crew(plan: Plan, part: int, ports: list[int], folder: Path) -> Crewed:
    crew = Crew(
        ports=ports,
        seed=plan.seed,
        nap=2 * plan.tombstones,
        of=plan.followers,
        part=part,
        parts=plan.processes,
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.soak.followers", msgspec.json.encode(crew).decode()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    return Crewed(process, folder / f"followers-{part}.json")
