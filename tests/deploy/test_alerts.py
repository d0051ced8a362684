"""The alerts, as Prometheus itself reads them: each fires when it should, and not otherwise."""

import subprocess

import pytest
import yaml

from tests.deploy.promtools import tool
from tests.repository.tracked import ROOT

ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
TRIALS = ROOT / "deploy/prometheus/alerts-test.yaml"


@pytest.mark.parametrize(("what", "file"), [("check", ALERTS), ("test", TRIALS)], ids=["check", "test"])
def test_prometheus_takes_the_alerts_and_what_is_said_of_them_is_true(what: str, file: object) -> None:
    said = subprocess.run([tool("promtool"), what, "rules", str(file)], capture_output=True, text=True, check=False)

    assert said.returncode == 0, said.stdout + said.stderr


def test_each_alert_is_tried_where_it_fires_and_where_it_does_not() -> None:
    rules = [rule["alert"] for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]]

    fires: dict[str, set[bool]] = {}
    for trial in yaml.safe_load(TRIALS.read_text("utf-8"))["tests"]:
        for expected in trial["alert_rule_test"]:
            tried = fires.setdefault(expected["alertname"], set())
            # Where it fires for some of the series, it does not for the others.
            tried |= {bool(expected["exp_alerts"]), len(expected["exp_alerts"]) == len(trial["input_series"])}

    assert fires == {alert: {True, False} for alert in rules}
