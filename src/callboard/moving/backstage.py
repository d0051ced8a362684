"""A running Backstage catalog, to be read. Another Callboard will do as well."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import msgspec

from callboard.client import CatalogClient, Location
from callboard.client.answers import Answer
from callboard.client.core import Call
from callboard.client.filters import Filters
from callboard.errors import (
    CallboardError,
    InvalidEntity,
    InvalidInput,
    NotAllowed,
    NotFound,
    Unauthenticated,
    Unavailable,
    Unreadable,
)
from callboard.model.entities import check_envelope, entity_ref
from callboard.model.json import JsonObject

_PAGE = 500
_ORIGIN = ("apiVersion", "kind", "metadata.namespace", "metadata.name", "metadata.annotations")
_UNPROCESSED = ("failed", "pending")

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unprocessed:
    """An entity that the other catalog knows and does not show."""

    ref: str
    reason: str


class _Error(msgspec.Struct):
    message: str = ""


class _Unprocessed(msgspec.Struct):
    entity_ref: str | None = None
    unprocessed_entity: Row | None = None
    errors: list[_Error] | None = None


class _Listed(msgspec.Struct):
    entities: list[_Unprocessed]


@dataclass(frozen=True, slots=True)
class Backstage:
    """The catalog at the address of *client*, whose name in messages is *url*."""

    client: CatalogClient
    url: str

    def count(self) -> int:
        """How many entities it shows. Raises for whatever is no catalog, or does not let us in."""
        with self._told():
            return self.client.query_entities(limit=0).total

    def locations(self) -> Sequence[Location]:
        """What is registered there."""
        with self._told():
            return self.client.get_locations()

    def pages(self, filters: Filters = ()) -> Iterator[list[JsonObject]]:
        """All its entities, or those that *filters* mean, some at a time."""
        with self._told():
            for page in self.client.stream_entities(page_size=_PAGE, filters=filters):
                yield [self._checked(cast("JsonObject", entity)) for entity in page.items]

    def entities(self, refs: Sequence[str]) -> list[JsonObject | None]:
        """Its entities of these refs, as far as that tells where they come from; None for each that it lacks."""
        with self._told():
            found = self.client.get_entities_by_refs(refs, fields=_ORIGIN)
            return [None if entity is None else self._checked(cast("JsonObject", entity)) for entity in found]

    def unprocessed(self) -> list[Unprocessed] | None:
        """What it could not process, or has not yet; None when the module that tells is not installed there."""
        found: dict[str, Unprocessed] = {}
        with self._told():
            for state in _UNPROCESSED:
                try:
                    rows = self.client.send(Call(path=f"/entities/unprocessed/{state}", read=_rows))
                except (NotFound, NotAllowed):
                    return None
                for row in rows:
                    told = _told(row, state)
                    found.setdefault(told.ref, told)
        return list(found.values())

    def _checked(self, entity: JsonObject) -> JsonObject:
        try:
            check_envelope(entity)
        except InvalidEntity as error:
            raise Unreadable(f"it shows something that is not an entity: {error}") from error
        return entity

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Errors say which of the two catalogs they are about, and what may help."""
        try:
            yield
        except Unauthenticated as error:
            raise Unauthenticated(
                f"{self.url} wants to know who asks ({error}): give a token of it, --from-token"
            ) from error
        except NotAllowed as error:
            raise NotAllowed(f"{self.url} does not allow it to whom the token belongs: {error}") from error
        except NotFound as error:
            raise NotFound(f"there is no catalog at {self.url}: expected the address of a Backstage backend") from error
        except Unreadable as error:
            raise Unreadable(f"{self.url} does not answer as a Backstage catalog does: {error}") from error
        except Unavailable as error:
            raise Unavailable(
                f"{self.url} can't be read now, and nothing is lost: {error}. Run the same again"
            ) from error
        except InvalidInput as error:
            raise InvalidInput(f"{self.url} does not understand what it is asked: {error}") from error
        except CallboardError as error:
            raise CallboardError(f"{self.url} fails to answer: {error}") from error


def _rows(answer: Answer) -> list[_Unprocessed]:
    return msgspec.json.decode(answer.content, type=_Listed).entities


def _told(row: _Unprocessed, state: str) -> Unprocessed:
    # Backstage leaves the ref of pending rows out.
    ref = row.entity_ref
    if ref is None:
        try:
            check_envelope(row.unprocessed_entity)
            ref = str(entity_ref(cast("JsonObject", row.unprocessed_entity)))
        except InvalidEntity:
            ref = "an entity without a name"
    return Unprocessed(ref, "; ".join(error.message for error in row.errors or ()) or f"is {state}")
