"""The manifests with the component `store` switched on: answers go to PostgreSQL, and the monitor reads them there."""

import json
import shutil
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from ..conftest import Render, succeed
from .test_kubernetes import (
    CHECK,
    NEWEST,
    OLDEST,
    TOOLS,
    Object,
    kubernetes,
    misconfigurations,
    pods,
    rendered,
    restricted,
)

__all__ = ["kubernetes"]
STORE = {"secretKeyRef": {"name": "myproj-store", "key": "API_STORE"}}
DATABASE = {("TCP", 5432)}
NAMES = {("UDP", 53), ("TCP", 53)}


def switch_on(project: Path) -> Path:
    """Make of the line in each overlay what a person makes of it."""
    for path in project.glob("deploy/kubernetes/overlays/*/kustomization.yaml"):
        text = path.read_text("utf-8")
        assert text.count("\n# components: ") == 1
        path.write_text(text.replace("\n# components: ", "\ncomponents: "), encoding="utf-8")
    return project


@pytest.fixture(scope="module")
def recording(kubernetes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("recording") / "myproj"
    shutil.copytree(kubernetes, project)
    return switch_on(project)


@pytest.mark.parametrize("package", ["customer_churn", "null", "a" * 30])
def test_each_manifest_is_valid_under_any_name(render: Render, package: str) -> None:
    project = switch_on(render(package=package, deploy=["kubernetes"], ci="none"))
    for overlay in ("dev", "prod"):
        objects = rendered(project, overlay)
        for thing in objects:
            for version in (OLDEST, NEWEST):
                kubernetes_validate.validate(thing, version, strict=True)
        output = succeed(TOOLS / "python", "-c", CHECK, json.dumps(objects), cwd=project / "deploy" / "kubernetes")
        assert output == "\n"
        assert all(not list(restricted(template)) for template in pods(objects).values())


def test_it_changes_the_api_and_the_monitor_and_opens_one_way(kubernetes: Path, recording: Path) -> None:
    before, after = (
        {f"{thing['kind']}/{thing['metadata']['name']}": thing for thing in rendered(project, "prod")}
        for project in (kubernetes, recording)
    )
    changed = {name for name, thing in after.items() if thing != before.get(name)}
    assert changed == {"Deployment/myproj-api", "CronJob/myproj-monitor", "NetworkPolicy/myproj-store"}
    assert set(before) < set(after)


def test_the_address_of_the_store_comes_from_a_secret_without_which_no_pod_starts(recording: Path) -> None:
    templates = pods(rendered(recording, "prod"))
    for name in ("Deployment/myproj-api", "CronJob/myproj-monitor"):
        (container,) = templates[name]["spec"]["containers"]
        variables = {variable["name"]: variable for variable in container["env"]}
        assert variables["API_STORE"]["valueFrom"] == STORE
    assert "API_STORE" not in str(templates["CronJob/myproj-predict"])


def test_the_api_keeps_files_on_a_volume_that_is_large_enough(recording: Path) -> None:
    spec = pods(rendered(recording, "prod"))["Deployment/myproj-api"]["spec"]
    variables = {variable["name"]: variable.get("value") for variable in spec["containers"][0]["env"]}
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert variables["API_OUTBOX"].startswith(f"{mount['mountPath']}/")
    assert spec["volumes"] == [{"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}}]


def test_the_monitor_reads_the_store_and_needs_no_table(recording: Path) -> None:
    spec = pods(rendered(recording, "prod"))["CronJob/myproj-monitor"]["spec"]
    assert spec["containers"][0]["args"] == ["monitor"]
    assert [volume["name"] for volume in spec["volumes"]] == ["tmp"]
    assert [mount["name"] for mount in spec["containers"][0]["volumeMounts"]] == ["tmp"]


def egress_ports(objects: list[Object], labels: dict[str, str]) -> set[tuple[str, int]] | None:
    """Protocols and ports that the policies let a pod with `labels` call; None is all, where no policy minds."""
    allowed: set[tuple[str, int]] | None = None
    for spec in (item["spec"] for item in objects if item["kind"] == "NetworkPolicy"):
        selector = spec["podSelector"]
        selected = selector.get("matchLabels", {}).items() <= labels.items()
        selected &= all(labels.get(item["key"]) in item["values"] for item in selector.get("matchExpressions", ()))
        if selected and "Egress" in spec["policyTypes"]:
            ports = [port for rule in spec.get("egress", ()) for port in rule["ports"]]
            allowed = (allowed or set()) | {(port["protocol"], port["port"]) for port in ports}
    return allowed


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Deployment/myproj-api", DATABASE | NAMES),
        ("CronJob/myproj-monitor", DATABASE | NAMES),
        ("CronJob/myproj-predict", set()),
    ],
)
def test_only_who_needs_the_store_may_call_it(
    kubernetes: Path, recording: Path, name: str, expected: set[object]
) -> None:
    objects = rendered(recording, "prod")
    labels = pods(objects)[name]["metadata"]["labels"]
    assert egress_ports(objects, labels) == expected
    assert egress_ports(rendered(kubernetes, "prod"), labels) == set()


def test_trivy_finds_nothing_severe(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "prod.yaml").write_text(yaml.safe_dump_all(rendered(recording, "prod")), encoding="utf-8")
    assert {name for name, severity in misconfigurations(tmp_path) if severity != "LOW"} <= {"KSV-0125", "KSV-01010"}
