"""The table of routes of SCIM, below `/api/catalog/scim`: for the one identity provider, or for one of several."""

from functools import partial

from callboard.api.paths import Route
from callboard.api.scim.bulk import bulk
from callboard.api.scim.endpoints import (
    Endpoint,
    by_method,
    create,
    delete,
    described,
    get,
    nothing,
    patch,
    query,
    replace,
    search,
    service,
)
from callboard.api.scim.schemas import TYPES, described_schemas, described_types

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

_ENDPOINTS: dict[str, Endpoint] = {
    "/.search": by_method(post=partial(search, [*TYPES.values()])),
    "/Bulk": by_method(post=bulk),
    "/ServiceProviderConfig": by_method(get=service),
    "/ResourceTypes": by_method(get=described(described_types)),
    "/ResourceTypes/{name}": by_method(get=described(described_types)),
    "/Schemas": by_method(get=described(described_schemas)),
    "/Schemas/{name}": by_method(get=described(described_schemas)),
}
for _kind in TYPES.values():
    _ENDPOINTS[f"{_kind.endpoint}/.search"] = by_method(post=partial(search, [_kind]))
    _ENDPOINTS[_kind.endpoint] = by_method(get=partial(query, [_kind]), post=partial(create, _kind))
    _ENDPOINTS[f"{_kind.endpoint}/{{id}}"] = by_method(
        get=partial(get, _kind), put=partial(replace, _kind), patch=partial(patch, _kind), delete=partial(delete, _kind)
    )

ROUTES = [
    Route(f"{before}{path}", endpoint, methods=_METHODS)
    for before in ("/v2", "/{provider}/v2")
    for path, endpoint in _ENDPOINTS.items()
] + [Route("/{rest:path}", nothing, methods=_METHODS)]
