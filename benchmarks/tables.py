"""Figures as people and programs read them: tables on the terminal, JSON in a file."""

import dataclasses
import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import callboard
from benchmarks import generate

Row = Sequence[str]


def show(console: Console, title: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Print a table: the first column is text, the others are figures."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", pad_edge=False, box=None)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print()


def machine() -> dict[str, Any]:
    """What the figures were taken on, as far as it matters for comparing them."""
    return {
        "callboard": callboard.__version__,
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


@dataclass(slots=True)
class Yardstick:
    """How fast the machine is: CPU microseconds to parse, write and hash an entity with the standard library.

    Whatever else it does slows every core down, by half and more. So this is taken in small samples while a benchmark
    runs, and a ratio to it still says something tomorrow.
    """

    samples: list[float] = field(default_factory=list)
    _entities: list[str] = field(default_factory=lambda: [json.dumps(entity) for entity in generate.entities(50)])

    def sample(self) -> None:
        """Take it: some milliseconds of work. The first of two rounds finds cold caches and does not count."""
        self.samples.append(min(self._round(), self._round()))

    @property
    def microseconds(self) -> float:
        """The median of the samples."""
        return statistics.median(self.samples)

    def _round(self) -> float:
        started = time.process_time()
        for entity in self._entities:
            hashlib.sha256(json.dumps(json.loads(entity), sort_keys=True).encode()).digest()
        return (time.process_time() - started) / len(self._entities) * 1e6


def save(path: Path, results: Sequence[Any], machine: Mapping[str, Any]) -> None:
    """Write *results* (dataclasses) as JSON, with the *machine* that they were taken on."""
    written = [{"benchmark": type(result).__name__.lower(), **dataclasses.asdict(result)} for result in results]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine, "results": written}, indent=2) + "\n", encoding="utf-8")


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which *share* of the values are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
