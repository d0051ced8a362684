"""Pages as text, of a catalog that a test drives by hand."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest

from callboard.model.json import JsonObject, JsonValue
from callboard.ui.routes import PAGES
from tests.api.conftest import app_of, client_of
from tests.harness import Catalog, component


@dataclass(slots=True)
class Pages:
    """Pages of a catalog that a test drives by hand, as text."""

    catalog: Catalog
    client: httpx2.AsyncClient

    async def get(self, path: str) -> str:
        """A page that is there."""
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def send(self, path: str, **form: str) -> httpx2.Response:
        """Send a form as a page of ours would, while the reader follows the stream. Redirects are not followed."""
        if "callboard-form" not in self.client.cookies:
            # Any page brings the secret along, also to who is not known.
            await self.client.get("/nowhere", headers={"accept": "text/html"})
        secret = self.client.cookies["callboard-form"]
        sending = asyncio.create_task(self.client.post(path, data={"form-secret": secret, **form}))
        while not sending.done():
            await self.catalog.look()
        return await sending


def words(page: str) -> str:
    """What a page says, without its markup, in one line."""
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).strip())


def group(name: str) -> JsonObject:
    """A group that a provider may offer."""
    return {**component(name), "kind": "Group", "spec": {"type": "team", "children": []}}


def with_metadata(entity: JsonObject, **more: JsonValue) -> JsonObject:
    """*entity* with more in its metadata."""
    metadata = entity["metadata"]
    assert isinstance(metadata, dict)
    return {**entity, "metadata": {**metadata, **more}}


@pytest.fixture
async def pages(catalog: Catalog) -> AsyncIterator[Pages]:
    """Pages over the catalog of a test."""
    await catalog.look()
    async with client_of(app_of(catalog, pages=PAGES)) as client:
        yield Pages(catalog, client)
