"""Finding: the catalog files that a repository has, whether or not the catalog has them too."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from callboard.errors import CallboardError, InvalidInput, Unavailable, Unreadable
from callboard.extend import CodeHost, Content
from callboard.model.documents import parse_entities
from callboard.model.entities import check_envelope
from callboard.model.json import JsonObject
from callboard.model.refs import LocationRef

USUAL_NAME = "catalog-info.yaml"

_SECONDS = 20.0
"""Somebody waits for the answer."""
_MOST_FILES = 100
"""So many are read; a repository with more of them has a Location for them, or is to be registered with a pattern."""
_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A catalog file, and what is in it."""

    target: str
    entities: Sequence[JsonObject]
    problem: CallboardError | None = None
    """Why it can't be used."""


async def files(host: CodeHost, url: str, name: str, *, known: Collection[str]) -> list[FoundFile]:
    """The files called *name* in the repository that *url* leads to, but for the *known* targets.

    Raises InvalidInput when there is no such repository, or when it can't be read with the credentials that are
    configured, and Unavailable when its host does not answer.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            targets = [target for target in await host.find(url, name) if target not in known][:_MOST_FILES]
            slots = asyncio.Semaphore(_AT_ONCE)
            return await asyncio.gather(*(_file(host, target, slots) for target in targets))
    except TimeoutError as error:
        raise Unavailable(f"{host.name} did not answer within {_SECONDS:g} s") from error
    except Unreadable as error:
        raise Unavailable(f"{host.name} can't be asked now: {error}") from error
    except CallboardError as error:
        raise InvalidInput(f"The repository at {url} can't be read: {error}") from error


async def _file(host: CodeHost, target: str, slots: asyncio.Semaphore) -> FoundFile:
    async with slots:
        try:
            read = await host.read(target)
            assert isinstance(read, Content), "without a version, there is nothing to compare with"
            raw = await asyncio.to_thread(parse_entities, read.data, LocationRef("url", target))
            for each in raw:
                check_envelope(each.entity)
        except Unreadable:
            raise
        except CallboardError as error:
            return FoundFile(target, (), error)
    return FoundFile(target, [each.entity for each in raw])
