"""What comes with Callboard passes its own conformance cases."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest

from callboard.builtin.annotations import AnnotateLocationProcessor
from callboard.builtin.kinds import BuiltinKindsProcessor
from callboard.builtin.locations import LocationProcessor
from callboard.builtin.placeholders import PlaceholderProcessor
from callboard.builtin.policies import FieldFormatsPolicy
from callboard.builtin.readers.allowed_hosts import AllowedHost
from callboard.builtin.readers.files import FileReader
from callboard.builtin.readers.http import HttpReader
from callboard.extend import (
    JsonObject,
    Policy,
)
from callboard.model.documents import parse_entities
from callboard.testing import FakeClock, FakeHost
from callboard.testing.conformance import (
    PolicyCases,
    ProcessorCases,
    ReaderCases,
)
from callboard.testing.conformance.samples import entity
from tests.harness import component


class TestTheReaderOfFiles(ReaderCases):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        (tmp_path / "catalog").mkdir()
        for name in ("a.yaml", "b.yaml"):
            (tmp_path / "catalog" / name).write_text("kind: Component\n")
        self.there = str(tmp_path / "catalog/a.yaml")
        self.missing = str(tmp_path / "catalog/c.yaml")
        self.elsewhere = str(tmp_path / "secret.yaml")
        self.pattern = str(tmp_path / "catalog/*.yaml")

    def make(self) -> FileReader:
        # A file that has only just changed has no version yet.
        return FileReader(clock=FakeClock(dt.datetime(2999, 1, 1, tzinfo=dt.UTC)))


class TestTheReaderOfUrls(ReaderCases):
    there = "https://host/catalog/a.yaml"
    missing = "https://host/catalog/b.yaml"
    elsewhere = "https://other/catalog/a.yaml"
    # A plain server can't be asked what it has.
    test_a_pattern_stands_for_what_it_matches = None  # type: ignore[assignment]

    def make(self) -> HttpReader:
        host = FakeHost()
        host.put(self.there, "kind: Component\n")
        return HttpReader(
            httpx2.AsyncClient(transport=host.transport),
            allow=[AllowedHost("host", None)],
            timeout_seconds=5,
            per_host=5,
            max_bytes=1000,
        )


class TestThePlaceholders(ProcessorCases):
    def make(self) -> PlaceholderProcessor:
        return PlaceholderProcessor({"file": FileReader()})


class TestTheKinds(ProcessorCases):
    def make(self) -> BuiltinKindsProcessor:
        return BuiltinKindsProcessor()

    def entities(self) -> Sequence[JsonObject]:
        return [component("till", dependsOn=["resource:db", "component:cart"])]


class TestTheLocations(ProcessorCases):
    def make(self) -> LocationProcessor:
        return LocationProcessor({"file": FileReader()}, parse_entities)


class TestTheAnnotations(ProcessorCases):
    enriches_every_kind = True

    def make(self) -> AnnotateLocationProcessor:
        return AnnotateLocationProcessor()


class TestTheFormats(PolicyCases):
    def make(self) -> Policy:
        return FieldFormatsPolicy()

    def refused(self) -> Sequence[JsonObject]:
        return [entity("Component", "not a name")]
