"""What App Runner is sent is right by the model that AWS ships, and its parts agree with each other and the API."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator
from copier import run_copy

from ..conftest import Render
from ..support.clouds import PACKAGES, PATHS, PORT, SETTINGS, module

ANSWERS = {"package": "customer_churn", "deploy": ["app-runner"]}
MODELS = {name: ServiceModel(Loader().load_service_model(name, "service-2")) for name in ("apprunner", "ecr", "ecs")}
MEMORY = {  # by processor, as AWS sells them
    "0.25 vCPU": {"0.5 GB", "1 GB"},
    "0.5 vCPU": {"1 GB"},
    "1 vCPU": {"2 GB", "3 GB", "4 GB"},
    "2 vCPU": {"4 GB", "6 GB"},
}
Input = dict[str, Any]


def shape(service: str, name: str) -> Shape:
    return MODELS[service].shape_for(name)


def unfit(expected: Shape, value: Any, where: str = "") -> Iterator[str]:  # noqa: ANN401 - JSON
    """What botocore's own check leaves out: patterns, choices and lengths."""
    metadata = expected.metadata
    if expected.type_name == "structure":
        for name, item in value.items():
            yield from unfit(expected.members[name], item, f"{where}.{name}")
    elif expected.type_name == "list":
        for item in value:
            yield from unfit(expected.member, item, where)
    elif expected.type_name == "map":
        for name, item in value.items():
            yield from unfit(expected.key, name, where)
            yield from unfit(expected.value, item, f"{where}.{name}")
    elif expected.type_name in ("string", "integer"):
        size = len(value) if expected.type_name == "string" else value
        if not metadata.get("min", size) <= size <= metadata.get("max", size):
            yield f"{where}: {value!r} is too small or too large"
        if metadata.get("enum") and value not in metadata["enum"]:
            yield f"{where}: {value!r} is no choice"
        if metadata.get("pattern") and not re.fullmatch(metadata["pattern"], value):
            yield f"{where}: {value!r} has another form"


def input_violations(service: str, name: str, value: Input) -> list[str]:
    """Why a service of AWS would refuse an input, by its model."""
    report = ParamValidator().validate(value, shape(service, name))
    return [report.generate_report()] if report.has_errors() else list(unfit(shape(service, name), value))


def problems(create: Input) -> list[str]:
    """What is wrong with the input, by the model of AWS and by what ties its parts to each other and to the API."""
    if violations := input_violations("apprunner", "CreateServiceRequest", create):
        return violations
    source = create["SourceConfiguration"]
    size = create["InstanceConfiguration"]
    image = source["ImageRepository"]
    health = create["HealthCheckConfiguration"]
    configuration = image["ImageConfiguration"]
    secrets = configuration.get("RuntimeEnvironmentSecrets", {})
    variables = configuration["RuntimeEnvironmentVariables"]
    repository = image["ImageIdentifier"].partition("/")[2].partition(":")[0]
    scaling = create["AutoScalingConfigurationArn"].rpartition("/")[2]
    public = create["NetworkConfiguration"]["IngressConfiguration"]["IsPubliclyAccessible"]
    rules = {
        "port": configuration["Port"] == str(PORT) == variables.get("PORT", configuration["Port"]),
        "path": health["Protocol"] == "HTTP" and health["Path"] in PATHS,
        "health": health["Timeout"] <= health["Interval"],
        "variables": {*variables, *secrets} <= SETTINGS,
        "keys": not public or "API_KEYS" in secrets,
        "role of the instance": not secrets or "InstanceRoleArn" in size,
        "role to pull": image["ImageRepositoryType"] == "ECR"
        and "AccessRoleArn" in source["AuthenticationConfiguration"],
        "memory": size["Memory"] in MEMORY.get(size["Cpu"], ()),
        "repository": not list(unfit(shape("ecr", "RepositoryName"), repository)),
        "scaling": not list(unfit(shape("apprunner", "AutoScalingConfigurationName"), scaling)),
        "deployments": source["AutoDeploymentsEnabled"] is False,  # nothing is released by a push alone
    }
    return [name for name, holds in rules.items() if not holds]


def put(*path: str, value: object) -> Callable[[Input], None]:
    def plant(create: Input) -> None:
        node = create
        for step in path[:-1]:
            node = node[step]
        if value is None:
            del node[path[-1]]
        else:
            node[path[-1]] = value

    return plant


IMAGE = ("SourceConfiguration", "ImageRepository")
CONFIGURATION = (*IMAGE, "ImageConfiguration")
HEALTH = "HealthCheckConfiguration"
REPOSITORY = "000000000000.dkr.ecr.eu-west-1.amazonaws.com"
FAULTS = {
    "an unknown field": put("Region", value="eu-west-1"),
    "an unknown field deep inside": put(*CONFIGURATION, "Ports", value="8000"),
    "a field that is missing": put("ServiceName", value=None),
    "a number where text is wanted": put(*CONFIGURATION, "Port", value=8000),
    "text where a number is wanted": put(HEALTH, "Interval", value="5"),
    "an unknown kind of repository": put(*IMAGE, "ImageRepositoryType", value="GHCR"),
    "an unknown protocol": put(HEALTH, "Protocol", value="HTTPS"),
    "an interval that is too long": put(HEALTH, "Interval", value=21),
    "a name that is too short": put("ServiceName", value="api"),
    "a name that is too long": put("ServiceName", value="a" * 41),
    "a name with a dot": put("ServiceName", value="customer.churn"),
    "an image from elsewhere": put(*IMAGE, "ImageIdentifier", value="ghcr.io/ada/churn:1.0.0"),
    "an image of one letter": put(*IMAGE, "ImageIdentifier", value=f"{REPOSITORY}/a:1.0.0"),
    "a role that is none": put("InstanceConfiguration", "InstanceRoleArn", value="customer-churn-instance"),
    "a size that nobody sells": put("InstanceConfiguration", "Cpu", value="0.5"),
    "too much memory for that processor": put("InstanceConfiguration", "Memory", value="4 GB"),
    "another port": put(*CONFIGURATION, "Port", value="8080"),
    "another port by a variable": put(*CONFIGURATION, "RuntimeEnvironmentVariables", "PORT", value="8080"),
    "a misspelt variable": put(*CONFIGURATION, "RuntimeEnvironmentVariables", "API_MAX_REQUEST", value="100"),
    "a path that the API does not have": put(HEALTH, "Path", value="/ready"),
    "an answer awaited for too long": put(HEALTH, "Timeout", value=6),
    "public without a key": put(*CONFIGURATION, "RuntimeEnvironmentSecrets", value=None),
    "a secret that nobody may read": put("InstanceConfiguration", "InstanceRoleArn", value=None),
    "an image that nobody may pull": put("SourceConfiguration", "AuthenticationConfiguration", value={}),
    "scaling by too long a name": put(
        "AutoScalingConfigurationArn",
        value=f"arn:aws:apprunner:eu-west-1:000000000000:autoscalingconfiguration/{'a' * 33}",
    ),
    "a push that releases": put("SourceConfiguration", "AutoDeploymentsEnabled", value=True),
}


def create_request(project: Path) -> Input:
    return json.loads((project / "deploy" / "app-runner" / "service.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def project(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project for App Runner; not to be changed."""
    destination = tmp_path_factory.mktemp("app runner") / "churn"
    run_copy(str(snapshot), destination, data=ANSWERS, defaults=True, quiet=True)
    return destination


@pytest.mark.parametrize("package", [name for name in PACKAGES if "__" not in name])  # AWS takes no such image
def test_all_inputs_are_valid_whatever_the_package_is_called(render: Render, package: str) -> None:
    project = render(package=package, deploy=["app-runner"])
    assert problems(create_request(project)) == []
    update = module(project / "deploy" / "app-runner" / "app_runner.py").update
    arn = "arn:aws:apprunner:eu-west-1:123456789012:service/churn/0123456789abcdef0123456789abcdef"
    assert input_violations("apprunner", "UpdateServiceRequest", update(create_request(project), arn)) == []
    express = json.loads((project / "deploy" / "app-runner" / "express-service.json").read_text("utf-8"))
    assert input_violations("ecs", "CreateExpressGatewayServiceRequest", express) == []
    container = express["primaryContainer"]
    assert container["image"] == create_request(project)["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"]
    assert container["containerPort"] == PORT
    assert express["healthCheckPath"] in PATHS
    assert {variable["name"] for variable in container["environment"] + container["secrets"]} <= SETTINGS


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_noticed(project: Path, fault: str) -> None:
    create = copy.deepcopy(create_request(project))
    FAULTS[fault](create)
    assert create != create_request(project)
    assert problems(create) != []


def test_an_update_takes_all_that_it_can(project: Path) -> None:
    release = module(project / "deploy" / "app-runner" / "app_runner.py")
    updatable = set(shape("apprunner", "UpdateServiceRequest").members) - {"ServiceArn"}
    assert set(release.UPDATE_FIELDS) == updatable
    full = dict.fromkeys(shape("apprunner", "CreateServiceRequest").members, 1)
    assert set(release.update(full, "arn")) == updatable | {"ServiceArn"}


def test_the_readme_names_what_the_files_name(project: Path) -> None:
    readme = (project / "deploy" / "app-runner" / "README.md").read_text("utf-8")
    for file in ("service.json", "express-service.json"):
        text = (project / "deploy" / "app-runner" / file).read_text("utf-8")
        roles = set(re.findall(r":role/([\w-]+)", text))
        assert roles
        assert all(f"aws iam create-role --role-name {name} " in readme for name in roles)
        assert all(
            name in readme
            for name in re.findall(r":(?:parameter|autoscalingconfiguration)([\w/-]+)", text)
            if "/" in name[1:]
        )
    scaling = create_request(project)["AutoScalingConfigurationArn"].rpartition("/")[2]
    assert f"--auto-scaling-configuration-name {scaling}\n" in readme
