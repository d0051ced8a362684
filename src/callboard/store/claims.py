"""Claims: who says that an entity exists, and with which content."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from callboard.errors import InvalidInput
from callboard.model.causes import Because, Reason
from callboard.store import queries
from callboard.store.database import Transaction

_SQL = queries.load("claims")

_NONE: Mapping[str, Reason] = MappingProxyType({})

_NOT_IN_NAMES = re.compile("[\0\x1e\x1f\ud800-\udfff]")
# Together with a source, which is a ref as well, they fit into an entry of an index.
_LONGEST_REF = 500
_LONGEST_KEY = 1_500

# Arrays of this many contents keep one statement well below PostgreSQL's message limit and the client's memory small.
_CHUNK = 2_000


class ClaimKey(NamedTuple):
    """What tells one claim from another. *location_key* is empty for a claim without a key."""

    source: str
    ref: str
    location_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A source says that an entity exists. The source is `provider:<name>` or `entity:<ref>`."""

    source: str
    ref: str
    location_key: str
    """Empty for none."""
    content: str
    content_hash: bytes
    origin: str | None = None
    """The location at the root of the chain that led here, as the content says."""
    line: int | None = None
    """Where the content begins in its file. No part of the content."""


@dataclass(frozen=True, slots=True)
class Differences:
    """How claims differ from what is stored."""

    changed: list[Claim]
    """New, or with other content."""
    moved: list[Claim]
    """The same content on another line."""
    new: frozenset[str] = frozenset()
    """The refs that the sources have not claimed before."""


class Difference(NamedTuple):
    """An entity that a source is about to claim in another way than before, or for the first time."""

    ref: str
    new: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """What a source says of an entity."""

    content: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of entities whose claims have changed."""

    to_process: list[str]
    """Their content is new."""
    to_stitch: list[str]
    """They were known before, and became an orphan, were reclaimed, or changed hands."""
    orphaned: Mapping[str, str | None] = field(default_factory=dict)
    """Nothing claims them any more. With the source that had them last."""
    reclaimed: frozenset[str] = frozenset()
    """They were orphans, and are none any more."""
    contested: frozenset[str] = frozenset()
    """Their rivals are others than before."""

    def reasons(self, reason: Reason, reasons: Mapping[str, Reason] = _NONE) -> dict[str, Reason]:
        """Why each of those *to_stitch* is stitched, if a *reason*, but for *reasons*, has led to the decision."""
        found: dict[str, Reason] = {}
        for ref in self.to_stitch:
            why = reasons.get(ref, reason)
            because = why.because
            if ref in self.orphaned:
                because = Because.ORPHANED
            elif ref in self.reclaimed:
                because = Because.RECLAIMED
            elif ref in self.contested:
                because = Because.CONFLICT
            found[ref] = Reason(because, why.by, source=self.orphaned.get(ref))
        return found


def of_provider(name: str) -> str:
    """The source of a provider's claims."""
    return f"provider:{name}"


def of_entity(ref: str) -> str:
    """The source of a parent's claims."""
    return f"entity:{ref}"


def parent_in(source: str) -> str | None:
    """The ref of the entity that a source is; None for a provider."""
    return source.removeprefix("entity:") if source.startswith("entity:") else None


def check_names(ref: str, location_key: str = "") -> None:
    """Raise InvalidInput when nothing can be claimed under these names: they are too long, or no text."""
    for name, longest in ((ref, _LONGEST_REF), (location_key, _LONGEST_KEY)):
        if found := _NOT_IN_NAMES.search(name):
            raise InvalidInput(f"{name[:100]!a} holds the character {found[0]!a}, which no name can have")
        if len(name.encode()) > longest:
            raise InvalidInput(f"{name[:100]!r}… is longer than {longest} bytes")


async def lock_targets(tx: Transaction, refs: Sequence[str], *, create: Sequence[str] = ()) -> set[str]:
    """Lock the entities, creating those of *create* that don't exist. Returns the refs that exist.

    A transaction does this once, before it locks anything else.
    """
    if not create:
        return set(await tx.refs(_SQL["lock_targets"], refs=list(set(refs))))
    others = set(refs).difference(create)
    created = await tx.refs(_SQL["create_targets"], create=list(set(create)), refs=list(others), now=tx.now)
    if not others:
        return set(create)
    if unwanted := others.intersection(created):
        await tx.run(_SQL["uncreate_targets"], refs=list(unwanted))
    return {*create, *await tx.refs(_SQL["existing"], refs=list(others))}


async def compare(tx: Transaction, offered: Sequence[Claim]) -> Differences:
    """How the claims differ from what is stored."""
    if not offered:
        return Differences(changed=[], moved=[])
    rows = await tx.rows(
        _SQL["differing"],
        sources=[claim.source for claim in offered],
        refs=[claim.ref for claim in offered],
        keys=[claim.location_key for claim in offered],
        hashes=[claim.content_hash for claim in offered],
        origins=[claim.origin for claim in offered],
        lines=[claim.line for claim in offered],
    )
    found: dict[bool, list[Claim]] = {False: [], True: []}
    for row in rows:
        found[row["moved"]].append(offered[row["position"] - 1])
    new = frozenset(offered[row["position"] - 1].ref for row in rows if row["new"])
    return Differences(changed=found[False], moved=found[True], new=new)


async def offer(tx: Transaction, offered: Sequence[Claim]) -> None:
    """Store the claims, in place of earlier ones from the same sources."""
    for start in range(0, len(offered), _CHUNK):
        chunk = offered[start : start + _CHUNK]
        await tx.run(
            _SQL["offer"],
            sources=[claim.source for claim in chunk],
            refs=[claim.ref for claim in chunk],
            keys=[claim.location_key for claim in chunk],
            contents=[claim.content for claim in chunk],
            hashes=[claim.content_hash for claim in chunk],
            origins=[claim.origin for claim in chunk],
            lines=[claim.line for claim in chunk],
        )


async def move(tx: Transaction, moved: Sequence[Claim]) -> None:
    """Let these claims, whose content is stored as it is, begin on other lines. It decides nothing anew."""
    if moved:
        await tx.run(
            _SQL["move"],
            sources=[claim.source for claim in moved],
            refs=[claim.ref for claim in moved],
            keys=[claim.location_key for claim in moved],
            lines=[claim.line for claim in moved],
        )


async def absent(tx: Transaction, source: str, mentioned: Sequence[tuple[str, str | None]]) -> list[ClaimKey]:
    """What *source* claims, less what is *mentioned* as (ref, key), where None stands for all keys."""
    rows = await tx.rows(
        _SQL["absent"], source=source, refs=[ref for ref, _ in mentioned], keys=[key for _, key in mentioned]
    )
    return [ClaimKey(*row) for row in rows]


async def superseded(tx: Transaction, source: str, refs: Sequence[str], offered: Sequence[Claim]) -> list[ClaimKey]:
    """What *source* claims under *refs*, less what it offers in the same breath."""
    rows = await tx.rows(
        _SQL["superseded"],
        source=source,
        refs=list(refs),
        offered_refs=[claim.ref for claim in offered],
        offered_keys=[claim.location_key for claim in offered],
    )
    return [ClaimKey(*row) for row in rows]


async def severed(
    tx: Transaction, parents: Sequence[str], emitted: Sequence[Claim], standing: Sequence[tuple[str, str]]
) -> list[ClaimKey]:
    """The children that these *parents* (sources) emit no more.

    *standing* holds (source, location key) of what stays though it was not emitted again.
    """
    rows = await tx.rows(
        _SQL["severed"],
        parents=list(parents),
        sources=[claim.source for claim in emitted],
        refs=[claim.ref for claim in emitted],
        keys=[claim.location_key for claim in emitted],
        standing_sources=[source for source, _ in standing],
        standing_keys=[key for _, key in standing],
    )
    return [ClaimKey(*row) for row in rows]


async def withdraw(tx: Transaction, gone: Sequence[ClaimKey]) -> None:
    """Delete claims."""
    if gone:
        sources, refs, keys = zip(*gone, strict=True)
        await tx.run(_SQL["withdraw"], sources=list(sources), refs=list(refs), keys=list(keys))


async def find(tx: Transaction, key: ClaimKey) -> Stored | None:
    """What is claimed under *key*."""
    row = await tx.row(_SQL["find"], source=key.source, ref=key.ref, key=key.location_key)
    return Stored(row["content"], row["content_hash"]) if row else None


async def count(tx: Transaction, source: str) -> int:
    """How many entities *source* claims."""
    row = await tx.row(_SQL["count"], source=source)
    assert row is not None
    return int(row[0])


async def page(tx: Transaction, source: str, *, after: str, limit: int) -> list[tuple[str, str]]:
    """(ref, content) of up to *limit* entities that *source* claims, by ref, behind the ref *after*."""
    rows = await tx.rows(_SQL["page"], source=source, after=after, limit=limit)
    return [(row["target_ref"], row["content"]) for row in rows]


async def contents(tx: Transaction, source: str, refs: Sequence[str]) -> dict[str, str]:
    """What *source* says of *refs*, as far as it claims them."""
    return {row["ref"]: row["content"] for row in await tx.rows(_SQL["contents"], source=source, refs=list(refs))}


async def beaten(tx: Transaction, source: str, refs: Sequence[str]) -> list[str]:
    """Those of *refs* that *source* claims, but another claim holds."""
    return await tx.refs(_SQL["beaten"], source=source, refs=list(refs))


async def holders(tx: Transaction, refs: Sequence[str]) -> dict[str, list[ClaimKey]]:
    """Who claims each of *refs*, in the order in which they came."""
    found: dict[str, list[ClaimKey]] = {}
    for ref, source, key in await tx.rows(_SQL["holders"], refs=list(refs)) if refs else ():
        found.setdefault(ref, []).append(ClaimKey(source, ref, key))
    return found


async def uprooted(tx: Transaction, refs: Sequence[str]) -> list[str]:
    """Those of *refs* that have to emit their children again, with another origin than the one they told them.

    It is to be asked about all whose claims have changed, but for new ones, which have no children.
    """
    return await tx.refs(_SQL["uprooted"], refs=list(refs)) if refs else []


async def parents(tx: Transaction, ref: str) -> list[str]:
    """The entities that claim *ref*."""
    return await tx.refs(_SQL["parents"], ref=ref)


async def children(tx: Transaction, ref: str) -> list[str]:
    """The entities that *ref* claims."""
    return await tx.refs(_SQL["children"], source=of_entity(ref))


async def hold(tx: Transaction, ref: str, location_key: str) -> bool:
    """Let *location_key* hold the entity, which must be locked, once it is decided again. False if nobody claims so."""
    return bool(await tx.refs(_SQL["hold"], ref=ref, key=location_key))


async def decide(tx: Transaction, refs: Sequence[str]) -> Decision:
    """Let the right claim win for each of these entities, which must be locked."""
    if not refs:
        return Decision([], [])
    rows = await tx.rows(_SQL["decide"], refs=list(refs))
    return Decision(
        to_process=[row["ref"] for row in rows if row["changed"]],
        to_stitch=[row["ref"] for row in rows if not row["created"]],
        orphaned={row["ref"]: row["source_before"] for row in rows if row["orphaned"]},
        reclaimed=frozenset(row["ref"] for row in rows if row["reclaimed"] and not row["created"]),
        contested=frozenset(row["ref"] for row in rows if row["contested"]),
    )
