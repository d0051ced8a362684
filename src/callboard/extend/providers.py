"""Entity providers: where entities come from."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from callboard.model.json import JsonObject
from callboard.model.refs import EntityRef

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]{0,61}[A-Za-z0-9])?")
"""What a provider may be called."""


@dataclass(frozen=True, slots=True)
class Offered:
    """An entity that a provider says exists.

    *location_key* decides conflicts with other sources that offer the same ref: equal keys share the entity, and an
    entity without a key yields to one with a key.
    """

    entity: JsonObject
    location_key: str | None = None


@dataclass(frozen=True, slots=True)
class Full:
    """Everything that the provider has now. What it does not mention any more is withdrawn."""

    entities: Sequence[Offered]


@dataclass(frozen=True, slots=True)
class Delta:
    """Changes to what the provider has."""

    added: Sequence[Offered] = ()
    removed: Sequence[EntityRef] = field(default_factory=tuple)


Mutation = Full | Delta


class ProviderConnection(Protocol):
    """A provider's way into the catalog. It may be used at any time and from any task."""

    async def apply(self, mutation: Mutation) -> None:
        """Store the mutation in one transaction; returns when it is committed.

        A malformed entity is reported by name and left out, and does not take the rest with it.
        """
        ...

    async def refresh(self, keys: Sequence[str]) -> int:
        """Process again, soon, all entities that hold one of these refresh keys. Returns how many."""
        ...


class EntityProvider(Protocol):
    """A source of entities. Its name is stored with everything that it provides and must never change."""

    @property
    def name(self) -> str:
        """Identifies the provider, for ever."""
        ...

    async def connect(self, connection: ProviderConnection) -> None:
        """Called once in every engine process at start. Long-running work belongs in a task of the provider's own."""
        ...
