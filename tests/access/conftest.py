"""An authenticator among fake issuers."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import httpx2
import pytest

from callboard import settings
from callboard.access import authentication
from callboard.access.authentication import Authenticator
from callboard.testing import FakeClock, FakeHost

Authenticating = Callable[..., Authenticator]


@pytest.fixture
async def authenticating(host: FakeHost, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Authenticating]:
    """Authenticators for the text of an `app-config.yaml`, and for what groups users are in."""
    async with httpx2.AsyncClient(transport=host.transport) as client:

        def make(configuration: str, groups: Mapping[str, Sequence[str]] | None = None) -> Authenticator:
            file = tmp_path / "app-config.yaml"
            file.write_text(configuration, "utf-8")
            read = settings.read(settings.load([file], {}))
            return authentication.build(read, client, clock, lambda ref: (groups or {}).get(ref, ()))

        yield make
