"""All settings together, and how they come out of a configuration."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Annotated, TypeVar

from callboard.errors import InvalidConfiguration
from callboard.settings.backend import BackendSettings
from callboard.settings.catalog import CatalogSettings
from callboard.settings.discovery import DiscoverySettings
from callboard.settings.events import EventsSettings
from callboard.settings.forms import Computed
from callboard.settings.integrations import INTEGRATIONS, Integrations
from callboard.settings.loading import Configuration
from callboard.settings.own import CallboardSettings
from callboard.settings.permissions import PermissionSettings
from callboard.settings.reading import Reader
from callboard.settings.values import Value

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What the front end shows."""

    title: str = "Callboard"
    """The name of the portal, shown in page titles."""


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """Whose catalog it is."""

    name: str | None = None
    """The name of the organization, shown as the catalog's owner. Without it, nothing is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that an installation may decide."""

    app: AppSettings = field(default_factory=AppSettings)
    """What the front end shows."""

    organization: OrganizationSettings = field(default_factory=OrganizationSettings)
    """Whose catalog it is."""

    catalog: CatalogSettings = field(default_factory=CatalogSettings)
    """What the catalog holds, where that comes from, and how it is kept fresh."""

    backend: BackendSettings = field(default_factory=BackendSettings)
    """The server's surroundings."""

    discovery: DiscoverySettings = field(default_factory=DiscoverySettings)
    """Where the plugins of the Backstage installation are."""

    events: EventsSettings = field(default_factory=EventsSettings)
    """What code hosts may tell, at `POST /api/events/http/{system}`. What else stands in this section is for Backstage;
    `events.http.topics` need not be said."""

    permission: PermissionSettings = field(default_factory=PermissionSettings)
    """Whether permissions are asked for."""

    integrations: Annotated[Integrations, INTEGRATIONS] = field(default_factory=Integrations)
    """The code hosts that may be read, in Backstage's notation: `integrations.github[]` with `host`, `token` and so
    on. Their hosts need no entry in `backend.reading.allow`."""

    callboard: CallboardSettings = field(default_factory=CallboardSettings)
    """What only Callboard has."""

    warnings: Annotated[tuple[str, ...], Computed()] = ()
    """What the configuration says that has no effect or another one than it may seem, a line each."""

    positions: Annotated[Mapping[str, str], Computed()] = field(default_factory=dict, repr=False)
    """Where each value of the sections that plugins read was said, by its key: they can't tell by themselves."""

    def placed(self, problem: str) -> str:
        """A *problem* that begins with the key of a value of a plugin, with the file and line of that before it."""
        key = problem.partition(":")[0]
        while key:
            if key in self.positions:
                return f"{self.positions[key]}: {problem}"
            key = key[: max(key.rfind("."), key.rfind("["))] if {".", "["} & set(key) else ""
        return problem

    def overridden(self, changes: Mapping[str, object]) -> "Settings":
        """These settings with *changes* by the dotted names of fields, for flags of the command line.

        A value of None means that the flag was not given.

        >>> Settings().overridden({"callboard.engines": 4, "callboard.apis": None}).callboard.engines
        4
        """
        settings = self
        for name, value in changes.items():
            if value is not None:
                settings = _with(settings, name.split("."), value)
        return settings


def read(configuration: Configuration) -> Settings:
    """The settings that *configuration* says.

    Raises InvalidConfiguration that names everything that is wrong, each with its file, line, key and value.
    """
    reader = Reader(configuration.root)
    settings = reader.read(Settings)
    if settings is None:
        raise InvalidConfiguration("\n".join(reader.problems))
    positions = dict(_positions(configuration.root, ""))
    return replace(settings, warnings=(*configuration.warnings, *reader.warnings), positions=positions)


_OF_PLUGINS = ("integrations", "catalog.providers", "catalog.processors")


def _positions(value: Value, path: str) -> Iterator[tuple[str, str]]:
    """The positions of all values in the sections that plugins read."""
    if path.startswith(_OF_PLUGINS):
        yield path, str(value.position)
    elif path and not any(section.startswith(f"{path}.") for section in _OF_PLUGINS):
        return
    match value.content:
        case dict() as entries:
            for key, entry in entries.items():
                yield from _positions(entry, f"{path}.{key}" if path else key)
        case list() as items:
            for index, item in enumerate(items):
                yield from _positions(item, f"{path}[{index}]")
        case _:
            return


def defaults() -> Settings:
    """The settings of an installation that has no configuration at all."""
    return Settings()


def _with(part: T, names: list[str], value: object) -> T:
    assert is_dataclass(part)
    assert not isinstance(part, type)
    inner = value if len(names) == 1 else _with(getattr(part, names[0]), names[1:], value)
    return replace(part, **{names[0]: inner})
