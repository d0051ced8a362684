"""What came of a push: for people, with file and line, and for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import click

from callboard.cli import difference
from callboard.cli.entity_files import Place
from callboard.cli.parcel import Parcel
from callboard.client import Difference, Failure, Pushed, Status
from callboard.errors import InvalidRows
from callboard.model import differences
from callboard.model.differences import Change
from callboard.model.json import JsonObject

_LISTED = 100
"""So many of a sort are shown to people."""


@dataclass(frozen=True, slots=True)
class _Complaint:
    """An entity that was not taken over."""

    reason: str
    place: Place | None
    ref: str | None


@dataclass(slots=True, kw_only=True)
class Report:
    """What is known by now about a push."""

    parcel: Parcel
    delta: bool
    pushed: Pushed | None = None
    """None when nothing was stored."""
    status: Status | None = None
    before: dict[str, JsonObject] = field(default_factory=dict)
    """The contents that a dry run would change."""
    blind: str | None = None
    """Why it could not be looked what came of it."""
    _rejected: list[_Complaint] = field(default_factory=list)
    _rejected_count: int = 0

    def reject(self, error: InvalidRows) -> None:
        """Note that the server has taken nothing, because of these rows."""
        self._rejected_count = error.count
        for row in error.rejected:
            number, ref = row["row"], row.get("entityRef")
            place = self.parcel.place_of_row(number) if isinstance(number, int) else None
            self._rejected.append(_Complaint(str(row["reason"]), place, ref if isinstance(ref, str) else None))

    @property
    def failed(self) -> bool:
        """Whether there is anything that should not be so."""
        return bool(
            self.pushed is None
            or self.pushed.refused
            or (self.blind and not self._dry)
            or self._complaints()
            or self._failures()
            or (self.status is not None and (self.status.state == "pending" or self._more_failures()))
        )

    def as_text(self) -> Iterator[str]:
        """The lines for people."""
        complaints = self._complaints()
        for complaint in complaints[:_LISTED]:
            yield _line(complaint.place, complaint.ref, complaint.reason)
        if self.pushed is None:
            what = "stored" if self._rejected else "sent"
            problems = _count(self._rejected_total(), "problem")
            entities = _count(len(self.parcel.rows), "entity", "entities")
            yield click.style(f"nothing was {what}: {problems}, {entities}", fg="red")
            return
        if self.pushed.dry_run:
            yield from self._difference_lines(self.pushed)
        yield self._counts(self.pushed)
        yield from self._conflict_lines(self.pushed)
        if self.status is not None:
            yield from self._status_lines(self.status)
        if self.blind:
            yield click.style(
                f"more can't be told without the permission catalog.ingestion.read: {self.blind}", fg="red"
            )

    def as_json(self) -> JsonObject:
        """All of it for programs: the words of the API, with file and line."""
        told: JsonObject = {"provider": self.parcel.provider, "stored": self.pushed is not None and not self._dry}
        if (pushed := self.pushed) is not None:
            told |= {
                "entities": pushed.entities,
                "added": pushed.added,
                "changed": pushed.changed,
                "removed": pushed.removed,
                "unchanged": pushed.unchanged,
                "offset": pushed.offset,
                "etag": pushed.etag,
                "replayed": pushed.replayed,
                "conflicts": [self._located(ref) for ref in pushed.conflicts],
            }
        told["rejected"] = [_placed(each.place, each.ref) | {"reason": each.reason} for each in self._complaints()]
        told["rejectedCount"] = self._rejected_total()
        if pushed is not None and pushed.dry_run:
            told["dryRun"] = True
            told["refused"] = pushed.refused
            told["difference"] = [self._difference_json(each) for each in pushed.difference]
            told["differenceCount"] = pushed.difference_count
        if (status := self.status) is not None:
            told["status"] = {
                "state": status.state,
                "entities": status.entities,
                "settled": status.settled,
                "pending": status.pending,
                "failed": status.failed,
                "conflicts": status.conflicts,
                "offset": status.offset,
                "failures": [self._failure_json(each) for each in self._failures()],
            }
        if self.blind:
            told["blind"] = self.blind
        return told

    @property
    def _dry(self) -> bool:
        return self.pushed is not None and self.pushed.dry_run

    def _complaints(self) -> Sequence[_Complaint]:
        """What this command has found, or else the server."""
        if self._rejected:
            return self._rejected
        return [_Complaint(each.reason, each.place, each.ref) for each in self.parcel.problems]

    def _rejected_total(self) -> int:
        return max(self._rejected_count, len(self._complaints()))

    def _failures(self) -> Sequence[Failure]:
        """Those that this push is about: of a delta only the entities in it, since the others are not its business."""
        if self.status is None:
            return []
        return [each for each in self.status.failures if not self.delta or self.parcel.place_of(each.ref) is not None]

    def _more_failures(self) -> int:
        """How many have failed that the server has not named; of a delta nobody knows whether they are its own."""
        if self.status is None or self.delta:
            return 0
        return self.status.failed - len(self.status.failures)

    def _difference_lines(self, pushed: Pushed) -> Iterator[str]:
        for each in pushed.difference:
            yield difference.line(each.change, each.ref)
            for text in difference.lines(self._changes(each)):
                yield f"    {text}"
        if (more := pushed.difference_count - len(pushed.difference)) > 0:
            yield f"… and {more:,} more"

    def _changes(self, each: Difference) -> Sequence[Change]:
        if each.change != "changed" or each.ref not in self.before:
            return []
        return list(differences.changes(self.before[each.ref], self.parcel.entity(each.ref)))

    def _counts(self, pushed: Pushed) -> str:
        parts = [
            _styled(pushed.added, "added", "green"),
            _styled(pushed.changed, "changed", "yellow"),
            _styled(pushed.removed, "removed", "red"),
            f"{pushed.unchanged:,} unchanged",
        ]
        rejected = self._rejected_total()
        parts += [_styled(rejected, "rejected", "red")] if rejected else []
        what = "dry run, nothing was stored" if pushed.dry_run else f"{pushed.provider} has {pushed.entities:,} now"
        again = ", as an earlier push under this key has told" if pushed.replayed else ""
        version = f", etag {pushed.etag}" if pushed.etag else ""
        refused = f"\n{click.style(f'the removal guard would refuse this: {pushed.refused}', fg='red')}"
        return f"{', '.join(parts)} ({what}{again}{version})" + (refused if pushed.refused else "")

    def _conflict_lines(self, pushed: Pushed) -> Iterator[str]:
        for ref in pushed.conflicts[:_LISTED]:
            yield _line(self.parcel.place_of(ref), ref, click.style("another source keeps it", fg="yellow"))

    def _status_lines(self, status: Status) -> Iterator[str]:
        for each in self._failures()[:_LISTED]:
            reasons = "; ".join(reason.message for reason in each.errors) or "it has failed"
            kept = " (readers see its last good version)" if each.visible else ""
            yield _line(self.parcel.place_of(each.ref), each.ref, f"{reasons}{kept}")
        bad = self.failed
        failed = len(self._failures()) if self.delta else status.failed
        parts = [f"{status.settled:,} visible", f"{failed:,} failed"]
        parts += [_count(status.conflicts, "conflict")] if status.conflicts else []
        parts += [f"{status.pending:,} still pending"] if status.pending else []
        state = f"settled at offset {status.offset}" if status.state == "settled" else "not settled yet"
        yield click.style(f"{state}: {', '.join(parts)}", fg="red" if bad else "green")

    def _difference_json(self, each: Difference) -> JsonObject:
        told: JsonObject = {**self._located(each.ref), "change": each.change}
        if each.change == "changed":
            told["changes"] = [_change_json(change) for change in self._changes(each)]
        return told

    def _failure_json(self, each: Failure) -> JsonObject:
        errors: list[JsonObject] = [{"name": error.name, "message": error.message} for error in each.errors]
        return {**self._located(each.ref), "visible": each.visible, "errors": [*errors]}

    def _located(self, ref: str) -> JsonObject:
        return _placed(self.parcel.place_of(ref), ref)


def _change_json(change: Change) -> JsonObject:
    told: JsonObject = {"path": change.path, "change": change.kind}
    if change.kind != "added":
        told["before"] = change.before
    if change.kind != "removed":
        told["after"] = change.after
    return told


def _placed(place: Place | None, ref: str | None) -> JsonObject:
    told: JsonObject = {"entityRef": ref} if ref else {}
    return told if place is None else {**told, "file": place.file.name, "line": place.line}


def _line(place: Place | None, ref: str | None, reason: str) -> str:
    where = f"{click.style(f'{place}:', bold=True)} " if place else ""
    return f"{where}[{ref}] {reason}" if ref else f"{where}{reason}"


def _styled(number: int, word: str, colour: str) -> str:
    text = f"{number:,} {word}"
    return click.style(text, fg=colour) if number else text


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
