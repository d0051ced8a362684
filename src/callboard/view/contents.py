"""The contents of the view: the entities and everything that finds them."""

from pyroaring import BitMap

from callboard.model.facts import Facts, facts_of
from callboard.model.json import decode
from callboard.view.bodies import Bodies
from callboard.view.index import Index
from callboard.view.rosters import Roster

_UID = "metadata.uid"


class Contents:
    """Entities under dense integer ids; the ids of removed ones are given away again."""

    __slots__ = ("_free", "bodies", "index", "refs", "uids")

    def __init__(self) -> None:
        self.refs = Roster()
        self.uids = Roster()
        self.bodies = Bodies()
        self.index = Index(self.refs.shared)
        self._free: list[int] = []

    def put(self, uid: str, ref: str, body: bytes) -> None:
        """Add the entity, or replace the one with this ref."""
        facts = _facts(body)
        member = self.refs.find(ref)
        if member is None:
            member = self._free.pop() if self._free else len(self.refs)
            self.refs.put(member, ref)
            self.index.add(member, facts)
        else:
            self.index.replace(member, _facts(self.bodies.get(member)), facts)
        self.uids.put(member, _shared(uid, facts))
        self.bodies.put(member, body)

    def remove(self, ref: str) -> None:
        """Remove the entity with this ref; nothing happens when there is none."""
        member = self.refs.find(ref)
        if member is not None:
            self.index.remove(member, _facts(self.bodies.get(member)))
            self.bodies.drop(member)
            self.uids.drop(member)
            self.refs.drop(member)
            self._free.append(member)

    def bodies_of(self, ids: BitMap | list[int]) -> list[bytes]:
        """The bodies of *ids*, in their order."""
        return [self.bodies.get(member) for member in ids]


def _shared(uid: str, facts: Facts) -> str:
    """*uid* as the index has it, since one text for both takes half the memory."""
    said = facts.get(_UID, ())
    return said[0] if said == (uid,) else uid


def _facts(body: bytes) -> Facts:
    entity = decode(body)
    if not isinstance(entity, dict):
        raise TypeError(f"the body of an entity is an object, not {body[:40]!r}")
    return facts_of(entity)
