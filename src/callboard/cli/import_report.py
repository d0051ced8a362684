"""What came of an import: for people, and for programs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import click

from callboard.cli import difference
from callboard.client import Pushed, Status
from callboard.model.json import JsonObject, JsonValue
from callboard.moving.backstage import Unprocessed
from callboard.moving.comparing import Differing
from callboard.moving.conflicts import Outcome, Settled
from callboard.moving.copying import Registration
from callboard.moving.plans import Fate

_LOST = (Outcome.UNKNOWN, Outcome.REFUSED)
"""Conflicts that come out otherwise here than there."""

_LISTED = 100
"""So many of a sort are shown to people."""
_KEPT = 10_000
"""So many differing entities are kept for programs; any more are only counted."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What is known by now."""

    provider: str
    dry_run: bool
    registered: int
    """Locations that are registered there."""
    unprocessed: Sequence[Unprocessed] | None
    """None where the other catalog does not tell."""
    fates: Counter[Fate] = field(default_factory=Counter)
    registrations: list[Registration] = field(default_factory=list)
    pushed: Pushed | None = None
    statuses: list[Status] = field(default_factory=list)
    conflicts: list[Settled] = field(default_factory=list)
    """Entities that several sources claim here."""
    conflicts_told: bool = True
    """Whether this catalog tells of them."""
    unsettled_conflicts: int = 0
    """How many were handed over and are not seen so yet."""
    compared: int | None = None
    """How many entities were compared; None when that was not asked for."""
    _differing: list[Differing] = field(default_factory=list)
    _differing_count: int = 0

    def differ(self, found: Differing) -> None:
        """Note that an entity is not the same here."""
        self._differing_count += 1
        if len(self._differing) < _KEPT:
            self._differing.append(found)

    @property
    def failed(self) -> bool:
        """Whether there is anything that should not be so."""
        rejected = self.pushed is not None and (self.pushed.rejected_count or self.pushed.refused)
        refused = any(each.refusal is not None for each in self.registrations)
        unsettled = any(status.state == "pending" or self._failed_here_alone(status) for status in self.statuses)
        lost = self.unsettled_conflicts or any(each.outcome in _LOST for each in self.conflicts)
        return bool(rejected or refused or unsettled or lost or self._differing_count)

    def _failed_here_alone(self, status: Status) -> int:
        """How many entities have failed here of which the other catalog does not say that it can't process them."""
        known = {each.ref for each in self.unprocessed or ()}
        return status.failed - sum(failure.ref in known for failure in status.failures)

    def as_text(self) -> Iterator[str]:
        """The lines for people."""
        yield from self._location_lines()
        yield from self._entity_lines()
        yield from self._unprocessed_lines()
        yield from self._status_lines()
        yield from self._conflict_lines()
        yield from self._difference_lines()

    def _location_lines(self) -> Iterator[str]:
        refused = [each for each in self.registrations if each.refusal is not None]
        new = len(self.registrations) - len(refused)
        word = "would be registered" if self.dry_run else "registered"
        old = self.registered - len(self.registrations)
        yield f"locations: {self.registered:,} there, {new:,} {word}, {old:,} here already"
        for each in self.registrations[:_LISTED]:
            ref = f"{each.location.type}:{each.location.target}"
            if each.refusal is not None:
                yield click.style(f"  ! {ref}: {each.refusal}", fg="red")
            elif self.dry_run:
                yield click.style(f"  + {ref}", fg="green")
        yield from _more(len(self.registrations))

    def _entity_lines(self) -> Iterator[str]:
        total = sum(self.fates.values())
        told = ", ".join(f"{count:,} {fate.value}" for fate, count in self.fates.items() if fate is not Fate.COPIED)
        yield f"entities: {total:,} there{', ' + told if told else ''}"
        if self.pushed is None:
            return
        for change in self.pushed.difference[:_LISTED]:
            yield "  " + difference.line(change.change, change.ref)
        yield from _more(self.pushed.difference_count)
        word = "would be written" if self.dry_run else "written"
        yield (
            f"{word} for the provider {self.provider}: {self.pushed.added:,} new, {self.pushed.changed:,} changed,"
            f" {self.pushed.removed:,} withdrawn, {self.pushed.unchanged:,} as they were"
        )
        for row in self.pushed.rejected:
            yield click.style(f"  ! {row.ref or f'row {row.row}'}: {row.reason}", fg="red")
        if self.pushed.refused:
            yield click.style(f"  ! {self.pushed.refused}", fg="red")

    def _conflict_lines(self) -> Iterator[str]:
        if not self.conflicts_told:
            yield click.style("conflicts: not told to whoever has the token", fg="yellow")
        if not self.conflicts:
            return
        words = {outcome: outcome.value for outcome in Outcome}
        if self.dry_run:
            words[Outcome.HANDED_OVER] = "to be handed over to whom it has there"
        counts = Counter(each.outcome for each in self.conflicts)
        yield (
            f"conflicts: {len(self.conflicts):,} here, "
            + ", ".join(f"{count:,} {words[outcome]}" for outcome, count in counts.items())
        )
        notable = [each for each in self.conflicts if each.outcome in (Outcome.HANDED_OVER, *_LOST)]
        for each in notable[:_LISTED]:
            if each.outcome is Outcome.HANDED_OVER:
                yield click.style(f"  ~ {each.ref}: {each.before} → {each.location_key}", fg="green")
            else:
                why = each.refusal or f"{each.there} has it there, and {each.before} here"
                yield click.style(f"  ! {each.ref}: {why}", fg="red")
        yield from _more(len(notable))
        if self.unsettled_conflicts:
            waiting = f"{self.unsettled_conflicts:,} of them are not seen so yet; --timeout waits longer"
            yield click.style(waiting, fg="yellow")

    def _unprocessed_lines(self) -> Iterator[str]:
        if self.unprocessed is None:
            yield "unprocessed entities: not told by the other catalog"
        elif self.unprocessed:
            yield f"unprocessed entities there, which can't be copied: {len(self.unprocessed):,}"
            for each in self.unprocessed[:_LISTED]:
                yield click.style(f"  ! {each.ref}: {each.reason}", fg="yellow")
            yield from _more(len(self.unprocessed))

    def _status_lines(self) -> Iterator[str]:
        pending = sum(status.pending for status in self.statuses)
        failures = [failure for status in self.statuses for failure in status.failures]
        if pending:
            yield click.style(f"{pending:,} entities have not settled yet; --timeout waits longer", fg="yellow")
        for failure in failures[:_LISTED]:
            reasons = "; ".join(reason.message for reason in failure.errors) or "has failed"
            yield click.style(f"  ! {failure.ref}: {reasons}", fg="red")
        yield from _more(len(failures))

    def _difference_lines(self) -> Iterator[str]:
        if self.compared is None:
            return
        for found in self._differing[:_LISTED]:
            if found.missing:
                yield f"{found.ref}: " + click.style("is not here", fg="red")
                continue
            yield f"{found.ref}:"
            yield from (f"  {line}" for line in difference.lines(found.changes))
        yield from _more(self._differing_count)
        same = self.compared - self._differing_count
        colour = "red" if self._differing_count else "green"
        yield click.style(f"compared: {same:,} of {self.compared:,} entities are as they are there", fg=colour)

    def as_json(self) -> JsonObject:
        """What programs are told."""
        return {
            "dryRun": self.dry_run,
            "locations": {
                "there": self.registered,
                "registered": [self._location(each) for each in self.registrations if each.refusal is None],
                "refused": [self._location(each) for each in self.registrations if each.refusal is not None],
            },
            "entities": {fate.name.lower(): count for fate, count in self.fates.items()},
            "written": None if self.pushed is None else _written(self.pushed),
            "unprocessed": None
            if self.unprocessed is None
            else [{"entityRef": each.ref, "reason": each.reason} for each in self.unprocessed],
            "pending": sum(status.pending for status in self.statuses),
            "failed": [failure.ref for status in self.statuses for failure in status.failures],
            "conflicts": [_conflict(each) for each in self.conflicts] if self.conflicts_told else None,
            "compared": self.compared,
            "differing": [_differing(each) for each in self._differing],
            "differingCount": self._differing_count,
        }

    @staticmethod
    def _location(each: Registration) -> JsonObject:
        found: JsonObject = {"type": each.location.type, "target": each.location.target}
        return found if each.refusal is None else {**found, "reason": each.refusal}


def _written(pushed: Pushed) -> JsonObject:
    rejected: list[JsonValue] = [{"entityRef": each.ref, "reason": each.reason} for each in pushed.rejected]
    return {
        "provider": pushed.provider,
        "added": pushed.added,
        "changed": pushed.changed,
        "removed": pushed.removed,
        "unchanged": pushed.unchanged,
        "rejected": rejected,
        "rejectedCount": pushed.rejected_count,
        "conflicts": [*pushed.conflicts],
    }


def _conflict(each: Settled) -> JsonObject:
    told: JsonObject = {
        "entityRef": each.ref,
        "outcome": each.outcome.name.lower(),
        "before": each.before,
        "there": each.there,
        "locationKey": each.location_key,
    }
    return told if each.refusal is None else {**told, "reason": each.refusal}


def _differing(found: Differing) -> JsonObject:
    changes: list[JsonValue] = [
        {"path": each.path, "change": each.kind, "there": each.before, "here": each.after} for each in found.changes
    ]
    return {"entityRef": found.ref, "missing": found.missing, "changes": changes}


def _more(count: int) -> Iterator[str]:
    if count > _LISTED:
        yield f"  … and {count - _LISTED:,} more"
