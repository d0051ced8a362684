"""Servers and files that would bring a reader down: each fails by itself, says why, and takes nothing with it."""

from collections.abc import Iterator

import pytest

from benchmarks import processes
from callboard.model.json import JsonObject
from tests.conftest import Lend
from tests.faults import lying
from tests.faults.lying import LyingHost, lying_host
from tests.flows import stories
from tests.flows.started import Server, started
from tests.harness import component_yaml

pytestmark = pytest.mark.slow

_MIB = 2**20
_MOST_MIB = 500
"""What an engine may hold at its worst: the largest file that is allowed, parsed, four at a time."""


@pytest.fixture(scope="module")
def impatient_server(lend_database: Lend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits four seconds for an answer."""
    configuration: JsonObject = {"callboard": {"reading": {"timeout": "4s"}}}
    with lend_database() as url, started(tmp_path_factory.mktemp("server"), url, configuration) as server:
        yield server


@pytest.fixture
def host() -> Iterator[LyingHost]:
    with lying_host() as host:
        yield host


_LAUGHS = b"\n".join(
    [
        b"a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]",
        *(b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10)),
    ]
)
_ALIASES = b"base: &base {x: %s}\nall: [%s]\n" % (b"y" * 10_000, b", ".join([b"*base"] * 10_000))
_HUGE = b"# " + b"x" * (50 * _MIB)
_MANY = b"---\n".join(component_yaml(f"many-{number}").encode() for number in range(100_000))
_DEEP = b"a: " + b"[" * 100_000


async def test_each_liar_fails_by_itself_and_is_read_as_soon_as_it_is_well(
    impatient_server: Server, host: LyingHost
) -> None:
    broken = {
        "hanging": (host.answer("hanging", lying.hanging), "no complete answer within 4 s"),
        "dribbling": (host.answer("dribbling", lying.dribbling), "no complete answer within 4 s"),
        "endless": (host.answer("endless", lying.endless), "larger than"),
        "truncated": (host.answer("truncated", lying.truncated), "received 73 bytes, expected 10000"),
        "busy": (host.answer("busy", lying.busy), "429 Too Many Requests and asks to retry after 120"),
        "inside": (host.answer("inside", lying.redirecting("http://169.254.169.254/latest")), "not allowed"),
        "around": (host.answer("around", lying.redirecting("/around")), "more than 5 redirects"),
        "inflating": (host.answer("inflating", lying.inflating), "larger than"),
        "laughs": (host.put("laughs", _LAUGHS), "the aliases expand to too many values at line"),
        "aliases": (host.put("aliases", _ALIASES), "the aliases expand to too much text at line"),
        "huge": (host.put("huge", _HUGE), "larger than"),
        "many": (host.put("many", _MANY), "larger than"),
        "deep": (host.put("deep", _DEEP), "nested more than 100 levels deep at line 1"),
    }
    async with stories.story(impatient_server) as story:
        locations = {name: await story.register(url) for name, (url, _) in broken.items()}
        await story.register(host.put("good", component_yaml("good").encode()))
        await story.until_visible("component:default/good")

        async def all_told() -> bool:
            return len(await story.failures()) == len(broken)

        await story.until(all_told, "each of them to fail")
        failures = await story.failures()
        said = {name: failures[str(locations[name].entity_ref)] for name in broken}
        assert {name: text for name, (_, text) in broken.items() if text not in said[name]} == {}
        assert await story.refs() == {"component:default/good"}
        peaks = [processes.peak_mib(pid) for pid in impatient_server.engines().values()]
        assert max(peaks) < _MOST_MIB, peaks

        for name in broken:
            host.put(name, component_yaml(name).encode())
            await story.refresh(str(locations[name].entity_ref))
        await story.until_visible("component:default/good", *(f"component:default/{name}" for name in broken))
        await story.clear()
