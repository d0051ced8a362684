"""Doctor: how long `callboard doctor` looks at a catalog in which all is well, and what that takes, check by check."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress

from benchmarks import processes, servers, tables
from benchmarks.launch import CLOCK
from benchmarks.servers import Server
from callboard.store import soundness

_LOOK = 0.02
_CHECKS = 5
"""So many are shown, the longest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What one call took."""

    asking: bool
    """Whether the view of an API process was compared as well."""
    seconds: float
    own_cpu_seconds: float
    postgres_cpu_seconds: float
    api_cpu_seconds: float
    peak_mib: float
    found: Mapping[str, int]
    """How many checks have ended how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """The figures of one run."""

    entities: int
    visits: tuple[Visit, ...]
    check_seconds: Mapping[str, float]
    """Each check of the tables by itself."""


async def run(count: int, progress: Progress) -> Doctor:
    """Let it look at *count* entities twice, the second time at the view as well."""
    async with servers.fresh() as server:
        task = progress.add_task(f"doctor: fill with {count:,}", total=count)
        await servers.fill(server, count, lambda seen: progress.update(task, completed=seen))
        progress.update(task, description="doctor")
        checks: dict[str, float] = {}
        for rule in soundness.RULES:
            began = time.perf_counter()
            async with server.database.transaction(snapshot=True) as tx:
                await soundness.find(tx, rule)
            checks[rule.name] = time.perf_counter() - began
        visits = (await _visit(server, asking=False), await _visit(server, asking=True))
    return Doctor(entities=count, visits=visits, check_seconds=checks)


async def _visit(server: Server, *, asking: bool) -> Visit:
    before, began = server.usage(), time.perf_counter()
    asked = ["--ask", server.url] if asking else []
    doctor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "callboard", "doctor", *server.flags, "--json", *asked),
        stdout=asyncio.subprocess.PIPE,
    )
    saying = asyncio.create_task(doctor.communicate())
    cpu = peak = 0.0
    while not saying.done():
        cpu = max(cpu, processes.cpu_seconds([doctor.pid]))
        peak = max(peak, processes.peak_mib(doctor.pid))
        await CLOCK.sleep(_LOOK)
    seconds = time.perf_counter() - began
    said, _ = await saying
    used = server.usage().since(before)
    verdicts = [finding["verdict"] for finding in json.loads(said)]
    return Visit(
        asking=asking,
        seconds=seconds,
        own_cpu_seconds=cpu,
        postgres_cpu_seconds=used.postgres,
        api_cpu_seconds=used.api,
        peak_mib=peak,
        found={verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
    )


def show(console: Console, result: Doctor) -> None:
    """Print the figures."""
    rows = [
        [
            "with the view" if visit.asking else "database",
            *(f"{visit.seconds:.1f}", f"{visit.own_cpu_seconds:.1f}", f"{visit.postgres_cpu_seconds:.1f}"),
            *(f"{visit.api_cpu_seconds:.1f}", f"{visit.peak_mib:.0f}"),
            ", ".join(f"{count} {verdict}" for verdict, count in visit.found.items()),
        ]
        for visit in result.visits
    ]
    columns = ["", "s", "own CPU s", "PostgreSQL CPU s", "API CPU s", "peak MiB", "checks"]
    tables.show(console, f"callboard doctor, {result.entities:,} entities", columns, rows)
    longest = sorted(result.check_seconds.items(), key=lambda check: -check[1])[:_CHECKS]
    tables.show(console, "Its longest checks", ["", "s"], [[name, f"{seconds:.2f}"] for name, seconds in longest])
