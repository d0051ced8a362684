"""Figures as people and programs read them: tables on the terminal, JSON in a file."""

import dataclasses
import json
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import callboard

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


def save(path: Path, results: Sequence[Any]) -> None:
    """Write *results* (dataclasses) as JSON, with the machine that they were taken on."""
    written = [{"benchmark": type(result).__name__.lower(), **dataclasses.asdict(result)} for result in results]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), "results": written}, indent=2) + "\n", encoding="utf-8")


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which *share* of the values are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
