"""Policies: rules about the shape of every entity."""

from typing import Protocol

from callboard.model.json import JsonObject


class Policy(Protocol):
    """Checks or completes an entity before its kind is validated. Policies run in the order of their registration."""

    name: str

    def enforce(self, entity: JsonObject) -> JsonObject:
        """The entity, possibly changed in place. Raises InvalidEntity to reject it."""
        ...
