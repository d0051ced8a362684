"""The rules of ownership, said once more and as simply as possible: what a catalog must come to.

No queues, no engines, no batches: after each step everything is worked off at once. What the rules leave open, which of
two claims that came in one step was first, is asked of whoever watches the real catalog.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Watch = Callable[[str], str | None]
"""The location key under which the real catalog holds an entity; None where it has no such entity."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a source says about an entity: a component with an owner, or without one, or a location with targets."""

    owner: str | None = None
    targets: tuple[str, ...] | None = None
    """Names of files; None for a component."""

    @property
    def valid(self) -> bool:
        return self.targets is not None or self.owner is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A source says that an entity exists."""

    source: str
    ref: str
    key: str
    content: Content
    since: int
    """The step in which it came."""


@dataclass(slots=True)
class Known:
    """An entity."""

    birth: int
    """Tells one life of an entity from the next."""
    content: Content
    """What the winner says, or said when there was one."""
    key: str | None = None
    """Under which it is held; None for an orphan."""
    waiting: bool = False
    """It came in this step, and under another key than those that are known of it by now."""
    shown: Content | None = None
    """The last good content."""
    failing: bool = False


@dataclass(slots=True)
class Files:
    """The files, and those of them that can't be read now."""

    contents: dict[str, dict[str, Content]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Rules:
    """A catalog as it must be."""

    delete_orphans: bool
    files: Files
    watch: Watch
    claims: list[Claim] = field(default_factory=list)
    known: dict[str, Known] = field(default_factory=dict)
    _step: int = 0
    _births: int = 0

    def provide(self, source: str, key: Callable[[str], str], offered: Mapping[str, Content], *, full: bool) -> None:
        """A provider says what it has, or what it has besides."""
        self._step += 1
        withdrawn = [c.ref for c in self.claims if c.source == source and c.ref not in offered] if full else []
        for ref, content in offered.items():
            self._claim(source, ref, key(ref), content)
        self._withdraw_for_good(source, withdrawn)
        self._work_off()

    def withdraw(self, source: str, refs: Iterable[str]) -> None:
        """A provider takes some entities back."""
        self._step += 1
        self._withdraw_for_good(source, list(refs))
        self._work_off()

    def change_files(self) -> None:
        """Something was written to the files."""
        self._step += 1
        self._work_off()

    def delete(self, ref: str) -> None:
        """A user deletes one entity, with all claims on it and by it."""
        self._step += 1
        self._decide(self._gone([ref]))
        self._work_off()

    def rivals(self, ref: str) -> set[str]:
        """The sources that offer an entity in vain."""
        return {c.source for c in self.claims if c.ref == ref and c.key != self.known[ref].key}

    def _withdraw_for_good(self, source: str, refs: list[str]) -> None:
        """What a provider withdraws goes at once, with all that only hung on it. What it does not have stays."""
        refs = [ref for ref in refs if any(c.ref == ref and c.source == source for c in self.claims)]
        below = self._below(refs)
        self.claims = [c for c in self.claims if not (c.source == source and c.ref in refs)]
        self._decide(self._gone(below - self._held(below)) | set(refs))

    def _work_off(self) -> None:
        """Let every location read its files, and every entity take the content of its winner, until nothing changes."""
        before = None
        while (now := self._picture()) != before:
            before = now
            for ref in sorted(self.known):
                if ref in self.known and not self.known[ref].waiting:
                    self._process(ref)
        assert not [ref for ref, known in self.known.items() if known.waiting], "held under a key that nobody claims"

    def _picture(self) -> object:
        return sorted(map(repr, self.claims)), sorted((ref, repr(known)) for ref, known in self.known.items())

    def _process(self, ref: str) -> None:
        known = self.known[ref]
        targets = known.content.targets
        readable = targets is None or not any(t in self.files.broken or t not in self.files.contents for t in targets)
        known.failing = not (known.content.valid and readable)
        if known.failing:
            # All or nothing: what it had emitted stays, and so does what readers see of it.
            return
        known.shown = known.content
        if targets is not None:
            self._emit(ref, [(f, child, c) for f in targets for child, c in self.files.contents[f].items()])

    def _emit(self, parent: str, emitted: list[tuple[str, str, Content]]) -> None:
        source = f"entity:{parent}"
        emitted = [each for each in emitted if each[1] != parent]
        kept = {(ref, f"url:{file}") for file, ref, _ in emitted}
        severed = [c for c in self.claims if c.source == source and (c.ref, c.key) not in kept]
        self.claims = [c for c in self.claims if c not in severed]
        for file, ref, content in emitted:
            self._claim(source, ref, f"url:{file}", content)
        lost = {c.ref for c in severed}
        if self.delete_orphans:
            below = self._below(lost)
            lost |= self._gone(below - self._held(below))
        self._decide(lost)

    def _claim(self, source: str, ref: str, key: str, content: Content) -> None:
        same = next((c for c in self.claims if (c.source, c.ref, c.key) == (source, ref, key)), None)
        if same is not None and same.content == content:
            return
        if same is not None:
            self.claims.remove(same)
        since = self._step if same is None else same.since
        self.claims.append(Claim(source=source, ref=ref, key=key, content=content, since=since))
        if ref not in self.known:
            self._births += 1
            self.known[ref] = Known(self._births, content)
        self._decide({ref})

    def _decide(self, refs: Iterable[str]) -> None:
        """Who holds an entity keeps it; else the key that came first does; without a claim it is an orphan."""
        for ref in refs:
            claims = [claim for claim in self.claims if claim.ref == ref]
            known = self.known.get(ref)
            if known is None:
                continue
            if not claims:
                known.key = None
                continue
            if known.key not in {claim.key for claim in claims}:
                earliest = min(claim.since for claim in claims)
                known.key = self._first(ref, {claim.key for claim in claims if claim.since == earliest}, earliest)
                known.waiting = known.key is None
            if not known.waiting:
                known.content = next(claim.content for claim in reversed(claims) if claim.key == known.key)

    def _first(self, ref: str, possible: set[str], since: int) -> str | None:
        """Which key was first. Of those that came in one step anyone may have been, also one that is yet to come."""
        if since < self._step and len(possible) == 1:
            return next(iter(possible))
        key = self.watch(ref)
        if key in possible:
            return key
        assert since == self._step, f"{ref} is held under {key}, and only {sorted(possible)} came first"
        return next(iter(possible)) if key is None else None

    def _below(self, refs: Iterable[str]) -> set[str]:
        """These entities and all that hangs below them."""
        found, pending = set(refs), list(refs)
        while pending:
            source = f"entity:{pending.pop()}"
            new = {c.ref for c in self.claims if c.source == source} - found
            found |= new
            pending += new
        return found

    def _held(self, doomed: set[str]) -> set[str]:
        """Those that a chain of claims still leads to, from a provider or from an entity that is in no danger."""
        inside = {f"entity:{ref}" for ref in doomed}
        return self._below({c.ref for c in self.claims if c.ref in doomed and c.source not in inside}) & doomed

    def _gone(self, refs: Iterable[str]) -> set[str]:
        """Forget these entities, and return those that have lost a claim by that."""
        gone = set(refs)
        sources = {f"entity:{ref}" for ref in gone}
        others = {c.ref for c in self.claims if c.source in sources} - gone
        self.claims = [c for c in self.claims if c.ref not in gone and c.source not in sources]
        for ref in gone:
            self.known.pop(ref, None)
        return others
