"""Each hook refuses what it should in one line, lets the rest pass, and is quick."""

import gzip
import importlib.util
import json
import pickle
import re
import statistics
import subprocess
import time
from pathlib import Path
from types import ModuleType

import pytest

from ..conftest import ROOT


def hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"hook_{name}", ROOT / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


expectations = hook("expectations")
python_pin = hook("python_pin")
artifacts = hook("artifacts")
KINDS = {"expect_column_to_exist", "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"}


def suite(*items: object) -> str:
    return json.dumps({"name": "features", "expectations": list(items)}, indent=2)


def expectation(kind: str, **kwargs: object) -> dict[str, object]:
    return {"type": f"expect_column_{kind}", "kwargs": {"column": "age", **kwargs}}


@pytest.mark.parametrize(
    "item",
    [
        expectation("to_exist"),
        expectation("values_to_be_between", min_value=0, max_value=None),
        expectation("values_to_be_in_set", value_set=["a"]),
    ],
)
def test_a_useful_expectation_passes(tmp_path: Path, item: dict[str, object]) -> None:
    path = tmp_path / "features.json"
    path.write_text(suite(item), encoding="utf-8")
    assert expectations.faults(path, {"age"}, KINDS) == []


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("{,", 1, "not JSON"),
        ("[]", 1, "no expectations"),
        (suite(), 1, "no expectations"),
        (suite("text"), 1, "no type or kwargs"),
        (
            suite(expectation("to_exist"), expectation("to_exist", column="wage")),
            11,
            'no table in data/ has the column "wage"',
        ),
        (suite(expectation("values_to_be_between", min_value=None, max_value=None)), 5, "no max_value or min_value"),
        (suite(expectation("values_to_be_between")), 5, "has no arguments"),
        (suite(expectation("values_to_be_in_set", value_set=[])), 5, "no value_set"),
        (suite(expectation("values_to_be_in_set", value_set=["a"], mostly=0)), 5, "mostly 0"),
        (suite(expectation("values_to_be_in_set", value_set=["a"], mostly=2)), 5, "mostly 2"),
        (suite(expectation("values_to_be_in_set", value_set="a")), 5, "value_set that is no list"),
        (suite(expectation("to_exist") | {"severity": "grave"}), 5, 'severity "grave"'),
        (suite(expectation("to_exits")), 5, "is not an expectation of Great Expectations"),
    ],
)
def test_an_expectation_that_guards_nothing_is_refused(tmp_path: Path, content: str, line: int, message: str) -> None:
    path = tmp_path / "features.json"
    path.write_text(content, encoding="utf-8")
    (fault,) = expectations.faults(path, {"age"}, KINDS)
    assert fault.startswith(f"{path}:{line}: ")
    assert message in fault


def test_columns_are_read_from_all_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('\ufeffid,"first, last"\n1,2\n', encoding="utf-8")
    (tmp_path / "b.csv").write_text("age\n", encoding="utf-8")
    assert expectations.columns_of_the_data(tmp_path) == {"id", "first, last", "age"}
    assert expectations.columns_of_the_data(tmp_path / "absent") is None


def test_a_column_that_the_code_derives_is_known(tmp_path: Path) -> None:
    """`load` may add it, in whatever way one adds a column."""
    code = tmp_path / "data.py"
    code.write_text('def load(t):\n    t["bulk"] = 1\n    return t.assign(ratio=2)\n', encoding="utf-8")
    broken = tmp_path / "broken.py"
    broken.write_text("def (", encoding="utf-8")
    names = expectations.columns_of_the_code([code, broken, tmp_path / "absent.py"])
    assert {"bulk", "ratio"} <= names
    assert "age" not in names


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    (tmp_path / ".python-version").write_text("3.12\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nrequires-python = ">=3.11"\n', encoding="utf-8")
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    workflow = "steps:\n  - with: {python-version: '3.12'}\n  - with: {python-version-file: .python-version}\n"
    (tmp_path / ".github" / "workflows" / "test.yml").write_text(workflow, encoding="utf-8")
    (tmp_path / ".gitlab-ci.yml").write_text("image: python:3.12-slim\n", encoding="utf-8")
    return tmp_path


def test_versions_that_agree_pass(pinned: Path) -> None:
    assert python_pin.faults(pinned) == []


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (".python-version", "", ".python-version:1: it must hold one version"),
        (".python-version", "3.12\n3.11\n", ".python-version:1: it must hold one version"),
        (".python-version", "system\n", ".python-version:1: it must hold one version"),
        (".python-version", "3.9\n", 'pyproject.toml:3: requires-python ">=3.11" leaves out 3.9'),
        ("pyproject.toml", '[project]\nrequires-python = "newest"\n', "pyproject.toml:2: .* no range of versions"),
        (".github/workflows/test.yml", "x:\n  python-version: 3.10\n", ".github/workflows/test.yml:2: .* 3.10"),
        (".gitlab-ci.yml", "image: python:3.13\n", ".gitlab-ci.yml:1: this names Python 3.13"),
        (
            "deploy/docker/Dockerfile.dev",
            "FROM python:3.13-slim\n",
            "deploy/docker/Dockerfile.dev:1: this names Python 3.13",
        ),
        (".gitlab-ci.yml", 'python-version: ["3.11", "3.13"]\n', ".gitlab-ci.yml:1: this names Python 3.11, 3.13"),
        (".gitlab-ci.yml", 'python-version:\n  - "3.11"\n', ".gitlab-ci.yml:1: this names Python 3.11"),
        ("pyproject.toml", "[project\n", "pyproject.toml:1: not TOML"),
        (
            "pyproject.toml",
            "[project]\nrequires-python = 3\n",
            "pyproject.toml:2: .*leaves out|pyproject.toml:2: .* no range",
        ),
    ],
)
def test_versions_that_disagree_are_refused(pinned: Path, file: str, content: str, message: str) -> None:
    (pinned / file).parent.mkdir(parents=True, exist_ok=True)
    (pinned / file).write_text(content, encoding="utf-8")
    assert any(re.match(message, fault) for fault in python_pin.faults(pinned))


TABLE = "a;b;c\n" * 30
MODEL = "a model"
DATA = "data"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("src/x.parquet", b"PAR1 and more", DATA),
        ("src/notes.txt", b"PAR1 and more", DATA),
        ("src/x.csv", b"a,b\n1,2\n", DATA),
        ("src/x.dat", TABLE.encode(), DATA),
        ("src/x.bin", gzip.compress(b"a,b\n", mtime=0), DATA),
        ("src/x", b"SQLite format 3\x00", DATA),
        ("src/x.bin", b"\x93NUMPY", DATA),
        ("src/x.zip", b"PK\x03\x04 xl/workbook", DATA),
        ("src/x.bin", pickle.dumps({"weights": [1, 2]}), MODEL),
        ("src/x.txt", b"PK\x03\x04 archive/data.pkl", MODEL),
        ("src/x.bin", b"\x08\x08\x12\x08skl2onnx\x1a\x061.20.0", MODEL),
        ("src/model.onnx", b"\x08\x0a", MODEL),
        ("src/x.bin", b"\x40\x00\x00\x00\x00\x00\x00\x00" + b'{"w":{"dtype":"F32"}}', MODEL),
        ("src/x.h5", b"", MODEL),
        ("notes/table.md", TABLE.encode(), DATA),
        ("notes/table.txt", TABLE.encode("utf-16"), DATA),
    ],
)
def test_models_and_data_are_known_by_what_they_hold(name: str, content: bytes, kind: str) -> None:
    assert artifacts.kind_of(name, content) == kind


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("src/code.py", b"call(1, 2, 3)\n    x = (1, 2, 3)\n" * 20),
        ("letter.docx", b"PK\x03\x04 word/document.xml"),
        ("logo.svgz", gzip.compress(b"<svg/>", mtime=0)),
        ("table.rst", b"a | b | c\n" * 30),
        ("README.md", b"| a | b |\n" * 40),
        ("notes.txt", b"A sentence, with a comma.\n" + b"Another without.\n" * 30),
        ("logo.png", b"\x89PNG\r\n\x1a\n"),
        ("uv.lock", b"version = 1\n"),
        (".gitignore", b"*.csv\n"),
        ("Makefile", b"all:\n\techo\n" * 20),
    ],
)
def test_other_files_pass(name: str, content: bytes) -> None:
    assert artifacts.kind_of(name, content) is None


def test_each_kind_has_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("data", "artifacts", "src"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.csv").write_text("a\n", encoding="utf-8")
        (tmp_path / folder / "x.onnx").write_bytes(b"\x08")
    faults = artifacts.faults([path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("x.*"))])
    assert faults == [
        "artifacts/x.csv:1: this holds data; move it to data/ or keep it out of git",
        "data/x.onnx:1: this holds a model; move it to artifacts/ or keep it out of git",
        "src/x.csv:1: this holds data; move it to data/ or keep it out of git",
        "src/x.onnx:1: this holds a model; move it to artifacts/ or keep it out of git",
    ]


@pytest.mark.parametrize("name", ["artifacts", "expectations", "python_pin"])
def test_a_hook_passes_on_the_generated_project_without_a_word_and_quickly(generated: Path, name: str) -> None:
    """Quick means: within the time of a dozen starts of Python, a ratio that holds on a slow machine too."""

    def seconds(*arguments: str) -> float:
        started = time.perf_counter()
        completed = subprocess.run(arguments, cwd=generated, capture_output=True, text=True, check=False)
        assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")
        return time.perf_counter() - started

    tracked = subprocess.run(
        ["git", "ls-files"], cwd=generated, capture_output=True, text=True, check=True
    ).stdout.split()
    files = {"artifacts": tracked, "expectations": [name for name in tracked if name.startswith("expectations/")]}
    python = str(generated / ".venv" / "bin" / "python")
    start = statistics.median(seconds(python, "-c", "") for _ in range(5))
    work = statistics.median(seconds(python, f"hooks/{name}.py", *files.get(name, [])) for _ in range(5))
    assert work < 12 * start
