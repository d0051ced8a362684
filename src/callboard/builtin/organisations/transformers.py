"""Transformers: functions of an installation that change what becomes of a user or a group."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from callboard.errors import Unreadable
from callboard.extend import JsonObject
from callboard.extend.configuration import function_named

Transform = Callable[..., JsonObject | None | Awaitable[JsonObject | None]]


@dataclass(frozen=True, slots=True)
class Transformer:
    """A function that is given what the source says, and the entity that is made of it. It returns the entity to take;
    None takes none.
    """

    name: str
    function: Transform

    async def apply(self, entity: JsonObject, source: object) -> JsonObject | None:
        """What becomes of *entity*, made of *source*. Raises Unreadable when the function fails: who is missing for
        that is not to be withdrawn.
        """
        try:
            made = self.function(source, entity)
            transformed: object = await made if inspect.isawaitable(made) else made
        except Exception as error:
            told = " ".join(f"{type(error).__name__}: {error}".split())
            raise Unreadable(f"the transformer {self.name} failed at {_told(entity)}: {told}") from error
        if transformed is None:
            return None
        if not isinstance(transformed, dict) or not isinstance(transformed.get("metadata"), dict):
            raise Unreadable(f"expected the transformer {self.name} to return an entity or None for {_told(entity)}")
        return transformed


def named(name: str | None, at: str) -> Transformer | None:
    """The transformer `module:function`, None without a name. Raises InvalidConfiguration, which names the key *at*."""
    return None if name is None else Transformer(name, function_named(name, at))


def has_name(entity: JsonObject) -> bool:
    """Whether *entity* has any name."""
    metadata = entity.get("metadata")
    return isinstance(metadata, dict) and isinstance(name := metadata.get("name"), str) and bool(name)


def _told(entity: JsonObject) -> str:
    metadata = entity.get("metadata")
    return f"{entity.get('kind')} {metadata.get('name') if isinstance(metadata, dict) else ''!r}"
