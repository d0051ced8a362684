"""Copying: locations are registered, and entities written for a provider that is named for it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from callboard.client import CatalogClient, Location, Pushed
from callboard.errors import Conflict, InvalidInput, NotAllowed
from callboard.model import json
from callboard.model.entities import entity_ref
from callboard.model.json import JsonObject
from callboard.moving.backstage import Backstage
from callboard.moving.plans import Fate, Plan, copied, is_root


@dataclass(frozen=True, slots=True)
class Rows:
    """The entities that are to be written, one a line of a file, so that any number fits."""

    file: Path
    fates: Counter[Fate] = field(default_factory=Counter)
    """How many entities of the other catalog there are of each."""

    def __iter__(self) -> Iterator[bytes]:
        with self.file.open("rb") as lines:
            yield from lines


def gather(backstage: Backstage, plan: Plan, file: Path, seen: Callable[[int], None]) -> Rows:
    """Write what has to be copied to *file*. *seen* is told how many entities more have been read.

    An entity may come up twice while pages move; the first one counts.
    """
    rows = Rows(file)
    refs: set[str] = set()
    with file.open("wb") as lines:

        def take(entity: JsonObject) -> None:
            ref = str(entity_ref(entity))
            if ref in refs:
                return
            refs.add(ref)
            fate = plan.fate_of(entity)
            rows.fates[fate] += 1
            if fate is Fate.COPIED:
                lines.write(json.encode(copied(entity)) + b"\n")

        locations = [entity for page in backstage.pages("kind=location") for entity in page]
        for location in sorted(locations, key=lambda each: not is_root(each)):
            take(location)
        seen(len(locations))
        for page in backstage.pages():
            others = [entity for entity in page if str(entity["kind"]).lower() != "location"]
            for entity in others:
                take(entity)
            seen(len(others))
    return rows


@dataclass(frozen=True, slots=True)
class Registration:
    """What became of a location."""

    location: Location
    refusal: str | None
    """Why it is not registered."""


def register(catalog: CatalogClient, locations: Sequence[Location]) -> Iterator[Registration]:
    """Register *locations*, one after the other."""
    for location in locations:
        try:
            catalog.add_location(location.target, type_=location.type, on_conflict="refresh")
        except (Conflict, InvalidInput, NotAllowed) as error:
            yield Registration(location, str(error))
        else:
            yield Registration(location, None)


def write(catalog: CatalogClient, provider: str, rows: Rows, *, dry_run: bool) -> Pushed:
    """Make *rows* all that *provider* has. What is malformed is left out, and told."""
    return catalog.push_entities(provider, rows, partial=True, dry_run=dry_run)
