from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlkeel.contract.suites import Contract, Suite, read_contract
from mlkeel.contract.validate import check
from mlkeel.drift import (
    KL,
    PRESENT,
    counts,
    divergence,
    drift_suite,
    labels,
    most_missing,
    parameters,
    reference_shares,
    threshold,
    window_shares,
    with_lengths,
)

ROWS = 400
REFERENCE = pd.DataFrame(
    {
        "weight_g": [float(value) for value in range(ROWS)],
        "colour": pd.Series(["red", "green"] * (ROWS // 2), dtype="str"),
        "fruit": pd.Series(["apple"] * 300 + ["cherry"] * 100, dtype="str"),
        "predicted_fruit": pd.Series(["apple"] * 300 + ["cherry"] * 100, dtype="str"),
    }
)
CHANCE = 0.005
MIN_EFFECT = 0.02
TEN = np.full(10, 0.1)


@pytest.fixture(scope="module")
def suite(fruit_contract: Contract) -> Suite:
    return drift_suite(REFERENCE, fruit_contract, "fruit")


def moved(suite: Suite, window: pd.DataFrame) -> list[str | None]:
    limits = parameters(suite, window, CHANCE, MIN_EFFECT)
    return [result.column for result in check(window, suite, limits) if not result.passed]


def item(suite: Suite, column: str, kind: str = KL) -> dict:
    return next(
        expectation
        for expectation in suite["expectations"]
        if expectation["kwargs"]["column"] == column and expectation["type"] == kind
    )


def test_features_truth_and_answers_are_watched_for_their_shares_and_their_gaps(suite: Suite) -> None:
    monitored = [(expectation["kwargs"]["column"], expectation["type"]) for expectation in suite["expectations"]]
    features = [(name, kind) for name in ("weight_g", "colour") for kind in (KL, PRESENT)]
    assert monitored == [*features, ("fruit", KL), ("predicted_fruit", KL)]


def test_the_reference_has_not_moved_from_itself(suite: Suite) -> None:
    assert moved(suite, REFERENCE) == []


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("weight_g", [value + 100.0 for value in range(ROWS)]),
        ("weight_g", [*[None] * 60, *(float(value) for value in range(60, ROWS))]),
        ("colour", ["red"] * ROWS),
        ("colour", [*["red", "green"] * 170, *["blue"] * 60]),
        ("predicted_fruit", ["cherry"] * ROWS),
    ],
    ids=["shifted", "missing", "one category", "unknown category", "other answers"],
)
def test_a_column_that_moved_is_named(suite: Suite, column: str, values: list[object]) -> None:
    window = REFERENCE.assign(**{column: pd.Series(values, dtype=REFERENCE[column].dtype)})
    assert set(moved(suite, window)) == {column}


def test_what_was_never_seen_is_unlikely_and_not_impossible(suite: Suite) -> None:
    window = REFERENCE.assign(
        weight_g=[-1.0, *REFERENCE["weight_g"][1:]],
        colour=pd.Series(["blue", *REFERENCE["colour"][1:]], dtype="str"),
    )
    assert moved(suite, window) == []


def test_our_divergence_is_that_of_great_expectations(suite: Suite) -> None:
    rng = np.random.default_rng(7)
    window = pd.DataFrame(
        {"weight_g": rng.normal(200, 80, 100), "colour": rng.choice(["red", "green"], 100, p=[0.9, 0.1])}
    )
    for column in window:
        kwargs = item(suite, column)["kwargs"]
        value = divergence(window_shares(window[column], kwargs), reference_shares(kwargs))
        for limit, passes in ((value - 1e-6, False), (value + 1e-6, True)):
            expectation = {"type": KL, "kwargs": kwargs | {"threshold": limit}}
            (result,) = check(window, suite | {"expectations": [expectation]})
            assert result.passed is passes


@pytest.mark.parametrize(
    ("numbers", "bins"),
    [
        (list(range(1000)), 10),
        ([0.0] * 900 + [float(value) for value in range(1, 101)], 4),
        ([0.0] * 500 + [1.0] * 500, 4),
        ([3.0] * 100, None),
    ],
    ids=["deciles", "mostly zero", "zeros and ones", "always the same"],
)
def test_numbers_are_cut_so_that_a_change_can_be_seen(
    fruit_contract: Contract, numbers: list[float], bins: int | None
) -> None:
    suite = drift_suite(pd.DataFrame({"weight_g": numbers}), fruit_contract, "fruit")
    kwargs_list = [expectation["kwargs"] for expectation in suite["expectations"] if expectation["type"] == KL]
    assert [len(reference_shares(kwargs)) for kwargs in kwargs_list] == ([] if bins is None else [bins])
    if numbers.count(0.0) > 1 and kwargs_list:
        fewer_zeros = pd.DataFrame(
            {"weight_g": [2.0 if number == 0 and at % 2 else number for at, number in enumerate(numbers)]}
        )
        assert moved(suite, fewer_zeros) == ["weight_g"]


def test_each_decile_is_expected_to_hold_a_tenth(suite: Suite) -> None:
    assert reference_shares(item(suite, "weight_g")["kwargs"]) == pytest.approx(TEN, abs=0.01)
    partition = item(suite, "weight_g")["kwargs"]["partition_object"]
    assert counts(REFERENCE["weight_g"], partition).tolist() == [40] * 10
    assert labels(partition)[0] == "under 39.9"
    assert labels(partition)[-1] == "over 359.1"


def test_few_rows_must_move_further_than_many() -> None:
    limits = [threshold(TEN, rows, 10_000, 0.002, MIN_EFFECT) for rows in (50, 200, 100_000)]
    assert all(few > many for few, many in pairwise(limits))
    assert limits[-1] == MIN_EFFECT
    assert limits[1] == pytest.approx(26.1 / 2 * (1 / 200 + 1 / 10_000), rel=0.05)  # chi-square, nine degrees, 0.2 %
    assert threshold(TEN, 50, 50, 0.002, MIN_EFFECT) == pytest.approx(
        2 * limits[0], rel=0.01
    )  # the reference is a sample too


def test_tiny_windows_and_many_columns_get_more_room(fruit_contract: Contract) -> None:
    plain = 26.1 / 2 * (1 / 20 + 1 / 10_000)
    assert threshold(TEN, 20, 10_000, 0.002, MIN_EFFECT) == pytest.approx(plain * (1 + 99 / (6 * 20 * 9)), rel=0.01)
    small, large = (drift_suite(REFERENCE[list(names)], fruit_contract, "fruit") for names in (["colour"], REFERENCE))
    window = REFERENCE.head(50)
    name = item(small, "colour")["kwargs"]["threshold"]["$PARAMETER"]
    other = item(large, "colour")["kwargs"]["threshold"]["$PARAMETER"]
    assert parameters(large, window, CHANCE, 0)[other] > parameters(small, window, CHANCE, 0)[name]


def test_only_values_that_are_there_count_as_rows(suite: Suite) -> None:
    gaps = REFERENCE.assign(weight_g=REFERENCE["weight_g"].where(REFERENCE.index % 10 == 0))
    name = item(suite, "weight_g")["kwargs"]["threshold"]["$PARAMETER"]
    few, many = (parameters(suite, window, CHANCE, 0)[name] for window in (gaps, REFERENCE))
    assert few > 3 * many


def test_few_missing_values_are_chance_and_many_are_not() -> None:
    assert most_missing(0, 1000, 10, 0.001, MIN_EFFECT) >= 0.1  # one of ten
    assert most_missing(0, 1000, 10_000, 0.001, MIN_EFFECT) < 0.01
    assert most_missing(300, 1000, 100, 0.001, MIN_EFFECT) == pytest.approx(0.45, abs=0.05)  # three errors above 0.3
    assert most_missing(1000, 1000, 100, 0.001, MIN_EFFECT) == 1


@pytest.mark.parametrize("rows", [50, 1000])
def test_windows_of_the_same_rows_seldom_raise_an_alarm(rows: int) -> None:
    rng = np.random.default_rng(7)
    alarms = 0
    chance = CHANCE / 10
    shares = np.array([0.4, 0.3, 0.2, 0.09, 0.01])
    for _ in range(2000):
        before = rng.multinomial(5000, shares) + 0.5
        now = rng.multinomial(rows, shares) / rows
        before /= before.sum()
        alarms += divergence(now, before) > threshold(before, rows, 5000, chance, 0)
    assert alarms <= 2000 * chance + 4  # three errors and a half


def test_a_text_is_watched_by_its_length(original: Path) -> None:
    contract = read_contract(original / "expectations")
    texts = [column.name for column in contract.columns if column.text]
    table = with_lengths(pd.DataFrame({"note": ["sour", None], "weight_g": [1.0, 2.0]}), contract)
    assert [name for name in table if name.startswith("length")] == [f"length of {name}" for name in texts]
    for name in texts:
        assert table[f"length of {name}"].tolist()[:1] == [4]
