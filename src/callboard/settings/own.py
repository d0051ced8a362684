"""The section `callboard`: what Backstage has no words for."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from callboard.settings import forms
from callboard.settings.auth import BackstageSettings
from callboard.settings.backend import LISTEN, Listen
from callboard.settings.databases import WaysSettings
from callboard.settings.forms import Adjusted, Bytes, Computed, Count, Form, Key, Percentage, Raw, Seconds, Shorthand
from callboard.settings.model import ModelSettings
from callboard.settings.permissions import DecidingSettings
from callboard.settings.subscriptions import SubscriptionSettings
from callboard.settings.values import JsonValue, Value

_OBJECT = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_ENTRY_POINT = re.compile(r"\w(?:[\w.-]*\w)?")


class LogFormat(StrEnum):
    """How log records are written."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least weight of a log record that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingSettings:
    """How an engine works off entities that are due."""

    batch_size: Count = 200
    """Entities that are claimed, and settled, in one transaction. More of them save round trips to the database, fewer
    of them make less work to do again after a crash."""

    lease_seconds: Annotated[Seconds, Key("lease")] = 15.0
    """How long a claimed entity stays with its engine unless the engine says that it is still at it. What a killed
    engine held is processed elsewhere after that. The same holds for an incremental provider, which one engine runs at
    a time."""

    concurrency: Count = 600
    """Entities that one engine holds at once. Most take microseconds; the number is for those that wait for a slow
    host, which must not stop the others."""


def _object(value: Value) -> str:
    text = forms.text_of(value)
    if not (_OBJECT.fullmatch(text) or _ENTRY_POINT.fullmatch(text)):
        raise forms.Refused
    return text


_USE: Final = Form('a text such as "package.module:object", or the name of an installed plugin', _object)


@dataclass(frozen=True, slots=True)
class PluginSetting:
    """Code that feeds or shapes the catalog and is no part of Callboard."""

    use: Annotated[str, _USE]
    """The name of an entry point by which an installed distribution says that it has a plugin, or a module and the
    object in it: a provider, a processor, a policy, a resolver of placeholders, a reader, a code host, a kind of sinks
    or a `Plugin` with handlers of events, or what makes some of these. The module must be installed beside Callboard,
    or lie in a folder that `PYTHONPATH` names."""

    options: Raw = field(default_factory=dict[str, JsonValue], repr=False)
    """What the plugin is told, handed to it as it is."""

    disabled: bool = False
    """Whether it is left out, although it is named here or installed. `callboard plugins` lists it all the same."""

    at: Annotated[str, Computed()] = ""
    """Where that was said."""


def _placed(plugin: PluginSetting, value: Value, _warn: Callable[[Value, str], None]) -> PluginSetting:
    return replace(plugin, at=str(value.position))


_PLUGIN: Final = Form(
    f"{_USE.expected}, or an object with use and options",
    lambda value: PluginSetting(_object(value), at=str(value.position)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalGuardSettings:
    """How much a provider may withdraw at once, where `catalog.providerOptions` says nothing about it."""

    max_removal_percent: Percentage | None = None
    """Percent of what the provider holds. Without it everything may go, as in Backstage: a small provider drops half of
    its entities with one."""

    refuse_empty: bool = False
    """Whether a full set without a single entity is refused, once there have been some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSettings:
    """The limits of reading URLs."""

    timeout_seconds: Annotated[Seconds, Key("timeout")] = 30.0
    """How long one answer may take, its body included. Enough for a large file from a slow host."""

    concurrency_per_host: Count = 5
    """How many requests one engine sends to a host at a time, so that code hosts do not lock it out. Backstage's
    number."""

    max_bytes: Bytes = 10 * 1024 * 1024
    """The largest file that is read. Room for generated API definitions, and a limit for what a mistaken URL can fill
    the memory with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingSettings:
    """What is logged, and how."""

    format: LogFormat = LogFormat.TEXT
    """`text` for people, `json` with one object a line for collectors."""

    level: LogLevel = LogLevel.INFO
    """The least weight that is logged: `debug`, `info`, `warning` or `error`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How the stream of changes is served."""

    ring_size: Count = 10_000
    """How many of the latest events an API process keeps in memory for those who follow closely. Readers further
    behind are served from the database. 10,000 events of 2 kB take 40 MB, since what was there before each
    is kept as well."""

    max_readers: Count = 20_000
    """How many open streams and held requests an API process has at once; further ones are told to come back. Each
    takes a file descriptor, and 15 to 20 kB of memory while nothing happens."""

    heartbeat_seconds: Annotated[Seconds, Key("heartbeat")] = 15.0
    """How long an open stream may be silent. Proxies close what is silent for longer, usually after 30 or 60 seconds,
    and a reader that hears nothing for longer knows that the connection is dead."""

    slow_reader_seconds: Annotated[Seconds, Key("slowReaderTimeout")] = 30.0
    """How long a reader of an open stream may leave 64 kB unread before it is closed. It resumes where it was; others
    must not pay for what waits to be read."""

    history_retention_seconds: Annotated[Seconds, Key("historyRetention")] = 7 * 86_400.0
    """How long each single change is kept, with the whole entity as it was. Of what is older the last version of each
    visible entity stays. It is for how long a reader with conditions may be away, and how far `?at=` and the history of
    an entity reach."""

    tombstone_retention_seconds: Annotated[Seconds, Key("tombstoneRetention")] = 30 * 86_400.0
    """How long it is remembered that an entity was removed: for so long a reader may be away and go on where it was. If
    the history is kept longer, so are its removals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Where an engine that runs alone can be asked how it is."""

    listen: Annotated[Listen | None, Shorthand(LISTEN)] = None
    """Where `callboard engine` serves `/metrics`, liveness and readiness: written as `backend.listen` is. Nowhere by
    default: several engines on one machine would need several ports. The engines of `callboard serve` need none; its
    API tells of them as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UiSettings:
    """The web page."""

    enabled: bool = True
    """Whether API processes serve it, at `/`. Where Backstage's own front end is used, it may be left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallboardSettings:
    """What only Callboard has."""

    data_dir: Path = Path("callboard-data")
    """The folder of the embedded PostgreSQL. A relative path in a file counts from the folder of that file, the default
    from the working directory."""

    database: WaysSettings = field(default_factory=WaysSettings)
    """The ways to the database, where there is more than one."""

    engines: Count = 1
    """How many engine processes `callboard serve` starts. More share the work, each on a core of its own."""

    apis: Count = 1
    """How many API processes `callboard serve` starts. Each holds the whole catalog in memory, so one by default."""

    processing: ProcessingSettings = field(default_factory=ProcessingSettings)
    """How an engine works off entities that are due."""

    model: ModelSettings = field(default_factory=ModelSettings)
    """What entities may be, beyond what every catalog knows."""

    plugins: tuple[Annotated[PluginSetting, Shorthand(_PLUGIN), Adjusted(_placed)], ...] = ()
    """Code that is loaded by engines and APIs at their start, in this order. A text is the `use` of a plugin without
    options. What is installed with an entry point in the group `callboard` is loaded in any case, behind these; name it
    here to give it options, another place, or to disable it."""

    removal_guard: RemovalGuardSettings = field(default_factory=RemovalGuardSettings)
    """How much a provider may withdraw at once."""

    reading: ReadingSettings = field(default_factory=ReadingSettings)
    """The limits of reading URLs."""

    logging: LoggingSettings = field(default_factory=LoggingSettings)
    """What is logged, and how."""

    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    """What can be asked of an engine that runs alone."""

    stream: StreamSettings = field(default_factory=StreamSettings)
    """How the stream of changes is served."""

    subscriptions: SubscriptionSettings = field(default_factory=SubscriptionSettings)
    """Subscriptions of the stream."""

    ui: UiSettings = field(default_factory=UiSettings)
    """The web page."""

    auth: BackstageSettings = field(default_factory=BackstageSettings)
    """The Backstage installation whose users and plugins may call."""

    permissions: DecidingSettings = field(default_factory=DecidingSettings)
    """Who decides about permissions."""
