"""Plugins: what code that the configuration names is told about its surroundings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from callboard.extend.outside import Outside, nowhere
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
    outside: Outside = field(default_factory=nowhere)
    """What other systems are asked with. While a configuration is only checked, none of them can be reached."""
