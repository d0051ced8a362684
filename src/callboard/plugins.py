"""Plugins: the objects that are installed or that `callboard.plugins` names, found and sorted by what they can do."""

import copy
import difflib
import functools
import importlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from callboard import __version__, distributions
from callboard.distributions import Distribution, EntryPoint
from callboard.errors import InvalidConfiguration
from callboard.extend import (
    Outside,
    PluginConfig,
    PluginContext,
)
from callboard.extend.outside import nowhere
from callboard.model.json import JsonValue
from callboard.parts import Parts, Taken, Unusable, add, made_by
from callboard.settings import PluginSetting, Settings

_KEY = "callboard.plugins"


@dataclass(slots=True, kw_only=True)
class Loaded:
    """One plugin, and what has become of it."""

    name: str
    """That of its entry point or of its key; else what `use` says."""
    use: str
    """`module:object`."""
    at: str = ""
    """Where the configuration names it; empty when it is loaded because it is installed."""
    distribution: Distribution | None = None
    """None for a module that `callboard.plugins` names."""
    disabled: bool = False
    parts: Parts = field(default_factory=Parts)
    problem: InvalidConfiguration | None = None
    """Why it can't be used."""


@dataclass(slots=True)
class Plugins(Parts):
    """What the plugins of an installation consist of, in the order of the configuration."""

    loaded: list[Loaded] = field(default_factory=list)
    """The plugins themselves, with those that are disabled."""


def load(
    settings: Settings,
    *,
    outside: Outside | None = None,
    taken: Collection[str] = (),
    sink_types: Collection[str] = (),
) -> Plugins:
    """Import all plugins, and call what is to be called: bundled sources, what `callboard.plugins` names, the others.

    Raises InvalidConfiguration, in one line, for what can't be used, and when a provider has a name that is *taken*, or
    a kind of sinks one of the *sink_types* that are there. Without the *outside*, nothing may be asked of the parts.
    """
    plugins = survey(settings, outside=outside, taken=taken, sink_types=sink_types)
    for loaded in plugins.loaded:
        if loaded.problem is not None:
            raise loaded.problem
    return plugins


def survey(
    settings: Settings,
    *,
    outside: Outside | None = None,
    taken: Collection[str] = (),
    sink_types: Collection[str] = (),
) -> Plugins:
    """As `load`, but what is wrong with a plugin stands beside it, and the others are there."""
    plugins, outside = Plugins(), outside or nowhere()
    names = Taken(providers=set(taken), sinks=set(sink_types))
    config = PluginConfig(settings.catalog.providers, settings.catalog.processors, settings.integrations.raw)
    for wanted in _wanted(settings):
        loaded = wanted.loaded
        plugins.loaded.append(loaded)
        if loaded.disabled or loaded.problem is not None:
            continue
        # What one plugin does to its settings is not the business of another.
        context = PluginContext(copy.deepcopy(config), copy.deepcopy(dict(wanted.options)), outside)
        try:
            for part in wanted.parts(context):
                add(loaded.parts, names, part)
        except InvalidConfiguration as problem:
            loaded.problem = InvalidConfiguration(settings.placed(str(problem)))
            loaded.problem.__cause__ = problem.__cause__
        except Unusable as reason:
            loaded.problem = wanted.refused(reason)
        else:
            plugins.join(loaded.parts)
    return plugins


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A plugin that is to be loaded."""

    loaded: Loaded
    place: str
    """What complaints about it begin with."""
    parts: Callable[[PluginContext], Sequence[object]]
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    advice: str = ""
    """What they end with."""

    def refused(self, reason: "Unusable") -> InvalidConfiguration:
        """The complaint, in one line."""
        problem = InvalidConfiguration(f"{self.place}: {reason}{self.advice}")
        problem.__cause__ = reason.__cause__
        return problem


def has_any(settings: Settings) -> bool:
    """Whether there is any plugin to load."""
    return any(True for _ in _wanted(settings))


def _wanted(settings: Settings) -> Iterator[_Wanted]:
    for source in bundled(settings):
        own = Distribution("callboard", __version__)
        loaded = Loaded(name=source.key, use=source.use, at=source.key, distribution=own)
        yield _Wanted(loaded=loaded, place=source.key, parts=functools.partial(_made_by, source))
    installed = distributions.entry_points()
    named: set[EntryPoint] = set()
    for index, setting in enumerate(settings.callboard.plugins):
        wanted, found = _named(setting, f"{setting.at}: {_KEY}[{index}]", installed)
        named |= found
        yield wanted
    yield from (_by_itself(point) for point in installed if point not in named)


def _named(setting: PluginSetting, place: str, installed: Sequence[EntryPoint]) -> tuple[_Wanted, set[EntryPoint]]:
    """What an entry of `callboard.plugins` means, and the entry points that are not loaded by themselves any more."""
    meant = [point for point in installed if setting.use in (point.name, point.use)]
    loaded = Loaded(name=setting.use, use=setting.use, at=str(setting.at), disabled=setting.disabled)
    if len({point.use for point in meant}) == 1:
        loaded.name, loaded.use, loaded.distribution = meant[0].name, meant[0].use, meant[0].distribution
        place = f"{place}: {loaded.distribution}"
    if ":" not in loaded.use:
        loaded.problem = InvalidConfiguration(f"{place}: {_unclear(setting.use, meant, installed)}")
    wanted = _Wanted(loaded=loaded, place=place, options=setting.options, parts=functools.partial(made_by, loaded.use))
    return wanted, set(meant)


def _unclear(use: str, meant: Sequence[EntryPoint], installed: Sequence[EntryPoint]) -> str:
    """What is wrong with the name of an entry point."""
    if len(meant) > 1:
        uses = " or ".join(f"{point.use} of {point.distribution}" for point in meant)
        return f"expected {use} to be one plugin; say which: {uses}"
    if meant:
        return f"expected the entry point {meant[0].name} to name an object as module:object, got {meant[0].use!r}"
    similar = difflib.get_close_matches(use, [point.name for point in installed], n=1)
    hint = f" (did you mean {similar[0]}?)" if similar else ""
    return (
        f"expected module:object, or an entry point in the group {distributions.GROUP} of what is installed,"
        f" found no {use}{hint}"
    )


def _by_itself(point: EntryPoint) -> _Wanted:
    loaded = Loaded(name=point.name, use=point.use, distribution=point.distribution)
    if ":" not in point.use:
        loaded.problem = InvalidConfiguration(f"{point.distribution}: {_unclear(point.name, [point], ())}")
    return _Wanted(
        loaded=loaded,
        place=str(point.distribution),
        parts=functools.partial(made_by, point.use),
        advice=f"; {_KEY} can give it options, or disable it: use: {point.name}",
    )


@dataclass(frozen=True, slots=True)
class Bundled:
    """A plugin that comes with Callboard, and is there when the configuration has its key."""

    key: str
    """`integrations.github`, `catalog.providers.ldapOrg`, …"""
    use: str
    """What makes its parts."""
    extra: str | None = None
    """What has to be installed with Callboard for it: `callboard[extra]`."""


_BUNDLED: Sequence[Bundled] = (
    Bundled("integrations.github", "callboard.builtin.hosts.github:code_hosts"),
    Bundled("catalog.providers.github", "callboard.builtin.hosts.github:discovery"),
    Bundled("catalog.providers.githubOrg", "callboard.builtin.hosts.github:organizations"),
    Bundled("integrations.gitlab", "callboard.builtin.hosts.gitlab:code_hosts"),
    Bundled("catalog.providers.gitlab", "callboard.builtin.hosts.gitlab:discovery"),
    Bundled("catalog.providers.gitlab", "callboard.builtin.hosts.gitlab:organizations"),
    Bundled("integrations.gitea", "callboard.builtin.hosts.gitea:code_hosts"),
    Bundled("catalog.providers.gitea", "callboard.builtin.hosts.gitea:discovery"),
    Bundled("integrations.gerrit", "callboard.builtin.hosts.gerrit:code_hosts"),
    Bundled("catalog.providers.gerrit", "callboard.builtin.hosts.gerrit:discovery"),
    Bundled("catalog.providers.ldapOrg", "callboard.builtin.organisations.ldap.provider:providers", "ldap"),
    Bundled("catalog.providers.microsoftGraphOrg", "callboard.builtin.organisations.graph.provider:providers"),
    Bundled("catalog.providers.scim", "callboard.builtin.organisations.scim:providers"),
    Bundled("integrations.git", "callboard.builtin.hosts.git.reading:hosts"),
    Bundled("integrations.awsS3", "callboard.builtin.hosts.objects.reading:s3", "objects"),
    Bundled("integrations.googleGcs", "callboard.builtin.hosts.objects.reading:gcs", "objects"),
    Bundled("integrations.azureBlobStorage", "callboard.builtin.hosts.objects.reading:azure", "objects"),
    Bundled("catalog.providers.awsS3", "callboard.builtin.hosts.objects.discovery:s3", "objects"),
    Bundled("catalog.providers.azureBlob", "callboard.builtin.hosts.objects.discovery:azure", "objects"),
    Bundled("integrations.azure", "callboard.builtin.hosts.azure_devops:code_hosts"),
    Bundled("catalog.providers.azureDevOps", "callboard.builtin.hosts.azure_devops:discovery"),
    Bundled("integrations.bitbucketCloud", "callboard.builtin.hosts.bitbucket_cloud:code_hosts"),
    Bundled("catalog.providers.bitbucketCloud", "callboard.builtin.hosts.bitbucket_cloud:discovery"),
    Bundled("integrations.bitbucketServer", "callboard.builtin.hosts.bitbucket_server:code_hosts"),
    Bundled("catalog.providers.bitbucketServer", "callboard.builtin.hosts.bitbucket_server:discovery"),
)


def bundled(settings: Settings) -> list[Bundled]:
    """The bundled sources that *settings* ask for."""
    sections: Mapping[str, Mapping[str, JsonValue]] = {
        "integrations": settings.integrations.raw,
        "catalog.providers": settings.catalog.providers,
        "catalog.processors": settings.catalog.processors,
    }
    return [source for source in _BUNDLED if _is_configured(source, sections)]


def _is_configured(source: Bundled, sections: Mapping[str, Mapping[str, JsonValue]]) -> bool:
    section, _, name = source.key.rpartition(".")
    return sections[section].get(name) is not None


def _made_by(source: Bundled, context: PluginContext) -> Sequence[object]:
    """The parts of a bundled source. Raises InvalidConfiguration for its settings, Unusable for what is missing."""
    module_name, _, name = source.use.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        if source.extra is None:
            raise
        raise Unusable(f"expected {error.name} to be installed: pip install 'callboard[{source.extra}]'") from error
    made: Sequence[object] = getattr(module, name)(context)
    return made
