"""Schedules: when a source is read again, in the notation of Backstage's task definitions."""

import datetime as dt
from collections.abc import Mapping

from cronsim import CronSim, CronSimError

from callboard import durations
from callboard.model.json import JsonValue

_EXPECTED = f"{durations.EXPECTED}, {{cron: …}} or {{trigger: manual}}"


class Schedule:
    """When to begin another round: after so many seconds, at the times of a cron expression, or when somebody asks."""

    # No dataclass: options would be read into its fields then, and not by `parse`.
    __slots__ = ("cron", "every", "initial_delay", "timeout")

    def __init__(
        self,
        *,
        every: float | None = None,
        cron: str | None = None,
        timeout: float | None = None,
        initial_delay: float = 0.0,
    ) -> None:
        """*every* is seconds from the end of a round to the beginning of the next one; *cron*, in UTC, wins over it.

        With neither of them, rounds begin when somebody asks. A page may take *timeout* seconds, or as long as it
        needs; the very first round begins after *initial_delay* seconds.
        """
        self.every = every
        self.cron = cron
        self.timeout = timeout
        self.initial_delay = initial_delay

    def __repr__(self) -> str:
        return f"Schedule(every={self.every}, cron={self.cron!r})"

    @classmethod
    def parse(cls, value: JsonValue) -> "Schedule":
        """The schedule that a `schedule` of Backstage says. Raises ValueError for what can't be meant."""
        if not isinstance(value, Mapping) or "frequency" not in value:
            raise ValueError("expected an object with frequency and timeout")
        every, cron = _frequency(value["frequency"])
        return cls(
            every=every,
            cron=cron,
            timeout=_seconds(value, "timeout"),
            initial_delay=_seconds(value, "initialDelay") or 0.0,
        )

    @property
    def is_manual(self) -> bool:
        """Whether rounds begin only when somebody asks."""
        return self.every is None and self.cron is None

    def rest(self, now: dt.datetime) -> float | None:
        """Seconds from *now*, the end of a round, to the beginning of the next one; None: until somebody asks."""
        if self.cron is not None:
            return max(0.0, (next(CronSim(self.cron, now)) - now).total_seconds())
        return self.every


def _frequency(value: JsonValue) -> tuple[float | None, str | None]:
    if isinstance(value, Mapping):
        if value.get("trigger") == "manual":
            return None, None
        if (cron := value.get("cron")) is not None:
            return None, _cron(cron)
    try:
        return durations.parse(value), None
    except ValueError:
        raise ValueError(f"expected frequency to be {_EXPECTED}, got {value!r}") from None


def _cron(value: JsonValue) -> str:
    # Backstage's library knows seconds, as a field before the others.
    fields = str(value).split()
    text = " ".join(fields[1:] if len(fields) == 6 else fields)
    try:
        CronSim(text, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    except CronSimError as error:
        raise ValueError(f"expected frequency.cron to be a cron expression, got {value!r}: {error}") from None
    return text


def _seconds(value: Mapping[str, JsonValue], name: str) -> float | None:
    said = value.get(name)
    if said is None:
        return None
    try:
        return durations.parse(said)
    except ValueError:
        raise ValueError(f"expected {name} to be {durations.EXPECTED}, got {said!r}") from None
