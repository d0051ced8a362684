"""Plots: what the figures of several runs say about catalogs of different sizes, as SVG that is nothing but text."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from callboard.errors import InvalidInput

READS = ("by-name", "query-20", "query-text-3-fields", "by-refs-100", "facet-type-filtered")
"""Those in README's table and the search for a text, as far as the files have them."""

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 190, 44, 48
_COLOURS = ("#3b82c4", "#d9772b", "#3c9d5a", "#b65fc0", "#c94f5c", "#8a8a2c")
_STYLE = """text{font:13px sans-serif;fill:#333}.title{font-weight:bold}.grid{stroke:#8885;stroke-width:1}
.line{fill:none;stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#ddd}}"""

Points = Mapping[str, Mapping[int, float]]
"""By the name of the line: by number of entities, milliseconds of CPU. Both are more than nothing."""


def write(files: Sequence[Path], folder: Path) -> list[Path]:
    """Draw what *files* hold, as `--json` wrote them, into *folder*; returns what was drawn."""
    results = [result for file in files for result in json.loads(file.read_text(encoding="utf-8"))["results"]]
    drawings = {
        "ingest.svg": ("CPU to take an entity in, engine and PostgreSQL, ms", ingest_points(results)),
        "reads.svg": ("CPU of the API for a request, ms", read_points(results)),
    }
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, (title, points) in drawings.items():
        if points:
            (folder / name).write_text(draw(title, points), encoding="utf-8")
            written.append(folder / name)
    if not written:
        raise InvalidInput(f"no figures of ingest or query are in {', '.join(map(str, files))}")
    return written


def ingest_points(results: Iterable[Mapping[str, Any]]) -> Points:
    """What the first ingest of each run took for an entity; of several runs of one size the least."""
    found: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for result in results:
        if result["benchmark"] == "ingest":
            phase = result["phases"][0]
            used = sum(phase["cpu"][part] for part in ("provider", "engine", "postgres"))
            _least(found[f"via {result['via']}"], phase["entities"], used / phase["entities"] * 1_000)
    return found


def read_points(results: Iterable[Mapping[str, Any]]) -> Points:
    """What each of the reads took over one connection; of several runs of one size the least."""
    found: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for result in results:
        for reading in result["readings"] if result["benchmark"] == "query" else ():
            if reading["name"] in READS and reading["connections"] == 1 and reading["api_cpu_us"]:
                _least(found[reading["name"]], result["entities"], reading["api_cpu_us"] / 1_000)
    return found


def _least(line: dict[int, float], size: int, value: float) -> None:
    line[size] = min(value, line.get(size, value))


def draw(title: str, points: Points) -> str:
    """A plot with both axes in powers of ten; what costs the same at any size is a level line."""
    across = _Axis.over([size for line in points.values() for size in line], _LEFT, _WIDTH - _RIGHT)
    up = _Axis.over([value for line in points.values() for value in line.values()], _HEIGHT - _BOTTOM, _TOP)
    parts = [f'<text class="title" x="{_LEFT}" y="24">{escape(title)}</text>']
    for tick in across.ticks():
        x = f"{across.place(tick):.1f}"
        parts.append(f'<path class="grid" d="M{x} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        parts.append(f'<text x="{x}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{tick:,.0f}</text>')
    for tick in up.ticks():
        y = up.place(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">entities in the catalog</text>')
    for number, (name, line) in enumerate(points.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        dots = [(across.place(size), up.place(value)) for size, value in sorted(line.items())]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in dots)
        parts.append(f'<path class="line" stroke="{colour}" d="M{path}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in dots]
        below = _TOP + 14 + 20 * number
        parts.append(f'<circle cx="{_WIDTH - _RIGHT + 18}" cy="{below - 4}" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{_WIDTH - _RIGHT + 28}" y="{below}">{escape(name)}</text>')
    body = "\n".join(parts)
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    label = f'role="img" aria-label="{escape(title)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {label}>\n<style>{_STYLE}</style>\n{body}\n</svg>\n'


class _Axis:
    """Whole powers of ten, from one place to another."""

    def __init__(self, low: int, high: int, start: float, end: float) -> None:
        self._low, self._high, self._start, self._end = low, high, start, end

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> "_Axis":
        """An axis that has room for all *values*."""
        low = math.floor(math.log10(min(values)))
        return cls(low, max(low + 1, math.ceil(math.log10(max(values)))), start, end)

    def ticks(self) -> list[float]:
        """The powers of ten."""
        return [10.0**power for power in range(self._low, self._high + 1)]

    def place(self, value: float) -> float:
        """Where *value* stands."""
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)
