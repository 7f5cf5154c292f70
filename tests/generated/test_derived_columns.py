"""The derived columns of docs/models.md in projects as a person makes them; the page's own code is run."""

import ast
import csv
import random
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from fastapi.testclient import TestClient
from mlkeel.config import read_server_config
from mlkeel.features.values import FUNCTIONS
from mlkeel.serve.app import build

from ..conftest import ROOT, clone, command, commit, succeed

SECTION = re.search(
    r"## A derived column\n(.*?)\n## ", (ROOT / "template" / "docs" / "models.md").read_text("utf-8"), flags=re.DOTALL
)[1]
WHOLE_FILE, *FURTHER = re.findall(r"```python\n(.*?)```", SECTION, flags=re.DOTALL)
FEATURES = Path("src", "myproj", "features.py")
PENGUINS = Path("data", "penguins.csv")
ORDERS = Path("data", "orders.csv")


def statements(code: str, *kinds: type[ast.stmt]) -> list[str]:
    """The source of the statements of these kinds at the top of a block of code, with decorators."""
    lines = code.splitlines()
    found = [statement for statement in ast.parse(code).body if isinstance(statement, kinds)]
    return ["\n".join(lines[first_line(statement) - 1 : statement.end_lineno]) for statement in found]


def first_line(statement: ast.stmt) -> int:
    return min([statement.lineno, *(item.lineno for item in getattr(statement, "decorator_list", []))])


def module(*blocks: str) -> str:
    """One features.py of several blocks of the page; `make style` sorts its imports and takes out those left over."""
    imports, functions, features = (
        [part for block in blocks for part in statements(block, kind)]
        for kind in (ast.ImportFrom, ast.FunctionDef, ast.Assign)
    )
    return "\n\n".join(['"""What a model learns from."""', "\n".join(imports), *functions, *features])


EXAMPLES = [function for block in (WHOLE_FILE, *FURTHER) for function in statements(block, ast.FunctionDef)]


def test_the_page_has_five_examples_of_at_most_five_lines() -> None:
    assert len(EXAMPLES) == 5
    assert all(len(example.splitlines()) <= 5 for example in EXAMPLES)


def test_the_page_names_each_function_there_is() -> None:
    table = "".join(line for line in SECTION.splitlines() if line.startswith("|"))
    assert [name for name in FUNCTIONS if f"`{name}" not in table] == []


def orders() -> str:
    """Orders that are returned if they were late or dear; two columns hold dates, of which one is often missing."""
    rng = random.Random(7)
    lines = ["order,ordered,delivered,channel,price,returned"]
    for number in range(400):
        ordered = date(2025, 1, 1) + timedelta(days=number * 31 % 365)
        days = rng.randrange(1, 15)
        price = rng.randrange(10, 100)
        returned = rng.random() < (0.95 if days > 9 or price > 60 else 0.05)
        delivered = ordered + timedelta(days=days) if number % 20 else ""
        channel = rng.choice(["shop", "web"])
        lines.append(f"B-{number},{ordered},{delivered},{channel},{price},{'yes' if returned else 'no'}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def penguins(generated: Path, offline: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's table with the ratio, the logarithm and the flag of the page, trained and committed."""
    project = clone(generated, tmp_path_factory.mktemp("penguins") / "myproj")
    text = module(WHOLE_FILE, FURTHER[0])
    names = [function.name for function in ast.parse(text).body if isinstance(function, ast.FunctionDef)]
    assert len(names) == 3
    write_features(project, offline, text.replace(f"derive({names[0]})", f"derive({', '.join(names)})"))
    output = succeed("make", "contract", cwd=project, env=offline)
    assert all(name in output for name in names)
    train(project, offline)
    return project


@pytest.fixture(scope="module")
def dated(generated: Path, offline: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of orders with what the page derives of dates, adopted before and after, trained and committed."""
    project = clone(generated, tmp_path_factory.mktemp("orders") / "myproj")
    (project.parent / "orders.csv").write_text(orders(), encoding="utf-8")
    adopt = ("make", "adopt", "TARGET=returned")
    succeed(*adopt, f"DATA={project.parent / 'orders.csv'}", cwd=project, env=offline)
    imports = "\n".join(statements(WHOLE_FILE, ast.ImportFrom))
    write_features(project, offline, module(imports, FURTHER[1]))
    commit(project, "feat: be about orders", "--no-verify")
    assert "(not:" not in succeed(*adopt, f"DATA={ORDERS}", cwd=project, env=offline)
    train(project, offline)
    return project


def write_features(project: Path, environment: dict[str, str], text: str) -> None:
    (project / FEATURES).write_text(text, encoding="utf-8")
    succeed("make", "style", cwd=project, env=environment)


def train(project: Path, environment: dict[str, str]) -> None:
    assert "is current." in succeed("make", "train", cwd=project, env=environment)
    commit(project, "feat: derive columns", "--no-verify")


PROJECTS = pytest.mark.parametrize(
    ("name", "table"), [("penguins", PENGUINS), pytest.param("dated", ORDERS, marks=pytest.mark.slow)]
)


@PROJECTS
def test_the_examples_leave_tests_and_checks_green(
    request: pytest.FixtureRequest, offline: dict[str, str], name: str, table: Path
) -> None:
    project = request.getfixturevalue(name)
    assert table.name in succeed("git", "ls-files", "data", cwd=project)
    output = succeed("make", "test", cwd=project, env=offline)
    assert not any(word in output for word in ("failed", "skipped", "warning", "xfailed")), output
    succeed("make", "check", cwd=project, env=offline)
    assert succeed("git", "status", "--porcelain", cwd=project) == ""


@PROJECTS
@pytest.mark.slow
def test_every_fault_is_caught_beside_derived_columns(
    request: pytest.FixtureRequest, offline: dict[str, str], name: str, table: Path
) -> None:
    output = succeed("make", "prove", cwd=request.getfixturevalue(name), env=offline)
    assert table.name in output
    assert "planted faults were caught." in output


def predictions(project: Path, environment: dict[str, str], table: Path) -> bytes:
    """What `make predict` writes for the rows of a table."""
    succeed("make", "predict", f"IN={table}", "OUT=predictions/answers.csv", cwd=project, env=environment)
    return (project / "predictions" / "answers.csv").read_bytes()


def request_of(row: dict[str, str], columns: list[str]) -> dict[str, float | str | None]:
    """A line of a CSV file as a request: numbers where there are any, null where a value is missing."""
    return {name: number_or_text(row[name]) for name in columns}


def number_or_text(value: str) -> float | str | None:
    return float(value) if re.fullmatch(r"[\d.]+", value) else value or None


@PROJECTS
def test_the_api_answers_a_row_as_a_file_is_answered(
    request: pytest.FixtureRequest, offline: dict[str, str], name: str, table: Path
) -> None:
    project = request.getfixturevalue(name)
    rows = list(csv.DictReader(predictions(project, offline, table).decode().splitlines()))
    app, manager = build(project, read_server_config({"API_STORE": "off"}))
    columns = [column.name for column in manager.model.predictor.contract.columns]
    with TestClient(app) as client:
        response = client.post("/predict", json=[request_of(row, columns) for row in rows])
    assert response.status_code == 200, response.text
    for row, answer in zip(rows, response.json(), strict=True):
        probabilities = {value: float(row[f"probability_{value}"]) for value in answer["probabilities"]}
        assert answer["probabilities"] == pytest.approx(probabilities, rel=1e-6)


def test_other_programs_answer_with_an_exported_version(penguins: Path, offline: dict[str, str]) -> None:
    rows = list(csv.DictReader(predictions(penguins, offline, PENGUINS).decode().splitlines()))
    succeed("make", "export", "OUT=predictions/model.onnx", cwd=penguins, env=offline)
    session = onnxruntime.InferenceSession(penguins / "predictions" / "model.onnx")
    inputs = {
        each.name: np.array([row[each.name] for row in rows], dtype=object)
        if each.type == "tensor(string)"
        else np.array([float(row[each.name] or "nan") for row in rows])
        for each in session.get_inputs()
    }
    expected = [[float(row[f"probability_{name}"]) for name in ("Adelie", "Chinstrap", "Gentoo")] for row in rows]
    np.testing.assert_allclose(session.run(["answers"], inputs)[0], expected, rtol=1e-5, atol=1e-6)


def current(project: Path) -> str:
    return (project / "artifacts" / "current").read_text(encoding="utf-8").strip()


@pytest.mark.slow
def test_a_version_answers_as_on_its_first_day_whatever_became_of_the_features(
    penguins: Path, offline: dict[str, str]
) -> None:
    """The change that once ruined the answers of the current version without a word."""

    def make(*words: str) -> str:
        return succeed("make", *words, cwd=penguins, env=offline)

    first = current(penguins)
    answers = predictions(penguins, offline, PENGUINS)
    path = penguins / FEATURES
    text = path.read_text(encoding="utf-8")
    assert text.count("bill_length_mm / bill_depth_mm") == 1
    path.write_text(text.replace("bill_length_mm / bill_depth_mm", "-bill_length_mm / bill_depth_mm"), encoding="utf-8")
    try:
        assert predictions(penguins, offline, PENGUINS) == answers
        assert f"{first}, which is current, is older" in make("test-code")
        make("train")
        second = current(penguins)
        assert second != first
        assert predictions(penguins, offline, PENGUINS) != answers
        make("rollback")
        assert predictions(penguins, offline, PENGUINS) == answers
        make("promote", f"VERSION={second}")
        make("promote", f"VERSION={first}")
        assert predictions(penguins, offline, PENGUINS) == answers
    finally:
        succeed("git", "checkout", "--quiet", "--", FEATURES, cwd=penguins)
        make("promote", f"VERSION={first}")


MISTAKE = """import numpy as np
from mlkeel.features.derived import derived
from mlkeel.features.encoder import TABLES


@derived
def {name}({column}):
    {body}


FEATURES = TABLES.derive({name})
"""
MISTAKES = {  # name, column, body, where the message says that it is, and a part of the remedy
    "a Python if": ("heavy", "body_mass_g", "if body_mass_g > 40: return 1", "features.py:8,", "use where("),
    "numpy": ("heavy", "body_mass_g", "return np.log(body_mass_g)", "features.py:8,", "use log of mlkeel.features"),
    "a mean": ("heavy", "body_mass_g", "return body_mass_g.mean()", "features.py:8,", "load, in data.py"),
    "no such column": ("heavy", "mass", "return mass > 4000", "features.py:6,", "there are: bill_length_mm,"),
    "a name that is taken": ("body_mass_g", "body_mass_g", "return body_mass_g / 1000", "features.py:6,", "Rename"),
}


OTHERS = list(MISTAKES)[1:]


@pytest.fixture
def train_with(penguins: Path, offline: dict[str, str]) -> Callable[[str], tuple[int, list[str]]]:
    """Train with another features.py, and put the old one back; the exit code, and the lines of stderr."""

    def train_with(text: str) -> tuple[int, list[str]]:
        (penguins / FEATURES).write_text(text, encoding="utf-8")
        try:
            completed = command(".venv/bin/python", "-m", "myproj", "train", cwd=penguins, env=offline)
        finally:
            succeed("git", "checkout", "--quiet", "--", FEATURES, cwd=penguins)
        return completed.returncode, completed.stderr.splitlines()

    return train_with


@pytest.mark.parametrize("name", ["a Python if", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_a_mistake_ends_in_one_paragraph_with_its_remedy(
    train_with: Callable[[str], tuple[int, list[str]]], penguins: Path, name: str
) -> None:
    feature, column, body, place, remedy = MISTAKES[name]
    before = current(penguins)
    code, message = train_with(MISTAKE.format(name=feature, column=column, body=body))
    assert code == 2
    assert len(message) == 1, "\n".join(message)
    assert message[0].count(place) == 1
    assert remedy in message[0]
    assert current(penguins) == before
