"""What the catalog has from a repository already."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from callboard.api.analysis import Repository, repository_of
from callboard.extend import Full
from callboard.plugins import Plugins
from callboard.settings import defaults
from callboard.settings.integrations import Integrations
from tests.api.answers import complaint
from tests.api.conftest import Api, app_of, client_of
from tests.code_host import ROOT, Host
from tests.harness import Catalog, component, component_yaml, offered

REPOSITORY = "https://github.com/acme/shop"
FILE = f"url:{REPOSITORY}/blob/main/catalog-info.yaml"


async def analyzed(api: Api, target: str, **more: object) -> tuple[list[str], list[Any]]:
    """The existing entities as `name at target`, and what is made."""
    answer = await api.post("/analyze-location", {"location": {"type": "url", "target": target}, **more})
    assert answer.status_code == 200, answer.text
    content = answer.json()
    found = content["existingEntityFiles"]
    assert all(file["isRegistered"] and file["location"]["type"] == "url" for file in found)
    names = [f"{file['entity']['metadata']['name']} at {file['location']['target']}" for file in found]
    return names, content["generateEntities"]


async def test_a_repository_that_nothing_is_known_of_gets_an_entity_to_begin_with(api: Api) -> None:
    existing, made = await analyzed(api, REPOSITORY)

    entity = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "shop", "annotations": {"github.com/project-slug": "acme/shop"}},
        "spec": {"type": "other", "lifecycle": "unknown"},
    }
    assert existing == []
    assert made == [{"entity": entity, "fields": []}]


async def test_what_came_from_the_repository_is_found(api: Api) -> None:
    other = component("other", location="url:https://github.com/acme/shop-2/blob/main/catalog-info.yaml")
    await api.catalog.provide("p", Full(offered(component("till", location=FILE), other)))
    await api.catalog.settle()

    existing, made = await analyzed(api, f"{REPOSITORY}/tree/main/docs")

    assert existing == [f"till at {REPOSITORY}/blob/main/catalog-info.yaml"]
    assert made == []


async def test_files_of_another_name_do_not_count_when_one_is_given(api: Api) -> None:
    await api.catalog.provide("p", Full(offered(component("till", location=FILE))))
    await api.catalog.settle()

    named, _ = await analyzed(api, REPOSITORY, catalogFilename="catalog-info.yaml")
    unnamed, made = await analyzed(api, REPOSITORY, catalogFilename="info.yaml")

    assert (len(named), len(unnamed), len(made)) == (1, 0, 1)


async def test_on_another_host_what_is_below_the_target_is_found(api: Api) -> None:
    api.catalog.host.put("https://host/shop/a.yaml", component_yaml("till"))
    await api.catalog.register("https://host/shop/a.yaml")
    await api.catalog.settle()

    below, _ = await analyzed(api, "https://host/shop/")
    itself, [made] = await analyzed(api, "https://host/shop/a.yaml")

    assert below == ["till at https://host/shop/a.yaml"]
    assert itself == []
    assert made["entity"]["metadata"] == {"name": "a.yaml"}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            "https://github.com/a/b/blob/main/c.yaml",
            Repository("b", "https://github.com/a/b", "github.com/project-slug", "a/b"),
        ),
        (
            "https://github.com/a/b.git",
            Repository("b", "https://github.com/a/b.git", "github.com/project-slug", "a/b"),
        ),
        (
            "https://gitlab.com/a/b/c/-/blob/main/d.yaml",
            Repository("c", "https://gitlab.com/a/b/c", "gitlab.com/project-slug", "a/b/c"),
        ),
        (
            "https://gitlab.com/a/b/blob/main/d.yaml",
            Repository("b", "https://gitlab.com/a/b", "gitlab.com/project-slug", "a/b"),
        ),
        (
            "https://bitbucket.org/a/b/src/main/c.yaml",
            Repository("b", "https://bitbucket.org/a/b", "bitbucket.org/project-slug", "a/b"),
        ),
        (
            "https://dev.azure.com/org/project/_git/repo?path=/c.yaml",
            Repository(
                "repo",
                "https://dev.azure.com/org/project/_git/repo",
                "dev.azure.com/project-slug",
                "project/repo",
            ),
        ),
        (
            "https://git.acme.test/a/b/tree/main",
            Repository("b", "https://git.acme.test/a/b", "github.com/project-slug", "a/b"),
        ),
        ("https://github.com/a", Repository("a", "https://github.com/a")),
        ("https://github.com", Repository("github.com", "https://github.com")),
        ("http://plain:8080/a/b.yaml?x#y", Repository("b.yaml", "http://plain:8080/a/b.yaml")),
    ],
)
def test_a_url_says_to_which_repository_it_belongs(target: str, expected: Repository) -> None:
    integrations = Integrations({"github": [{"host": "git.acme.test"}, None], "gitlab": "odd"})
    settings = defaults().overridden({"integrations": integrations})

    assert repository_of(target, settings) == expected


@pytest.mark.parametrize("target", ["", "shop", "mailto:a@b", "https://", "https://[", "https://a b/", "https://a/\0"])
async def test_what_is_not_a_url_is_refused(api: Api, target: str) -> None:
    answer = await api.post("/analyze-location", {"location": {"type": "url", "target": target}})

    assert complaint(answer) == (400, "InputError", "The given location.target is not a URL")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "request/body must have required property 'location'"),
        ({"location": {"type": "url"}}, "request/body/location must have required property 'target'"),
        ({"location": {"target": REPOSITORY}}, "request/body/location must have required property 'type'"),
        ({"location": REPOSITORY}, "request/body/location must be object"),
        ({"location": {"type": "url", "target": 1}}, "request/body/location/target must be string"),
        (
            {"location": {"type": "url", "target": REPOSITORY}, "catalogFilename": 1},
            "request/body/catalogFilename must be string",
        ),
    ],
)
async def test_a_body_of_another_shape_is_refused(api: Api, body: object, message: str) -> None:
    assert complaint(await api.post("/analyze-location", body)) == (400, "InputError", message)


@pytest.fixture
def code_host() -> Host:
    return Host()


@pytest.fixture
async def covered(catalog: Catalog, code_host: Host) -> AsyncIterator[Api]:
    """The API of an installation that has a code host."""
    await catalog.look()
    async with client_of(app_of(catalog, added=Plugins(code_hosts=[code_host]))) as client:
        yield Api(catalog, client)


async def asked(api: Api, target: str = "https://host/acme/shop", **more: object) -> Any:
    return (await api.post("/analyze-location", {"location": {"type": "url", "target": target}, **more})).json()


async def test_files_that_nobody_has_registered_are_found(covered: Api, code_host: Host) -> None:
    file = f"{ROOT}/services/catalog-info.yaml"
    code_host.files = {file: component_yaml("till") + "---\n" + component_yaml("cart"), f"{ROOT}/other.yaml": "a: b"}

    found = await asked(covered)

    assert [(each["isRegistered"], each["location"]) for each in found["existingEntityFiles"]] == [
        (False, {"type": "url", "target": file})
    ] * 2
    assert [each["entity"]["metadata"]["name"] for each in found["existingEntityFiles"]] == ["till", "cart"]
    assert found["generateEntities"] == []


async def test_files_that_are_registered_are_told_from_the_others(covered: Api, code_host: Host) -> None:
    known, new = f"{ROOT}/catalog-info.yaml", f"{ROOT}/new/catalog-info.yaml"
    code_host.files = {known: component_yaml("till"), new: component_yaml("cart")}
    await covered.catalog.provide("p", Full(offered(component("till", location=f"url:{known}"))))
    await covered.catalog.settle()

    found = await asked(covered, f"{ROOT}/new/README.md")

    assert {each["location"]["target"]: each["isRegistered"] for each in found["existingEntityFiles"]} == {
        known: True,
        new: False,
    }
    assert code_host.asked == {"new/catalog-info.yaml": 1}


async def test_a_repository_without_files_gets_an_entity_with_its_slug(covered: Api, code_host: Host) -> None:
    code_host.files = {f"{ROOT}/catalog-info.yaml": component_yaml("till")}

    found = await asked(covered, catalogFilename="entities.yaml")

    assert found["existingEntityFiles"] == []
    assert found["generateEntities"][0]["entity"]["metadata"] == {
        "name": "shop",
        "annotations": {"host/slug": "acme/shop"},
    }


async def test_a_host_that_fails_is_an_error_that_says_so(covered: Api, code_host: Host) -> None:
    code_host.is_down = True

    answer = await covered.post("/analyze-location", {"location": {"type": "url", "target": "https://host/acme/shop"}})

    assert complaint(answer) == (503, "ServiceUnavailableError", "host can't be asked now: it is down")


async def test_what_the_catalog_knows_is_told_although_a_host_fails(covered: Api, code_host: Host) -> None:
    code_host.is_down = True
    location = f"url:{ROOT}/catalog-info.yaml"
    await covered.catalog.provide("p", Full(offered(component("till", location=location))))
    await covered.catalog.settle()

    assert len((await asked(covered))["existingEntityFiles"]) == 1


@pytest.mark.parametrize("content", ["a: [", "just words", "kind: Component"])
async def test_a_file_that_cannot_be_used_is_said(covered: Api, code_host: Host, content: str) -> None:
    code_host.files = {f"{ROOT}/catalog-info.yaml": content}

    answer = await covered.post("/analyze-location", {"location": {"type": "url", "target": "https://host/acme/shop"}})

    status, name, message = complaint(answer)
    assert (status, name) == (400, "InputError")
    assert message.startswith(f"The file {ROOT}/catalog-info.yaml is there, and can't be used: ")


async def test_a_url_that_leads_to_no_repository_is_answered_as_before(covered: Api) -> None:
    found = await asked(covered, "https://host/else")

    assert found["generateEntities"][0]["entity"]["metadata"] == {"name": "else"}
