"""The Helm chart: what it renders is what Kubernetes takes, and its page tells every value."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate
import pytest
import yaml

import callboard
from tests.repository.tracked import ROOT

CHART = ROOT / "deploy/helm/callboard"
HELM = Path(sys.executable).parent / "helm"
KUBERNETES = "1.34"
NOT_OF_KUBERNETES = {"HTTPRoute", "ServiceMonitor"}

needs_helm = pytest.mark.skipif(
    not HELM.exists() and not os.environ.get("CALLBOARD_REQUIRE_HELM"), reason="scripts/helm puts it there"
)


def values(name: str = "../values.yaml") -> dict[str, Any]:
    """A file of values."""
    found: dict[str, Any] = yaml.safe_load((CHART / "ci" / name).read_text("utf-8"))
    return found


def leaves(tree: dict[str, Any], path: str = "") -> Iterator[str]:
    """The names of all values that the page has to tell of."""
    for key, value in tree.items():
        name = f"{path}{key}"
        if isinstance(value, dict) and value and key not in ("resources", "podSecurityContext", "securityContext"):
            yield from leaves(value, f"{name}.")
        else:
            yield name


def rendered(*flags: str) -> list[dict[str, Any]]:
    """What the chart makes of the flags."""
    said = subprocess.run([HELM, "template", "catalog", CHART, *flags], capture_output=True, text=True, check=True)
    return [document for document in yaml.safe_load_all(said.stdout) if document]


def pods(documents: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for document in documents:
        if document["kind"] in ("Deployment", "Job"):
            yield document["spec"]["template"]["spec"]


def test_the_page_tells_every_value_and_no_other() -> None:
    told = re.findall(r"^\| `([\w.]+)` \|", (CHART / "README.md").read_text("utf-8"), re.MULTILINE)

    assert told == list(leaves(values()))


def test_the_chart_is_of_the_version_that_it_runs() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))

    assert chart["appVersion"] == callboard.__version__


@pytest.mark.parametrize("name", ["../values.yaml", "least.yaml", "everything.yaml"])
def test_the_schema_takes_what_it_should(name: str) -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text("utf-8"))

    jsonschema_rs.validator_for(schema).validate(values(name))


@pytest.mark.parametrize(
    "wrong", [{"replicas": 3}, {"api": {"replicas": "many"}}, {"database": {"url": "mysql://db"}}, {"logFormat": "xml"}]
)
def test_the_schema_refuses_unknown_values_and_wrong_ones(wrong: dict[str, Any]) -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text("utf-8"))

    assert not jsonschema_rs.validator_for(schema).is_valid(wrong)


@needs_helm
@pytest.mark.parametrize("name", ["../values.yaml", "least.yaml", "everything.yaml"])
def test_the_linter_of_helm_has_nothing_to_warn_of(name: str) -> None:
    command: list[str | Path] = [HELM, "lint", "--strict", CHART, "--values", CHART / "ci" / name]

    said = subprocess.run(command, capture_output=True, text=True, check=False)

    assert said.returncode == 0, said.stdout


@needs_helm
@pytest.mark.slow
@pytest.mark.parametrize("name", ["least.yaml", "everything.yaml"])
def test_kubernetes_takes_what_is_rendered(name: str) -> None:
    documents = rendered("--values", str(CHART / "ci" / name))

    for document in documents:
        if document["kind"] not in NOT_OF_KUBERNETES:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
    kinds = {document["kind"] for document in documents}
    assert {"Deployment", "Job", "ConfigMap", "Service", "PodDisruptionBudget"} <= kinds
    assert name == "least.yaml" or kinds >= {"Ingress", "NetworkPolicy", "HorizontalPodAutoscaler", *NOT_OF_KUBERNETES}


@needs_helm
@pytest.mark.slow
@pytest.mark.parametrize("name", ["least.yaml", "everything.yaml"])
def test_every_pod_is_restricted_and_writes_to_tmp_alone(name: str) -> None:
    found = list(pods(rendered("--values", str(CHART / "ci" / name))))

    assert len(found) == 3
    for pod in found:
        [container] = pod["containers"]
        own = container["securityContext"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert own == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
        assert writable == ["/tmp"]
        assert pod["automountServiceAccountToken"] is False


@needs_helm
@pytest.mark.slow
def test_every_process_that_runs_on_is_asked_whether_it_lives_and_works_on_a_port_that_it_serves() -> None:
    deployments = [
        each
        for each in rendered("--values", str(CHART / "ci/least.yaml"), "--set", "engine.metricsPort=9500")
        if each["kind"] == "Deployment"
    ]

    [api], [engine] = (each["spec"]["template"]["spec"]["containers"] for each in deployments)
    assert (api["ports"], engine["ports"]) == (
        [{"name": "http", "containerPort": 7007}],
        [{"name": "metrics", "containerPort": 9500}],
    )
    assert {"--host=0.0.0.0", "--metrics-port=9500"} <= set(engine["args"])
    for container in (api, engine):
        for probe in ("readiness", "liveness"):
            asked = container[f"{probe}Probe"]["httpGet"]
            assert asked == {"path": f"/.backstage/health/v1/{probe}", "port": container["ports"][0]["name"]}


@needs_helm
@pytest.mark.slow
def test_prometheus_finds_every_process_and_is_let_in() -> None:
    documents = rendered("--values", str(CHART / "ci/everything.yaml"))

    [monitor] = [each["spec"] for each in documents if each["kind"] == "ServiceMonitor"]
    [let_in] = [each["spec"]["ingress"][0] for each in documents if each["kind"] == "NetworkPolicy"]
    found = set()
    for service in (each for each in documents if each["kind"] == "Service"):
        assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert monitor["jobLabel"] in service["metadata"]["labels"]
        for pod in (each["spec"]["template"] for each in documents if each["kind"] == "Deployment"):
            if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items():
                [container], [port] = pod["spec"]["containers"], service["spec"]["ports"]
                [own] = [each for each in container["ports"] if each["name"] == port["targetPort"]]
                found.add((container["name"], port["name"], own["containerPort"]))
    assert found == {("api", "http", 7007), ("engine", "metrics", 9464)}
    assert {(each["port"], each["path"]) for each in monitor["endpoints"]} == {
        ("http", "/metrics"),
        ("metrics", "/metrics"),
    }
    assert {each["port"] for each in let_in["ports"]} == {7007, 9464}


@needs_helm
@pytest.mark.slow
def test_the_configuration_is_what_was_said_and_another_one_starts_pods_anew() -> None:
    flags = ("--values", str(CHART / "ci/everything.yaml"))
    first, other = rendered(*flags), rendered(*flags, "--set", "config.catalog.orphanStrategy=delete")

    [config] = [each for each in first if each["kind"] == "ConfigMap"]
    marks = [
        {
            each["spec"]["template"]["metadata"]["annotations"]["callboard/config"]
            for each in documents
            if each["kind"] == "Deployment"
        }
        for documents in (first, other)
    ]
    assert yaml.safe_load(config["data"]["app-config.yaml"]) == values("everything.yaml")["config"]
    assert len(marks[0]) == 1
    assert not marks[0] & marks[1]


@needs_helm
@pytest.mark.slow
def test_without_a_database_it_says_what_to_set() -> None:
    refused = subprocess.run([HELM, "template", "catalog", CHART], capture_output=True, text=True, check=False)

    assert refused.returncode == 1
    assert "set database.existingSecret to the name of a Secret" in refused.stderr
