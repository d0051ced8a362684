"""Distributions: which installed Python distribution brings a plugin."""

import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass

GROUP = "callboard"
"""The group of entry points that plugins are found by."""


@dataclass(frozen=True, slots=True, order=True)
class Distribution:
    """What pip has installed."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, order=True)
class EntryPoint:
    """A plugin that a distribution says it has."""

    name: str
    distribution: Distribution
    use: str
    """`module:object`, as `callboard.plugins` would name it."""


def entry_points() -> list[EntryPoint]:
    """The plugins of all that is installed, by name. Nothing of them is imported."""
    return sorted(_entry_points())


def _entry_points() -> Iterator[EntryPoint]:
    for found in importlib.metadata.entry_points(group=GROUP):
        if found.dist is not None:
            # Extras, `module:object [extra]`, are no part of what is imported.
            use = found.value.partition("[")[0].replace(" ", "")
            yield EntryPoint(found.name, Distribution(found.dist.name, found.dist.version), use)


def of_module(name: str) -> Distribution | None:
    """The distribution that the module *name* was installed with; None when it merely lies in a folder.

    Reads the lists of files of all distributions: for people who wait, not for a start.
    """
    found = importlib.metadata.packages_distributions().get(name.partition(".")[0], ())
    return next((Distribution(each, importlib.metadata.version(each)) for each in found), None)
