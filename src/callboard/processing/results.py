"""Results: what a run's outcome means for the tables, and whether it differs from the last one. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from callboard import errors
from callboard.errors import InvalidInput
from callboard.extend import Relation
from callboard.model import json
from callboard.model.entities import check_envelope, entity_ref, location_of, origin_in, without_origin
from callboard.model.hashing import content_hash, digest
from callboard.model.json import JsonObject, JsonValue
from callboard.processing.pipeline import Broken, Completed, Outcome, parse_unprocessed
from callboard.store import claims
from callboard.store.claims import Claim
from callboard.store.relations import EmittedRelation
from callboard.store.schedule import Due


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """Everything that a good run has to store."""

    due: Due
    processed: str
    result_hash: bytes
    state: str | None
    outside: bool
    children: Sequence[Claim] = ()
    standing: Sequence[tuple[str, str]] = ()
    relations: Sequence[EmittedRelation] = ()
    refresh_keys: Sequence[tuple[str, str]] = ()

    @property
    def changed(self) -> bool:
        """Whether the entity or anything that it emitted is other than last time."""
        return self.result_hash != self.due.result_hash

    @property
    def only_remembers(self) -> bool:
        """Whether nothing is new but what the processors remember, for example an ETag."""
        return not self.changed and self.state != self.due.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """What a broken run has to store: its errors, beside the last good result."""

    due: Due
    errors: str
    messages: Sequence[str] = field(default_factory=tuple)
    result_hash: bytes
    outside: bool
    relations: Sequence[EmittedRelation] | None = None
    """Those that hold although the entity can't be shown; None leaves the ones that are stored."""
    refresh_keys: Sequence[tuple[str, str]] = ()
    """In addition to those that are stored: the run may have ended before it came to all of them."""

    @property
    def changed(self) -> bool:
        """Whether the errors are other than last time."""
        return self.result_hash != self.due.result_hash


Result = Good | Bad


def known(due: Due, fingerprint: str) -> Mapping[str, JsonValue]:
    """What the processors remember of the last good run: nothing, if content or processors have changed since."""
    if due.state is None:
        return {}
    state = _state(due)
    remembered = state.get("known")
    if state.get("context") != _context(due, fingerprint) or not isinstance(remembered, dict):
        return {}
    return remembered


def of(outcome: Outcome, due: Due, fingerprint: str) -> Result:
    """What to store of the outcome."""
    match outcome:
        case Completed():
            return _good(outcome, due, fingerprint)
        case Broken():
            return _bad(outcome, due, fingerprint)


def _good(outcome: Completed, due: Due, fingerprint: str) -> Good:
    run = outcome.run
    source = claims.of_entity(due.ref)
    children = [
        Claim(
            source=source,
            ref=str(entity_ref(child.entity)),
            location_key=child.location_key or "",
            content=json.encode(child.entity).decode(),
            # Apart from the origin, which is compared by itself.
            content_hash=content_hash(without_origin(child.entity)),
            origin=origin_in(child.entity),
            line=child.line,
        )
        for child in run.children
    ]
    relations = _checked(run.relations)
    keys = sorted(run.refresh_keys)
    families = _families(children, run.standing, _state(due))
    processed = json.encode(outcome.entity)
    result_hash = digest(
        processed,
        _encoded(relations),
        json.encode(keys),
        json.encode_sorted(families),
        fingerprint.encode(),
    )
    return Good(
        due=due,
        processed=processed.decode(),
        result_hash=result_hash,
        state=_remembered(run.remembered, families, due, fingerprint),
        outside=run.outside,
        children=children,
        standing=[(source, key) for key in sorted(run.standing)],
        relations=_emitted(relations, due),
        refresh_keys=[(due.ref, key) for key in keys],
    )


def _checked(relations: Iterable[Relation]) -> list[Relation]:
    found = sorted(relations)
    if broken := next((r for r in found if not (r.source.isprintable() and r.target.isprintable())), None):
        raise ValueError(f"relation {broken.type} between {broken.source!r} and {broken.target!r}: control characters")
    return found


def _encoded(relations: Sequence[Relation]) -> bytes:
    return json.encode([[relation.source, relation.type, relation.target] for relation in relations])


def _emitted(relations: Sequence[Relation], due: Due) -> list[EmittedRelation]:
    return [EmittedRelation(due.ref, r.source, r.type, r.target) for r in relations]


def _families(children: Sequence[Claim], standing: set[str], state: JsonObject) -> JsonObject:
    """A digest of children and lines, by the location that they came from; what stands keeps the one it had."""
    members: defaultdict[str, list[bytes]] = defaultdict(list)
    for child in children:
        members[child.location_key].append(child.ref.encode() + child.content_hash + str(child.line).encode())
    families: JsonObject = {key: digest(*sorted(found)).hex()[:16] for key, found in members.items()}
    before = state.get("families")
    for key in standing:
        families[key] = before.get(key) if isinstance(before, dict) else None
    return families


def _remembered(remembered: Mapping[str, JsonValue], families: JsonObject, due: Due, fingerprint: str) -> str | None:
    if not remembered and not families:
        return None
    context = _context(due, fingerprint)
    return json.encode_sorted({"context": context, "known": dict(remembered), "families": families}).decode()


def _state(due: Due) -> JsonObject:
    state = json.decode(due.state) if due.state else {}
    return state if isinstance(state, dict) else {}


def _context(due: Due, fingerprint: str) -> str:
    return digest(due.content.encode(), fingerprint.encode()).hex()[:16]


def _location(due: Due) -> str | None:
    """Where the entity was read, if it says so."""
    entity = parse_unprocessed(due.content)
    try:
        check_envelope(entity)
        return str(location_of(entity))
    except InvalidInput:
        return None


def _bad(outcome: Broken, due: Due, fingerprint: str) -> Bad:
    location = _location(due)
    described = json.encode([errors.describe_with_places(error, location, due.line) for error in outcome.errors])
    # The same errors further down in the file are no others.
    lineless = json.encode([errors.describe_with_places(error, location) for error in outcome.errors])
    relations = None if outcome.relations is None else _checked(outcome.relations)
    also = () if relations is None else (_encoded(relations),)
    # There is nothing left to make of a broken run that can't be stored.
    keys = sorted(key for key in outcome.refresh_keys if key.isprintable())
    return Bad(
        due=due,
        errors=described.decode(),
        messages=[str(error) for error in outcome.errors],
        result_hash=digest(b"errors", lineless, fingerprint.encode(), json.encode(keys), *also),
        outside=outcome.outside,
        relations=None if relations is None else _emitted(relations, due),
        refresh_keys=[(due.ref, key) for key in keys],
    )
