"""Owners from CODEOWNERS, and slugs of repositories."""

import pytest

from callboard.builtin import optional
from callboard.builtin.code_owners import CodeOwnersProcessor, owner_of, parse, path_of
from callboard.builtin.slugs import AnnotateScmSlugProcessor
from callboard.errors import InvalidConfiguration, Unreadable
from callboard.extend import JsonObject, JsonValue, Processor, Run
from callboard.model.refs import EntityRef, LocationRef
from callboard.testing import FakeClock
from tests.code_host import ROOT, Host


def run_at(path: str, ref: str = "component:cart") -> Run:
    location = LocationRef("url", f"{ROOT}/{path}")
    return Run(ref=EntityRef.parse(ref), location=location, origin=location)


def owners(host: Host, clock: FakeClock | None = None) -> CodeOwnersProcessor:
    return CodeOwnersProcessor(host, [host], clock or FakeClock())


async def owner(processor: Processor, path: str, ref: str = "component:cart", **spec: JsonValue) -> JsonValue:
    entity: JsonObject = {"metadata": {"name": "cart"}, "spec": dict(spec)}
    made = (await processor.pre_process(entity, run_at(path, ref)))["spec"]
    assert isinstance(made, dict)
    return made.get("owner")


@pytest.mark.parametrize("place", ["CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS"])
async def test_a_missing_owner_comes_from_the_file(place: str) -> None:
    host = Host({place: "* @acme/shop-team\n"})

    assert await owner(owners(host), "catalog-info.yaml") == "shop-team"


async def test_an_owner_that_is_there_stays_and_other_kinds_have_none() -> None:
    host = Host({"CODEOWNERS": "* @acme/shop-team"})

    assert await owner(owners(host), "a.yaml", owner="mine") == "mine"
    assert await owner(owners(host), "a.yaml", "user:jane") is None
    assert not host.asked


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ("* @acme/all\n/services/ @acme/services # ours\n", "services/cart/a.yaml", "services"),
        ("/services/ @acme/services\n* @acme/all", "services/cart/a.yaml", "all"),
        ("docs/* @jane", "docs/a.yaml", "User:jane"),
        ("docs/* @jane", "docs/deep/a.yaml", None),
        ("docs/* @jane", "other/docs/a.yaml", None),
        ("/* @jane", "a.yaml", "User:jane"),
        ("/* @jane", "docs/a.yaml", None),
        ("apps/ jane@example.com", "some/apps/a.yaml", "jane"),
        ("*.yaml @org/sub/team", "docs/a.yaml", "team"),
        ("**/logs @a", "deep/logs/a.yaml", "User:a"),
        ("/a/**/z.yaml @a", "a/b/c/z.yaml", "User:a"),
        ("/a/**/z.yaml @a", "a/z.yaml", "User:a"),
        ("/a/** @a", "a/b/c.yaml", "User:a"),
        (r"/a\ b/ @a", "a b/c.yaml", "User:a"),
        ("* @a\n/none/", "none/a.yaml", None),
        ("[Section][2] @acme/section\n*.yaml\n", "a.yaml", "section"),
        ("* plain", "a.yaml", "plain"),
        ("! @a\n(((* @b\n[ @c", "a.yaml", None),
        ("# nothing\n\n", "a.yaml", None),
        ("* @a\n/x/ @b", None, "User:a"),
    ],
)
def test_the_last_rule_that_matches_says_who(rules: str, path: str | None, expected: str | None) -> None:
    assert owner_of(parse(rules), path) == expected


def test_a_path_is_told_from_the_url_of_a_file_at_the_root() -> None:
    assert path_of("https://h/r?path=/a%20b/c.yaml&ref=main", "https://h/r?path=/CODEOWNERS&ref=main") == "a b/c.yaml"
    assert path_of("https://h/other", "https://h/r/CODEOWNERS") is None


async def test_a_repository_is_looked_at_once_for_many_entities() -> None:
    clock, host = FakeClock(), Host({"docs/CODEOWNERS": "* @a"})
    processor = owners(host, clock)

    for number in range(3):
        assert await owner(processor, f"{number}.yaml") == "User:a"
    first = host.asked.total()
    clock.advance(301)
    host.files[f"{ROOT}/docs/CODEOWNERS"] = "* @b"
    changed = await owner(processor, "1.yaml")

    assert changed == "User:b"
    assert first == 5
    assert host.asked.total() == 6


async def test_a_host_that_is_down_changes_no_owner() -> None:
    host = Host()
    host.is_down = True

    with pytest.raises(Unreadable):
        await owner(owners(host), "a.yaml")


async def test_a_new_file_is_noticed_by_those_who_lack_an_owner() -> None:
    run = run_at("services/a.yaml")

    await owners(Host()).pre_process({"metadata": {}, "spec": {}}, run)

    assert f"url:{ROOT}/.github/CODEOWNERS" in run.refresh_keys
    assert run.outside


async def test_the_slug_of_the_repository_is_annotated() -> None:
    entity: JsonObject = {"metadata": {"name": "cart", "annotations": {"a": "b"}}}

    made = await AnnotateScmSlugProcessor([Host()]).pre_process(entity, run_at("a.yaml"))

    assert made["metadata"] == {"name": "cart", "annotations": {"a": "b", "host/slug": "acme/shop"}}


async def test_a_slug_that_is_there_stays_and_only_wanted_kinds_get_one() -> None:
    entity: JsonObject = {"metadata": {"annotations": {"host/slug": "mine"}}}
    bare: JsonObject = {"metadata": {}}

    await AnnotateScmSlugProcessor([Host()]).pre_process(entity, run_at("a.yaml"))
    await AnnotateScmSlugProcessor([Host()], ["API"]).pre_process(bare, run_at("a.yaml"))

    assert entity == {"metadata": {"annotations": {"host/slug": "mine"}}}
    assert bare == {"metadata": {}}


@pytest.mark.parametrize(
    ("config", "named", "names"),
    [
        ({}, [], []),
        ({"codeOwners": True}, [], ["CodeOwnersProcessor"]),
        ({"codeOwners": False, "annotateScmSlug": {"kinds": ["API"]}}, [], ["AnnotateScmSlugEntityProcessor"]),
        ({}, ["CodeOwnersProcessor"], ["CodeOwnersProcessor"]),
    ],
)
def test_they_are_there_when_they_are_asked_for(
    config: dict[str, JsonValue], named: list[str], names: list[str]
) -> None:
    host = Host()

    made = optional.processors(config, named, reader=host, hosts=[host], clock=FakeClock())

    assert [each.name for each in made] == names


@pytest.mark.parametrize("said", ["yes please", 3, [1]])
def test_what_cannot_be_meant_is_said(said: JsonValue) -> None:
    host = Host()

    with pytest.raises(InvalidConfiguration, match=r"catalog.processors.codeOwners: expected true, false or an object"):
        optional.processors({"codeOwners": said}, [], reader=host, hosts=[host], clock=FakeClock())
