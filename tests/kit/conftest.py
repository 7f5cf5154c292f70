"""A small made-up project, so that tests of the kit depend on nobody's table, features or model."""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from fastapi.testclient import TestClient
from mlkeel.config import read_server_config
from mlkeel.contract.suites import Contract, Suite, read_contract
from mlkeel.inference.predictor import Predictor
from mlkeel.registry.artifact import current
from mlkeel.serve.app import build
from mlkeel.serve.model_manager import ModelManager
from mlkeel.testing.plugin import ENVIRONMENT_VARIABLES
from mlkeel.training.training import train

from .kinds import KIND, LOGGING
from .mutants import active_mutant, plant

hypothesis.settings.register_profile("any machine", deadline=None)  # a busy one is slow, and no test is about that
hypothesis.settings.load_profile("any machine")
COLUMNS = ["id", "fruit", "price", "note", "weight_g", "colour"]
COLORS = ["green", "red"]
FRUITS = ["apple", "cherry"]
WORDS = {"apple": ["crisp", "sour", "heavy", "for a pie"], "cherry": ["small", "sweet", "dark", "with a stone"]}


def expectation(kind: str, severity: str = "critical", **kwargs: object) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity}


def of_a_row(*columns: str) -> list[dict[str, Any]]:
    return [
        expectation("table_columns_to_match_set", column_set=list(columns), exact_match=False),
        expectation("table_row_count_to_be_between", min_value=1),
    ]


MEASURED = [
    expectation("column_type_to_be", column="weight_g", type_="float64"),
    expectation("column_values_to_be_between", column="weight_g", min_value=1, max_value=400),
    expectation("column_type_to_be", column="colour", type_="str"),
    expectation("column_values_to_be_in_set", column="colour", value_set=COLORS),
    expectation("column_values_to_not_be_null", "warning", column="colour", mostly=0.5),
]
NOTED = [
    expectation("column_type_to_be", column="note", type_="str"),
    expectation("column_value_lengths_to_be_between", column="note", min_value=1, max_value=200),
    expectation("column_values_to_not_match_regex", column="note", regex="\N{REPLACEMENT CHARACTER}"),
]
DATASET = [
    expectation("table_columns_to_match_set", column_set=COLUMNS),
    expectation("table_row_count_to_be_between", min_value=50),
    expectation("column_type_to_be", column="fruit", type_="str"),
    expectation("column_values_to_be_in_set", column="fruit", value_set=FRUITS),
    expectation("column_values_to_not_be_null", column="fruit"),
    expectation("column_type_to_be", column="price", type_="float64"),
    expectation("column_values_to_be_between", column="price", min_value=0, max_value=200),
]
SUITES: dict[str, list[dict[str, Any]]] = {
    "features": ([*of_a_row("note"), *NOTED] if KIND.text else [*of_a_row("weight_g", "colour"), *MEASURED]),
    "dataset": [*DATASET, *(MEASURED if KIND.text else NOTED)],
}


def rows() -> list[str]:
    """Lines of a CSV file: cherries are light, apples are heavy and cost more, and some colours are missing."""
    rng = random.Random(7)
    lines = [",".join(COLUMNS)]
    for number in range(120):
        fruit = FRUITS[number % 2]
        weight = rng.gauss(150, 20) if fruit == "apple" else rng.gauss(8, 1)
        note = f"{rng.choice(WORDS[fruit])} and {rng.choice(WORDS[fruit])} from box {rng.randrange(40)}"
        price = weight / 2 + rng.gauss(10, 1)
        lines.append(f"f{number},{fruit},{price:.1f},{note},{weight:.1f},{rng.choice([*COLORS, ''])}")
    return lines


@pytest.fixture(scope="package", autouse=True)
def _isolated_environment() -> Iterator[None]:
    """Let no test depend on who runs it; settings of git are those of all our tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            read = [variable for variable in ENVIRONMENT_VARIABLES.split() if variable != "GIT_"]
            if any(name == variable or (variable[-1] == "_" and name.startswith(variable)) for variable in read):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def _mutant() -> Iterator[None]:
    """Plant the fault into the kit that this run is to notice, if any."""
    with pytest.MonkeyPatch.context() as patch:
        if mutant := active_mutant():
            plant(patch, mutant)
        yield


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the made-up project."""
    folder = tmp_path_factory.mktemp("orchard")
    for name in ("conf", "data", "expectations"):
        (folder / name).mkdir()
    params = {
        "seed": 7,
        "data": {
            "path": "data/fruit.csv",
            "target": KIND.target,
            "split": {"train": 0.6, "validation": 0.2, "test": 0.2, "folds": 0},
        },
        "model": KIND.parameters,
        "gate": {
            "min_skill": 0.1,
            "slices": ["colour"],
            "min_slice_rows": 5,
            ("min_slice_score" if KIND.classification else "max_slice_error"): 0.5 if KIND.classification else 100,
        },
    }
    (folder / "conf" / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (folder / "pyproject.toml").write_text('[project]\nname = "orchard"\nversion = "0.1.0"\n', encoding="utf-8")
    shutil.copy(LOGGING, folder / "conf" / "logging.yaml")
    (folder / "data" / "fruit.csv").write_text("\n".join(rows()) + "\n", encoding="utf-8")
    for name, expectations in SUITES.items():
        suite = {"name": name, "expectations": expectations, "meta": {}}
        (folder / "expectations" / f"{name}.json").write_text(json.dumps(suite), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def root(original: Path) -> Path:
    """The folder of the made-up project, to be looked at."""
    return original


@pytest.fixture
def project(original: Path, tmp_path: Path) -> Path:
    """A fresh copy of the made-up project, to be changed at will."""
    return Path(shutil.copytree(original, tmp_path / "orchard"))


@pytest.fixture(scope="session")
def trained_project(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the made-up project with a current version, to be looked at and not changed."""
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("trained") / "orchard"))
    train(KIND.project, folder)
    return folder


@pytest.fixture(scope="session")
def fruit_predictor(trained_project: Path) -> Predictor:
    return Predictor.load(current(trained_project / "artifacts"))


@pytest.fixture(scope="session")
def measured() -> Suite:
    """A suite about the columns of numbers and of categories alone."""
    return {"name": "features", "expectations": [*of_a_row("weight_g", "colour"), *MEASURED], "meta": {}}


@pytest.fixture(scope="session")
def fruit_contract(original: Path, measured: Suite) -> Contract:
    """A contract whose features are a number and a category."""
    return Contract(measured, read_contract(original / "expectations").dataset)


@pytest.fixture
def serve(
    trained_project: Path, root: Path, tmp_path: Path
) -> Iterator[Callable[..., tuple[TestClient, ModelManager]]]:
    """Serve the made-up project with the given variables; its artifacts are a copy, to be changed at will.

    Unless API_STORE says where, nothing is recorded, which takes a tenth of a second each time.
    """
    shutil.copytree(trained_project / "artifacts", tmp_path / "artifacts")
    shutil.copy(root / "pyproject.toml", tmp_path)
    clients = []

    def start(**variables: str) -> tuple[TestClient, ModelManager]:
        settings = read_server_config({"API_POLL_SECONDS": "0.01", "API_STORE": "off"} | variables)
        app, manager = build(tmp_path, settings)
        clients.append(TestClient(app).__enter__())
        return clients[-1], manager

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serve: Callable[..., tuple[TestClient, ModelManager]]) -> TestClient:
    return serve()[0]


ONLY_OF = {
    "classification": ("decision", "class_cases", "class_evaluation", "class_figures", "class_targets"),
    "regression": ("number_cases", "number_evaluation", "number_figures", "number_targets"),
    "trees": ("boosting",),
    "linear_text": ("linear_text",),
    "torch": ("torch_model",),
    "tables": ("table_features",),
    "texts": ("text_features", "text_perturbations"),
}
OF_THIS_KIND = {
    "classification": KIND.classification,
    "regression": not KIND.classification,
    "trees": not KIND.torch and not KIND.text,
    "linear_text": not KIND.torch and KIND.text,
    "torch": KIND.torch,
    "tables": not KIND.text,
    "texts": KIND.text,
}
collect_ignore = [f"test_{name}.py" for only, names in ONLY_OF.items() if not OF_THIS_KIND[only] for name in names]
