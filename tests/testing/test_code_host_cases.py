"""The cases of code hosts tell each that is wrong what it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import pytest

from callboard.builtin.hosts.github.options import HostOptions
from callboard.builtin.hosts.github.reader import GitHub
from callboard.extend import Outside, Repository
from callboard.testing.conformance import CodeHostCases
from callboard.testing.github import FakeGitHub
from tests.testing.verdicts import verdicts

ROOT = "https://github.com/acme/shop"


class Cases(CodeHostCases):
    root = ROOT
    there, missing = f"{ROOT}/blob/main/a.yaml", f"{ROOT}/blob/main/b.yaml"
    kind: type[Any] = GitHub

    def make(self) -> Any:
        fake = FakeGitHub(tokens=[])
        fake.add("acme", "shop", {"a.yaml": "a"}, visibility="public")
        outside = Outside(client=httpx2.AsyncClient(transport=fake.transport))
        return self.kind(outside, HostOptions(), "integrations.github[0]")


def test_a_code_host_as_it_should_be_passes() -> None:
    assert verdicts(Cases()) == {}


class Greedy(GitHub):
    def covers(self, url: str) -> bool:
        return url.startswith("https://")


class Unlinked(GitHub):
    def links(self, target: str) -> Mapping[str, str]:
        return {"backstage.io/source-location": f"url:{ROOT}"}


class Homeless(GitHub):
    def repository(self, url: str) -> Repository | None:
        return None


class Slashed(GitHub):
    def repository(self, url: str) -> Repository | None:
        found = super().repository(url)
        return found and Repository(url=f"{found.url}/", name=found.name, annotation="a")


class Blind(GitHub):
    async def find(self, url: str, name: str) -> Sequence[str]:
        return []


class Guessing(GitHub):
    async def find(self, url: str, name: str) -> Sequence[str]:
        return [f"{ROOT}/blob/main/a.yaml"]


@pytest.mark.parametrize(
    ("kind", "case", "told"),
    [
        (Greedy, "it_covers_its_own_urls_and_no_others", "covers('https://elsewhere.invalid"),
        (Unlinked, "its_links_lead_to_the_source", "with a slash at its end"),
        (Homeless, "a_file_is_in_a_repository", "must be a Repository, got None"),
        (Slashed, "a_file_is_in_a_repository", "must have no slash at its end"),
        (Blind, "files_are_found_by_their_name", "found nothing"),
        (Guessing, "files_are_found_by_their_name", "must be empty for a name that no file has"),
    ],
)
def test_what_is_wrong_is_told(kind: type[Any], case: str, told: str) -> None:
    class Wrong(Cases):
        pass

    Wrong.kind = kind

    assert told in verdicts(Wrong()).get(case, "passes")
