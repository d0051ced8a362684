"""Digests: the recent changes by what they are about, so that nobody looks through all of them for the few of its own.

A thousand readers with filters of their own would else compare each change with each filter. Here the entities of a
span of changes, as they were before and after, are an index like that of the catalog, and a filter is asked once for
all of a span.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pyroaring import BitMap

from callboard.model.predicates import Predicate, matches
from callboard.stream.sight import Parse, Step, facts_in
from callboard.view.index import Index

_SPAN = 64
"""Changes to a digest. Larger ones would be asked for more than is wanted, smaller ones repeat what an index takes."""

_KEPT = 64
"""Digests that are kept, some 200 kB each: a reader that is further behind is an exception."""


@dataclass(slots=True)
class _Digest:
    first: int
    """The offset of its first change."""
    index: Index = field(default_factory=Index)
    has: BitMap = field(default_factory=BitMap)
    """Which of its changes it knows of, from 0 on."""

    def learn(self, steps: Sequence[Step], parse: Parse) -> None:
        """Take in those of *steps* that it does not know of."""
        if len(self.has) == _SPAN:
            return
        for step in steps:
            place = step.change.offset - self.first
            if place not in self.has:
                self.has.add(place)
                for member, body in ((2 * place, step.before), (2 * place + 1, step.change.body)):
                    if body is not None:
                        self.index.add(member, parse(body))

    def about(self, meant: Predicate, steps: Sequence[Step]) -> Iterator[Step]:
        """Those of *steps*, which follow each other, that are about an entity which is *meant* or was before."""
        start = steps[0].change.offset - self.first
        for place in BitMap([member // 2 for member in self.index.evaluate(meant)]):
            if 0 <= place - start < len(steps):
                yield steps[place - start]

    def any_from(self, place: int, meant: Predicate) -> bool:
        """Whether there is such a change at *place* or behind it."""
        found = self.index.evaluate(meant)
        return bool(found) and found.max() >= 2 * place


@dataclass(slots=True)
class Digests:
    """The digests of one process, made when somebody asks for them."""

    parse: Parse
    _kept: dict[int, _Digest] = field(default_factory=dict)

    def about(self, meant: Predicate, steps: Sequence[Step]) -> Iterator[Step]:
        """Those of *steps*, which follow each other, that are about an entity which is *meant* or was before."""
        for part in _spans(steps):
            digest = self._digest(part)
            if digest is not None:
                yield from digest.about(meant, part)
                continue
            for step in part:
                bodies = (step.before, step.change.body)
                if any(body is not None and matches(meant, facts_in(body)) for body in bodies):
                    yield step

    def question(self, steps: Sequence[Step]) -> Callable[[Predicate], bool]:
        """Says of a predicate whether any of *steps*, the latest there are, is about what it means."""
        parts = [(self._digest(part), part) for part in _spans(steps)]
        asked = [(digest, part[0].change.offset - digest.first) for digest, part in parts if digest is not None]
        # Who is not sure looks for itself.
        sure = len(asked) == len(parts)
        return lambda meant: not sure or any(digest.any_from(place, meant) for digest, place in asked)

    def clear(self) -> None:
        """Forget everything: the same offsets may come to mean something else."""
        self._kept.clear()

    def _digest(self, part: Sequence[Step]) -> _Digest | None:
        """The digest that has all of *part*; None for what is too far back."""
        number = part[0].change.offset // _SPAN
        digest = self._kept.get(number)
        if digest is None:
            if self._kept and number <= max(self._kept) - _KEPT:
                return None
            digest = self._kept[number] = _Digest(number * _SPAN)
            for old in [each for each in self._kept if each <= max(self._kept) - _KEPT]:
                del self._kept[old]
        digest.learn(part, self.parse)
        return digest


def _spans(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """*steps*, which follow each other, by the digest that they belong to."""
    at = 0
    while at < len(steps):
        until = at + _SPAN - steps[at].change.offset % _SPAN
        yield steps[at:until]
        at = until
