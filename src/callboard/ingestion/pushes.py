"""Pushes: what has changed in a repository is read again, and locations follow their files."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from callboard.errors import CallboardError, Conflict, InvalidInput, LocationNotFound, NotFound
from callboard.extend import Content, Reader
from callboard.ingestion import locations as registering
from callboard.model.causes import Because, Reason
from callboard.model.documents import parse_entities
from callboard.model.entities import check_envelope, entity_ref
from callboard.model.pushes import Push
from callboard.model.refs import LocationRef
from callboard.model.repositories import Files, Place
from callboard.store import claims, locations, refresh_keys, schedule
from callboard.store.database import Database, Transaction
from callboard.store.locations import RegisteredLocation

_TYPE = "url"
_KEYS = f"{_TYPE}:"
_DOCUMENTS = (".yaml", ".yml")

_LOOKING, _MAKING_SURE = 3.0, 1.0
"""Seconds for finding out where files have gone. Most code hosts wait ten seconds for the answer, Gitea five."""

_MOST_LOOKED_AT = 200
"""New files that are read to find those that were renamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a push may lead to."""

    refresh: bool = True
    unregister: bool = False
    move: bool = True


@dataclass(frozen=True, slots=True)
class Move:
    """A registered location that has followed its file."""

    location: RegisteredLocation
    """As it was before."""
    target: str


@dataclass(slots=True, kw_only=True)
class Applied:
    """What pushes have led to."""

    refreshed: int = 0
    """Entities that were made due."""
    moved: list[Move] = field(default_factory=list)
    unregistered: list[RegisteredLocation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Reach:
    """A push, and the URLs that it is about."""

    push: Push
    files: Files

    def touches(self, key: str) -> bool:
        """Whether the push may have changed what the refresh key stands for."""
        url = key.removeprefix(_KEYS)
        beginning = refresh_keys.beginning_of(key)
        if beginning is not None:
            return self._touches_some(beginning.removeprefix(_KEYS))
        place = self.files.place(url)
        return place is not None and (not self.push.complete or place.is_among(self.push.touched))

    def _touches_some(self, beginning: str) -> bool:
        """Whether it may have changed a URL of which no more than its *beginning* is known."""
        if any(prefix.startswith(beginning) for prefix in self.files.prefixes):
            return True
        place = self.files.place(beginning)
        if place is None or not self.push.complete or "*" in place.written:
            return place is not None
        return any(place.at(path).url.startswith(place.url) for path in self.push.touched)


async def apply(database: Database, pushes: Sequence[Push], wanted: Wanted, reader: Reader) -> Applied:
    """Do what is *wanted* about *pushes*, and return when all of it is committed.

    *reader* reads URLs, to find files that were renamed.
    """
    done = Applied()
    reaches = [_Reach(push, push.branch.files()) for push in pushes]
    for reach in reaches:
        await _follow_files(database, reach, wanted, reader, done)
    if wanted.refresh and reaches:
        moved = [move.location.entity_ref for move in done.moved]
        done.refreshed = await _refresh(database, reaches, moved)
    return done


def _reason(reaches: Sequence[_Reach]) -> Reason:
    return Reason(f"webhook {', '.join(str(reach.push) for reach in reaches)}")


async def _refresh(database: Database, reaches: Sequence[_Reach], moved: Collection[str]) -> int:
    """Make all due that depends on what was touched, but for *moved* entities, which are due already."""
    reason = _reason(reaches)
    prefixes = [f"{_KEYS}{prefix}" for reach in reaches for prefix in reach.files.prefixes]

    async def work(tx: Transaction) -> int:
        found = await refresh_keys.below(tx, prefixes)
        refs = {ref for ref, key in found if any(reach.touches(key) for reach in reaches)}
        locked = await claims.lock_targets(tx, sorted(refs.difference(moved)))
        await schedule.request(tx, sorted(locked), schedule.Priority.ASKED, reason=reason)
        return len(locked)

    return await database.run(work)


@dataclass(frozen=True, slots=True)
class _Lost:
    """A registered location whose file is gone, or may be."""

    location: RegisteredLocation
    place: Place
    is_told: bool
    """Whether the push says that the file is gone."""
    children: set[str] = field(default_factory=set)

    @property
    def form(self) -> tuple[str, str]:
        """In which of several ways the file is named."""
        return self.place.prefix, self.place.suffix

    @property
    def url(self) -> str:
        """Where the file was."""
        return self.location.target


async def _follow_files(database: Database, reach: _Reach, wanted: Wanted, reader: Reader, done: Applied) -> None:
    """Let registered locations go where their files have gone, and go with those that are gone for good."""
    push = reach.push
    new = sorted(path for path in push.added if path.endswith(_DOCUMENTS)) if wanted.move else []
    if not new and not (wanted.unregister and push.removed):
        return
    registered, lost = await _lost(database, reach, every=bool(new) and push.hides_old_names)
    moves = await _renamed(new, registered, lost, reader) if new else {}
    for item in lost:
        target = moves.get(item.location.id)
        if target is not None and await _move(database, item.location, target):
            done.moved.append(Move(item.location, target))
        elif wanted.unregister and item.is_told and await _unregister(database, item.location, _reason([reach])):
            done.unregistered.append(item.location)


async def _lost(database: Database, reach: _Reach, *, every: bool) -> tuple[set[str], list[_Lost]]:
    """The targets of all registered locations of the branch, and those whose files are gone, or may be: all of them."""
    async with database.transaction() as tx:
        registered = await locations.below(tx, _TYPE, reach.files.prefixes)
        lost = [
            _Lost(location, place, is_told)
            for location in registered
            if (place := reach.files.place(location.target)) is not None and "*" not in place.written
            if (is_told := place.is_among(reach.push.removed)) or every
        ]
        emitted = await locations.emitted(tx, [item.location.entity_ref for item in lost])
    for item in lost:
        item.children.update(emitted.get(item.location.entity_ref, ()))
    return {location.target for location in registered}, lost


async def _renamed(
    new: Sequence[str], registered: Collection[str], lost: Sequence[_Lost], reader: Reader
) -> dict[str, str]:
    """Where the files of *lost* are now, by the id of the location: where most of their entities are."""
    # A location is named in one of several ways, and its file is looked for under a name of the same kind.
    forms = {item.form: [item.place.at(path).url for path in new] for item in lost if item.children}
    free = [url for urls in forms.values() for url in urls if url not in registered][:_MOST_LOOKED_AT]
    holders: defaultdict[str, set[str]] = defaultdict(set)
    await _within(_LOOKING, [_look(reader, url, holders) for url in free])
    moves: dict[str, str] = {}
    for item in lost:
        same_form, taken = set(forms.get(item.form, ())), set(moves.values())
        common = Counter(url for child in item.children for url in holders.get(child, ()) if url in same_form - taken)
        if common:
            moves[item.location.id] = max(common, key=lambda url: (common[url], _name(url) == _name(item.url), url))
    gone: set[str] = set()
    unsure = [item.url for item in lost if item.location.id in moves and not item.is_told]
    await _within(_MAKING_SURE, [_make_sure(reader, url, gone) for url in unsure])
    certain = {item.location.id for item in lost if item.is_told or item.url in gone}
    return {location_id: url for location_id, url in moves.items() if location_id in certain}


async def _within(seconds: float, looks: Sequence[Coroutine[None, None, None]]) -> None:
    """Await *looks*; what has not come to an end in time has seen nothing."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*looks)


async def _look(reader: Reader, url: str, holders: defaultdict[str, set[str]]) -> None:
    """Note *url* as a holder of the entities in its file, if that can be read."""
    try:
        content = await reader.read(url)
        assert isinstance(content, Content), "without a version, there is nothing to compare with"
        # In a thread: a large file takes seconds.
        entities = await asyncio.to_thread(parse_entities, content.data, LocationRef(_TYPE, url))
    except CallboardError:
        return
    for raw in entities:
        with contextlib.suppress(InvalidInput):
            check_envelope(raw.entity)
            holders[str(entity_ref(raw.entity))].add(url)


async def _make_sure(reader: Reader, url: str, gone: set[str]) -> None:
    """Note *url* if nothing is there."""
    try:
        await reader.read(url)
    except LocationNotFound:
        gone.add(url)
    except CallboardError:
        return


def _name(url: str) -> str:
    return PurePosixPath(url).name


async def _move(database: Database, location: RegisteredLocation, target: str) -> bool:
    """False when somebody else was there first."""
    try:
        reason = Reason(Because.MOVED)
        await registering.retarget(database, location.id, LocationRef(location.type, target), reason, is_moved=True)
    except (Conflict, NotFound, InvalidInput):
        return False
    return True


async def _unregister(database: Database, location: RegisteredLocation, reason: Reason) -> bool:
    """False when it is not there any more."""
    try:
        await registering.unregister(database, location.id, reason)
    except NotFound:
        return False
    return True
