"""What can go wrong, named by what it means to the caller.

    CallboardError
    ├── InvalidInput                the caller sent something that can't be accepted
    │   ├── InvalidConfiguration    a configuration file says something that can't be used
    │   ├── InvalidDocument         a file is not the YAML or JSON that it should be
    │   ├── InvalidEntity           an entity broke an envelope rule, a kind schema or a policy
    │   ├── InvalidRef              a text is not an entity ref or a location ref
    │   └── InvalidRows             some entities of a set can't be taken over
    ├── Unauthenticated             it is not known who calls, or the proof is not valid
    ├── NotAllowed                  the rules forbid it
    ├── NotFound                    there is no such thing
    │   └── LocationNotFound        nothing can be read at a location
    ├── Conflict                    it clashes with what is there
    │   ├── KeyReused               an idempotency key that has stood for another request
    │   ├── PreconditionFailed      what is there is not the version that the caller knows
    │   ├── RemovalRefused          a mutation would remove more than its provider may
    │   └── OffsetInTheFuture       a stream position that this catalog has not reached
    ├── Gone                        it was there once; start again
    │   └── OffsetExpired           a stream position below the tombstone floor, or of another epoch
    ├── Unreadable                  an outside system failed to deliver; it may work later
    └── Unavailable                 the catalog itself can't do this now; it may work later
        ├── AlreadyRunning          another process holds the data directory
        └── DatabaseUnavailable     PostgreSQL can't be reached or can't be started

Each class has a stable `code`, and the `name` under which clients of the Backstage catalog know it. Only
`callboard.api.errors` knows about HTTP.
"""

from collections.abc import Mapping, Sequence


class CallboardError(Exception):
    """Something that a caller of Callboard can understand and act on."""

    code = "error"
    name = "Error"

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


class PreconditionFailed(Conflict):
    """What is there is not the version that the caller knows."""

    code = "precondition_failed"
    name = "PreconditionFailedError"


class RemovalRefused(Conflict):
    """A mutation would remove more than its provider may at once, so that nothing of it was done.

    *held* counts the entities that the provider has, *removed* those that it would withdraw.
    """

    code = "removal_refused"

    def __init__(self, reason: str, *, held: int, removed: int) -> None:
        self.reason = reason
        self.held = held
        self.removed = removed
        super().__init__(reason)

    @property
    def details(self) -> Mapping[str, object]:
        """How many entities it is about."""
        return {"held": self.held, "removed": self.removed}


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


def describe(error: BaseException) -> dict[str, object]:
    """An error as clients see it: its name and message, and its cause if it has one."""
    name = error.name if isinstance(error, CallboardError) else type(error).__name__
    described: dict[str, object] = {"name": name, "message": str(error)}
    if error.__cause__ is not None:
        described["cause"] = describe(error.__cause__)
    return described
