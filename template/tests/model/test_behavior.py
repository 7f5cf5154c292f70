"""The model behaves as `behavior.yaml` says (after "Beyond Accuracy", Ribeiro et al. 2020)."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlkeel.behavior.cases import read_cases
from mlkeel.behavior.kinds import case_type_of, why_unfit
from mlkeel.data.tables import with_columns
from mlkeel.inference.predictor import Predictor

CASES = read_cases(Path(__file__).parent / "behavior.yaml")


def cases(*kinds: str) -> pytest.MarkDecorator:
    """One test for each case of these kinds."""
    some = [pytest.param(kind, case, id=case.get("name")) for kind in kinds for case in CASES.get(kind, [])]
    return pytest.mark.parametrize(("kind", "case"), some)


def failure(kind: str, case: dict[str, Any], predictor: Predictor, table: pd.DataFrame) -> str | None:
    return case_type_of(predictor.contract, predictor.target).failure(kind, case, predictor, table)


@cases(*CASES)
def test_a_case_says_what_can_be_judged(
    kind: str, case: dict[str, Any], predictor: Predictor, table: pd.DataFrame
) -> None:
    """A misspelt column, class or word would make a case pass that asks nothing."""
    assert why_unfit(kind, case, predictor, table) is None


@cases("invariance")
def test_invariance(kind: str, case: dict[str, Any], predictor: Predictor, table: pd.DataFrame) -> None:
    assert failure(kind, case, predictor, table) is None


@cases("directional")
def test_direction(kind: str, case: dict[str, Any], predictor: Predictor, table: pd.DataFrame) -> None:
    assert failure(kind, case, predictor, table) is None


@cases("minimum_functionality")
def test_minimum_functionality(kind: str, case: dict[str, Any], predictor: Predictor, table: pd.DataFrame) -> None:
    assert failure(kind, case, predictor, table) is None


def test_the_order_of_rows_changes_nothing(predictor: Predictor, table: pd.DataFrame) -> None:
    np.testing.assert_array_equal(predictor.predict(table[::-1])[::-1], predictor.predict(table))


def test_the_order_of_columns_changes_nothing(predictor: Predictor, table: pd.DataFrame) -> None:
    np.testing.assert_array_equal(predictor.predict(table[table.columns[::-1]]), predictor.predict(table))


def test_columns_that_are_no_features_change_nothing(predictor: Predictor, table: pd.DataFrame) -> None:
    features = [column.name for column in predictor.contract.columns]
    others = {name: "another" for name in table.columns if name not in features}
    np.testing.assert_array_equal(predictor.predict(with_columns(table, others)), predictor.predict(table))
