"""Registering a URL: what would come in, what is wrong with it, and how it settles."""

from collections.abc import AsyncIterator

import pytest

from callboard.access.decisions import Allowed, Decision, Denied
from callboard.access.permissions import LOCATION_CREATE, Permission
from callboard.access.principals import Principal
from callboard.extend import Full
from callboard.plugins import Plugins
from callboard.ui.presenting import page_of, with_query
from callboard.ui.routes import PAGES
from tests.api.conftest import app_of, client_of
from tests.code_host import ROOT, Host
from tests.harness import component, component_yaml, location_yaml, offered
from tests.ui.conftest import Pages, words

URL = "https://host/shop.yaml"


class NoRegistering:
    """Lets everybody do everything but register locations."""

    async def decide(self, principal: Principal, permission: Permission) -> Decision:
        return Denied() if permission == LOCATION_CREATE else Allowed()


@pytest.fixture
async def readonly(pages: Pages) -> AsyncIterator[Pages]:
    """The pages of an installation with `catalog.readonly`."""
    settings = pages.catalog.configured.overridden({"catalog.readonly": True})
    async with client_of(app_of(pages.catalog, settings=settings, pages=PAGES)) as client:
        yield Pages(pages.catalog, client)


def address_of(url: str, **more: str) -> str:
    """The page about *url*."""
    return with_query("/catalog-import", {"url": url, **more})


async def told_about(pages: Pages, url: str) -> str:
    """What the page says about *url*."""
    return words(await pages.get(address_of(url)))


async def test_the_page_says_what_can_be_registered(pages: Pages) -> None:
    page = await pages.get("/catalog-import")

    assert "What can be registered" in words(page)
    assert "apiVersion: backstage.io/v1alpha1" in page


async def test_the_file_to_begin_with_can_be_registered_as_it_stands(pages: Pages) -> None:
    page = await pages.get("/catalog-import")
    pages.catalog.host.put(URL, page.partition("<pre")[2].partition("<code>")[2].partition("</code>")[0])

    assert "1 entity would come in" in await told_about(pages, URL)


async def test_a_preview_shows_the_entities_of_each_file(pages: Pages) -> None:
    pages.catalog.host.put(URL, location_yaml("shop", ["./cart.yaml"]) + "---\n" + component_yaml("till"))
    pages.catalog.host.put("https://host/cart.yaml", component_yaml("cart", owner="group:default/bakers"))

    page = await told_about(pages, URL)

    assert "3 entities would come in, from 2 files 3 new" in page
    assert f"{URL} Location shop – New Component till team New https://host/cart.yaml Component cart bakers New" in page
    assert pages.catalog.refs() == []


async def test_a_preview_shows_what_the_catalog_has_already(pages: Pages) -> None:
    host, other = pages.catalog.host, "https://host/other.yaml"
    host.put("https://host/b.yaml", component_yaml("known") + "---\n" + component_yaml("left"))
    host.put(other, location_yaml("other", ["./b.yaml"]))
    await pages.catalog.provide("ci", Full(offered(component("taken", location="ci:build"))))
    await pages.catalog.register(other)
    await pages.catalog.settle()
    host.put("https://host/b.yaml", component_yaml("known"))
    await pages.catalog.refresh("location:default/other")
    host.put(URL, location_yaml("shop", ["./b.yaml"]) + "".join(f"---\n{component_yaml(n)}" for n in ("left", "taken")))

    page = await told_about(pages, URL)

    assert "1 new 1 taken over as orphans 1 here already 1 in conflict" in page
    assert "Component left team Takes over an orphan" in page
    assert "Component taken team Conflict from ci:build" in page
    assert "Component known team Here already" in page


async def test_a_long_preview_is_cut_and_counted(pages: Pages) -> None:
    pages.catalog.host.put(URL, "---\n".join(component_yaml(f"c{number}") for number in range(205)))

    page = await pages.get(address_of(URL))

    assert "205 entities would come in" in words(page)
    assert "and 5 more entities" in words(page)
    assert page.count('<td class="kind nowrap">') == 200


async def test_what_is_wrong_is_told_with_file_and_line(pages: Pages) -> None:
    pages.catalog.host.put(URL, component_yaml("till") + "---\n" + component_yaml("cart", owner=""))

    page = await told_about(pages, URL)

    assert "One thing is wrong" in page
    assert f"/spec/owner must be string - type: string In {URL}, line 10 , at /spec/owner" in page
    assert "Register " not in page.partition("One thing is wrong")[2]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, f"nothing was found at {URL} (404 Not Found)"),
        ("kind: [", f"{URL}, line 2"),
        (f"{component_yaml('a')}---\n{component_yaml('a')}", "Duplicate nested entity: component:default/a"),
        (location_yaml("shop", ["https://elsewhere/a.yaml"]), "add the host to 'backend.reading.allow'"),
        ("", "nothing in it"),
    ],
)
async def test_a_file_that_can_not_be_used_is_told_exactly(pages: Pages, content: str | None, problem: str) -> None:
    if content is not None:
        pages.catalog.host.put(URL, content)

    assert problem in await told_about(pages, URL)


@pytest.mark.parametrize(
    "text", ["shop.yaml", "file:///etc/passwd", "https://", "javascript:alert(1)", "http://[", "a b"]
)
async def test_what_is_no_url_is_refused(pages: Pages, text: str) -> None:
    answer = await pages.client.get("/catalog-import", params={"url": text})
    sent = await pages.send("/catalog-import", url=text)

    assert (answer.status_code, sent.status_code) == (400, 400)
    assert "URL" in words(answer.text)


async def test_a_password_is_refused_and_not_repeated(pages: Pages) -> None:
    answer = await pages.client.get("/catalog-import", params={"url": "https://ada:s3cret@host/shop.yaml"})

    assert answer.status_code == 400
    assert "a user name or a password in it" in words(answer.text)
    assert "s3cret" not in answer.text


async def test_another_page_may_name_the_url_as_path(pages: Pages) -> None:
    pages.catalog.host.put(URL, component_yaml("till"))

    page = await pages.get(with_query("/catalog-import", {"path": URL}))

    assert "1 entity would come in" in words(page)


async def test_a_repository_gets_a_file_to_begin_with(pages: Pages) -> None:
    page = await told_about(pages, "https://github.com/acme/shop")

    assert "The catalog has nothing from there yet" in page
    assert "kind: Component metadata: name: shop annotations: github.com/project-slug: acme/shop" in page


async def test_a_repository_shows_the_files_that_the_catalog_has_from_it(pages: Pages) -> None:
    pages.catalog.host.put(URL, component_yaml("till"))
    await pages.catalog.register(URL)
    await pages.catalog.settle()

    page = await told_about(pages, "https://host")

    assert f"The catalog has a file from there {URL} component:till" in page


async def test_a_registration_is_followed_until_it_has_settled(pages: Pages) -> None:
    pages.catalog.host.put(URL, component_yaml("till") + "---\n" + component_yaml("cart"))
    await pages.get(address_of(URL))

    answer = await pages.send("/catalog-import", url=URL)
    address = answer.headers["location"]
    before = await pages.get(address)
    await pages.catalog.settle()
    after = await pages.get(address)

    assert f'data-follow="{address}"' in before
    assert "Reading: 0 of 1 is done." in words(before)
    told = words(after)
    assert (
        f"Settled at offset {pages.catalog.follower.view.offset}: 2 entities are in the catalog because of it." in told
    )
    assert "In the catalog 2 component:cart component:till" in told
    assert 'data-follow=""' in after


async def test_what_fails_after_a_registration_is_told_with_file_and_line(pages: Pages) -> None:
    pages.catalog.host.put(URL, component_yaml("till"))
    await pages.get(address_of(URL))
    pages.catalog.host.put(URL, component_yaml("till") + "---\n" + component_yaml("cart", owner=""))

    answer = await pages.send("/catalog-import", url=URL)
    await pages.catalog.settle()
    page = words(await pages.get(answer.headers["location"]))

    assert "1 entity is in the catalog because of it, 1 could not be taken in." in page
    assert f"{URL}, line 10 , at /spec/owner" in page


async def test_what_is_registered_already_can_be_refreshed(pages: Pages) -> None:
    pages.catalog.host.put(URL, component_yaml("till"))
    location = await pages.catalog.register(URL)
    await pages.catalog.settle()
    await pages.get("/catalog-import")

    answer = await pages.send("/catalog-import", url=URL)
    page = await pages.get(answer.headers["location"])

    assert "It is registered already , as this Location . Refresh it" in words(page)
    assert f'action="{page_of(location.entity_ref, "refresh")}"' in page


async def test_a_registration_that_is_not_there_has_no_page(pages: Pages) -> None:
    answer = await pages.client.get("/catalog-import/settling/none")

    assert answer.status_code == 404


async def test_whoever_may_not_register_is_told_so(pages: Pages) -> None:
    async with client_of(app_of(pages.catalog, pages=PAGES, authorizer=NoRegistering())) as client:
        page = words((await client.get("/catalog-import")).text)
        preview = await client.get(address_of(URL))

    assert "You may not register locations: that needs the permission catalog.location.create" in page
    assert preview.status_code == 403
    assert "Permission catalog.location.create is not granted" in words(preview.text)


async def test_a_read_only_catalog_previews_and_registers_nothing(readonly: Pages) -> None:
    readonly.catalog.host.put(URL, component_yaml("till"))

    page = await readonly.get(address_of(URL))
    answer = await readonly.send("/catalog-import", url=URL)

    assert "1 entity would come in" in words(page)
    assert 'action="/catalog-import" class="actions"' not in page
    assert answer.status_code == 403


async def test_the_files_of_a_repository_are_offered(pages: Pages) -> None:
    host = Host({"catalog-info.yaml": component_yaml("till"), "b/catalog-info.yaml": component_yaml("cart")})
    app = app_of(pages.catalog, added=Plugins(code_hosts=[host]), pages=PAGES)
    async with client_of(app) as client:
        covered = Pages(pages.catalog, client)
        page = await covered.get(address_of("https://host/acme/shop"))
        host.is_down = True
        failed = await client.get("/catalog-import", params={"url": "https://host/acme/shop"})

    assert "2 files that can be registered" in words(page)
    assert address_of(f"{ROOT}/b/catalog-info.yaml", **{"as": "file"}).replace("&", "&amp;") in page
    assert failed.status_code == 400
    assert "can't be asked now: it is down" in failed.text.replace("&#39;", "'")
