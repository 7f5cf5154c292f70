import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlkeel.contract.suites import Contract
from mlkeel.errors import ContractError
from mlkeel.features.encoder import TABLES
from mlkeel.features.export import build_encoder
from mlkeel.training.training import train

from .kinds import KIND


@pytest.mark.parametrize(
    ("weight", "colour", "expected"),
    [
        (150.0, "green", [150, 0]),
        (150, "red", [150, 1]),
        (None, "red", [np.nan, 1]),
        (float("nan"), None, [np.nan, np.nan]),
        (1.5, float("nan"), [1.5, np.nan]),
        (1.5, "violet", [1.5, 2]),
    ],
)
def test_a_row_becomes_numbers(
    fruit_contract: Contract, weight: float | None, colour: str | float | None, expected: list[float]
) -> None:
    matrix = build_encoder(fruit_contract, TABLES).encode({"colour": [colour], "weight_g": [weight]})
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, [expected])


def test_a_frame_and_a_mapping_give_the_same(fruit_contract: Contract) -> None:
    rows = {"weight_g": [1.0, None, 3.0], "colour": ["red", None, "violet"], "id": ["a", "b", "c"]}
    encoder = build_encoder(fruit_contract, TABLES)
    np.testing.assert_array_equal(encoder.encode(pd.DataFrame(rows)), encoder.encode(rows))


def test_a_text_without_a_set_of_categories_is_refused(fruit_contract: Contract) -> None:
    items = [item for item in fruit_contract.features["expectations"] if "value_set" not in item["kwargs"]]
    with pytest.raises(ContractError, match="colour has the type str and no set of values"):
        build_encoder(Contract(fruit_contract.features | {"expectations": items}, fruit_contract.dataset), TABLES)


def test_texts_alone_are_refused_where_a_model_learns_from_tables(project: Path) -> None:
    expectations = [
        {"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": ["note"], "exact_match": False}},
        {"type": "expect_column_type_to_be", "kwargs": {"column": "note", "type_": "str"}},
    ]
    suite = {"name": "features", "expectations": expectations}
    (project / "expectations" / "features.json").write_text(json.dumps(suite), encoding="utf-8")
    with pytest.raises(ContractError, match="note has the type str and no set of values"):
        train(KIND.project, project)
