"""What Cloud Run is sent is right by Google's own description, and its parts agree with each other and the API."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import googleapiclient
import pytest
import yaml
from copier import run_copy
from jsonschema import Draft202012Validator

from ..conftest import Render
from ..support.clouds import PACKAGES, PATHS, PORT, SETTINGS

ANSWERS = {"package": "customer_churn", "deploy": ["cloud-run"]}
DOCUMENT = json.loads(
    (Path(googleapiclient.__file__).parent / "discovery_cache" / "documents" / "run.v1.json").read_text("utf-8")
)
TEXT = DOCUMENT["schemas"]["ObjectMeta"]["properties"]["annotations"]["description"]
ANNOTATIONS = dict(re.findall(r"`([a-z./A-Z-]+)`: ([A-Za-z, ]+)\.", TEXT))
VALUES = {
    "run.googleapis.com/ingress": "all|internal|internal-and-cloud-load-balancing",
    "autoscaling.knative.dev/minScale": r"\d+",
    "autoscaling.knative.dev/maxScale": r"[1-9]\d*",
    "run.googleapis.com/startup-cpu-boost": "true|false",
    "run.googleapis.com/execution-environment": "gen2",
}
Service = dict[str, Any]


def strict(node: dict[str, Any]) -> dict[str, Any]:
    """A part of a discovery document as a JSON schema that knows every field."""
    if "$ref" in node:
        return {"$ref": f"#/$defs/{node['$ref']}"}
    if node.get("type") == "array":
        return {"type": "array", "items": strict(node["items"])}
    if node.get("type") == "object":
        more = strict(node["additionalProperties"]) if "additionalProperties" in node else False
        fields = {name: strict(field) for name, field in node.get("properties", {}).items()}
        return {"type": "object", "properties": fields, "additionalProperties": more}
    limits = {"minimum": -(2**31), "maximum": 2**31 - 1} if node.get("format") == "int32" else {}
    return {name: node[name] for name in ("type", "enum") if name in node and node[name] != "any"} | limits


DEFINITIONS = {name: strict(node) for name, node in DOCUMENT["schemas"].items()}


def valid(kind: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": DEFINITIONS})


def problems(service: Service) -> list[str]:
    """What is wrong with a service, by Google's document and by what ties its parts to each other and to the API."""
    if errors := [error.message for error in valid("Service").iter_errors(service)]:
        return errors
    metadata = service["metadata"]
    revision = service["spec"]["template"]
    spec = revision["spec"]
    [container] = revision["spec"]["containers"]
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    probes = {name: container.get(name, {}) for name in ("startupProbe", "livenessProbe")}
    account, _, host = spec["serviceAccountName"].partition("@")
    scale = [int(revision["metadata"]["annotations"][f"autoscaling.knative.dev/{end}Scale"]) for end in ("min", "max")]
    seconds = float(variables["API_MAX_SECONDS"])
    drain = float(variables["API_DRAIN_SECONDS"])
    start = probes["startupProbe"].get("periodSeconds", 10) * probes["startupProbe"].get("failureThreshold", 3)
    rules = {
        "kind": (service["apiVersion"], service["kind"]) == ("serving.knative.dev/v1", "Service"),
        "name": re.fullmatch(r"[a-z]([a-z0-9-]{0,47}[a-z0-9])?", metadata["name"]),
        "account": re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", account) and host == "PROJECT.iam.gserviceaccount.com",
        "annotations of the service": all("Service" in ANNOTATIONS.get(name, "") for name in metadata["annotations"]),
        "annotations": all("Revision" in ANNOTATIONS.get(name, "") for name in revision["metadata"]["annotations"]),
        "values": all(
            re.fullmatch(VALUES.get(name, ""), value)
            for name, value in (metadata["annotations"] | revision["metadata"]["annotations"]).items()
        ),
        "scale": scale[0] <= scale[1],
        "port": [port["containerPort"] for port in container["ports"]] == [PORT],
        "ports of probes": all(probe.get("httpGet", {}).get("port", PORT) == PORT for probe in probes.values()),
        "paths": all(probe.get("httpGet", {}).get("path") in PATHS for probe in probes.values()),
        "probes": all(probe.get("timeoutSeconds", 1) <= probe.get("periodSeconds", 10) for probe in probes.values()),
        "variables": set(variables) <= SETTINGS - {"PORT"},  # Cloud Run sets PORT and refuses it here
        "end": drain + seconds + 2 <= 10,
        "timeout": start + 2 * seconds <= spec["timeoutSeconds"] <= 3600,
        "concurrency": 1 <= spec["containerConcurrency"] <= float(variables.get("API_MAX_REQUESTS", 100)),
        "memory": int(container["resources"]["limits"]["memory"].removesuffix("Mi")) >= 512,
        "traffic": sum(target["percent"] for target in service["spec"]["traffic"]) == 100,
    }
    return [name for name, holds in rules.items() if not holds]


def put(*path: str | int, value: object) -> Callable[[Service], None]:
    def plant(service: Service) -> None:
        node: Any = service
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = value

    return plant


SPEC = ("spec", "template", "spec")
CONTAINER = (*SPEC, "containers", 0)
NOTES = ("spec", "template", "metadata", "annotations")
FAULTS = {
    "an unknown field": put(*SPEC, "concurrency", value=80),
    "an unknown field of a probe": put(*CONTAINER, "livenessProbe", "httpGet", "url", value="/healthz"),
    "a number as text": put(*SPEC, "timeoutSeconds", value="40"),
    "a value that is no text": put(*CONTAINER, "env", 0, "value", value=5),
    "an annotation that is no text": put(*NOTES, "autoscaling.knative.dev/maxScale", value=4),
    "an annotation of nobody's": put(*NOTES, "autoscaling.knative.dev/max-scale", value="4"),
    "an annotation of a revision on the service": put(
        "metadata", "annotations", "run.googleapis.com/startup-cpu-boost", value="true"
    ),
    "an unknown ingress": put("metadata", "annotations", "run.googleapis.com/ingress", value="everybody"),
    "a minimum above the maximum": put(*NOTES, "autoscaling.knative.dev/minScale", value="5"),
    "another port": put(*CONTAINER, "ports", 0, "containerPort", value=8080),
    "another port in a probe": put(*CONTAINER, "startupProbe", "httpGet", "port", value=8080),
    "a path that the API does not have": put(*CONTAINER, "livenessProbe", "httpGet", "path", value="/health"),
    "no probe of life": put(*CONTAINER, "livenessProbe", value={}),
    "a probe that overtakes itself": put(*CONTAINER, "livenessProbe", "timeoutSeconds", value=11),
    "a variable that Cloud Run keeps": put(*CONTAINER, "env", 1, "name", value="PORT"),
    "a misspelt variable": put(*CONTAINER, "env", 1, "name", value="API_MAX_REQUEST"),
    "an end that takes too long": put(*CONTAINER, "env", 2, "value", value="4"),
    "a timeout that a slow start eats": put(*SPEC, "timeoutSeconds", value=30),
    "more requests than the API takes": put(*SPEC, "containerConcurrency", value=200),
    "too little memory": put(*CONTAINER, "resources", "limits", "memory", value="256Mi"),
    "a name with an underscore": put("metadata", "name", value="customer_churn"),
    "a name that is too long": put("metadata", "name", value="a" * 50),
    "an account with a long name": put(
        *SPEC, "serviceAccountName", value="a" * 31 + "@PROJECT.iam.gserviceaccount.com"
    ),
    "traffic that goes nowhere": put("spec", "traffic", 0, "percent", value=90),
}


@pytest.fixture(scope="session")
def project(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project for Cloud Run; not to be changed."""
    destination = tmp_path_factory.mktemp("cloud run") / "churn"
    run_copy(str(snapshot), destination, data=ANSWERS, defaults=True, quiet=True)
    return destination


def file(project: Path) -> Path:
    return project / "deploy" / "cloud-run" / "service.yaml"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_service_is_valid_whatever_the_package_is_called(render: Render, package: str) -> None:
    service = yaml.safe_load(file(render(package=package, deploy=["cloud-run"])).read_text("utf-8"))
    assert problems(service) == []
    image = service["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"REGION-docker.pkg.dev/PROJECT/REPOSITORY/{package}:0.0.0-none-yet"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_noticed(project: Path, fault: str) -> None:
    service = yaml.safe_load(file(project).read_text("utf-8"))
    original = copy.deepcopy(service)
    FAULTS[fault](service)
    assert service != original
    assert problems(service) != []


def test_the_lines_for_keys_in_the_readme_fit_into_the_service(project: Path) -> None:
    readme = (project / "deploy" / "cloud-run" / "README.md").read_text("utf-8")
    lines = re.search(r"```yaml\n(.*?)```", readme, re.DOTALL)[1]
    text = file(project).read_text("utf-8")
    service = yaml.safe_load(text.replace("          resources:\n", f"{lines}          resources:\n"))
    assert service["spec"]["template"]["spec"]["containers"][0]["env"][-1]["name"] == "API_KEYS"
    assert problems(service) == []
