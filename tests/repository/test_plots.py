"""Plots of what the benchmarks measured."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import plot
from callboard.errors import InvalidInput
from callboard.model import json
from callboard.model.json import JsonObject

SVG = "{http://www.w3.org/2000/svg}"


def ingested(entities: int, seconds: float) -> JsonObject:
    """What a run through a provider leaves behind, as far as plots go."""
    cpu: JsonObject = {"provider": 0.0, "engine": seconds, "postgres": 0.0, "api": 5.0}
    return {"benchmark": "ingest", "via": "provider", "phases": [{"entities": entities, "cpu": cpu}]}


def saved(file: Path, *results: JsonObject) -> Path:
    """The file that holds *results*."""
    file.write_bytes(json.encode({"machine": {}, "results": [*results]}))
    return file


def test_what_an_entity_takes_is_drawn_at_its_size_and_the_least_of_two_runs_counts(tmp_path: Path) -> None:
    first = saved(tmp_path / "a.json", ingested(1_000, 1.0), ingested(10_000, 10.0))
    second = saved(tmp_path / "b.json", ingested(10_000, 5.0))

    (drawn,) = plot.write([first, second], tmp_path / "images")

    dots = [dot for dot in ET.parse(drawn).iter(f"{SVG}circle") if dot.get("r") == "3.5"]
    left, right = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in dots]
    assert left[0] < right[0]
    assert left[1] < right[1], "half a millisecond stands below a whole one"


def test_names_are_text_and_cannot_be_markup(tmp_path: Path) -> None:
    drawing = plot.draw("a < b", {"x & y": {1_000: 1.0}})

    texts = [text.text for text in ET.fromstring(drawing).iter(f"{SVG}text")]
    assert {"a < b", "x & y", "1,000"} <= set(texts)


def test_files_without_figures_to_draw_are_refused_by_name(tmp_path: Path) -> None:
    file = saved(tmp_path / "other.json", {"benchmark": "hot"})

    with pytest.raises(InvalidInput, match=r"other\.json"):
        plot.write([file], tmp_path / "images")
