"""The view as a whole: what is visible, at which offset."""

from collections.abc import Callable, Iterable, Sequence

from pyroaring import BitMap

from callboard.errors import OffsetExpired
from callboard.model.changes import Change, ChangeType
from callboard.model.predicates import Predicate
from callboard.view.contents import Contents


class View:
    """All visible entities at `offset` of the stream of `epoch`."""

    __slots__ = ("contents", "counted", "epoch", "offset")

    def __init__(self) -> None:
        self.offset = 0
        self.epoch = ""
        self.contents = Contents()
        self.counted: dict[tuple[str, Predicate | None], list[tuple[str, int]]] = {}
        """What `facets` has counted at this offset."""

    def load(self, rows: Iterable[tuple[str, str, bytes]], *, offset: int, epoch: str) -> None:
        """Replace everything by *rows* of (uid, ref, body). When it fails, the view stays as it was."""
        contents = Contents()
        for uid, ref, body in rows:
            contents.put(uid, ref, body)
        self.replace(contents, offset=offset, epoch=epoch)

    def replace(self, contents: Contents, *, offset: int, epoch: str) -> None:
        """Show *contents*, which were gathered elsewhere, from now on."""
        contents.bodies.compress_when_worthwhile()
        self.contents, self.offset, self.epoch = contents, offset, epoch
        self.counted.clear()

    def apply(self, changes: Sequence[Change]) -> int:
        """Follow the stream by *changes*, in their order; says how many of them were new.

        Those that the view knows already are passed over. When one is missing, raises OffsetExpired and applies
        nothing: then only a new snapshot helps.
        """
        news = [change for change in changes if change.offset > self.offset]
        for expected, change in enumerate(news, start=self.offset + 1):
            if change.offset != expected:
                raise OffsetExpired(f"change {expected} is missing before {change.offset}; load the view again")
        self.counted.clear()
        for change in news:
            self._apply(change)
            self.offset = change.offset
        self.contents.bodies.compress_when_worthwhile()
        return len(news)

    def _apply(self, change: Change) -> None:
        if change.type is ChangeType.REMOVED:
            self.contents.remove(change.ref)
        else:
            assert change.body is not None
            self.contents.put(change.uid, change.ref, change.body)

    @property
    def count(self) -> int:
        """How many entities there are."""
        return len(self.contents.refs)

    def refs(self) -> list[str]:
        """The refs of all entities, in order."""
        return list(self.contents.refs.texts())

    def by_ref(self, ref: str, *, predicate: Predicate | None = None) -> bytes | None:
        """The entity with this canonical ref, as JSON, if it is meant."""
        return self._body(self.contents.refs.find(ref), predicate)

    def shows(self, predicate: Predicate | None) -> Callable[[str], bool]:
        """Says of a canonical ref whether an entity is there now that is meant."""
        return lambda ref: bool(self.among([ref], predicate=predicate))

    def by_uid(self, uid: str, *, predicate: Predicate | None = None) -> bytes | None:
        """The entity with this uid, as JSON, if it is meant."""
        return self._body(self.contents.uids.find(uid), predicate)

    def _body(self, member: int | None, predicate: Predicate | None) -> bytes | None:
        if member is None or (predicate is not None and member not in self.evaluate(predicate)):
            return None
        return self.contents.bodies.get(member)

    def by_refs(self, refs: Sequence[str], *, predicate: Predicate | None = None) -> list[bytes | None]:
        """The entities with these canonical refs, in the same order; None for those that are missing or not meant."""
        selected = self.evaluate(predicate)
        members = [self.contents.refs.find(ref) for ref in refs]
        return [
            self.contents.bodies.get(member) if member is not None and member in selected else None
            for member in members
        ]

    def among(self, refs: Iterable[str], *, predicate: Predicate | None = None) -> set[str]:
        """Those of these canonical *refs* that are there and are meant."""
        meant = self.evaluate(predicate)
        found = ((ref, self.contents.refs.find(ref)) for ref in refs)
        return {ref for ref, member in found if member is not None and member in meant}

    def evaluate(self, predicate: Predicate | None) -> BitMap:
        """The ids of the entities that are meant, all for None; never change the bitmap."""
        return self.contents.index.everything if predicate is None else self.contents.index.evaluate(predicate)
