"""Sets of entity ids: a plain int while there is one member, a roaring bitmap beyond.

Most values of a catalog belong to one entity only; a bitmap for each would be most of the memory.
"""

from collections.abc import Iterable
from typing import TypeAlias

from pyroaring import BitMap

Ids: TypeAlias = int | BitMap
"""A set that is not empty. The empty set is None."""


def including(ids: Ids | None, member: int) -> Ids:
    """*ids* with *member*; changes a bitmap in place."""
    if isinstance(ids, BitMap):
        ids.add(member)
        return ids
    return member if ids is None or ids == member else BitMap((ids, member))


def excluding(ids: Ids | None, member: int) -> Ids | None:
    """*ids* without *member*; changes a bitmap in place."""
    if ids is None or isinstance(ids, int):
        return None if ids == member else ids
    ids.discard(member)
    return ids if len(ids) > 1 else ids.min()


def contains(ids: Ids | None, member: int) -> bool:
    """Whether *member* is in *ids*."""
    return ids == member if ids is None or isinstance(ids, int) else member in ids


def bitmap(ids: Ids | None) -> BitMap:
    """*ids* as a bitmap, which may be the stored one: never change it."""
    if ids is None:
        return BitMap()
    return BitMap((ids,)) if isinstance(ids, int) else ids


def union(sets: Iterable[Ids | None]) -> BitMap:
    """All members of all *sets*, in a bitmap of its own."""
    single: list[int] = []
    several: list[BitMap] = []
    for ids in sets:
        if isinstance(ids, int):
            single.append(ids)
        elif ids is not None:
            several.append(ids)
    return BitMap(single).union(*several) if several else BitMap(single)
