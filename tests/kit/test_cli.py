import json
import logging
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from mlkeel.cli.app import main
from mlkeel.cli.hints import instruction
from mlkeel.errors import ArtifactError, Hint
from mlkeel.features.derived import DerivedFeature, derived
from mlkeel.features.values import Values
from mlkeel.project import Project
from mlkeel.registry import artifact

from .kinds import KIND

TEXT = "note" if KIND.text else "colour"  # a feature
TYPE = "str" if KIND.text else "float64"


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    before = logging.root.handlers[:]
    yield
    for handler in set(logging.root.handlers) - set(before):
        handler.close()
    logging.root.handlers[:] = before


LIMIT = "min_slice_score" if KIND.classification else "max_slice_error"
OTHER_LIMIT = "max_slice_error" if KIND.classification else "min_slice_score"


def run(project: Path, *arguments: str, of: Project = KIND.project) -> int:
    with pytest.raises(SystemExit) as excinfo:
        main(of, ["--root", str(project), *arguments])
    return int(excinfo.value.code or 0)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_training_makes_a_version_current(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(project, "train") == 0
    assert "baseline" in capsys.readouterr().out
    assert (artifact.current(project / "artifacts") / "MODEL_CARD.md").is_file()


@derived
def per_gram(weight_g: Values) -> Values:
    return 1 / weight_g


@derived
def of_heavy_ones(weight_g: Values) -> Values:
    return weight_g if weight_g > 100 else 0


def deriving(feature: DerivedFeature) -> Project:
    return replace(KIND.project, features=KIND.project.features.derive(feature))


@pytest.mark.skipif(KIND.text, reason="a model of texts reads words alone")
def test_derived_features_are_checked_without_a_training(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(project, "check-features") == 0
    assert run(project, "check-features", of=deriving(per_gram)) == 0
    assert run(project, "check-features", of=deriving(of_heavy_ones)) == 2
    assert re.search(r"test_cli\.py:\d+, in of_heavy_ones: .*where\(", capsys.readouterr().err)
    (project / "data" / "fruit.csv").unlink()  # which git may not hold
    assert run(project, "check-features", of=deriving(per_gram)) == 0
    assert run(project, "check-features", of=deriving(of_heavy_ones)) == 2


@pytest.mark.skipif(KIND.text, reason="a model of texts reads words alone")
def test_rules_are_drafted_for_derived_columns_and_removed_with_them(project: Path) -> None:
    path = project / "expectations" / "derived.json"
    assert run(project, "contract", of=deriving(per_gram)) == 0
    assert "per_gram" in path.read_text(encoding="utf-8")
    assert run(project, "train", of=deriving(per_gram)) == 0
    assert run(project, "report", of=deriving(per_gram)) == 0
    assert "per_gram" in (project / "reports" / "report.html").read_text(encoding="utf-8")
    assert run(project, "contract") == 0
    assert not path.exists()


def test_the_current_version_is_evaluated(trained_project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(trained_project, "evaluate") == 0
    assert "baseline" in capsys.readouterr().out


def test_the_current_version_predicts_a_file(trained_project: Path, tmp_path: Path) -> None:
    assert run(trained_project, "predict", str(trained_project / "data" / "fruit.csv"), str(tmp_path / "out.csv")) == 0
    assert len((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()) == 121


def test_the_current_version_is_reported_on(trained_project: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(trained_project, tmp_path / "orchard"))
    assert run(project, "report") == 0
    assert (project / "reports" / "report.html").is_file()


def test_the_summary_tells_of_the_model_and_of_the_table(
    trained_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(trained_project, "summary") == 0
    output = capsys.readouterr().out
    assert output.startswith("# Model ")
    suites = [json.loads(path.read_text("utf-8")) for path in (trained_project / "expectations").glob("*.json")]
    rules = sum(len(suite["expectations"]) for suite in suites)
    assert f"# Data: data/fruit.csv\n\n120 rows; {rules} of {rules} expectations hold." in output


def test_an_alarm_has_an_exit_code_of_its_own(
    trained_project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Path(shutil.copytree(trained_project, project := tmp_path / "watched")) / "data" / "fruit.csv"
    assert run(project, "monitor", str(table)) == 0
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    recent = tmp_path / "recent.csv"
    recent.write_text("\n".join([header, *(row for row in rows if ",apple," in row)]), encoding="utf-8")
    assert run(project, "monitor", str(recent)) == 1
    assert f"{recent}: predicted_" in capsys.readouterr().err
    assert run(project, "monitor", "nowhere.csv") == 2


@pytest.fixture(params=[True, False], ids=["by make", "by hand"])
def by_make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether make called the command; make sets this variable, also when it runs these tests."""
    if request.param:
        monkeypatch.setenv("MAKELEVEL", "1")
    else:
        monkeypatch.delenv("MAKELEVEL", raising=False)
    return bool(request.param)


def test_a_remedy_is_in_the_words_of_the_caller(
    project: Path, capsys: pytest.CaptureFixture[str], by_make: bool
) -> None:
    words = {True: "make train", False: f"python -m {KIND.project.package} train"}
    assert run(project, "evaluate") == 2
    message = capsys.readouterr().err
    assert "no version is current yet" in message
    assert words[by_make] in message
    assert words[not by_make] not in message


def test_each_hint_has_words_and_only_those_of_make_name_it(by_make: bool) -> None:
    for hint in Hint:
        sentence = instruction(hint, "orchard")
        assert sentence[0].isupper() or sentence.startswith(("make ", "python "))
        assert by_make or not re.search(r"\bmake [a-z]|[A-Z]+=|{", sentence)


def test_a_model_that_is_not_good_enough_is_kept_but_not_current(
    project: Path, capsys: pytest.CaptureFixture[str], by_make: bool
) -> None:
    change(project / "conf" / "params.yaml", "min_skill: 0.1", "min_skill: 0.9999")
    (project / "tests" / "model").mkdir(parents=True)
    case = "{name: apples are blue, row: {colour: blue}, expect: blue}"
    (project / "tests" / "model" / "behavior.yaml").write_text(f"minimum_functionality: [{case}]", encoding="utf-8")
    assert run(project, "train") == 1
    (card,) = (project / "artifacts").glob("*/MODEL_CARD.md")
    message = capsys.readouterr().err
    command = "make promote VERSION=" if by_make else f"python -m {KIND.project.package} promote "
    assert f"{command}{card.parent.name}" in message
    assert "99.99%" in message or "100.0%" in message
    assert 'Behaviour "apples are blue"' in message
    with pytest.raises(ArtifactError, match="no version is current"):
        artifact.current(project / "artifacts")


def test_behavior_that_cannot_be_read_is_said_before_a_training(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "tests" / "model").mkdir(parents=True)
    (project / "tests" / "model" / "behavior.yaml").write_text("directional: [", encoding="utf-8")
    assert run(project, "train") == 2
    assert "behavior.yaml: this is not valid YAML" in capsys.readouterr().err
    assert not (project / "artifacts").exists()


def test_versions_are_shown_chosen_and_taken_back(
    trained_project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Path(shutil.copytree(trained_project, tmp_path / "orchard"))
    first = artifact.current(project / "artifacts")
    shutil.copytree(first, project / "artifacts" / "mine")
    assert run(project, "promote", "mi") == 0
    assert run(project, "versions") == 0
    table = capsys.readouterr().out
    assert re.search(r"mine .* yes", table)
    assert re.search(rf"{first.name} .* until ", table)
    assert run(project, "rollback") == 0
    assert artifact.current(project / "artifacts") == first
    capsys.readouterr()
    assert run(project, "versions", "--json") == 0
    assert {version["version"]: version["is_current"] for version in json.loads(capsys.readouterr().out)} == {
        "mine": False,
        first.name: True,
    }
    assert run(project, "rollback") == 2
    assert "no version that was current before" in capsys.readouterr().err


def lines(*rows: str) -> bytes:
    return "\n".join(["id,fruit,price,note,weight_g,colour", *rows]).encode()


def row(number: int, weight: object, colour: str = "red", note: str | None = None) -> str:
    fruit = "apple" if number % 2 else "cherry"
    text = f"note {number}" if note is None else note
    return f"f{number},{fruit},{number},{text},{weight},{colour}"


PLENTY = [row(number, number + 1) for number in range(60)]
SAME_TARGET = [f"f{number},apple,5,note {number},{number + 1},red" for number in range(60)]
BAD_TABLES = {
    "missing": (None, "there is no such file"),
    "empty": (b"", "the file is empty"),
    "header only": (lines(), "no row below it"),
    "column missing": (
        "\n".join(line.rsplit(",", 1)[0] for line in lines(*PLENTY).decode().split("\n")).encode(),
        "missing: colour",
    ),
    "column extra": (b"more," + lines(*PLENTY).replace(b"\n", b"\n1,"), "unexpected: more"),
    "wrong type": (
        lines(*PLENTY, row(99, "heavy")),
        'weight_g: its type must be float64; seen: str, for example "heavy" in row 61',
    ),
    "not UTF-8": (lines(*PLENTY, row(99, 9, "gr\xfcn")).decode().encode("latin-1"), "line 62 is not UTF-8"),
    "no value of a feature": (
        lines(*((row(number, 9, note="") if KIND.text else row(number, number + 1, "")) for number in range(60))),
        "has a value of note" if KIND.text else "has a value of colour",
    ),
    "no target": (lines(*PLENTY).replace(KIND.target.encode(), b"taste", 1), "is not there"),
    "short row": (lines(*PLENTY, "f99,apple,9"), "line 62 has 3 fields"),
    "long row": (lines(row(99, 9) + ",", *PLENTY), "line 2 has 7 fields"),
    "open quote": (lines(*PLENTY[:5], row(99, 9, '"red'), *PLENTY[5:]), "line 7 cannot be read"),
    "no name": (b"," + lines().strip() + b"\n" + b"0,f1,apple,5,note,9,red\n" * 60, "column 1 has no name"),
    "semicolons": (lines(*PLENTY).replace(b",", b";"), "separated by ';'"),
    "one name twice": (lines(*PLENTY).replace(b"colour", b"id"), "the header has id twice"),
    "too few rows": (lines(*PLENTY[:9]), "rows"),
} | ({"one class": (lines(*SAME_TARGET), "one class only")} if KIND.classification else {})


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_ends_in_one_paragraph(project: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    content, reason = BAD_TABLES[name]
    path = project / "data" / "fruit.csv"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert run(project, "train") == 2
    *warned, message = capsys.readouterr().err.strip().splitlines()
    assert not any("Traceback" in line or reason in line for line in warned)
    assert "fruit.csv" in (project / "logs" / "error.log").read_text(encoding="utf-8")
    assert message.startswith(str(path))
    assert reason in message
    assert not (project / "artifacts").exists()


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("conf/params.yaml", f"target: {KIND.target}", f"target: {TEXT}", "which is also a feature"),
        ("conf/params.yaml", f"target: {KIND.target}", "target: taste", '"taste" is not there'),
        ("conf/params.yaml", "- colour", "- taste", "gate.slices names taste"),
        ("conf/params.yaml", LIMIT, OTHER_LIMIT, f"gate.{OTHER_LIMIT} does not fit"),
        ("conf/params.yaml", f"{LIMIT}: {0.5 if KIND.classification else 100}", "", "gate.slices has no limit"),
        ("conf/params.yaml", "seed: 7", "seed: -1", "seed: it must be greater than or equal to 0"),
        ("conf/params.yaml", "learning_rate: ", "learning_speed: ", "learning_speed is not a setting"),
        ("expectations/dataset.json", "to_be_between", "to_be_betwen", "betwen not found"),
        ("expectations/dataset.json", "max_value", "max_valu", "max_valu extra fields not permitted"),
        ("expectations/features.json", f'"column": "{TEXT}"', '"column": ["x"]', "needs a type, kwargs"),
        ("expectations/features.json", "column_set", "columns", "has a column_set"),
        ("expectations/features.json", f'"type_": "{TYPE}"', '"type": "x"', "has no expect_column_type"),
    ],
)
def test_a_wrong_file_ends_in_one_paragraph(
    project: Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, reason: str
) -> None:
    change(project / file, old, new)
    assert run(project, "train") == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert reason in message
    assert not (project / "artifacts").exists()


def test_a_model_answers_by_what_it_was_trained_on(trained_project: Path, tmp_path: Path) -> None:
    """The settings may have moved on since; the artifact keeps its own."""
    project = Path(shutil.copytree(trained_project, tmp_path / "moved"))
    change(project / "conf" / "params.yaml", f"target: {KIND.target}", "target: id")
    assert run(project, "predict", str(project / "data" / "fruit.csv"), str(tmp_path / "out.csv")) == 0
    assert f"predicted_{KIND.target}" in (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert run(project, "evaluate") == 0


def test_scores_on_a_table_that_was_changed_come_with_a_warning(
    trained_project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Path(shutil.copytree(trained_project, tmp_path / "changed"))
    assert run(project, "evaluate") == 0
    assert "not as it was in training" not in capsys.readouterr().err
    change(project / "data" / "fruit.csv", "f0,apple", "f00,apple")
    assert run(project, "evaluate") == 0
    assert "not as it was in training" in capsys.readouterr().err


def test_every_line_on_standard_output_is_json_when_asked_for(
    trained_project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    assert run(trained_project, "evaluate") == 0
    assert run(trained_project, "versions") == 0
    assert run(trained_project, "predict", "absent.csv", "out.csv") == 2
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [version["is_current"] for version in records[-2]["versions"]] == [True]
    assert records[0]["evaluation"]["model"]["rows"] > 9
    assert (records[-1]["level"], records[-1]["message"][:10]) == ("ERROR", "absent.csv")


def test_a_traceback_is_shown_only_when_asked_for(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "data" / "fruit.csv").unlink()
    run(project, "train")
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(Exception, match="no such file"):
        main(KIND.project, ["--root", str(project), "--debug", "train"])


def test_predicting_without_a_model_says_how_to_make_one(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(project, "predict", "in.csv", "out.csv") == 2
    assert instruction(Hint.TRAIN, KIND.project.package) in capsys.readouterr().err


@pytest.mark.parametrize("code", ["packages/mlkeel/mlkeel", f"src/{KIND.project.package}"])
def test_an_environment_that_was_copied_does_not_run_the_code_of_the_original(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    original = ModuleType(KIND.project.package)
    original.__file__ = str(tmp_path / "original" / "__init__.py")
    (tmp_path / "original").mkdir()
    monkeypatch.setitem(sys.modules, KIND.project.package, original)
    source = project / code
    source.mkdir(parents=True)
    assert run(project, "evaluate") == 2
    assert str(source) in capsys.readouterr().err


def test_a_monitor_that_cannot_judge_says_what_would_help(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(project, "monitor") == 2
    message = capsys.readouterr().err
    assert "no version is current yet" in message
    assert instruction(Hint.TRAIN, KIND.project.package) in message


def test_without_a_project_nothing_suggests_to_train_here() -> None:
    assert "mlkeel train" not in instruction(Hint.TRAIN, None)
