"""Plugins: the objects that `callboard.plugins` names, found and sorted by what they can do."""

import copy
import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

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
class Plugins:
    """What the plugins of an installation consist of, in the order of the configuration."""

    providers: list[EntityProvider] = field(default_factory=list)
    incremental: list[IncrementalEntityProvider] = field(default_factory=list)
    processors: list[Processor] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    readers: list[Reader] = field(default_factory=list)
    code_hosts: list[CodeHost] = field(default_factory=list)
    sinks: list[SinkKind] = field(default_factory=list)
    reacting: list[Plugin] = field(default_factory=list)
    """Those with handlers of events."""


def load(
    settings: Settings,
    *,
    outside: Outside | None = None,
    taken: Collection[str] = (),
    sink_types: Collection[str] = (),
) -> Plugins:
    """Import what the configuration names, and call what is to be called; bundled sources come first.

    Raises InvalidConfiguration, in one line, for what can't be used, and when a provider has a name that is *taken*, or
    a kind of sinks one of the *sink_types* that are there. Without the *outside*, nothing may be asked of the parts.
    """
    plugins, outside = Plugins(), outside or nowhere()
    names = _Names(set(taken), set(sink_types), set())
    config = PluginConfig(settings.catalog.providers, settings.catalog.processors, settings.integrations.raw)
    for source in bundled(settings):
        try:
            for part in _made_by(source, PluginContext(copy.deepcopy(config), {}, outside)):
                _add(plugins, names, part)
        except _Unusable as reason:
            raise InvalidConfiguration(f"{source.key}: {reason}") from reason.__cause__
    for index, setting in enumerate(settings.callboard.plugins):
        try:
            # What one plugin does to its settings is not the business of another.
            context = PluginContext(copy.deepcopy(config), copy.deepcopy(setting.options), outside)
            for part in _parts(setting, context):
                _add(plugins, names, part)
        except _Unusable as reason:
            raise InvalidConfiguration(f"{setting.at}: {_KEY}[{index}]: {reason}") from reason.__cause__
    return plugins


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
    Bundled("catalog.providers.ldapOrg", "callboard.builtin.organisations.ldap.provider:providers", "ldap"),
    Bundled("catalog.providers.microsoftGraphOrg", "callboard.builtin.organisations.graph.provider:providers"),
    Bundled("catalog.providers.scim", "callboard.builtin.organisations.scim:providers"),
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
    """The parts of a bundled source. Raises InvalidConfiguration, also when something is not installed."""
    module_name, _, name = source.use.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        if source.extra is None:
            raise
        raise InvalidConfiguration(
            f"{source.key}: expected {error.name} to be installed: pip install 'callboard[{source.extra}]'"
        ) from error
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


def _parts(setting: PluginSetting, context: PluginContext) -> Sequence[object]:
    found = _object(setting.use)
    if _is_part(found):
        return [found]
    if not callable(found):
        raise _Unusable(f"expected {setting.use} to be {_EXPECTED}, got {_shown(found)}")
    made = _made(setting.use, found, context)
    parts = list(made) if isinstance(made, list | tuple) else [made]
    for part in parts:
        if not _is_part(part):
            raise _Unusable(f"expected {setting.use} to make {_PARTS}, or a list of them, got {_shown(part)}")
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


def _add(plugins: Plugins, names: _Names, part: object) -> None:
    # What makes sinks is known by the type of these.
    wanted = "type" if _is_sink_kind(part) or (_is_reader(part) and not _is_code_host(part)) else "name"
    name = getattr(part, wanted, None)
    if not isinstance(name, str) or not name:
        raise _Unusable(f"expected {_shown(part)} to have a text as its {wanted}, got {name!r}")
    if isinstance(part, Processor):
        plugins.processors.append(part)
    elif isinstance(part, IncrementalEntityProvider):
        _take_provider(names, name)
        plugins.incremental.append(part)
    elif isinstance(part, Plugin):
        _take(names.plugins, name, "a plugin with a name")
        plugins.reacting.append(part)
    elif _is_provider(part):
        _take_provider(names, name)
        plugins.providers.append(part)
    elif _is_policy(part):
        plugins.policies.append(part)
    elif _is_code_host(part):
        plugins.code_hosts.append(part)
    elif _is_reader(part):
        plugins.readers.append(part)
    elif _is_sink_kind(part):
        options = getattr(part, "options", None)
        if isinstance(options, str) or not isinstance(options, Sequence):
            raise _Unusable(f"expected {_shown(part)} to have a list of texts as its options, got {options!r}")
        _take(names.sinks, name, "a kind of sinks with a type")
        plugins.sinks.append(part)


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
