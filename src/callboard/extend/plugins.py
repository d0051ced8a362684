"""Plugins: what code that the configuration names is told about its surroundings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from callboard.model.json import JsonValue


@dataclass(frozen=True, slots=True)
class PluginConfig:
    """The part of the configuration that belongs to plugins, as it was written."""

    providers: Mapping[str, JsonValue] = field(default_factory=dict)
    """`catalog.providers`, by name."""
    processors: Mapping[str, JsonValue] = field(default_factory=dict)
    """`catalog.processors`, by name."""


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What a class or a function that makes the parts of a plugin is called with."""

    config: PluginConfig = field(default_factory=PluginConfig)
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    """The `options` of the plugin's own entry in `callboard.plugins`."""
