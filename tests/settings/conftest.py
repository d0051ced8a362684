"""A configuration file, written and read."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from callboard import settings
from callboard.settings import Settings


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings from the text of one `app-config.yaml`, which messages name without its folder."""
    monkeypatch.chdir(tmp_path)

    def configure(text: str, environ: Mapping[str, str] | None = None) -> Settings:
        Path("app-config.yaml").write_text(text, "utf-8")
        return settings.read(settings.load([Path("app-config.yaml")], environ or {}))

    return configure
