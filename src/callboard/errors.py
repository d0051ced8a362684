"""What can go wrong, named by what it means to the caller.

    CallboardError
    ├── InvalidInput                the caller sent something that can't be accepted
    │   ├── InvalidConfiguration    a configuration file says something that can't be used
    │   ├── InvalidDocument         a file is not the YAML or JSON that it should be
    │   ├── InvalidEntity           an entity broke an envelope rule, a kind schema or a policy
    │   ├── InvalidLocation         what a location leads to can't be taken in
    │   ├── InvalidRef              a text is not an entity ref or a location ref
    │   └── InvalidRows             some entities of a set can't be taken over
    ├── Unauthenticated             it is not known who calls, or the proof is not valid
    ├── NotAllowed                  the rules forbid it
    ├── NotFound                    there is no such thing
    │   └── LocationNotFound        nothing can be read at a location
    ├── Conflict                    it clashes with what is there
    │   ├── KeyReused               an idempotency key that has stood for another request
    │   ├── LeaseLost               what the caller held is somebody else's by now
    │   ├── PreconditionFailed      what is there is not the version that the caller knows
    │   ├── RemovalRefused          a mutation would remove more than its provider may
    │   └── OffsetInTheFuture       a stream position that this catalog has not reached
    ├── Gone                        it was there once; start again
    │   └── OffsetExpired           a stream position below the tombstone floor, or of another epoch
    ├── Unreadable                  an outside system failed to deliver; it may work later
    └── Unavailable                 the catalog itself can't do this now; it may work later
        ├── AlreadyRunning          another process holds the data directory
        ├── DatabaseUnavailable     PostgreSQL can't be reached or can't be started
        └── WrongSchema             this release and the tables of the database don't go together

Each class has a stable `code`, and the `name` under which clients of the Backstage catalog know it. Only
`callboard.api.errors` knows about HTTP.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Self


class CallboardError(Exception):
    """Something that a caller of Callboard can understand and act on.

    It may know its place: a *location* such as `url:https://…`, *line* and *column* there, counted from 1, and the JSON
    *pointer* of a value. A pointer without a location leads into the entity that is being processed.
    """

    code = "error"
    name = "Error"
    location: str | None = None
    line: int | None = None
    column: int | None = None
    pointer: str | None = None

    def at(self, location: str, line: int | None = None) -> Self:
        """The same error, found at *location*, and on *line*. What it or a cause knows already stays."""
        for error in _chain(self):
            if isinstance(error, CallboardError) and error.pointer is None:
                error.location = error.location or location
        self.location = self.location or location
        self.line = self.line or line
        return self

    @property
    def details(self) -> Mapping[str, object]:
        """What a program can act on, beside the message."""
        return {}


class InvalidInput(CallboardError):
    """The caller sent something that can't be accepted."""

    code = "invalid_input"
    name = "InputError"


class InvalidConfiguration(InvalidInput):
    """A configuration file says something that can't be used."""

    code = "invalid_configuration"


class InvalidDocument(InvalidInput):
    """A file is not the YAML or JSON that it should be.

    *line* and *column* count from 1 and are None when the position is not known.
    """

    code = "invalid_document"

    def __init__(self, reason: str, *, line: int | None = None, column: int | None = None) -> None:
        self.reason = reason
        self.line = line
        self.column = column
        where = f" at line {line}, column {column}" if line is not None else ""
        super().__init__(reason + where)


class InvalidEntity(InvalidInput):
    """An entity broke an envelope rule, a kind schema or a policy.

    *pointer* is the JSON pointer of the offending value (`""` for the entity itself), None when unknown.
    """

    code = "invalid_entity"

    def __init__(self, reason: str, *, pointer: str | None = None) -> None:
        self.reason = reason
        self.pointer = pointer
        super().__init__(reason)


class InvalidLocation(InvalidInput):
    """What a location leads to can't be taken in.

    *problems* are the first errors, each described with its place and with the `entityRef` that it is of; *count* says
    how many there are.
    """

    code = "invalid_location"

    def __init__(self, problems: Sequence[Mapping[str, object]], count: int) -> None:
        self.problems = problems
        self.count = count
        told = [f"{problem['name']}: {problem['message']}" for problem in problems]
        more = [f"and {count - len(problems)} more"] if count > len(problems) else []
        super().__init__(", ".join([*told, *more]))

    @property
    def details(self) -> Mapping[str, object]:
        """The errors one by one."""
        return {"errors": self.problems, "errorCount": self.count}


class InvalidRef(InvalidInput):
    """A text is not an entity ref or a location ref."""

    code = "invalid_ref"


class InvalidRows(InvalidInput):
    """Some entities of a set can't be taken over, so that nothing of it was.

    *rejected* names the first of them, each with its row, counted from 1; *count* says how many there are.
    """

    code = "invalid_rows"

    def __init__(self, rejected: Sequence[Mapping[str, object]], count: int) -> None:
        self.rejected = rejected
        self.count = count
        first = rejected[0]
        more = f", and {count - 1} more" if count > 1 else ""
        super().__init__(f"nothing was stored: row {first['row']}: {first['reason']}{more}")

    @property
    def details(self) -> Mapping[str, object]:
        """The rows that were rejected."""
        return {"rejected": self.rejected, "rejectedCount": self.count}


class Unauthenticated(CallboardError):
    """It is not known who calls, or the proof is not valid."""

    code = "unauthenticated"
    name = "AuthenticationError"
    challenge = "Bearer"
    """The proof that is expected, as HTTP calls it."""


class NotAllowed(CallboardError):
    """The rules forbid it."""

    code = "not_allowed"
    name = "NotAllowedError"


class NotFound(CallboardError):
    """There is no such thing."""

    code = "not_found"
    name = "NotFoundError"


class LocationNotFound(NotFound):
    """Nothing can be read at a location."""

    code = "location_not_found"


class Conflict(CallboardError):
    """It clashes with what is there."""

    code = "conflict"
    name = "ConflictError"


class KeyReused(Conflict):
    """An idempotency key that has stood for another request."""

    code = "key_reused"
    name = "IdempotencyKeyReusedError"


class LeaseLost(Conflict):
    """What the caller held is somebody else's by now, or nobody's."""

    code = "lease_lost"


class PreconditionFailed(Conflict):
    """What is there is not the version that the caller knows."""

    code = "precondition_failed"
    name = "PreconditionFailedError"


class RemovalRefused(Conflict):
    """A mutation would remove more than its provider may at once, so that nothing of it was done.

    *held* counts the entities that the provider has, *removed* those that it would withdraw; *limit* is the percentage
    that may go at once, None where only an empty set is refused.
    """

    code = "removal_refused"

    def __init__(self, reason: str, *, held: int, removed: int, limit: float | None = None) -> None:
        self.reason = reason
        self.held = held
        self.removed = removed
        self.limit = limit
        super().__init__(reason)

    @property
    def details(self) -> Mapping[str, object]:
        """How many entities it is about."""
        return {"held": self.held, "removed": self.removed, "limit": self.limit}


class OffsetInTheFuture(Conflict):
    """A stream position that this catalog has not reached."""

    code = "offset_in_the_future"


class Gone(CallboardError):
    """It was there once; start again."""

    code = "gone"
    name = "GoneError"


class OffsetExpired(Gone):
    """A stream position below the tombstone floor, or of another epoch."""

    code = "offset_expired"


class Unreadable(CallboardError):
    """An outside system failed to deliver; it may work later."""

    code = "unreadable"
    retry_at: dt.datetime | None = None
    """Before that another attempt makes no sense, where the system has said so."""


class Unavailable(CallboardError):
    """The catalog itself can't do this now; it may work later."""

    code = "unavailable"
    name = "ServiceUnavailableError"
    retry_after: float | None = None
    """Seconds after which another attempt makes sense, where a server has said so."""


class AlreadyRunning(Unavailable):
    """Another process holds the data directory."""

    code = "already_running"


class DatabaseUnavailable(Unavailable):
    """PostgreSQL can't be reached or can't be started."""

    code = "database_unavailable"


class WrongSchema(Unavailable):
    """This release and the tables of the database don't go together."""

    code = "wrong_schema"
    exit_code = 3
    """Of a command that it has ended: whoever starts processes again sees that this does not help."""


def describe(error: BaseException) -> dict[str, object]:
    """An error as clients see it: its name and message, and its cause if it has one."""
    name = error.name if isinstance(error, CallboardError) else type(error).__name__
    described: dict[str, object] = {"name": name, "message": str(error)}
    if error.__cause__ is not None:
        described["cause"] = describe(error.__cause__)
    return described


def describe_with_places(
    error: BaseException, location: str | None = None, line: int | None = None
) -> dict[str, object]:
    """The same, and where it is: `location`, `line`, `column` and `pointer`, as far as they are known.

    The error befell something that begins on *line* of *location*, and is there unless it, or a cause, knows better.
    """
    place = place_of(error, location, line) or _told(location, line)
    return _describe_at(place, error, location, line)


def _describe_at(
    place: dict[str, object], error: BaseException, location: str | None, line: int | None
) -> dict[str, object]:
    described = {**describe(error), **place}
    if (cause := error.__cause__) is not None:
        described.pop("cause")
        described["cause"] = _describe_at(place_of(cause, location, line), cause, location, line)
    return described


def place_of(error: BaseException, location: str | None = None, line: int | None = None) -> dict[str, object]:
    """Where *error* is, or the nearest of its causes that knows; empty if none does.

    What has a pointer only is on *line* of *location*, if these are given.
    """
    for found in _chain(error):
        if isinstance(found, CallboardError):
            if found.location is not None:
                return _told(found.location, found.line, found.column, found.pointer)
            if found.pointer is not None:
                return _told(location, line, None, found.pointer)
    return {}


def _told(
    location: str | None, line: int | None, column: int | None = None, pointer: str | None = None
) -> dict[str, object]:
    # A line of nobody knows which file says nothing.
    fields = {"location": location, "line": line, "column": column} if location is not None else {}
    return {name: value for name, value in {**fields, "pointer": pointer}.items() if value is not None}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes."""
    while error is not None:
        yield error
        error = error.__cause__
