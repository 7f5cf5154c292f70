import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlkeel.adopt import adopt as adopting
from mlkeel.adopt.adopt import AdoptResult, adopt
from mlkeel.adopt.datasheet import UNANSWERED, open_questions
from mlkeel.adopt.infer_split import parse_split
from mlkeel.behavior.cases import Case, applicable_cases
from mlkeel.behavior.kinds import case_type_of
from mlkeel.config import read_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.drafts.draft_check import DraftCheck
from mlkeel.errors import Hint, InputError
from mlkeel.project import Project, TrainingResult
from mlkeel.registry import artifact
from mlkeel.training import checks

from .kinds import KIND

BEHAVIOR = "invariance: []\ndirectional: []\nminimum_functionality: []\n"
MARKS = "# Mine\n\n<!-- make adopt writes data -->\nold\n<!-- to here -->\nmine too\n"
TARGET = "tree" if KIND.classification else "height"
TABULAR = ["girth", "bark", "height"] if KIND.classification else ["tree", "girth", "bark"]
FEATURES = ["note"] if KIND.text else TABULAR
WORDS = {"oak": ["broad", "gnarled", "old", "of acorns"], "birch": ["slender", "white", "young", "of catkins"]}


def rows(count: int = 150) -> list[str]:
    """Lines of a table of trees: oaks are thick and high, birches are white."""
    lines = ["tree;girth;bark;height;note;planted;owner"]
    for number in range(count):
        kind = "oak" if number % 2 else "birch"
        girth = (90 if number % 2 else 40) + number * 7 % 61
        bark = ("brown" if number % 2 else "white") if number % 9 else "grey"
        height = f"{girth / 8 + number * 13 % 7:.1f}".replace(".", ",")
        planted = f"{1 + number % 28:02d}.04.2020"
        note = f"a tree {WORDS[kind][number % 4]} and {WORDS[kind][number // 4 % 4]} in plot {number}"
        lines.append(f"{kind};{girth},5;{bark};{height};{note};{planted};a{number % 9}@example.org")
    return lines


@pytest.fixture(autouse=True, scope="module")
def _skip_draft_check() -> Iterator[None]:
    """A check of drafts takes seconds, and test_draft.py holds tables against drafts already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "enforce", lambda *_: [])
        patch.setattr(adopting, "check_draft", lambda *_: DraftCheck(10, [], 20, []))
        yield


@pytest.fixture
def orchard(project: Path) -> Path:
    """The made-up project with everything that `adopt` replaces, and a table of trees beside it."""
    return with_adoptable_files(project)


def with_adoptable_files(project: Path) -> Path:
    (project / "tests" / "model").mkdir(parents=True)
    (project / "tests" / "model" / "behavior.yaml").write_text(BEHAVIOR, encoding="utf-8")
    (project / "README.md").write_text(MARKS, encoding="utf-8")
    (project / "trees.csv").write_text("\n".join(rows()), encoding="latin-1")
    return project


@pytest.fixture(scope="module")
def adoption(original: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AdoptResult]:
    """The same after it was made about the trees, and what `adopt` said; to be looked at and not changed."""
    project = with_adoptable_files(Path(shutil.copytree(original, tmp_path_factory.mktemp("grown") / "orchard")))
    adopted = run(project)
    assert adopted is not None
    return project, adopted


@pytest.fixture
def adopted_project(adoption: tuple[Path, AdoptResult], tmp_path: Path) -> Path:
    """A copy of it, to be changed at will."""
    return Path(shutil.copytree(adoption[0], tmp_path / "grove"))


def run(project: Path, source: str = "trees.csv", target: str = TARGET, **options: object) -> AdoptResult | None:
    address = str(project / source)
    return adopt(KIND.project, address, target, {}, project, lambda _: True, **options)  # type: ignore[arg-type]


def snapshot(project: Path) -> dict[str, bytes]:
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file() and ".replaced" not in path.parts and ".git" not in path.parts
    }


def test_the_project_is_about_the_other_table(adoption: tuple[Path, AdoptResult]) -> None:
    project, adopted = adoption
    settings = read_settings(project / "conf" / "params.yaml")
    contract = read_contract(project / "expectations")
    assert (settings.data.path, settings.data.target) == (Path("data/trees.csv"), TARGET)
    assert [column.name for column in contract.columns] == FEATURES
    assert settings.columns["owner"] == "personal"
    _, first, *_ = (project / "data" / "trees.csv").read_text(encoding="utf-8").splitlines()
    assert first == "birch,40.5,grey,5.0,a tree slender and slender in plot 0,2020-04-01,a0@example.org"
    assert ", ".join(f"`{name}`" for name in FEATURES) in (project / "README.md").read_text(encoding="utf-8")
    assert "trees.csv" in (project / "data" / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load((project / "tests/model/behavior.yaml").read_text(encoding="utf-8"))["minimum_functionality"]
    assert artifact.current(project / "artifacts").is_dir()
    assert not list(project.glob(".adopt*"))
    assert not (project / "data" / "fruit.csv").exists()
    assert adopted.copies is not None
    assert (adopted.copies / "data" / "fruit.csv").is_file()


def test_once_more_is_the_same_to_the_byte(adopted_project: Path) -> None:
    datasheet = adopted_project / "data" / "README.md"
    today = datasheet.read_text(encoding="utf-8")
    datasheet.write_text(re.sub(r"adopted on [\d-]+", "adopted on 2020-02-29", today), encoding="utf-8")
    before = snapshot(adopted_project)
    run(adopted_project, "data/trees.csv")
    after = snapshot(adopted_project)
    assert [name for name in after if after[name] != before.get(name) and not name.startswith("artifacts/")] == []


def test_what_a_person_decided_stays(adopted_project: Path) -> None:
    path = adopted_project / "conf" / "params.yaml"
    behavior = adopted_project / "tests" / "model" / "behavior.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("planted: time", "planted: ignored").replace("bark: categorical", "bark: protected"),
        encoding="utf-8",
    )
    datasheet = adopted_project / "data" / "README.md"
    questions = open_questions(datasheet.read_text(encoding="utf-8"))
    with_answer = datasheet.read_text(encoding="utf-8").replace(UNANSWERED, "Whoever planted the trees.", 1)
    datasheet.write_text(with_answer, encoding="utf-8")
    cases = yaml.safe_load(behavior.read_text(encoding="utf-8"))
    row = {"note": "broad and old"} if KIND.text else {"girth": 120}
    expected = {"expect": "oak"} if KIND.classification else {"expect": 16, "within": 9}
    mine = {"name": "mine", "row": row, **expected}
    cases["minimum_functionality"].append(mine)
    behavior.write_text(yaml.safe_dump(cases), encoding="utf-8")
    run(adopted_project, "data/trees.csv")
    assert read_settings(path).columns["planted"] == "ignored"
    assert "yours; adopt would say time" in path.read_text(encoding="utf-8")
    assert '"column": "planted"' not in (adopted_project / "expectations" / "dataset.json").read_text(encoding="utf-8")
    assert "name: mine" in behavior.read_text(encoding="utf-8")
    contract = read_contract(adopted_project / "expectations")
    assert "bark" in contract.all_columns
    assert "bark" not in [column.name for column in contract.columns]
    text = datasheet.read_text(encoding="utf-8")
    assert f"{questions[0]}** Whoever planted the trees." in text
    assert open_questions(text) == questions[1:]
    assert "| protected columns | `bark` |" in text


@pytest.fixture
def _without_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is replaced, kept or refused does not depend on the model, which takes long."""

    def write(
        plan: adopting.Plan, _root: Path, staged: Path, _project: Project
    ) -> tuple[TrainingResult, DraftCheck, list[str]]:
        for path in (adopting.PARAMS, adopting.README, *adopting.SUITES.values(), Path("artifacts/current")):
            (staged / path).parent.mkdir(parents=True, exist_ok=True)
            (staged / path).write_text(plan.target, encoding="utf-8")
        return TrainingResult(staged, None, []), DraftCheck(10, [], 20, []), []  # type: ignore[arg-type]

    monkeypatch.setattr(adopting, "_write", write)


@pytest.mark.usefixtures("_without_training")
@pytest.mark.parametrize("way", ["dry run", "no", "failure", "Ctrl-C"])
def test_the_project_stays_as_it_was(orchard: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    before = snapshot(orchard)
    write = adopting._write  # noqa: SLF001

    def stop(*args: object) -> None:
        write(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt if way == "Ctrl-C" else InputError("broken")

    if way in ("failure", "Ctrl-C"):
        monkeypatch.setattr(adopting, "_write", stop)
        with pytest.raises((KeyboardInterrupt, InputError)):
            run(orchard)
    elif way == "no":
        assert adopt(KIND.project, str(orchard / "trees.csv"), TARGET, {}, orchard, lambda _: False) is None
    else:
        adopted = run(orchard, dry_run=True)
        assert adopted is not None
        assert Path("expectations/features.json") in adopted.changes
    assert snapshot(orchard) == before


def label(number: int) -> str:
    return "ab"[number * 7919 % 13 % 2] if KIND.classification else str(number * 7919 % 1009)


def noise(number: int) -> str:
    return f"word{number * 104729 % 97} of them {number}" if KIND.text else str(number * 104729 % 997)


NOISE = ["label,x", *(f"{label(number)},{noise(number)}" for number in range(300))]
NO_FEATURE = ["label,x", *(f"{label(number)},same" for number in range(100))]


@pytest.mark.parametrize(
    ("lines", "target", "message"),
    [
        (NOISE, "label", "say too little of label"),
        (NO_FEATURE, "label", "no column is left to predict label"),
        (NO_FEATURE, "lable", 'Did you mean "label"'),
    ],
)
def test_a_table_that_teaches_nothing_is_refused(orchard: Path, lines: list[str], target: str, message: str) -> None:
    before = snapshot(orchard)
    (orchard / "trees.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        run(orchard, target=target)
    assert {**snapshot(orchard), "trees.csv": b""} == {**before, "trees.csv": b""}


UNFIT_TABLES = {
    "absent.csv": (None, "species", "there is no such file"),
    "continuous.csv": ("x,y\n" + "".join(f"{n % 7},{n / 7}\n" for n in range(90)), "y", "is continuous"),
    "one.csv": ("x,y\n" + "".join(f"{n},a\n" for n in range(90)), "y", "one class only"),
    "many.csv": ("x,y\n" + "".join(f"{n},c{n % 200}\n" for n in range(2000)), "y", "has 200 classes"),
    "missing.csv": (
        "x,y\n" + "".join(f"{n},{'ab'[n % 2] if n % 5 == 0 else ''}\n" for n in range(90)),
        "y",
        "mostly missing",
    ),
    "few.csv": ("x,y\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(30)), "y", "50 are needed"),
    "misspelt.csv": ("x,label\n1,a\n2,b\n", "labl", 'Did you mean "label"'),
    "uneven.csv": ("x,y\n1,a\n2,b,c\n", "y", "line 3 has 3 fields"),
    "noise.csv": (
        "x,y\n" + "".join(f"{n * 7919 % 997},{'ab'[n * 31 % 17 % 2]}\n" for n in range(300)),
        "y",
        "say too little of y",
    ),
}


@pytest.mark.skipif(KIND.text or not KIND.classification, reason="these tables are about classes, from numbers")
@pytest.mark.parametrize("name", UNFIT_TABLES)
def test_what_cannot_be_adopted_is_refused_in_one_paragraph(orchard: Path, tmp_path: Path, name: str) -> None:
    content, target, reason = UNFIT_TABLES[name]
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    before = snapshot(orchard)
    with pytest.raises(InputError) as excinfo:
        adopt(KIND.project, str(tmp_path / name), target, {}, orchard, lambda _: True)
    (message,) = str(excinfo.value).splitlines()
    assert message.startswith(str(tmp_path / name))
    assert reason in message
    assert snapshot(orchard) == before


@pytest.mark.skipif(KIND.classification, reason="a class may be any word")
def test_a_target_that_is_no_number_is_refused(orchard: Path) -> None:
    before = snapshot(orchard)
    with pytest.raises(InputError, match="that are no numbers"):
        run(orchard, target="tree")
    assert snapshot(orchard) == before


def test_the_gate_of_a_person_is_not_lowered(adopted_project: Path) -> None:
    path = adopted_project / "conf" / "params.yaml"
    text = path.read_text(encoding="utf-8")
    min_skill = read_settings(path).gate.min_skill
    path.write_text(text.replace(f"min_skill: {min_skill:g}", "min_skill: 0.9999"), encoding="utf-8")
    with pytest.raises(InputError, match="does not pass the gate"):
        run(adopted_project, "data/trees.csv")


@pytest.fixture
def repository(orchard: Path) -> Path:
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "begin"]):
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", *identity, *words], cwd=orchard, check=True)
    return orchard


@pytest.mark.usefixtures("_without_training")
def test_uncommitted_edits_are_not_replaced_without_force(repository: Path) -> None:
    path = repository / "conf" / "params.yaml"
    edited = path.read_text(encoding="utf-8") + "# mine\n"
    path.write_text(edited, encoding="utf-8")
    with pytest.raises(InputError, match=r"conf/params\.yaml: changed since the last commit") as excinfo:
        run(repository)
    assert excinfo.value.hint is Hint.OVERWRITE
    assert path.read_text(encoding="utf-8") == edited
    adopted = run(repository, force=True)
    assert adopted is not None
    assert adopted.copies is not None
    assert (adopted.copies / "conf" / "params.yaml").read_text(encoding="utf-8") == edited


@pytest.mark.usefixtures("_without_training")
def test_what_git_has_needs_no_copies(repository: Path) -> None:
    adopted = run(repository)
    assert adopted is not None
    assert adopted.copies is None


@pytest.mark.usefixtures("_without_training")
def test_a_table_outside_data_is_not_taken_away(orchard: Path) -> None:
    (orchard / "elsewhere").mkdir()
    (orchard / "data" / "fruit.csv").rename(orchard / "elsewhere" / "fruit.csv")
    path = orchard / "conf" / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("data/fruit.csv", "elsewhere/fruit.csv"), encoding="utf-8")
    run(orchard)
    assert (orchard / "elsewhere" / "fruit.csv").is_file()


def test_cases_that_the_table_cannot_answer_are_left_out(fruit_contract: Contract) -> None:
    fits: Case = {"name": "fits", "change": {"weight_g": 1}, "row": {"colour": "red", "fruit": "apple"}}
    fits |= {"expect": {"apple": "falls"} if KIND.classification else "falls"}
    others: list[Case] = [
        {"name": "a draft", "draft": True},
        {"name": "no feature", "change": {"fruit": "cherry"}},
        {"name": "gone", "change": {"size": 1}},
        {"name": "no such colour", "row": {"colour": "blue"}},
        {"name": "no number", "change": {"weight_g": "heavy"}},
        {"name": "no such answer", "expect": {"pear": "falls"} if KIND.classification else "sinks"},
    ]
    table = pd.DataFrame({"fruit": ["apple"], "weight_g": [9.0], "colour": ["red"]})
    cases = {"directional": [fits, *(fits | other for other in others)]}
    is_answerable = case_type_of(fruit_contract, KIND.target).is_answerable
    kept = applicable_cases(cases, table, fruit_contract, lambda case: is_answerable(case, ("apple", "cherry")))
    assert kept == {"directional": [fits]}


def test_the_split_is_proposed_and_its_reason_written(adoption: tuple[Path, AdoptResult]) -> None:
    project, adopted = adoption
    split = read_settings(project / "conf" / "params.yaml").data.split
    assert (split.by, split.time) == ("time", "planted")
    assert adopted.plan.split.reason in (project / "conf" / "params.yaml").read_text(encoding="utf-8")
    assert read_contract(project / "expectations").dataset["meta"]["split"]["by"] == "time"


def test_a_person_overrules_the_split_and_it_is_kept(adopted_project: Path) -> None:
    run(adopted_project, "data/trees.csv", split=parse_split("random"))
    params = adopted_project / "conf" / "params.yaml"
    assert read_settings(params).data.split.by == "random"
    card = (artifact.current(adopted_project / "artifacts") / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "It was proposed to split by time: planted" in card
    again = run(adopted_project, "data/trees.csv")
    assert again is not None
    assert again.plan.split.reason.startswith("yours; adopt would split by time")
    assert read_settings(params).data.split.by == "random"


def test_the_shares_of_a_person_stay(adopted_project: Path) -> None:
    params = adopted_project / "conf" / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("train: 0.6, validation: 0.2", "train: 0.5, validation: 0.3"), encoding="utf-8")
    run(adopted_project, "data/trees.csv")
    split = read_settings(params).data.split
    assert (split.by, split.train, split.validation) == ("time", 0.5, 0.3)


@pytest.mark.skipif(KIND.text, reason="a model of texts learns from no column of categories")
def test_groups_are_not_learnt_from(orchard: Path) -> None:
    lines = (orchard / "trees.csv").read_text(encoding="latin-1").splitlines()
    plots = [f"{line};{place * 7 % 25}" for place, line in enumerate(lines[1:])]
    (orchard / "plots.csv").write_text("\n".join([f"{lines[0]};plot", *plots]), encoding="utf-8")
    adopted = run(orchard, "plots.csv", split=parse_split("group:plot"), dry_run=True)
    assert adopted is not None
    assert adopted.plan.roles["plot"] == "identifier"


@pytest.mark.skipif(KIND.text, reason="a model of texts learns from no column of categories")
def test_what_names_the_split_is_not_learnt_from(orchard: Path) -> None:
    lines = (orchard / "trees.csv").read_text(encoding="latin-1").splitlines()
    sides = [
        f"{line};{('train', 'train', 'validation', 'test')[place // 2 % 4]}" for place, line in enumerate(lines[1:])
    ]
    (orchard / "sides.csv").write_text("\n".join([f"{lines[0]};side", *sides]), encoding="utf-8")
    adopted = run(orchard, "sides.csv", split=parse_split("given:side"), dry_run=True)
    assert adopted is not None
    assert adopted.plan.roles["side"] == "ignored"


def test_a_column_to_split_by_must_exist(orchard: Path) -> None:
    with pytest.raises(InputError, match='no column "orchard"'):
        run(orchard, split=parse_split("group:orchard"))
