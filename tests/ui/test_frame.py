"""The frame of all pages: the way in, errors, forms, what surrounds them."""

import re

import pytest

from callboard.extend import Full
from callboard.ui import presenting
from tests.harness import component, offered
from tests.ui.conftest import Pages, words


async def test_the_root_leads_to_the_catalog(pages: Pages) -> None:
    answer = await pages.client.get("/")

    assert answer.status_code == 307
    assert answer.headers["location"] == "/catalog"


async def test_a_page_that_does_not_exist_says_so_to_browsers_only(pages: Pages) -> None:
    page = await pages.client.get("/no/such/page", headers={"accept": "text/html"})
    other = await pages.client.get("/no/such/page")
    api = await pages.client.get("/api/catalog/nothing", headers={"accept": "text/html"})

    assert page.status_code == other.status_code == api.status_code == 404
    assert "There is no page /no/such/page" in words(page.text)
    assert other.text == api.text == ""


async def test_an_entity_that_does_not_exist_is_a_page_that_says_so(pages: Pages) -> None:
    answer = await pages.client.get("/catalog/default/component/ghost")

    assert answer.status_code == 404
    assert "named 'ghost' found, with kind 'component'" in words(answer.text)


async def test_what_a_page_may_load_is_what_this_server_has(pages: Pages) -> None:
    answer = await pages.client.get("/catalog")

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy


async def test_assets_stay_in_the_browser_until_they_change(pages: Pages) -> None:
    address = re.search(r'href="(/assets/[^"]+\.css)"', await pages.get("/catalog"))
    assert address is not None

    present = await pages.client.get(address[1])
    older = await pages.client.get("/assets/000000000000/callboard.css")

    assert "immutable" in present.headers["cache-control"]
    assert older.headers["cache-control"] == "no-cache"
    assert present.text == older.text


@pytest.mark.parametrize("form", [{}, {"form-secret": "something else that is long enough for one"}])
async def test_a_form_of_another_site_is_refused(pages: Pages, form: dict[str, str]) -> None:
    await pages.client.get("/catalog")

    answer = await pages.client.post("/logout", data=form)

    assert answer.status_code == 403
    assert "did not come from this page" in words(answer.text)


async def test_a_form_that_names_another_origin_is_refused_with_the_right_secret(pages: Pages) -> None:
    await pages.client.get("/catalog")
    secret = pages.client.cookies["callboard-form"]

    answer = await pages.client.post("/logout", data={"form-secret": secret}, headers={"origin": "http://evil.test"})

    assert answer.status_code == 403
    assert "http://evil.test" in words(answer.text)


async def test_a_relation_to_what_is_no_ref_leads_to_the_search_and_breaks_no_page() -> None:
    assert presenting.page_of("no ref:") == "/search?q=no+ref%3A"
    assert presenting.short("no ref:", "group") == "no ref:"


async def test_an_entity_that_was_never_good_has_a_page_that_leads_to_what_is_wrong(pages: Pages) -> None:
    await pages.catalog.provide("p", Full(offered({**component("oven"), "spec": {}})))
    await pages.catalog.settle()

    answer = await pages.client.get("/catalog/default/component/oven")

    assert answer.status_code == 404
    assert "it has never been good" in words(answer.text)
    assert 'href="/catalog/default/component/oven/inspect"' in answer.text
