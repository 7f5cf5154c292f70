"""The manifests with the component `store` switched on: answers go to PostgreSQL, and the monitor reads them there."""

import json
import shutil
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from ..conftest import Render, succeed
from .test_kubernetes import CHECK, NEWEST, OLDEST, TOOLS, Object, findings, kubernetes, pods, rendered, restricted

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
        said = succeed(TOOLS / "python", "-c", CHECK, json.dumps(objects), cwd=project / "deploy" / "kubernetes")
        assert said == "\n"
        assert all(not list(restricted(template)) for template in pods(objects).values())


def test_it_changes_the_api_and_the_monitor_and_opens_one_way(kubernetes: Path, recording: Path) -> None:
    before, after = (
        {f"{one['kind']}/{one['metadata']['name']}": one for one in rendered(project, "prod")}
        for project in (kubernetes, recording)
    )
    changed = {name for name, one in after.items() if one != before.get(name)}
    assert changed == {"Deployment/myproj-api", "CronJob/myproj-monitor", "NetworkPolicy/myproj-store"}
    assert set(before) < set(after)


def test_the_address_of_the_store_comes_from_a_secret_without_which_no_pod_starts(recording: Path) -> None:
    found = pods(rendered(recording, "prod"))
    for name in ("Deployment/myproj-api", "CronJob/myproj-monitor"):
        (container,) = found[name]["spec"]["containers"]
        variables = {one["name"]: one for one in container["env"]}
        assert variables["API_STORE"]["valueFrom"] == STORE
    assert "API_STORE" not in str(found["CronJob/myproj-predict"])


def test_the_api_keeps_files_on_a_volume_that_is_large_enough(recording: Path) -> None:
    spec = pods(rendered(recording, "prod"))["Deployment/myproj-api"]["spec"]
    variables = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert variables["API_SPILL"].startswith(f"{mount['mountPath']}/")
    assert spec["volumes"] == [{"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}}]


def test_the_monitor_reads_the_store_and_needs_no_table(recording: Path) -> None:
    spec = pods(rendered(recording, "prod"))["CronJob/myproj-monitor"]["spec"]
    assert spec["containers"][0]["args"] == ["monitor"]
    assert [volume["name"] for volume in spec["volumes"]] == ["tmp"]
    assert [mount["name"] for mount in spec["containers"][0]["volumeMounts"]] == ["tmp"]


def ways_out(objects: list[Object], labels: dict[str, str]) -> set[tuple[str, int]] | None:
    """Protocols and ports that the policies let a pod with `labels` call; None is all, where no policy minds."""
    found: set[tuple[str, int]] | None = None
    for spec in (one["spec"] for one in objects if one["kind"] == "NetworkPolicy"):
        selector = spec["podSelector"]
        chosen = selector.get("matchLabels", {}).items() <= labels.items()
        chosen &= all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", ()))
        if chosen and "Egress" in spec["policyTypes"]:
            ports = [port for rule in spec.get("egress", ()) for port in rule["ports"]]
            found = (found or set()) | {(port["protocol"], port["port"]) for port in ports}
    return found


@pytest.mark.parametrize(
    ("name", "ways"),
    [
        ("Deployment/myproj-api", DATABASE | NAMES),
        ("CronJob/myproj-monitor", DATABASE | NAMES),
        ("CronJob/myproj-predict", set()),
    ],
)
def test_only_who_needs_the_store_may_call_it(kubernetes: Path, recording: Path, name: str, ways: set[object]) -> None:
    objects = rendered(recording, "prod")
    labels = pods(objects)[name]["metadata"]["labels"]
    assert ways_out(objects, labels) == ways
    assert ways_out(rendered(kubernetes, "prod"), labels) == set()


def test_trivy_finds_nothing_grave(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "prod.yaml").write_text(yaml.safe_dump_all(rendered(recording, "prod")), encoding="utf-8")
    assert {name for name, severity in findings(tmp_path) if severity != "LOW"} <= {"KSV-0125", "KSV-01010"}
