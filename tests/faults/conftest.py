"""Servers that may be hurt."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.hurting import Hurt, hurting
from tests.history.clusters import Cluster, running


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A PostgreSQL that may be hurt, and is mended after that."""
    with running(tmp_path_factory.mktemp("hurt") / "data") as cluster:
        yield cluster


@pytest.fixture
async def hurt(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Hurt]:
    """A server on it."""
    async with hurting(cluster, tmp_path) as hurt:
        yield hurt
