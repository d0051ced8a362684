"""Sets of entity ids: a plain int for one member, a tuple for a few, a roaring bitmap beyond.

Most values of a catalog belong to one entity or to a handful. A bitmap for each would be most of the memory: one of two
members takes 220 bytes, a tuple of them 70, and one of sixteen is about as large either way.
"""

from collections.abc import Iterable
from typing import TypeAlias

from pyroaring import BitMap

Ids: TypeAlias = int | tuple[int, ...] | BitMap
"""A set that is not empty. The empty set is None."""

_FEW = 8


def including(ids: Ids | None, member: int) -> Ids:
    """*ids* with *member*; changes a bitmap in place."""
    if isinstance(ids, BitMap):
        ids.add(member)
        return ids
    if ids is None or ids == member:
        return member
    if isinstance(ids, int):
        return ids, member
    if member in ids:
        return ids
    return (*ids, member) if len(ids) < _FEW else BitMap((*ids, member))


def excluding(ids: Ids | None, member: int) -> Ids | None:
    """*ids* without *member*; changes a bitmap in place."""
    if ids is None or isinstance(ids, int):
        return None if ids == member else ids
    if isinstance(ids, BitMap):
        ids.discard(member)
        # Not as soon as it could be one: a set on the border would turn back and forth.
        return ids if len(ids) > _FEW // 2 else tuple(ids)
    rest = tuple(other for other in ids if other != member)
    return rest if len(rest) > 1 else rest[0]


def contains(ids: Ids | None, member: int) -> bool:
    """Whether *member* is in *ids*."""
    return ids == member if ids is None or isinstance(ids, int) else member in ids


def bitmap(ids: Ids | None) -> BitMap:
    """*ids* as a bitmap, which may be the stored one: never change it."""
    if isinstance(ids, BitMap):
        return ids
    if ids is None:
        return BitMap()
    return BitMap((ids,) if isinstance(ids, int) else ids)


def union(sets: Iterable[Ids | None]) -> BitMap:
    """All members of all *sets*, in a bitmap of its own."""
    few: list[int] = []
    many: list[BitMap] = []
    for ids in sets:
        if isinstance(ids, int):
            few.append(ids)
        elif isinstance(ids, tuple):
            few.extend(ids)
        elif ids is not None:
            many.append(ids)
    return BitMap(few).union(*many) if many else BitMap(few)
