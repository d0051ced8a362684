"""Plugins: the objects that are installed or that `callboard.plugins` names, found and sorted by what they can do."""

import copy
import difflib
import functools
import importlib
import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from callboard import __version__, distributions
from callboard.distributions import Distribution, EntryPoint
from callboard.errors import InvalidConfiguration
from callboard.extend import (
    CodeHost,
    EntityProvider,
    IncrementalEntityProvider,
    Outside,
    Plugin,
    PluginConfig,
    PluginContext,
    Policy,
    Processor,
    Reader,
    SinkKind,
)
from callboard.extend.outside import nowhere
from callboard.model.json import JsonValue
from callboard.settings import PluginSetting, Settings

_KEY = "callboard.plugins"
_PARTS = (
    "a provider, an incremental provider, a processor, a policy, a reader, a code host, a kind of sinks or a Plugin"
)
_EXPECTED = f"{_PARTS}, or a class or function that makes one or a list of them from a PluginContext"
_PROVIDER_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]{0,61}[A-Za-z0-9])?")


@dataclass(slots=True)
class Parts:
    """What plugins consist of, by what it can do."""

    providers: list[EntityProvider] = field(default_factory=list)
    incremental: list[IncrementalEntityProvider] = field(default_factory=list)
    processors: list[Processor] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    readers: list[Reader] = field(default_factory=list)
    code_hosts: list[CodeHost] = field(default_factory=list)
    sinks: list[SinkKind] = field(default_factory=list)
    reacting: list[Plugin] = field(default_factory=list)
    """Those with handlers of events."""

    def join(self, others: "Parts") -> None:
        """Take the *others* in, behind those that are there."""
        self.providers += others.providers
        self.incremental += others.incremental
        self.processors += others.processors
        self.policies += others.policies
        self.readers += others.readers
        self.code_hosts += others.code_hosts
        self.sinks += others.sinks
        self.reacting += others.reacting


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
    names = _Names(set(taken), set(sink_types), set())
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
                _add(loaded.parts, names, part)
        except InvalidConfiguration as problem:
            loaded.problem = problem
        except _Unusable as reason:
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

    def refused(self, reason: "_Unusable") -> InvalidConfiguration:
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
    wanted = _Wanted(loaded=loaded, place=place, options=setting.options, parts=functools.partial(_parts, loaded.use))
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
        parts=functools.partial(_parts, point.use),
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
    """The parts of a bundled source. Raises InvalidConfiguration for its settings, _Unusable for what is missing."""
    module_name, _, name = source.use.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        if source.extra is None:
            raise
        raise _Unusable(f"expected {error.name} to be installed: pip install 'callboard[{source.extra}]'") from error
    made: Sequence[object] = getattr(module, name)(context)
    return made


@dataclass(frozen=True, slots=True)
class _Names:
    """What is taken."""

    providers: set[str]
    sinks: set[str]
    plugins: set[str]


class _Unusable(Exception):
    """What is wrong with a plugin, in words that begin after its key."""


def _parts(use: str, context: PluginContext) -> Sequence[object]:
    found = _object(use)
    if _is_part(found):
        return [found]
    if not callable(found):
        raise _Unusable(f"expected {use} to be {_EXPECTED}, got {_shown(found)}")
    made = _made(use, found, context)
    parts = list(made) if isinstance(made, list | tuple) else [made]
    for part in parts:
        if not _is_part(part):
            raise _Unusable(f"expected {use} to make {_PARTS}, or a list of them, got {_shown(part)}")
    return parts


def _object(name: str) -> object:
    module_name, _, path = name.partition(":")
    try:
        found: object = importlib.import_module(module_name)
    except Exception as error:
        raise _Unusable(f"expected a module {module_name} that can be imported, got {_told(error)}") from error
    for part in path.split("."):
        if not hasattr(found, part):
            similar = difflib.get_close_matches(part, dir(found), n=1)
            hint = f" (did you mean {similar[0]}?)" if similar else ""
            raise _Unusable(f"expected an object {path} in the module {module_name}, found no {part}{hint}")
        found = getattr(found, part)
    return found


def _made(name: str, maker: Callable[..., object], context: PluginContext) -> object:
    try:
        return maker(*_arguments(maker, context))
    except Exception as error:
        raise _Unusable(f"expected {name} to make {_PARTS}, got {_told(error)}") from error


def _arguments(maker: Callable[..., object], context: PluginContext) -> Iterator[PluginContext]:
    """The context, unless the *maker* takes nothing at all: many a processor needs no settings."""
    if inspect.signature(maker).parameters:
        yield context


def _is_part(candidate: object) -> bool:
    if isinstance(candidate, type):
        return False
    if isinstance(candidate, Processor | IncrementalEntityProvider | Plugin):
        return True
    kinds = (_is_provider, _is_policy, _is_sink_kind, _is_code_host, _is_reader)
    return any(is_kind(candidate) for is_kind in kinds)


def _is_provider(candidate: object) -> TypeGuard[EntityProvider]:
    return callable(getattr(candidate, "connect", None))


def _is_code_host(candidate: object) -> TypeGuard[CodeHost]:
    return callable(getattr(candidate, "covers", None)) and callable(getattr(candidate, "read", None))


def _is_reader(candidate: object) -> TypeGuard[Reader]:
    reads = all(callable(getattr(candidate, method, None)) for method in ("read", "expand", "resolve", "contains"))
    return reads and isinstance(getattr(candidate, "type", None), str)


def _is_policy(candidate: object) -> TypeGuard[Policy]:
    return callable(getattr(candidate, "enforce", None))


def _is_sink_kind(candidate: object) -> TypeGuard[SinkKind]:
    makes_sinks = all(callable(getattr(candidate, method, None)) for method in ("check", "open"))
    return makes_sinks and isinstance(getattr(candidate, "type", None), str)


def _add(parts: Parts, names: _Names, part: object) -> None:
    # What makes sinks is known by the type of these.
    wanted = "type" if _is_sink_kind(part) or (_is_reader(part) and not _is_code_host(part)) else "name"
    name = getattr(part, wanted, None)
    if not isinstance(name, str) or not name:
        raise _Unusable(f"expected {_shown(part)} to have a text as its {wanted}, got {name!r}")
    if isinstance(part, Processor):
        parts.processors.append(part)
    elif isinstance(part, IncrementalEntityProvider):
        _take_provider(names, name)
        parts.incremental.append(part)
    elif isinstance(part, Plugin):
        _take(names.plugins, name, "a plugin with a name")
        parts.reacting.append(part)
    elif _is_provider(part):
        _take_provider(names, name)
        parts.providers.append(part)
    elif _is_policy(part):
        parts.policies.append(part)
    elif _is_code_host(part):
        parts.code_hosts.append(part)
    elif _is_reader(part):
        parts.readers.append(part)
    elif _is_sink_kind(part):
        options = getattr(part, "options", None)
        if isinstance(options, str) or not isinstance(options, Sequence):
            raise _Unusable(f"expected {_shown(part)} to have a list of texts as its options, got {options!r}")
        _take(names.sinks, name, "a kind of sinks with a type")
        parts.sinks.append(part)


def _take_provider(names: _Names, name: str) -> None:
    if not _PROVIDER_NAME.fullmatch(name):
        raise _Unusable(
            "expected the name of a provider to be of letters, digits, dots, colons, underscores and hyphens,"
            f" at most 63, got {name!r}"
        )
    _take(names.providers, name, "a provider with a name")


def _take(taken: set[str], name: str, what: str) -> None:
    if name in taken:
        raise _Unusable(f"expected {what} of its own, and there is another one called {name!r}")
    taken.add(name)


def _shown(value: object) -> str:
    return f"an object of type {type(value).__qualname__}"


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
