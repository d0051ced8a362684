"""Parts: what plugins consist of, told apart by what it can do."""

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from callboard.extend import (
    CodeHost,
    EntityProvider,
    IncrementalEntityProvider,
    Plugin,
    PluginContext,
    Policy,
    Processor,
    Reader,
    SinkKind,
)
from callboard.extend.processors import Resolver
from callboard.extend.providers import NAME

_PARTS = (
    "a provider, an incremental provider, a processor, a policy, a resolver of placeholders, a reader, a code host,"
    " a kind of sinks or a Plugin"
)
_EXPECTED = f"{_PARTS}, or a class or function that makes one or a list of them from a PluginContext"


@dataclass(slots=True)
class Parts:
    """What plugins consist of, by what it can do."""

    providers: list[EntityProvider] = field(default_factory=list)
    incremental: list[IncrementalEntityProvider] = field(default_factory=list)
    processors: list[Processor] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    resolvers: list[Resolver] = field(default_factory=list)
    """Of placeholders."""
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
        self.resolvers += others.resolvers
        self.readers += others.readers
        self.code_hosts += others.code_hosts
        self.sinks += others.sinks
        self.reacting += others.reacting


@dataclass(frozen=True, slots=True)
class Taken:
    """Names that are taken, by what they are the names of."""

    providers: set[str]
    sinks: set[str]
    plugins: set[str] = field(default_factory=set)
    readers: set[str] = field(default_factory=lambda: {"file", "url"})
    """Those that are there without any plugin are taken from the beginning."""
    resolvers: set[str] = field(default_factory=lambda: {"text", "json", "yaml", "openapi", "asyncapi"})


class Unusable(Exception):
    """What is wrong with a plugin, in words that begin after its key."""


def made_by(use: str, context: PluginContext) -> Sequence[object]:
    """The parts that the object *use*, a `module:object`, is or makes. Raises Unusable."""
    found = _object(use)
    if _is_part(found):
        return [found]
    if not callable(found):
        raise Unusable(f"expected {use} to be {_EXPECTED}, got {_shown(found)}")
    made = _made(use, found, context)
    parts = list(made) if isinstance(made, list | tuple) else [made]
    for part in parts:
        if not _is_part(part):
            raise Unusable(f"expected {use} to make {_PARTS}, or a list of them, got {_shown(part)}")
    return parts


def _object(name: str) -> object:
    module_name, _, path = name.partition(":")
    try:
        found: object = importlib.import_module(module_name)
    except Exception as error:
        raise Unusable(f"expected a module {module_name} that can be imported, got {_told(error)}") from error
    for part in path.split("."):
        if not hasattr(found, part):
            similar = difflib.get_close_matches(part, dir(found), n=1)
            hint = f" (did you mean {similar[0]}?)" if similar else ""
            raise Unusable(f"expected an object {path} in the module {module_name}, found no {part}{hint}")
        found = getattr(found, part)
    return found


def _made(name: str, maker: Callable[..., object], context: PluginContext) -> object:
    try:
        return maker(*_arguments(maker, context))
    except Exception as error:
        raise Unusable(f"expected {name} to make {_PARTS}, got {_told(error)}") from error


def _arguments(maker: Callable[..., object], context: PluginContext) -> Iterator[PluginContext]:
    """The context, unless the *maker* takes nothing at all: many a processor needs no settings."""
    if inspect.signature(maker).parameters:
        yield context


def _is_part(candidate: object) -> bool:
    if isinstance(candidate, type):
        return False
    if isinstance(candidate, Processor | IncrementalEntityProvider | Plugin):
        return True
    kinds = (_is_provider, _is_policy, _is_sink_kind, _is_code_host, _is_reader, _is_resolver)
    return any(is_kind(candidate) for is_kind in kinds)


def _is_provider(candidate: object) -> TypeGuard[EntityProvider]:
    return callable(getattr(candidate, "connect", None))


def _is_code_host(candidate: object) -> TypeGuard[CodeHost]:
    return callable(getattr(candidate, "covers", None)) and callable(getattr(candidate, "read", None))


def _is_reader(candidate: object) -> TypeGuard[Reader]:
    reads = all(callable(getattr(candidate, method, None)) for method in ("read", "expand", "resolve", "contains"))
    return reads and isinstance(getattr(candidate, "type", None), str)


def _is_resolver(candidate: object) -> TypeGuard[Resolver]:
    answers = any(callable(getattr(candidate, method, None)) for method in ("resolve", "follow"))
    return answers and isinstance(getattr(candidate, "key", None), str)


def _is_policy(candidate: object) -> TypeGuard[Policy]:
    return callable(getattr(candidate, "enforce", None))


def _is_sink_kind(candidate: object) -> TypeGuard[SinkKind]:
    makes_sinks = all(callable(getattr(candidate, method, None)) for method in ("check", "open"))
    return makes_sinks and isinstance(getattr(candidate, "type", None), str)


def add(parts: Parts, taken: Taken, part: object) -> None:
    """Put *part* where it belongs, under a name that is not *taken* yet. Raises Unusable."""
    name = getattr(part, wanted := _naming(part), None)
    if not isinstance(name, str) or not name:
        raise Unusable(f"expected {_shown(part)} to have a text as its {wanted}, got {name!r}")
    if isinstance(part, Processor):
        parts.processors.append(part)
    elif isinstance(part, IncrementalEntityProvider):
        _take_provider(taken, name)
        parts.incremental.append(part)
    elif isinstance(part, Plugin):
        _take(taken.plugins, name, "a plugin with a name")
        parts.reacting.append(part)
    elif _is_provider(part):
        _take_provider(taken, name)
        parts.providers.append(part)
    elif _is_policy(part):
        parts.policies.append(part)
    elif _is_code_host(part):
        parts.code_hosts.append(part)
    elif _is_resolver(part):
        _take(taken.resolvers, name, "a resolver with a key")
        parts.resolvers.append(part)
    elif _is_reader(part):
        _take(taken.readers, name, "a reader with a type")
        parts.readers.append(part)
    elif _is_sink_kind(part):
        options = getattr(part, "options", None)
        if isinstance(options, str) or not isinstance(options, Sequence):
            raise Unusable(f"expected {_shown(part)} to have a list of texts as its options, got {options!r}")
        _take(taken.sinks, name, "a kind of sinks with a type")
        parts.sinks.append(part)


def _naming(part: object) -> str:
    """What holds the name of *part*."""
    if isinstance(part, Processor | IncrementalEntityProvider | Plugin) or _is_provider(part) or _is_policy(part):
        return "name"
    if _is_resolver(part):
        return "key"
    # What makes sinks is known by the type of these.
    return "type" if _is_sink_kind(part) or (_is_reader(part) and not _is_code_host(part)) else "name"


def _take_provider(taken: Taken, name: str) -> None:
    if not NAME.fullmatch(name):
        raise Unusable(
            "expected the name of a provider to be of letters, digits, dots, colons, underscores and hyphens,"
            f" at most 63, got {name!r}"
        )
    _take(taken.providers, name, "a provider with a name")


def _take(taken: set[str], name: str, what: str) -> None:
    if name in taken:
        raise Unusable(f"expected {what} of its own, and there is another one called {name!r}")
    taken.add(name)


def _shown(value: object) -> str:
    return f"an object of type {type(value).__qualname__}"


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
