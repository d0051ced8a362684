"""`callboard plugins`: what an installation is made of, and which distribution has brought it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from callboard.cli import options
from callboard.cli.tables import aligned
from callboard.model import json
from callboard.model.json import JsonObject, JsonValue

if TYPE_CHECKING:
    from callboard.distributions import Distribution
    from callboard.parts import Parts
    from callboard.plugins import Loaded, Plugins
    from callboard.processing.pipeline import Pipeline
    from callboard.settings import Settings

_HEADINGS = ("PLUGIN", "DISTRIBUTION", "NAMED IN", "BRINGS")


@click.command(
    epilog="""\b
Example:
  callboard plugins
  callboard plugins --config app-config.yaml
  callboard plugins --config app-config.yaml --json
"""
)
@click.option("--json", "as_json", is_flag=True, help="Tell it as JSON.")
@options.server_flags
def command(as_json: bool, **flags: Any) -> None:
    """List the plugins, and what an installation is made of, in the order in which it is asked.

    Plugins are loaded as a server would load them, but nothing is asked of them. The exit code is 1 when one can't be
    used.
    """
    from callboard import app

    settings = options.server_settings(**flags)
    found = app.surveyed_plugins(settings)
    made_of = _made_of(settings, found)
    if as_json:
        plugins: list[JsonValue] = [_told(loaded) for loaded in found.loaded]
        click.echo(json.encode({"plugins": plugins, **{each.word: each.told() for each in made_of}}))
    else:
        click.echo("\n".join(_shown(found, made_of)))
    problems = [loaded.problem for loaded in found.loaded if loaded.problem is not None]
    for problem in problems:
        click.secho(f"callboard: {problem}", fg="red", err=True)
    if problems:
        raise SystemExit(1)


@dataclass(frozen=True, slots=True)
class _Sort:
    """All parts of one sort, in their order."""

    word: str
    names: Sequence[str]
    disabled: frozenset[str] = frozenset()

    def told(self) -> list[JsonValue]:
        """As JSON."""
        return [{"name": name, "disabled": name in self.disabled} for name in self.names]

    def line(self) -> str:
        """For people."""
        marked = (f"{name} (disabled)" if name in self.disabled else name for name in self.names)
        word = "code hosts" if self.word == "codeHosts" else self.word
        return f"{word + ':':<12} {', '.join(marked) or 'none'}"


def _made_of(settings: "Settings", found: "Plugins") -> list[_Sort]:
    from callboard import app
    from callboard.builtin.placeholders import DEFAULT_RESOLVERS
    from callboard.clock import SystemClock
    from callboard.ingestion.locations import CONFIGURED, REGISTERED

    providers = [CONFIGURED, REGISTERED, *_names(found.providers), *_names(found.incremental)]
    options_of = settings.catalog.provider_options
    off = frozenset(name for name in providers if name in options_of and options_of[name].disabled)
    whole, real = _pipeline(_all_on(settings), found), _pipeline(settings, found)
    at_work = frozenset(processor.name for processor in real.processors)
    processors = [processor.name for processor in whole.processors]
    sinks = app.sink_kinds(settings, SystemClock(), found)
    return [
        _Sort("providers", providers, off),
        _Sort("processors", processors, frozenset(processors) - at_work),
        _Sort("policies", [policy.name for policy in (*real.policies, *real.last_policies)]),
        _Sort("resolvers", [f"${resolver.key}" for resolver in (*DEFAULT_RESOLVERS, *found.resolvers)]),
        _Sort("readers", list(real.readers)),
        _Sort("codeHosts", _names(found.code_hosts)),
        _Sort("sinks", list(sinks)),
        _Sort("handlers", _handlers(found)),
    ]


def _all_on(settings: "Settings") -> "Settings":
    """The same settings, with nothing disabled."""
    import dataclasses

    each = {name: dataclasses.replace(own, disabled=False) for name, own in settings.catalog.processor_options.items()}
    return settings.overridden({"catalog.processor_options": each, "catalog.disable_default_processors": False})


def _pipeline(settings: "Settings", found: "Plugins") -> "Pipeline":
    import httpx2

    from callboard import app
    from callboard.clock import SystemClock

    # Nothing is sent through it: a pipeline only has to be made.
    return app.build_pipeline(settings, httpx2.AsyncClient(), SystemClock(), found)


def _shown(found: "Plugins", made_of: Sequence[_Sort]) -> Iterator[str]:
    if found.loaded:
        yield from aligned(_HEADINGS, map(_cells, found.loaded), numbers=())
    else:
        yield "no plugins"
    yield ""
    yield from (each.line() for each in made_of)


def _cells(loaded: "Loaded") -> tuple[str, ...]:
    found = _distribution(loaded)
    return (
        loaded.name,
        "-" if found is None else str(found),
        loaded.at or "(installed)",
        _outcome(loaded),
    )


def _outcome(loaded: "Loaded") -> str:
    if loaded.disabled:
        return "disabled"
    if loaded.problem is not None:
        return "can't be used"
    return ", ".join(f"{one} {name}" for _, one, names in _brought(loaded.parts) for name in names) or "nothing"


def _distribution(loaded: "Loaded") -> "Distribution | None":
    from callboard import distributions

    return loaded.distribution or distributions.of_module(loaded.use.partition(":")[0])


def _told(loaded: "Loaded") -> JsonObject:
    found = _distribution(loaded)
    brings: JsonObject = {word: [*names] for word, _, names in _brought(loaded.parts) if names}
    return {
        "name": loaded.name,
        "use": loaded.use,
        "distribution": None if found is None else found.name,
        "version": None if found is None else found.version,
        "namedIn": loaded.at or None,
        "disabled": loaded.disabled,
        "problem": None if loaded.problem is None else str(loaded.problem),
        "brings": brings,
    }


def _brought(parts: "Parts") -> list[tuple[str, str, list[str]]]:
    """What a plugin brings: the word for a sort, that for one of it, and the names."""
    return [
        ("providers", "provider", _names(parts.providers)),
        ("incrementalProviders", "incremental provider", _names(parts.incremental)),
        ("processors", "processor", _names(parts.processors)),
        ("policies", "policy", _names(parts.policies)),
        ("resolvers", "resolver of placeholders", [f"${resolver.key}" for resolver in parts.resolvers]),
        ("readers", "reader", [reader.type for reader in parts.readers]),
        ("codeHosts", "code host", _names(parts.code_hosts)),
        ("sinks", "sink", [kind.type for kind in parts.sinks]),
        ("handlers", "handler", _handlers(parts)),
    ]


def _handlers(parts: "Parts") -> list[str]:
    return [f"{plugin.name}.{handler.name}" for plugin in parts.reacting for handler in plugin.handlers]


def _names(parts: Sequence[Any]) -> list[str]:
    return [part.name for part in parts]
