"""Logging in: where the API asks for a token, pages do too, and show no more than the API says."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from callboard.access import authentication, authorizers
from callboard.extend import Full
from callboard.ui.routes import PAGES, Page
from tests.api.conftest import app_of, client_of
from tests.api.test_door import POLICY, TOKENS, read
from tests.harness import Catalog, component, offered
from tests.ui.conftest import Pages, with_metadata, words

_OPEN = ("/login", "/logout")


def addresses(method: str) -> list[str]:
    """All pages that know *method*, each about something that exists."""
    named = {"{namespace}": "default", "{kind}": "component", "{name}": "open"}
    found = []
    for route in PAGES:
        if isinstance(route, Page) and method in (route.methods or ()) and route.path not in _OPEN:
            path = route.path
            for parameter, value in named.items():
                path = path.replace(parameter, value)
            found.append(path.replace("{", "").replace("}", ""))
    return found


@pytest.fixture
async def closed(catalog: Catalog, tmp_path: Path) -> AsyncIterator[Pages]:
    """Pages of an installation with tokens."""
    await catalog.provide("p", Full(offered(component("open"))))
    await catalog.settle()
    async with httpx2.AsyncClient(transport=catalog.host.transport) as outside:
        authenticator = authentication.build(read(tmp_path, TOKENS), outside, catalog.clock, lambda _: ())
        async with client_of(app_of(catalog, authenticator=authenticator, pages=PAGES)) as client:
            yield Pages(catalog, client)


@pytest.fixture
async def limited(catalog: Catalog, tmp_path: Path) -> AsyncIterator[Pages]:
    """Pages of an installation where nobody sees `secret`, on which `open` depends."""
    secret = with_metadata(component("secret"), title="Hush hush", description="Hush hush.")
    await catalog.provide("p", Full(offered(component("open", dependsOn=["component:secret"]), secret)))
    await catalog.settle()
    async with httpx2.AsyncClient(transport=catalog.host.transport) as outside:
        authorizer = authorizers.authorizer_of(read(tmp_path, POLICY), outside, catalog.clock)
        async with client_of(app_of(catalog, authorizer=authorizer, pages=PAGES)) as client:
            yield Pages(catalog, client)


@pytest.mark.parametrize("path", addresses("GET"))
async def test_who_is_not_known_is_led_to_the_login_and_back(closed: Pages, path: str) -> None:
    answer = await closed.client.get(path, params={"a": "b c"})

    assert answer.status_code == 303
    sent_to = httpx2.URL(answer.headers["location"])
    assert sent_to.path == "/login"
    assert sent_to.params["next"] == f"{path}?a=b+c"


@pytest.mark.parametrize("path", addresses("POST"))
async def test_who_is_not_known_can_send_no_form(closed: Pages, path: str) -> None:
    answer = await closed.send(path)

    assert answer.status_code == 303
    assert httpx2.URL(answer.headers["location"]).path == "/login"


async def test_a_token_of_the_api_opens_the_pages(closed: Pages) -> None:
    entered = await closed.send("/login", token="token-of-ci", next="/catalog?kind=component")
    page = await closed.get("/catalog")

    assert entered.status_code == 303
    assert entered.headers["location"] == "/catalog?kind=component"
    cookie = next(each for each in entered.headers.get_list("set-cookie") if each.startswith("callboard-token"))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "external:ci" in words(page)


async def test_a_wrong_token_is_refused_in_words(closed: Pages) -> None:
    answer = await closed.send("/login", token="guessed")

    assert answer.status_code == 401
    assert "This token is not accepted: Illegal token" in words(answer.text)
    assert "callboard-token" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("elsewhere", ["https://evil.test/", "//evil.test/", "/\\evil.test", "javascript:alert(1)"])
async def test_the_login_leads_to_no_other_site(closed: Pages, elsewhere: str) -> None:
    entered = await closed.send("/login", token="token-of-ci", next=elsewhere)

    assert entered.headers["location"] == "/catalog"


async def test_after_logging_out_nothing_is_shown(closed: Pages) -> None:
    await closed.send("/login", token="token-of-ci")

    await closed.send("/logout")
    answer = await closed.client.get("/catalog")

    assert answer.status_code == 303


@pytest.mark.parametrize("path", [*addresses("GET"), "/catalog?kind=all&q=hush", "/search?q=hush"])
async def test_what_is_hidden_is_on_no_page(limited: Pages, path: str) -> None:
    answer = await limited.client.get(path)

    assert answer.status_code in (200, 303, 400, 403, 404)
    assert "Hush hush" not in answer.text


async def test_who_may_not_know_of_an_entity_finds_no_page_of_it(limited: Pages) -> None:
    answer = await limited.client.get("/catalog/default/component/secret")

    assert answer.status_code == 404
