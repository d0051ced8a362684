"""Listing: the resources that a filter is true of, a page at a time."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from callboard.api.scim.filters import Attribute, Compare, Every, Filter
from callboard.api.scim.filters import parse as parse_filter
from callboard.api.scim.patching import place_of
from callboard.api.scim.refusals import Refused
from callboard.api.scim.schemas import MOST_RESULTS, ResourceType
from callboard.ingestion import resources as stage
from callboard.model.json import JsonObject
from callboard.store import resources
from callboard.store.database import Transaction
from callboard.store.resources import Resource

_USUAL = 100
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Order:
    """What resources are sorted by (RFC 7644, section 3.4.2.3)."""

    attribute: Attribute
    descending: bool = False

    @classmethod
    def of(cls, kind: ResourceType, by: str | None, order: str | None) -> "Order | None":
        """What a query string says; None: the order in which they came. Raises Refused."""
        if order is not None and order.lower() not in ("ascending", "descending"):
            raise Refused("invalidValue", f"sortOrder must be ascending or descending, got {order!r}")
        if by is None:
            return None
        return cls(place_of(by, kind), order is not None and order.lower() == "descending")

    def key(self, resource: JsonObject) -> tuple[bool, str, float, str]:
        """What comes first has less; what has no value comes last, or first when the order is descending."""
        value = self.attribute.first(resource)
        if isinstance(value, str):
            return False, "text", 0.0, value if self.attribute.is_exact else value.casefold()
        if isinstance(value, int | float):
            return False, "number", float(value), ""
        return value is None, "", 0.0, ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which resources, and which part of them."""

    filter: Filter | None
    start: int
    """Counted from 1."""
    count: int
    order: Order | None = None

    @classmethod
    def of(cls, kind: ResourceType, asked: Mapping[str, str]) -> "Wanted":
        """What a query string says, by names in lower case. Raises Refused."""
        schemas = [kind.schema, *kind.extensions]
        said = asked.get("filter")
        parsed = None if said is None else parse_filter(said, schemas)
        number = _USUAL if "count" not in asked else _whole(asked["count"], "count")
        return cls(
            parsed,
            max(1, _whole(asked.get("startindex", "1"), "startIndex")),
            min(max(0, number), MOST_RESULTS),
            Order.of(kind, asked.get("sortby"), asked.get("sortorder")),
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A page of resources, with their documents by id, and how many there are in all."""

    total: int
    resources: Sequence[Resource]
    documents: dict[str, JsonObject]


async def find(tx: Transaction, provider: str, kind: ResourceType, wanted: Wanted) -> Found:
    """The page that is *wanted*."""
    skip, order = wanted.start - 1, wanted.order
    if wanted.filter is None and order is None:
        page = await resources.page(tx, provider, kind.name, skip=skip, limit=wanted.count) if wanted.count else []
        total = await resources.count(tx, provider, kind.name)
        return Found(total, page, await stage.documents(tx, provider, page))
    matching: list[tuple[tuple[bool, str, float, str] | None, Resource]] = []
    async for batch in _candidates(tx, provider, kind, wanted.filter):
        known = await stage.documents(tx, provider, batch)
        for each in batch:
            whole = {**known[each.id], **_own(each)}
            if wanted.filter is None or wanted.filter.matches(whole):
                matching.append((order.key(whole) if order else None, each))
    if order is not None:
        matching.sort(key=lambda each: each[0] or (True, "", 0.0, ""), reverse=order.descending)
    page = [resource for _, resource in matching[skip : skip + wanted.count]]
    return Found(len(matching), page, await stage.documents(tx, provider, page))


def _own(resource: Resource) -> JsonObject:
    times: JsonObject = {
        "created": resource.created_at.isoformat(),
        "lastModified": resource.modified_at.isoformat(),
        "resourceType": resource.type,
    }
    return {"id": resource.id, "meta": times}


async def _candidates(
    tx: Transaction, provider: str, kind: ResourceType, filter_: Filter | None
) -> AsyncIterator[Sequence[Resource]]:
    """What a filter may be true of: few where it asks for a name or an id, or else everything, batch by batch."""
    asked = {} if filter_ is None else dict(_equations(filter_))
    if (id_ := asked.get("id")) is not None:
        found = await resources.find(tx, provider, id_)
        yield [found] if found is not None and found.type == kind.name else []
    elif (external_id := asked.get("externalid")) is not None:
        yield await resources.external(tx, provider, kind.name, external_id)
    elif (name := asked.get("username" if kind.name == "User" else "displayname")) is not None:
        yield await resources.named(tx, provider, kind.name, name.casefold())
    else:
        skip = 0
        while batch := await resources.page(tx, provider, kind.name, skip=skip, limit=_BATCH):
            yield batch
            skip += len(batch)


def _equations(filter_: Filter) -> Iterator[tuple[str, str]]:
    """The attributes, in lower case, that must be equal to a text for the filter to be true."""
    for each in filter_.filters if isinstance(filter_, Every) else [filter_]:
        if isinstance(each, Compare) and each.operator == "eq" and isinstance(each.value, str):
            place = each.attribute
            if place.schema is None and place.within is None and "\0" not in each.value:
                yield place.name.lower(), each.value


def _whole(text: str, name: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise Refused("invalidValue", f"{name} must be a whole number, got {text!r}")
    return int(text)
