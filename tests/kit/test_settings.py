from pathlib import Path

import pytest
import yaml
from mlkeel.adopt.writers import render_params
from mlkeel.behavior.cases import read_cases
from mlkeel.config import SplitSettings, checked, read_settings
from mlkeel.errors import InputError

from .kinds import KIND


def test_the_project_s_own_settings_can_be_read(project: Path) -> None:
    assert read_settings(project / "conf" / "params.yaml").data.path == Path("data/fruit.csv")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed:", "sead:", "sead is not a setting; seed is missing|seed is missing; sead is not a setting"),
        ("train: 0.6", "train: 0.9", "sum to 1"),
        ("train: 0.6", "train: lots", "data.split.train"),
        ("path: data", "paht: data", "data.path is missing"),
        ("seed: 7", "seed: [7", "not valid YAML"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(project: Path, old: str, new: str, message: str) -> None:
    path = project / "conf" / "params.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_settings(project / "conf" / "params.yaml")


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--root"):
        read_settings(tmp_path / "conf" / "params.yaml")


def test_fractions_that_do_not_cover_the_table_are_refused() -> None:
    with pytest.raises(InputError, match=r"here: .*sum to 1"):
        checked(SplitSettings, {"train": 0.5, "validation": 0.2, "test": 0.2}, "here")


def test_settings_keep_what_a_person_wrote_in_other_blocks(original: Path) -> None:
    settings = read_settings(original / "conf" / "params.yaml")
    text = "# top\nseed: 3  # mine\n\ndata:\n  path: x.csv\n\n# about the model\nmodel:\n  rounds: 9  # few\n"
    written = render_params(f"{text}\ngate:\n  min_skill: 1\n", settings, {}, KIND.task.metrics)
    for line in ("# top", "seed: 3  # mine", "# about the model", "  rounds: 9  # few"):
        assert line in written.splitlines()
    assert yaml.safe_load(written)["data"]["path"] == "data/fruit.csv"
    assert list(yaml.safe_load(written)) == ["seed", "data", "columns", "model", "gate"]


def test_what_a_person_wrote_beside_what_adopt_decides_stays(original: Path) -> None:
    settings = read_settings(original / "conf" / "params.yaml")
    text = (
        "seed: 3\ndata:  # ours\n  target: old  # what we sell\n  path: data/fruit.csv\n"
        "  split: {train: 0.6, validation: 0.2, test: 0.2, folds: 0}  # agreed in May\n"
        "gate:  # never lower\n  slices:\n    - old\n    - older\n"
        "  # asked by law\n  min_skill: 0.2  # it's little\n  of_ours: 7\n"
        "\nmodel: {}\n"
    )
    written = render_params(text, settings, {}, KIND.task.metrics)
    assert f"  target: {KIND.target}  # what we sell\n" in written
    assert "  split: {train: 0.6, validation: 0.2, test: 0.2, folds: 0}  # agreed in May\n" in written
    assert "data:  # ours\n" in written
    assert "gate:  # never lower\n" in written
    assert "  # asked by law\n  min_skill: 0.1  # it's little\n  of_ours: 7\n" in written
    assert yaml.safe_load(written)["gate"]["slices"] == ["colour"]
    assert render_params(written, settings, {}, KIND.task.metrics) == written


@pytest.mark.parametrize(
    "gate",
    [
        "gate: {min_skill: 0.3, slices: [], min_slice_rows: 9, min_slice_score: 1, of_ours: 7}\n",
        "gate:\n    min_skill: 0.3\n    of_ours: 7\n    slices: [a,\n        b]\n",
        "gate:\n  'min_skill': 0.3  # '#' is a sign\n  of_ours: 7\n",
    ],
)
def test_settings_may_be_written_in_any_of_yaml_s_forms(original: Path, gate: str) -> None:
    settings = read_settings(original / "conf" / "params.yaml")
    text = 'data: {path: x.csv, target: "a: b", split: {train: 0.6, validation: 0.2, test: 0.2}}\n' + gate + "seed: 3\n"
    params = yaml.safe_load(render_params(text, settings, {}, KIND.task.metrics))
    assert params["data"]["target"] == KIND.target
    assert params["gate"] | {"slices": ["colour"], "min_skill": 0.1, "of_ours": 7} == params["gate"]
    assert params["seed"] == 3


@pytest.mark.parametrize("text", ["a: [", "- a", "invariance: [null]"])
def test_cases_that_cannot_be_read_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "behavior.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"behavior\.yaml"):
        read_cases(tmp_path / "behavior.yaml")
