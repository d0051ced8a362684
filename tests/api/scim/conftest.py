"""SCIM over a catalog that a test drives by hand."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from callboard.model.json import JsonObject
from tests.api.conftest import Api, app_of, client_of
from tests.harness import Catalog

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(slots=True)
class IdentityProvider:
    """What pushes users and groups."""

    api: Api
    base: str = "/api/catalog/scim/v2"

    @property
    def catalog(self) -> Catalog:
        return self.api.catalog

    async def ask(self, method: str, path: str, body: object = None, **more: Any) -> httpx2.Response:
        """Send a request, while the reader follows the stream."""
        call = self.api.client.request(method, f"{self.base}{path}", json=body, **more)
        return await self.api.following(call)

    async def get(self, path: str, **parameters: Any) -> JsonObject:
        """What is there."""
        return _read(await self.ask("GET", path, params=parameters), 200)

    async def add(self, path: str, **document: Any) -> str:
        """Push a resource that is new, a second after the one before. Returns its id."""
        self.catalog.clock.advance(1)
        found = _read(await self.ask("POST", path, document), 201)
        return str(found["id"])

    async def patch(self, path: str, *operations: JsonObject) -> JsonObject:
        """Change a resource."""
        return _read(await self.ask("PATCH", path, {"schemas": [PATCH], "Operations": [*operations]}), 200)

    async def refused(self, method: str, path: str, body: object = None, **more: Any) -> tuple[int, str | None, str]:
        """The status, the word and the reason of a refusal."""
        answer = await self.ask(method, path, body, **more)
        assert answer.headers["content-type"] == "application/scim+json"
        told = answer.json()
        assert told["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert told["status"] == str(answer.status_code)
        return answer.status_code, told.get("scimType"), told["detail"]


def _read(answer: httpx2.Response, status: int) -> JsonObject:
    assert answer.status_code == status, answer.text
    found: JsonObject = answer.json()
    return found


@pytest.fixture
def scim() -> JsonObject:
    """What stands at `catalog.providers.scim`."""
    return {"default": {}}


@pytest.fixture
async def idp(catalog: Catalog, scim: JsonObject) -> AsyncIterator[IdentityProvider]:
    """An identity provider in front of an API that expects it."""
    await catalog.look()
    settings = catalog.configured.overridden({"catalog.providers": {"scim": scim}})
    async with client_of(app_of(catalog, settings=settings)) as client:
        yield IdentityProvider(Api(catalog, client))
