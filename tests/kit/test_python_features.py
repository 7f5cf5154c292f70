"""Python features: computed the same in a table and in a request, and only by the code that a version was made with."""

import importlib.util
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from mlkeel.config import read_server_config, read_settings
from mlkeel.contract.dates import ISO_DATE
from mlkeel.contract.request import RowValidator, example
from mlkeel.contract.suites import Contract, Suite, read_contract
from mlkeel.errors import ArtifactError, InputError
from mlkeel.features.agreement import check_agreement
from mlkeel.features.derived import derived
from mlkeel.features.encoder import TABLES, Encoder
from mlkeel.features.export import build_encoder, with_named_inputs
from mlkeel.features.values import Values
from mlkeel.inference.frames import with_derived
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Project, Run
from mlkeel.registry.artifact import current
from mlkeel.registry.versions import promote, rollback
from mlkeel.serve.app import build
from mlkeel.testing.plugin import outdated_version
from mlkeel.training.reevaluate import reevaluate, run_flow
from mlkeel.training.training import train

from .conftest import expectation
from .kinds import KIND

SOURCE = """
import json
import re
from pathlib import Path

from mlkeel.features.python_features import python_feature

SWEET = set(json.loads(Path(__file__).with_name("python_features_sweet.json").read_text(encoding="utf-8")))


@python_feature
def vowels(colour):
    return None if colour is None else len(re.findall("[aeiou]", colour))


@python_feature(columns=("colour", "weight_g"))
def is_sweet(name, weight):
    return name in SWEET and 1 / (weight - 200.5) != 0
"""  # which fails where the contract permits a value that no row of the table has, as the middle of its range
ROWS = {"weight_g": [150.0, None, 0.0], "colour": ["red", "", "violet"]}

pytestmark = pytest.mark.skipif(KIND.text, reason="a model of texts reads words alone")


@derived
def vowels_per_gram(vowels: Values, weight_g: Values) -> Values:
    return vowels / weight_g


def write(folder: Path, source: str = SOURCE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "python_features_sweet.json").write_text('["red", "green"]', encoding="utf-8")
    path = folder / "python_features.py"
    path.write_text(source, encoding="utf-8")
    return path


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("python_features", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_python(path: Path) -> Project:
    """The project of the kit with the features of a source."""
    module = imported(path)
    return replace(KIND.project, features=TABLES.derive(module.vowels, module.is_sweet, vowels_per_gram))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "src" / "orchard")


@pytest.fixture
def encoder(source: Path, fruit_contract: Contract) -> Encoder:
    return build_encoder(fruit_contract, with_python(source).features)


def test_their_columns_stand_before_what_is_derived(encoder: Encoder) -> None:
    assert encoder.derived == ("vowels", "is_sweet", "vowels_per_gram")
    assert encoder.layout.sources == (("colour",), ("colour", "weight_g"), ("colour", "weight_g"))
    nan = np.nan
    expected = np.array([[1, 1, 1 / 150], [nan, 0, nan], [3, 0, nan]], dtype=np.float32)
    np.testing.assert_array_equal(encoder.encode(ROWS)[:, -3:], expected)


def test_a_request_gets_the_values_of_a_table(encoder: Encoder) -> None:
    rows = [dict(zip(ROWS, values, strict=True)) for values in zip(*ROWS.values(), strict=True)]
    np.testing.assert_array_equal(encoder.encode_rows(rows), encoder.encode(ROWS))


def test_a_function_gets_numbers_texts_and_dates_and_none_where_they_are_missing(tmp_path: Path) -> None:
    suite: Suite = {
        "name": "features",
        "expectations": [
            expectation("table_columns_to_match_set", column_set=["ordered", "price", "paid"]),
            expectation("column_type_to_be", column="ordered", type_="str"),
            expectation("column_values_to_match_regex", column="ordered", regex=ISO_DATE),
            expectation("column_type_to_be", column="price", type_="float64"),
            expectation("column_type_to_be", column="paid", type_="bool"),
        ],
    }
    path = write(
        tmp_path,
        "from mlkeel.features.python_features import python_feature\nSEEN = []\n\n\n@python_feature\n"
        "def known(ordered, price, paid):\n    SEEN.append((ordered, price, paid))\n    return price\n",
    )
    module = imported(path)
    contract = Contract(suite, suite)
    encoder = build_encoder(contract, TABLES.with_times().derive(module.known))
    encoder.encode({"ordered": ["2026-11-22", None], "price": [2.0, np.nan], "paid": [True, False]})
    assert [(datetime(2026, 11, 22, tzinfo=UTC), 2.0, True), (None, None, False)] == module.SEEN
    encoder.encode_rows([example(RowValidator(contract).schema())])
    assert isinstance(module.SEEN[-1][0], datetime)  # by which a version is tried


def test_what_is_not_the_same_each_time_is_refused(tmp_path: Path, fruit_contract: Contract) -> None:
    path = write(
        tmp_path,
        "import itertools\nfrom mlkeel.features.python_features import python_feature\nCOUNT = itertools.count()\n\n\n"
        "@python_feature\ndef counted(colour):\n    return next(COUNT)\n",
    )
    features = TABLES.derive(imported(path).counted)
    with pytest.raises(InputError, match="random numbers"):
        check_agreement(features.derived, build_encoder(fruit_contract, features), ROWS)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def name(weight):\n    return 1", "'weight' is no feature of the contract"),
        ("def name(note):\n    return 1", "'note' is no feature of the contract"),
        ("def colour(weight_g):\n    return 1", "there is already"),
        ("def name():\n    return 1", "reads no column"),
        ("def name(weight_g):\n    return str(weight_g)", "type str"),
        ("def name(weight_g):\n    return weight_g + 1", "TypeError"),
        ("def name(weight_g):\n    import pandas", "imports pandas"),
        ("def name(weight_g):\n    from . import data", "another file of the project"),
    ],
)
def test_what_cannot_work_is_refused_with_its_line(
    tmp_path: Path, fruit_contract: Contract, code: str, reason: str
) -> None:
    path = write(tmp_path, f"from mlkeel.features.python_features import python_feature\n\n\n@python_feature\n{code}\n")
    name = code.partition("(")[0].removeprefix("def ")
    with pytest.raises(InputError, match=rf"python_features.py:\d+.*{reason}"):
        build_encoder(fruit_contract, TABLES.derive(getattr(imported(path), name))).encode(ROWS)


def test_a_function_in_another_file_is_refused_since_no_image_has_it(tmp_path: Path, fruit_contract: Contract) -> None:
    path = write(tmp_path).rename(tmp_path / "features.py")
    with pytest.raises(InputError, match=r"features.py:\d+, in vowels: .*python_features.py"):
        build_encoder(fruit_contract, TABLES.derive(imported(path).vowels))


@pytest.fixture(scope="module")
def version(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a version with Python features, in a project that is not to be changed."""
    root = Path(shutil.copytree(original, tmp_path_factory.mktemp("python") / "orchard"))
    return train(with_python(write(root / "src" / KIND.project.package)), root).folder


@pytest.fixture
def copied(version: Path, tmp_path: Path) -> Path:
    """The folder of this version in a project of a test's own."""
    root = Path(shutil.copytree(version.parent.parent, tmp_path / "orchard"))
    return root / "artifacts" / version.name


def test_a_version_keeps_its_source_and_says_that_it_is_not_portable(version: Path) -> None:
    assert (version / "python_features.py").read_text(encoding="utf-8") == SOURCE
    assert (version / "python_features_sweet.json").is_file()
    card = (version / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "not portable" in card
    assert "`is_sweet`" in card


def test_file_and_request_are_answered_alike_where_there_is_only_the_copy_of_the_image(
    version: Path, tmp_path: Path
) -> None:
    shutil.copytree(version, tmp_path / "artifacts" / version.name)
    (tmp_path / "artifacts" / "current").write_text(version.name, encoding="utf-8")
    root = version.parent.parent
    for path in [root / "pyproject.toml", *(root / "src" / KIND.project.package).glob("python_features*")]:
        shutil.copy(path, tmp_path)
    rows: Any = {"weight_g": [150.0, 20.0], "colour": ["red", "green"]}
    expected = Predictor.load(version).predict(rows)
    app, _ = build(tmp_path, read_server_config({"API_STORE": "off"}))
    with TestClient(app) as client:
        answers = client.post(
            "/predict", json=[{"weight_g": 150, "colour": "red"}, {"weight_g": 20, "colour": "green"}]
        )
    assert answers.status_code == 200, answers.text
    folder = tmp_path / "artifacts" / version.name
    np.testing.assert_array_equal(Predictor.load(folder).predict(rows), expected)


def change_code(source: Path) -> None:
    (source / "python_features.py").write_text(SOURCE.replace("aeiou", "aeiouy"), encoding="utf-8")


def change_table(source: Path) -> None:
    (source / "python_features_sweet.json").write_text("[]", encoding="utf-8")


def add_file(source: Path) -> None:
    (source / "python_features_sour.json").write_text("[]", encoding="utf-8")


@pytest.mark.parametrize("change", [change_code, change_table, add_file])
def test_a_version_is_refused_where_its_source_is_another(copied: Path, change: Callable[[Path], None]) -> None:
    change(copied.parent.parent / "src" / KIND.project.package)
    with pytest.raises(ArtifactError, match=r"vowels, is_sweet come from Python code.*Copy"):
        Predictor.load(copied)


def test_line_ends_are_no_change(copied: Path) -> None:
    path = copied.parent.parent / "src" / KIND.project.package / "python_features.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    Predictor.load(copied)


def test_a_version_is_refused_where_there_is_no_source(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(copied.parent.parent / "src")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match=r"no src/.*put a copy there"):
        Predictor.load(copied)


def test_the_copy_beside_a_version_is_never_run(copied: Path) -> None:
    (copied / "python_features.py").write_text("raise SystemExit('run')", encoding="utf-8")
    Predictor.load(copied)


def test_rollback_across_a_change_works_once_the_source_is_as_it_was(copied: Path) -> None:
    root = copied.parent.parent
    source = root / "src" / KIND.project.package
    change_code(source)
    second = train(with_python(source / "python_features.py"), root).folder
    promote(root, second.name)
    with pytest.raises(ArtifactError, match="What was current still is"):
        rollback(root)
    assert current(root / "artifacts") == second
    shutil.copy(copied / "python_features.py", source)
    assert promote(root, copied.name) == copied.name


def test_a_version_is_evaluated_and_compared_by_its_own_columns(version: Path) -> None:
    root = version.parent.parent
    project = with_python(root / "src" / KIND.project.package / "python_features.py")
    predictor = Predictor.load(version)
    settings = read_settings(root / "conf" / "params.yaml")
    prepared, trained = run_flow(project, Run(root, settings, read_contract(root / "expectations")))
    scores = [
        each.evaluation.model.model_dump(exclude_none=True)
        for each in (reevaluate(project, predictor, settings, root)[1], trained)
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)
    assert outdated_version(root, prepared) == ""


@pytest.fixture
def served(copied: Path) -> Iterator[TestClient]:
    """The API of the version."""
    app, _ = build(copied.parent.parent, read_server_config({"API_STORE": "off"}))
    with TestClient(app) as client:
        yield client


def test_a_request_for_which_one_fails_is_refused_and_logged_without_its_values(
    served: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"weight_g": 150, "colour": "red"}, {"weight_g": None, "colour": "green"}]
    answer = served.post("/predict", json=rows)
    assert answer.status_code == 422
    (violation,) = answer.json()["detail"]
    assert (violation["row"], violation["column"], violation["rule"]) == (2, "is_sweet", "python_feature")
    assert "colour, weight_g" in violation["message"]
    (message,) = [record.getMessage() for record in caplog.records if record.name.startswith("mlkeel")]
    assert re.search(r"python_features.py:\d+, in is_sweet: TypeError", message)
    assert "green" not in message
    assert served.post("/predict", json=rows[0]).status_code == 200


def test_what_reads_a_column_that_was_not_recorded_is_not_computed(version: Path) -> None:
    colors = pd.DataFrame({"colour": ["red", "green"]})
    assert with_derived(colors, Predictor.load(version).encoder)["vowels"].tolist() == [1, 2]


def test_an_exported_graph_takes_their_columns_and_gives_what_is_derived(version: Path) -> None:
    encoder = Predictor.load(version).encoder
    session = onnxruntime.InferenceSession(with_named_inputs(encoder))
    names = ["weight_g", "colour", "vowels", "is_sweet"]
    assert [each.name for each in session.get_inputs()] == [*(name for name in names if name != "colour"), "colour"]
    inputs = {
        "weight_g": np.array([150.0, 20.0]),
        "colour": np.array(["red", "green"], dtype=object),
        "vowels": np.array([1.0, 2.0]),
        "is_sweet": np.array([1.0, 1.0]),
    }
    answers, ratio = session.run(["answers", "vowels_per_gram"], inputs)
    rows: Any = {name: inputs[name] for name in ("weight_g", "colour")}
    np.testing.assert_array_equal(answers, Predictor.load(version).predict(rows))
    np.testing.assert_array_equal(ratio, np.array([1 / 150, 0.1], dtype=np.float32))


def test_the_page_shows_one_that_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "template" / "docs" / "models.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page.partition("## What must stay Python")[2], flags=re.DOTALL)[0]
    module = imported(write(tmp_path, code))
    assert [module.island_letters(island) for island in ("Biscoe", None)] == [6, None]
