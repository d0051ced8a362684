"""What a soak is made of, and its figures."""

from dataclasses import dataclass, field

from tests.soak.followers import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a soak is made of."""

    seconds: float
    seed: int
    engines: int = 4
    apis: int = 3
    followers: int = 200
    pushers: int = 4
    filers: int = 4
    kill_every: float = 5.0
    restarts: int = 2
    """Of PostgreSQL: the first one is a kill, the second one is in order, and so on."""
    pause: float = 0.6
    """Seconds from one write of a writer to its next, on average."""
    history: float = 8.0
    """Seconds for which single changes are kept."""
    tombstones: float = 15.0
    """Seconds for which removals are kept."""
    processes: int = 2
    """Of followers."""
    patience: float = 90.0
    """Seconds until everything is to have settled at the end."""


@dataclass(slots=True, kw_only=True)
class Report:
    """The figures, and what was wrong."""

    plan: Plan
    seconds: float = 0.0
    """With writes and kills."""
    writes: int = 0
    """That were acknowledged."""
    again: int = 0
    """Requests that were sent once more."""
    changes: int = 0
    """Events of the stream: its head at the end."""
    visible: int = 0
    """Entities at the end."""
    engines_killed: int = 0
    apis_killed: int = 0
    backends_killed: int = 0
    postgres_restarts: int = 0
    longest_outage: float = 0.0
    """Of PostgreSQL, in seconds."""
    history_floor: int = 0
    tombstone_floor: int = 0
    compactions: int = 0
    """Runs that have forgotten something."""
    audits: int = 0
    """How often all tables were compared with one another."""
    settled: float = 0.0
    """Seconds from the last write until nothing was left to be done."""
    arrived: float = 0.0
    """Seconds from then on until the last follower had everything."""
    tally: Tally = field(default_factory=Tally)
    compared: int = 0
    """Entities in replicas, each compared with a list of the catalog and with the database."""
    agreed: int = 0
    """Offsets at which all who were told something were told the same."""
    wrong: list[str] = field(default_factory=list)
    past: dict[str, list[str]] = field(default_factory=dict)
    """What had happened last to the followers with whom something is wrong."""

    def rows(self) -> list[tuple[str, str]]:
        """The figures in words."""
        plan, tally = self.plan, self.tally
        return [
            ("engines, API processes, followers", f"{plan.engines}, {plan.apis}, {plan.followers}"),
            ("seconds with writes and kills", f"{self.seconds:.0f}"),
            ("acknowledged writes", f"{self.writes:,}"),
            ("requests sent again", f"{self.again:,}"),
            ("changes in the stream", f"{self.changes:,}"),
            ("changes a second", f"{self.changes / max(self.seconds, 1):.0f}"),
            ("entities at the end", f"{self.visible:,}"),
            ("engines killed", f"{self.engines_killed:,}"),
            ("API processes killed", f"{self.apis_killed:,}"),
            ("PostgreSQL backends killed", f"{self.backends_killed:,}"),
            ("PostgreSQL restarted", f"{self.postgres_restarts:,}"),
            ("longest time without PostgreSQL, s", f"{self.longest_outage:.1f}"),
            ("runs of compaction that forgot something", f"{self.compactions:,}"),
            ("history floor, tombstone floor", f"{self.history_floor:,}, {self.tombstone_floor:,}"),
            ("events told to followers", f"{tally.events:,}"),
            ("of these left-filter removals", f"{tally.left:,}"),
            ("doubts that the history floor excused", f"{tally.excused:,}"),
            ("connections and reconnections", f"{tally.connections:,}"),
            ("broken connections and 503", f"{tally.broken:,}"),
            ("409, by a process that was behind", f"{tally.ahead:,}"),
            ("410, and a new beginning", f"{tally.expired:,}"),
            ("of these, by readers that had not been away", f"{tally.slow:,}"),
            ("audits of all tables", f"{self.audits:,}"),
            ("settled after, s", f"{self.settled:.1f}"),
            ("all followers at the head after, s", f"{self.arrived:.1f}"),
            ("entities compared in replicas", f"{self.compared:,}"),
            ("offsets told alike to all", f"{self.agreed:,}"),
            ("violations", f"{len(self.wrong):,}"),
        ]
