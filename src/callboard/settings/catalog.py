"""The section `catalog`: Backstage's own keys, with its meanings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Final, TypeAlias

from callboard.settings import durations, forms
from callboard.settings.forms import Adjusted, Form, Key, Percentage, Raw, Seconds, Shorthand
from callboard.settings.values import JsonValue, Value

_SPREAD = 1.5
_SHORTEST = 1.0


class OrphanStrategy(StrEnum):
    """What becomes of entities that nothing mentions any more."""

    KEEP = "keep"
    DELETE = "delete"


class LocationConflictStrategy(StrEnum):
    """What registering a location does that is registered already."""

    REJECT = "reject"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Interval:
    """A time that is drawn anew each time, so that work spreads out."""

    minimum_seconds: float
    maximum_seconds: float

    def __str__(self) -> str:
        return f"{durations.format_seconds(self.minimum_seconds)} to {durations.format_seconds(self.maximum_seconds)}"


@dataclass(frozen=True, slots=True)
class KindSetting:
    """A kind that a rule allows, or one type of it."""

    kind: str
    """The kind, in any case."""

    spec_type: Annotated[str | None, Key("spec.type")] = None
    """Only entities whose `spec.type` is exactly this. Without it, all types."""

    def __str__(self) -> str:
        return self.kind if self.spec_type is None else f"{self.kind} of type {self.spec_type}"


@dataclass(frozen=True, slots=True)
class RuleLocationSetting:
    """Where a rule holds: all locations of a type, one target, or those that a pattern matches."""

    type: str
    """The type of location, `url` or `file` for example."""

    exact: str | None = None
    """Only this target."""

    pattern: str | None = None
    """Only targets that this glob matches; case does not matter. It excludes `exact`."""

    def __post_init__(self) -> None:
        if self.exact is not None and self.pattern is not None:
            raise ValueError("has both exact and pattern; give one of them")


_KIND: Final = Form("a kind, or an object with kind and spec.type", lambda value: KindSetting(forms.text_of(value)))

AllowedKind: TypeAlias = Annotated[KindSetting, Shorthand(_KIND)]


@dataclass(frozen=True, slots=True)
class RuleSetting:
    """Allows some kinds of entities for some locations."""

    allow: tuple[AllowedKind, ...]
    """The kinds. A text is a kind; an object may narrow it down to one `spec.type`."""

    locations: tuple[RuleLocationSetting, ...] | None = None
    """Where the rule holds. Without it everywhere; an empty list means nowhere."""

    def __str__(self) -> str:
        return "allow " + ", ".join(map(str, self.allow))


@dataclass(frozen=True, slots=True)
class LocationRuleSetting:
    """What one configured location may bring, beyond the general rules."""

    allow: tuple[AllowedKind, ...]
    """The kinds that are allowed for this very location."""


def _targets_from_here(
    location: "LocationSetting", value: Value, _warn: Callable[[Value, str], None]
) -> "LocationSetting":
    if location.type != "file":
        return location
    folder = value.entries()["target"].position.folder
    return replace(location, target=forms.absolute(location.target, folder))


@dataclass(frozen=True, slots=True)
class LocationSetting:
    """A location that the configuration itself registers."""

    type: str
    """`url` or `file`, or a type that a plugin reads. Files can be named nowhere but here."""

    target: str
    """The URL or the path; both may have wildcards. A relative path counts from the folder of the configuration file
    that says it (Backstage: from the working directory), so that it does not matter where Callboard is started."""

    rules: tuple[LocationRuleSetting, ...] = ()
    """Rules for exactly this location, in addition to `catalog.rules`."""


@dataclass(frozen=True, slots=True)
class ProcessorOptions:
    """How the installation changes a processor."""

    disabled: bool = False
    """Leaves the processor out."""

    priority: float | None = None
    """The processor's place in the order, lower numbers first. Without it, what the processor says itself, and that is
    20 for most."""


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """How the installation changes a provider."""

    disabled: bool = False
    """Leaves the provider out. What it has provided stays; see `catalog.orphanProviderStrategy`."""

    max_removal_percent: Percentage | None = None
    """Percent of what the provider holds that one mutation may withdraw; one beyond that is refused as a whole. Without
    it, what `callboard.removalGuard` says."""

    refuse_empty: bool | None = None
    """Whether a full set without a single entity is refused, once there have been some. Without it, what
    `callboard.removalGuard` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchingSettings:
    """How entities are assembled."""

    polling_interval_seconds: Annotated[Seconds, Key("pollingInterval")] = 1.0
    """How often an idle engine looks for entities to assemble when no notification reaches it. Backstage's default."""

    stitch_timeout_seconds: Annotated[Seconds, Key("stitchTimeout")] = 60.0
    """After this time, an entity that an engine took but did not finish is taken by another. Backstage's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScmEventsSettings:
    """What the webhook of a code host leads to."""

    refresh: bool = True
    """Whether what a push has touched is read again at once."""

    unregister: bool = False
    """Whether a registered location is unregistered when its file is deleted. If not, the location stays and has an
    error: a file that is deleted by mistake should not take its entities along."""

    move: bool = True
    """Whether a registered location follows its file when that is renamed, if the new file holds one of the entities of
    the old one."""

    def __str__(self) -> str:
        done = {"refresh": self.refresh, "unregister": self.unregister, "move": self.move}
        return ", ".join(name for name, is_done in done.items() if is_done) or "none"


def _scm_events(value: Value) -> ScmEventsSettings:
    everything = forms.FLAG.parse(value)
    assert isinstance(everything, bool)
    return ScmEventsSettings(refresh=everything, unregister=everything, move=everything)


_SCM_EVENTS: Final = Form("true, false or an object with refresh, unregister and move", _scm_events)


def _interval(value: Value) -> Interval | None:
    if value.content is False or value.content == "false":
        return None
    seconds = max(durations.parse(value), _SHORTEST)
    return Interval(seconds, seconds * _SPREAD)


_INTERVAL: Final = Form(f"{durations.EXPECTED} or false", _interval)

_USUAL_RULES: Final = (RuleSetting((KindSetting("Component"), KindSetting("API"), KindSetting("Location"))),)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogSettings:
    """What the catalog holds, where that comes from, and how it is kept fresh."""

    rules: tuple[RuleSetting, ...] = _USUAL_RULES
    """Which kinds of entities locations may bring in; any rule that matches allows. As long as nothing is said here,
    nobody's file can make users, groups or systems. What providers bring is not checked."""

    locations: tuple[Annotated[LocationSetting, Adjusted(_targets_from_here)], ...] = ()
    """Locations that are always registered."""

    readonly: bool = False
    """Refuses to register and unregister locations through the API. Everything else goes on."""

    orphan_strategy: OrphanStrategy = OrphanStrategy.KEEP
    """What becomes of entities that their source no longer mentions: `keep` marks them, `delete` removes them. Kept by
    default, unlike in Backstage, since a source that fails for an hour should not empty the catalog."""

    orphan_provider_strategy: OrphanStrategy = OrphanStrategy.KEEP
    """What becomes of the entities of a provider that no engine has any more, since it is not configured or disabled.
    Kept by default, for the same reason. What is written over HTTP is not meant."""

    processing_interval: Annotated[Interval | None, _INTERVAL] = Interval(100.0, 150.0)
    """After how long an entity that depends on something outside is processed again; `false` never does. A duration
    stands for a random time between itself and half as much again, and for at least one second."""

    disable_default_processors: bool = False
    """Leaves out the processors that read files, read URLs and annotate locations."""

    processor_options: Mapping[str, ProcessorOptions] = field(default_factory=dict)
    """Options of processors, by name."""

    provider_options: Mapping[str, ProviderOptions] = field(default_factory=dict)
    """Options of providers, by name."""

    stitching_strategy: StitchingSettings = field(default_factory=StitchingSettings)
    """How entities are assembled."""

    default_location_conflict_strategy: LocationConflictStrategy = LocationConflictStrategy.REJECT
    """What registering a location does that is there already: `reject` answers with a conflict, `refresh` reads it
    again. Backstage's default."""

    scm_events: Annotated[ScmEventsSettings, Shorthand(_SCM_EVENTS)] = field(default_factory=ScmEventsSettings)
    """What the webhook of a code host leads to. `true` is all three of refresh, unregister and move, and `false` none;
    of an object, what it does not mention keeps its default. Backstage does nothing unless it is told to; here nothing
    comes in without a secret in `events.modules`, and who gives one wants it used."""

    providers: Raw = field(default_factory=dict[str, JsonValue], repr=False)
    """The settings of providers, by name, handed to them as they are."""

    processors: Raw = field(default_factory=dict[str, JsonValue], repr=False)
    """The settings of processors, by name, handed to them as they are."""
