"""Deliveries may come in any order and in any batches: what each source said last is what counts."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from callboard.extend import Delta, Full
from callboard.ingestion.locations import OnConflict
from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef
from callboard.settings import OrphanStrategy, Settings, defaults
from tests.audit import audit, visible
from tests.harness import Catalog, component, component_yaml, offered

pytestmark = pytest.mark.slow

# The one source whose claims have keys goes before the others, and of these each has entities of its own. So nothing
# depends on who was first.
_OWN_NAMES = {"one": "abc", "two": "def", "file": "abcdefgh"}

Offer = dict[str, str]
"""Types of components by name."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """All that a source has to say at one time."""

    source: str
    offer: Offer

    async def arrive(self, catalog: Catalog, *, as_delta: bool) -> None:
        """Tell the catalog: for a provider either with a full set, or with the same as a delta."""
        if self.source == "file":
            files = (component_yaml(name, owner=kind) for name, kind in self.offer.items())
            catalog.host.put("https://host/file.yaml", "---\n".join(files))
            await catalog.register("https://host/file.yaml", OnConflict.REFRESH)
            return
        entities = offered(*(component(name, type=kind) for name, kind in self.offer.items()))
        missing = [EntityRef("component", "default", n) for n in _OWN_NAMES[self.source] if n not in self.offer]
        await catalog.provide(self.source, Delta(entities, missing) if as_delta else Full(entities))


def of_source(source: str) -> st.SearchStrategy[list[Delivery]]:
    """What one source says, first to last."""
    kinds = st.sampled_from(["service", "website", "library"])
    offers = st.dictionaries(st.sampled_from(_OWN_NAMES[source]), kinds)
    return st.lists(st.builds(Delivery, st.just(source), offers), min_size=1, max_size=4)


@pytest.fixture
def settings() -> Settings:
    """Orphans are deleted: whether an entity was there for a moment must not show afterwards."""
    return Catalog.settings(defaults()).overridden({"catalog.orphan_strategy": OrphanStrategy.DELETE})


@hypothesis.settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    said=st.tuples(*map(of_source, _OWN_NAMES)),
    turns=st.permutations([source for source in range(len(_OWN_NAMES)) for _ in range(4)]),
    works=st.lists(st.sampled_from(["nothing", "process", "stitch", "settle"]), min_size=1, max_size=5),
    deltas=st.lists(st.booleans(), min_size=1, max_size=4),
)
async def test_the_catalog_is_what_each_source_said_last(
    catalog: Catalog, said: Sequence[list[Delivery]], turns: list[int], works: list[str], deltas: list[bool]
) -> None:
    pending = [list(deliveries) for deliveries in said]
    for turn, work, as_delta in zip(turns, itertools.cycle(works), itertools.cycle(deltas)):
        if pending[turn]:
            await pending[turn].pop(0).arrive(catalog, as_delta=as_delta)
        await _do(catalog, work)
    await catalog.settle()

    await audit(catalog.database.url)
    assert await summary(catalog) == expected(*(deliveries[-1].offer for deliveries in said))


async def _do(catalog: Catalog, work: str) -> None:
    match work:
        case "process":
            await catalog.process()
        case "stitch":
            await catalog.stitch()
        case "settle":
            await catalog.settle()


async def summary(catalog: Catalog) -> dict[str, tuple[object, object]]:
    """(type, owner) of each visible component by name."""
    bodies = await visible(catalog.database.url)
    return {
        ref.removeprefix("component:default/"): _described(body)
        for ref, body in bodies.items()
        if ref.startswith("component:")
    }


def _described(body: JsonObject) -> tuple[object, object]:
    spec, relations = body["spec"], body["relations"]
    assert isinstance(spec, dict)
    assert relations == [{"type": "ownedBy", "targetRef": f"group:default/{spec['owner']}"}]
    return spec["type"], spec["owner"]


def expected(one: Offer, two: Offer, file: Offer) -> dict[str, tuple[str, str]]:
    """What the sources come to: the file's claims have keys."""
    return {
        **{name: (kind, "team") for name, kind in {**one, **two}.items()},
        **{name: ("service", kind) for name, kind in file.items()},
    }
