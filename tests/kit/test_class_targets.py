from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlkeel.config import read_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.drafts.target_drafts import target_expectations
from mlkeel.errors import DataError, InputError
from mlkeel.inference.batch import predict_file
from mlkeel.inference.frames import to_frame
from mlkeel.inference.predictor import Predictor
from mlkeel.tasks import class_outputs, class_target_checks
from mlkeel.tasks.class_outputs import check_train_targets
from mlkeel.tasks.class_target_checks import drop_unlabeled, leaks_target

from .kinds import KIND
from .steps import prepare

APPLE, CHERRY = ("a crisp and sour one from box 3", "a sweet and dark one") if KIND.text else ("160,red", "7,")

HEADER = "note" if KIND.text else "weight_g,colour"


def test_each_row_gets_a_class_and_probabilities(fruit_predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(f"{HEADER}\n{APPLE}\n{CHERRY}\n", encoding="utf-8")
    predict_file(fruit_predictor, tmp_path / "in.csv", tmp_path / "out.csv")
    predictions = pd.read_csv(tmp_path / "out.csv")
    assert predictions["predicted_fruit"].tolist() == ["apple", "cherry"]
    assert (predictions["probability_apple"] + predictions["probability_cherry"]).tolist() == pytest.approx([1, 1])
    assert predictions["probability_apple"][0] > 0.5 > predictions["probability_apple"][1]


def test_classes_are_numbered_in_the_order_of_the_contract(fruit_contract: Contract) -> None:
    assert class_outputs.encode(pd.Series(["cherry", "apple"], name="fruit"), fruit_contract).tolist() == [1, 0]


def test_the_likeliest_class_is_told() -> None:
    table = to_frame(class_outputs, np.array([[0.3, 0.7], [0.6, 0.4]]), ("no", "yes"), "late", pd.Index([5, 9]))
    assert table["predicted_late"].to_dict() == {5: "yes", 9: "no"}
    assert table["probability_yes"].to_dict() == {5: 0.7, 9: 0.4}


def lines(*labels: str) -> str:
    rows = [f"f{number},{label},5,a note {number},{number % 90 + 1},red" for number, label in enumerate(labels)]
    return "\n".join(["id,fruit,price,note,weight_g,colour", *rows])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["apple"] * 60, 'has one class only \\("apple", 60 rows\\)'),
        (["apple", "cherry"] * 30 + ["pear"], "pear"),
        (["apple", "cherry"] * 30 + [""], "no value in 1 of 61 rows, the first in row 61"),
    ],
    ids=["one class", "unknown class", "label missing"],
)
def test_a_target_that_cannot_be_learnt_is_refused(project: Path, labels: list[str], message: str) -> None:
    (project / "data" / "fruit.csv").write_text(lines(*labels), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        prepare(read_settings(project / "conf" / "params.yaml"), read_contract(project / "expectations"), project)


def test_a_class_that_no_row_teaches_is_refused(fruit_contract: Contract) -> None:
    with pytest.raises(InputError, match="no row of the class cherry"):
        check_train_targets(np.array([0, 0]), fruit_contract, "fruit", Path("fruit.csv"))


def test_a_category_seen_once_each_gives_nothing_away() -> None:
    codes = class_target_checks.encode(pd.Series(["a", "b"] * 10))
    assert not leaks_target(np.arange(20), codes)
    assert leaks_target(np.array([0, 1] * 10), codes)


UNFIT_TARGETS = {
    "mostly missing": (["a"] * 20 + ["b"] * 20 + [""] * 60, "mostly missing: it has no value in 60 of 100 rows"),
    "one class": (["a"] * 100, r'one class only \("a", 100 rows\)'),
    "one class and rare ones": (
        ["a"] * 97 + ["b"] * 3,
        'hardly more than one class .* have fewer than 8 rows \\("b" 3',
    ),
    "continuous": ([f"{place / 7:.3f}" for place in range(100)], "is continuous: it has 100 different numbers"),
    "whole but many": ([str(place * 3) for place in range(100)], "is continuous"),
    "hundreds of classes": ([f"c{place % 300}" for place in range(3000)], "has 300 classes in 3,000 rows"),
    "names": ([f"c{place // 3}" for place in range(100)], "too rare|hardly|classes"),
    "dates": ([f"2021-{1 + place % 12:02d}-{1 + place % 28:02d}" for place in range(100)], "different dates"),
    "few rows": (["a", "b"] * 20, "40 rows have a value of label, and 50 are needed"),
}


@pytest.mark.parametrize("name", UNFIT_TARGETS)
def test_a_target_that_does_not_fit_is_refused_in_one_paragraph(name: str) -> None:
    values, message = UNFIT_TARGETS[name]
    frame = pd.DataFrame({"label": values}, dtype="str")
    with pytest.raises(DataError, match=message) as excinfo:
        drop_unlabeled(frame.mask(frame == ""), "label", "my.csv")
    assert str(excinfo.value).startswith("my.csv")
    assert "\n" not in str(excinfo.value)


def test_rows_that_cannot_be_learnt_from_are_left_out_and_told() -> None:
    frame = pd.DataFrame({"label": ["a"] * 40 + ["b"] * 40 + ["rare"] * 3 + [""] * 5}, dtype="str")
    kept, notes = drop_unlabeled(frame.mask(frame == ""), "label", "my.csv")
    assert set(kept["label"]) == {"a", "b"}
    assert [note.split()[0] for note in notes] == ["5", "3"]


def test_a_rare_class_may_be_absent_from_a_sample() -> None:
    label = pd.Series(["rare"] * 9 + ["often"] * 300, name="label")
    severities = {item["type"]: item["severity"] for item in target_expectations(label)}
    assert severities["expect_column_distinct_values_to_equal_set"] == "warning"


def test_labels_keep_their_shares() -> None:
    *_, last = target_expectations(pd.Series(["good", "bad", "bad"] * 50, name="label"))
    assert sum(last["kwargs"]["partition_object"]["weights"]) == pytest.approx(1)


def test_a_number_that_is_lower_for_one_class_throughout_is_a_leak() -> None:
    label = pd.Series(["yes", "no", "no"] * 20)
    apart = pd.Series([float(place + (1000 if name == "yes" else 0)) for place, name in enumerate(label)])
    assert leaks_target(apart, class_target_checks.encode(label))
