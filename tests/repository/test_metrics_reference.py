"""The page about metrics lists those that there are."""

import re
from pathlib import Path

from callboard.metrics import Metrics

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/metrics.md"
GAUGES = [ROOT / "src/callboard/api/health.py", ROOT / "src/callboard/api/gauges.py"]


def test_each_metric_has_its_row_and_each_row_its_metric() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \| (?:counter|gauge|histogram) \|", PAGE.read_text("utf-8"), re.MULTILINE))

    kept = {metric.name + ("_total" if metric.type == "counter" else "") for metric in Metrics().registry.collect()}
    gathered = {
        name for file in GAUGES for name in re.findall(r'GaugeMetricFamily\(\s*"(\w+)"', file.read_text("utf-8"))
    }

    assert listed == kept | gathered
