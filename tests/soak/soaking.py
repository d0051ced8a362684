"""Soaking: everything at once for minutes, and a reckoning at the end.

Engines and API processes are killed, PostgreSQL is restarted, what is old is forgotten, and writers write. In the end
nothing that was acknowledged may be lost, and each follower must have what the catalog has.
"""

import asyncio
import contextlib
import random
import resource
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import msgspec

from callboard.client import AsyncCatalogClient
from callboard.outgoing import AsyncClient
from tests.flows import engines
from tests.flows.web import web_host
from tests.soak import crews
from tests.soak.crews import Crewed
from tests.soak.figures import Plan, Report
from tests.soak.following import ANY, CLOCK, Spread
from tests.soak.installation import Installation, Kept, configuration, installed
from tests.soak.reckoning import Reckoning
from tests.soak.witness import Witness
from tests.soak.writers import Filer, Line, Pusher, Refused, Writer, teams

Say = Callable[[str], None]


async def soak(plan: Plan, say: Say) -> Report:
    """Do all of it. What is wrong is in the report."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    report = Report(plan=plan)
    with tempfile.TemporaryDirectory(prefix="callboard-soak-") as folder:
        told = configuration(history=plan.history, tombstones=plan.tombstones)
        async with installed(Path(folder), told, engines=plan.engines, apis=plan.apis) as installation:
            await _Soak(installation, report, random.Random(plan.seed), say).run()
            report.wrong += installation.complaints()
            report.compactions = installation.logged("stream.compacted")
            for what in report.wrong:
                say(f"WRONG: {what}")
            if report.wrong:
                kept = installation.keep_logs()
                (kept / "followers.json").write_bytes(msgspec.json.format(msgspec.json.encode(report.past)))
                say(f"the logs, and what had happened to these followers: {kept}")
    return report


@dataclass(slots=True)
class _Soak:
    installation: Installation
    report: Report
    chance: random.Random
    say: Say
    witness: Witness = field(init=False)
    _began: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.witness = Witness(self.installation.postgres.url, self.report)

    @property
    def plan(self) -> Plan:
        return self.report.plan

    async def run(self) -> None:
        installation = self.installation
        spread = Spread(installation.ports, random.Random(self.plan.seed))
        with web_host() as host:
            async with (
                AsyncClient(base_url=f"{ANY}/api/catalog", transport=spread) as http,
                AsyncCatalogClient(ANY, transport=spread, retries=20, timeout=70) as catalog,
                crews.following(self.plan, installation.ports, installation.folder) as following,
            ):
                await self._until_ready()
                await self._line(http).send("PUT", "/providers/teams/entities", [*teams()])
                writers: list[Writer] = [
                    *(Pusher(f"writer-{number}", number, self._line(http)) for number in range(self.plan.pushers)),
                    *(
                        Filer(f"file-{number}.yaml", number, self._line(http), host)
                        for number in range(self.plan.filers)
                    ),
                ]
                await self._disturbed(writers, following)
                self.say("writers and kills have ended")
                await self._until_ready()
                await Reckoning(
                    report=self.report,
                    installation=installation,
                    witness=self.witness,
                    writers=writers,
                    catalog=catalog,
                    crews=following,
                ).run()

    def _line(self, http: httpx2.AsyncClient) -> Line:
        return Line(http, random.Random(self.chance.getrandbits(64)), self.plan.pause)

    async def _until_ready(self) -> None:
        async with httpx2.AsyncClient() as http:
            for port in self.installation.ports:
                url = f"http://127.0.0.1:{port}/.backstage/health/v1/readiness"

                async def ready(url: str = url) -> bool:
                    with contextlib.suppress(httpx2.TransportError):
                        return (await http.get(url)).status_code == 200
                    return False

                await engines.until(ready, f"{url} to be ready")

    async def _disturbed(self, writers: Sequence[Writer], crews: Sequence[Crewed]) -> None:
        """Write, kill and watch for as long as planned."""
        self._began = CLOCK.monotonic()
        over = asyncio.Event()
        tasks = [asyncio.create_task(self._write(writer, over)) for writer in writers]
        tasks += [asyncio.create_task(work(over)) for work in (self._kill, self._restart, self._witness, self._audit)]
        tasks.append(asyncio.create_task(self._tell(writers, crews, over)))
        await asyncio.wait(tasks, timeout=self.plan.seconds, return_when=asyncio.FIRST_EXCEPTION)
        over.set()
        await asyncio.gather(*tasks)
        self.report.seconds = CLOCK.monotonic() - self._began
        self.report.writes = sum(writer.line.writes for writer in writers)
        self.report.again = sum(writer.line.again for writer in writers)
        self.report.engines_killed = sum(each.kills for each in self.installation.engines)
        self.report.apis_killed = sum(each.kills for each in self.installation.apis)
        self.report.longest_outage = self.installation.postgres.longest_outage

    async def _write(self, writer: Writer, over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                await writer.write()
            except Refused as refused:
                self.report.wrong.append(str(refused))
                return
            await writer.line.rest()

    async def _kill(self, over: asyncio.Event) -> None:
        """A random process every few seconds."""
        processes: list[Kept | None] = [*self.installation.engines, *self.installation.apis, None]
        while not await _is_over(over, self.plan.kill_every):
            victim = self.chance.choice(processes)
            if victim is not None:
                victim.kill()
            elif self.installation.postgres.is_up:
                self.report.backends_killed += await self.installation.postgres.kill_a_backend(self.chance.random())

    async def _restart(self, over: asyncio.Event) -> None:
        """PostgreSQL itself, at even distances."""
        for number in range(self.plan.restarts):
            if await _is_over(over, self.plan.seconds / (self.plan.restarts + 1)):
                return
            postgres = self.installation.postgres
            await (postgres.restart() if number % 2 else postgres.crash())
            self.report.postgres_restarts += 1

    async def _witness(self, over: asyncio.Event) -> None:
        while not await _is_over(over, 1.0):
            await self.witness.look()

    async def _audit(self, over: asyncio.Event) -> None:
        while not await _is_over(over, 10.0):
            await self.witness.audit()

    async def _tell(self, writers: Sequence[Writer], crews: Sequence[Crewed], over: asyncio.Event) -> None:
        """Say every few seconds how it goes."""
        while not await _is_over(over, 5.0):
            for crew in crews:
                assert crew.process.returncode is None, "a process of followers has ended"
            tallies = [crew.tally for crew in crews]
            kills = sum(each.kills for each in [*self.installation.engines, *self.installation.apis])
            self.say(
                f"{CLOCK.monotonic() - self._began:5.0f} s"
                f"  writes {sum(writer.line.writes for writer in writers)}"
                f"  head {self.witness.head}"
                f"  killed {kills}+{self.report.backends_killed}, restarted {self.report.postgres_restarts}"
                f"  told {sum(each.events for each in tallies)}"
                f"  connections {sum(each.connections for each in tallies)}"
                f"  410 {sum(each.expired for each in tallies)}"
                f"  wrong {sum(each.wrong for each in tallies) + len(self.report.wrong)}"
            )


async def _is_over(over: asyncio.Event, seconds: float) -> bool:
    """Wait so many seconds, or until it is over; whether it is."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await over.wait()
    return over.is_set()
