"""Plugins: what code that the configuration names is told about its surroundings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from callboard.extend.outside import Outside
from callboard.model.json import JsonValue


@dataclass(frozen=True, slots=True)
class PluginConfig:
    """The part of the configuration that belongs to plugins, as it was written."""

    providers: Mapping[str, JsonValue] = field(default_factory=dict)
    """`catalog.providers`, by name."""
    processors: Mapping[str, JsonValue] = field(default_factory=dict)
    """`catalog.processors`, by name."""
    integrations: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    """`integrations`, by system. They hold credentials."""


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What a class or a function that makes the parts of a plugin is called with."""

    config: PluginConfig = field(default_factory=PluginConfig)
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    """The `options` of the plugin's own entry in `callboard.plugins`."""
    outside: Outside | None = None
    """What other systems are asked with. None while a configuration is only checked: then a plugin makes its parts, and
    nothing is asked of them."""
