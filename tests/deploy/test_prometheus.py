"""Prometheus looks at a Callboard at work: whatever the dashboard and the alerts ask for is there."""

import contextlib
import json
import math
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.launch import free_port
from benchmarks.programs import Program, running
from callboard.model.json import JsonObject
from tests.conftest import Lend
from tests.deploy.promtools import tool
from tests.flows import stories
from tests.flows.delivered import subscribe
from tests.flows.receiver import webhook_receiver
from tests.flows.started import Server, started
from tests.flows.stories import Story
from tests.harness import component
from tests.repository.tracked import ROOT

pytestmark = pytest.mark.slow

DASHBOARD = json.loads((ROOT / "deploy/grafana/callboard.json").read_text("utf-8"))
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text("utf-8"))

SCRAPES = int(os.environ.get("CALLBOARD_SCRAPES", "4"))
"""For so many seconds it looks, once in each."""

EMPTY = {
    "callboard_source_budget_remaining": "no host here tells of a budget",
    'callboard_subscription_lag{state="dead"}': "no subscription has died",
    'callboard_stream_readers_closed_total{reason="slow"}': "everybody reads",
    'http_server_request_duration_seconds_count{status=~"5.."}': "the server makes no mistakes",
}
"""What is asked for in vain where all is well, and why."""

_NAME = r"(?:callboard|catalog|http_server)_\w+"
_SELECTED = re.compile(rf"\b({_NAME})(?:\{{([^}}]*)\}})?")
_ANYTHING = re.compile(r'(?:job|instance)=~"\.\*"(?:, )?')
# Of an alert, what is compared: whether it fires is another question.
_COMPARED = re.compile(r" (?:==|>=|>) [\d.]+")

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
BUSY: JsonObject = {
    "catalog": {"providerOptions": {"cmdb": {"refuseEmpty": True}}},
    "callboard": {"subscriptions": {"allow": [{"host": "127.0.0.1:1-65535", "private": True}]}},
    "events": {"http": {"topics": ["gitlab"]}, "modules": {"gitlab": {"webhookSecret": "s3cret"}}},
}


def expressions() -> list[str]:
    """All that the dashboard and the alerts ask for, of all jobs and instances."""
    asked = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    for variable, value in {"$job": ".*", "$instance": ".*", "$__rate_interval": "15s"}.items():
        asked = [expression.replace(variable, value) for expression in asked]
    asked += [_COMPARED.sub("", rule["expr"]) for group in ALERTS["groups"] for rule in group["rules"]]
    return [_ANYTHING.sub("", expression).replace("{}", "") for expression in asked]


@pytest.fixture(scope="module")
def busy_server(lend_database: Lend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that a little of everything may happen to."""
    with lend_database() as url, started(tmp_path_factory.mktemp("server"), url, BUSY, engines=1) as server:
        yield server


@pytest.fixture
async def story(busy_server: Server) -> AsyncIterator[Story]:
    """A story in which somebody is told of all that happens, and somebody reads on and on."""
    with webhook_receiver() as receiver:
        async with stories.story(busy_server) as story:
            sink: JsonObject = {"type": "webhook", "url": receiver.url(), "secrets": [SECRET]}
            await subscribe(story, "hook", {"start": "now", "sink": sink})
            await story.http.put("/providers/cmdb/entities", json=[component("desk")])
            async with following(story):
                yield story
            (await story.http.delete("/subscriptions/hook")).raise_for_status()
            await story.clear()


@contextlib.asynccontextmanager
async def following(story: Story) -> AsyncIterator[None]:
    """Somebody reads the stream meanwhile."""
    async with story.http.stream("GET", "/events", headers={"accept": "text/event-stream"}) as answer:
        assert answer.status_code == 200
        yield


async def work(story: Story, turn: int) -> None:
    """Let a little of everything happen."""
    # One of them is not valid.
    entities = [component("printer", owner=f"team-{turn}"), component("scanner", lifecycle=turn)]
    answer = await story.http.put("/providers/ci/entities", json=entities, params={"wait": "settled"})
    answer.raise_for_status()
    refused = await story.http.put("/providers/cmdb/entities", json=[])
    unsigned = await story.http.post(f"{story.server.url}/api/events/http/gitlab", json={})
    assert (refused.status_code, unsigned.status_code) == (409, 403)
    async with following(story):
        pass
    (await story.http.get("/entities")).raise_for_status()


async def samples(story: Story) -> dict[str, list[dict[str, str]]]:
    """The labels of all samples that the server exposes, by name."""
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families((await story.http.get(f"{story.server.url}/metrics")).text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def unknown(exposed: dict[str, list[dict[str, str]]], expression: str) -> list[str]:
    """What an expression asks for and no sample has: a name, a label, a value of a label."""
    missing = []
    for name, selector in _SELECTED.findall(expression):
        wanted = re.findall(r'(\w+)=~?"([^"]*)"', selector)
        if not any(
            all(re.fullmatch(value, labels.get(label, "")) for label, value in wanted)
            for labels in exposed.get(name, [])
        ):
            missing.append(f"{name}{{{selector}}}" if selector else name)
    return missing


async def test_every_name_and_label_that_is_asked_for_is_exposed_by_a_server_at_work(story: Story) -> None:
    await work(story, 0)
    missing: set[str] = set()

    async def told() -> bool:
        # What the database is asked for is remembered for a moment.
        exposed = await samples(story)
        missing.clear()
        missing.update(each for expression in expressions() for each in unknown(exposed, expression))
        print(missing - set(EMPTY), flush=True)
        return missing <= set(EMPTY)

    # What is missing says more than that the time is up.
    with contextlib.suppress(AssertionError):
        await story.until(told, "the metrics to tell of all that has happened")
    assert missing <= set(EMPTY)


@contextlib.contextmanager
def prometheus(target: str, folder: Path) -> Iterator[str]:
    """A Prometheus that looks at *target* once a second, and evaluates the alerts: the URL of its API."""
    rules, port = ROOT / "deploy/prometheus/alerts.yaml", free_port()
    scraped = {"job_name": "callboard", "static_configs": [{"targets": [target]}]}
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration = {"global": every, "rule_files": [str(rules)], "scrape_configs": [scraped]}
    (folder / "prometheus.yml").write_text(json.dumps(configuration), "utf-8")
    command = [
        *(tool("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    url = f"http://127.0.0.1:{port}"

    def answers(_port: int) -> bool:
        try:
            return httpx2.get(f"{url}/-/ready").status_code == 200
        except httpx2.HTTPError:
            return False

    with contextlib.contextmanager(running)(Program(command, port, folder / "log", answers=answers)):
        yield f"{url}/api/v1"


async def ask(http: httpx2.AsyncClient, prometheus_url: str, expression: str) -> list[float]:
    """The values that Prometheus finds now."""
    answer = await http.get(f"{prometheus_url}/query", params={"query": expression})
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    found: list[Any] = answer.json()["data"]["result"]
    return [value for each in found if not math.isnan(value := float(each["value"][1]))]


async def test_prometheus_has_an_answer_to_every_expression_and_no_alert_of_what_is_well(
    story: Story, tmp_path: Path
) -> None:
    with prometheus(story.server.url.removeprefix("http://"), tmp_path) as url:
        turn = 0
        while (await ask(story.http, url, "count_over_time(callboard_database_up[1h])") or [0])[0] < SCRAPES:
            await work(story, turn := turn + 1)

        found = {expression: await ask(story.http, url, expression) for expression in expressions()}
        alerts = (await story.http.get(f"{url}/alerts")).json()["data"]["alerts"]

    empty = {expression for expression, values in found.items() if not values}
    assert len(found) > len(empty) > 0
    assert {expression for expression in empty if not any(reason in expression for reason in EMPTY)} == set()
    assert {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"} == set()
