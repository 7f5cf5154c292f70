from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlkeel.config import read_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.contract.validate import check
from mlkeel.drafts.target_drafts import target_expectations
from mlkeel.errors import DataError, InputError
from mlkeel.inference.batch import predict_file
from mlkeel.inference.frames import to_frame
from mlkeel.inference.predictor import Predictor
from mlkeel.tasks import number_outputs
from mlkeel.tasks.number_outputs import COVERAGE, check_train_targets, half_width, with_interval
from mlkeel.tasks.number_target_checks import drop_unlabeled, encode, leaks_target

from .steps import prepare


def test_each_row_gets_an_estimate_and_an_interval(fruit_predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("weight_g,colour\n160,red\n7,\n", encoding="utf-8")
    predict_file(fruit_predictor, tmp_path / "in.csv", tmp_path / "out.csv")
    predictions = pd.read_csv(tmp_path / "out.csv")
    assert predictions["predicted_price"].tolist() == pytest.approx([90, 13.5], abs=9)
    assert (predictions["low_price"] < predictions["predicted_price"]).all()
    assert (predictions["predicted_price"] < predictions["high_price"]).all()


def test_an_interval_is_as_wide_as_it_must_be_for_unseen_rows() -> None:
    rng = np.random.default_rng(7)
    residuals = rng.normal(size=2000)
    new_residuals = rng.normal(size=20_000)
    half = half_width(np.zeros(2000), residuals)
    assert (np.abs(new_residuals) <= half).mean() == pytest.approx(COVERAGE, abs=0.02)


def test_few_rows_give_the_widest_interval_that_they_know() -> None:
    assert half_width(np.zeros(3), np.array([1.0, -5.0, 2.0])) == 5


def test_the_estimate_is_told_with_the_ends_of_its_interval() -> None:
    outputs = with_interval(np.array([5.0, 7.0]), 2)
    names = ("estimate", "low", "high")
    table = to_frame(number_outputs, outputs, names, "price", pd.Index([5, 9]))
    assert table.loc[9].to_dict() == {"predicted_price": 7, "low_price": 5, "high_price": 9}


def lines(*prices: str) -> str:
    rows = [f"f{number},apple,{price},a note,{number % 90 + 1},red" for number, price in enumerate(prices)]
    return "\n".join(["id,fruit,price,note,weight_g,colour", *rows])


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        (["5"] * 60, '"price" is 5.0 in all 60 rows'),
        ([*map(str, range(60)), "cheap"], "price: its type must be float64"),
        ([*map(str, range(60)), ""], "no value in 1 of 61 rows, the first in row 61"),
        ([*map(str, range(60)), "5000"], "price: values must be at least 0 and at most 200"),
    ],
    ids=["one number", "no number", "missing", "out of range"],
)
def test_a_target_that_cannot_be_learnt_is_refused(project: Path, prices: list[str], message: str) -> None:
    (project / "data" / "fruit.csv").write_text(lines(*prices), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        prepare(read_settings(project / "conf" / "params.yaml"), read_contract(project / "expectations"), project)


def test_one_number_that_all_rows_teach_is_refused(fruit_contract: Contract) -> None:
    with pytest.raises(InputError, match="price is 5 in all training rows"):
        check_train_targets(np.array([5.0, 5.0]), fruit_contract, "price", Path("fruit.csv"))


NUMBERS = [f"{place * 7919 % 997 / 7:.3f}" for place in range(100)]


def test_another_unit_gives_the_target_away_and_noise_does_not() -> None:
    target = pd.Series(NUMBERS).astype(float)
    rng = np.random.default_rng(7)
    assert leaks_target(target / 1000 + 273, encode(target))
    assert leaks_target(-target, encode(target))
    assert not leaks_target(target + rng.normal(0, 10, 100), encode(target))


def test_a_category_gives_the_target_away_if_each_stands_for_one_number() -> None:
    target = pd.Series([1.0, 2.0, 3.0, 4.0] * 25)
    assert leaks_target(np.array([0, 1, 2, 3] * 25), encode(target))
    assert not leaks_target(np.array([0, 1, 0, 1] * 25), encode(target))
    assert not leaks_target(np.arange(100), encode(target))


UNFIT_TARGETS = {
    "mostly missing": ([*NUMBERS[:40], *[""] * 60], "mostly missing: it has no value in 60 of 100 rows"),
    "words": (["cheap", "dear"] * 50, 'holds 100 values that are no numbers, for example "cheap", "dear"'),
    "some words": ([*NUMBERS[:98], "about 7", "n.n."], "holds 2 values that are no numbers"),
    "dates": ([f"2021-{1 + place % 12:02d}-{1 + place % 28:02d}" for place in range(100)], "holds dates"),
    "one number": (["7"] * 100, "is 7 in all rows"),
    "classes": ([str(place % 3) for place in range(100)], "has 3 different numbers only"),
    "too large": ([f"{place + 1}e37" for place in range(100)], "too large"),
    "much alike": ([f"{1e9 + place / 100:.2f}" for place in range(100)], "differ too little for single precision"),
    "few rows": (NUMBERS[:40], "40 rows have a value of label, and 50 are needed"),
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
    frame = pd.DataFrame({"label": [*NUMBERS, *[""] * 5]}, dtype="str")
    kept, notes = drop_unlabeled(frame.mask(frame == ""), "label", "my.csv")
    assert len(kept) == 100
    assert [note.split()[0] for note in notes] == ["5"]


@pytest.mark.parametrize("factor", [1, 1000, -1])
def test_the_rules_let_the_target_through_and_no_other_unit(factor: int) -> None:
    target = pd.Series(NUMBERS, name="label").astype(float)
    suite = {"name": "dataset", "expectations": list(target_expectations(target))}
    results = check(pd.DataFrame({"label": target * factor}), suite)
    assert all(result.passed for result in results) == (factor == 1)


@pytest.mark.parametrize("fault", ["missing", "far", "stuck"])
def test_each_rule_of_the_target_guards(fault: str) -> None:
    target = pd.Series(NUMBERS, name="label").astype(float)
    broken = {
        "missing": target.mask(target.index == 3),
        "far": target.where(target.index > 0, 1e6),
        "stuck": target * 0 + 142,
    }
    suite = {"name": "dataset", "expectations": list(target_expectations(target))}
    assert not all(result.passed for result in check(pd.DataFrame({"label": broken[fault]}), suite))
