"""The dashboard and the alerts name metrics that there are, with labels that they have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana/callboard.json").read_text("utf-8"))
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text("utf-8"))
PAGE = (ROOT / "docs/reference/metrics.md").read_text("utf-8")

_ROW = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \|(.*?)\| ", re.MULTILINE)
_NAME = re.compile(r"\b(?:callboard|catalog|http_server)_\w+")
_SELECTOR = re.compile(r"\b((?:callboard|catalog|http_server)_\w+)\{([^}]*)\}")
_ADDED = {"job", "instance", "le"}
"""Labels that Prometheus adds."""


def exposed() -> dict[str, set[str]]:
    """The labels of each sample. The page is compared with the code by test_metrics_reference."""
    found: dict[str, set[str]] = {}
    for name, kind, labels in _ROW.findall(PAGE):
        has = set(re.findall(r"`(\w+)`(?=[:,;]| *$)", labels)) | _ADDED
        for suffix in ("_bucket", "_count", "_sum") if kind == "histogram" else ("",):
            found[name + suffix] = has
    return found


def panels() -> list[Any]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    yield from (rule["expr"] for group in ALERTS["groups"] for rule in group["rules"])


def test_every_metric_that_is_named_is_exposed() -> None:
    named = {name for expression in expressions() for name in _NAME.findall(expression)}

    assert named
    assert named - set(exposed()) == set()


def test_every_metric_that_is_exposed_is_on_the_dashboard() -> None:
    shown = {name for panel in panels() for target in panel["targets"] for name in _NAME.findall(target["expr"])}

    samples = {
        name: {name + suffix for suffix in ("", "_bucket", "_sum", "_count")} for name, _, _ in _ROW.findall(PAGE)
    }

    assert {name for name, possible in samples.items() if not possible & shown} == set()


def test_every_label_that_is_asked_for_is_one_of_the_metric() -> None:
    labels = exposed()

    for expression in expressions():
        for name, selector in _SELECTOR.findall(expression):
            assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) <= labels[name], expression


def test_every_panel_asks_the_data_source_of_the_dashboard_and_lies_beside_the_others() -> None:
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels())
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]}
    assert len(places) == len(DASHBOARD["panels"]) == len({panel["id"] for panel in DASHBOARD["panels"]})


def test_every_alert_is_explained_on_the_page() -> None:
    page = (ROOT / "docs/howto/observe.md").read_text("utf-8")

    alerts = [rule["alert"] for group in ALERTS["groups"] for rule in group["rules"]]

    assert re.findall(r"^\| `(Callboard\w+)` \|", page, re.MULTILINE) == alerts
