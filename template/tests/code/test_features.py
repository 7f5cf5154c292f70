"""Rows become the matrix that a model takes, the same from a table as from a request."""

import numpy as np
import pandas as pd
import pytest
from mlkeel.contract.suites import Contract
from mlkeel.features.derived import derived
from mlkeel.features.encoder import Encoder
from mlkeel.features.export import build_encoder
from mlkeel.features.functions import is_missing
from mlkeel.project import Prepared, Project


@pytest.fixture(scope="module")
def encoder(prepared: Prepared) -> Encoder:
    return prepared.encoder


def test_a_table_becomes_a_row_each(encoder: Encoder, table: pd.DataFrame) -> None:
    assert encoder.encode(table).shape == (len(table), encoder.width)


def test_a_request_is_encoded_as_a_row_of_a_table(encoder: Encoder, table: pd.DataFrame, contract: Contract) -> None:
    names = [column.name for column in contract.columns]
    rows = table[names].head(20).to_dict(orient="records")
    request = [{name: None if value != value else value for name, value in row.items()} for row in rows]
    np.testing.assert_array_equal(encoder.encode_rows(request), encoder.encode(table.head(20)))


def test_nothing_is_learnt_from_other_rows(encoder: Encoder, table: pd.DataFrame) -> None:
    np.testing.assert_array_equal(encoder.encode(table.head(3)), encoder.encode(table)[:3])


def test_a_missing_value_is_no_number(encoder: Encoder, contract: Contract) -> None:
    missing = encoder.encode({column.name: [None] for column in contract.columns})
    assert np.isnan(missing[:, : encoder.width - len(encoder.derived)]).all()


def test_other_values_give_another_row(encoder: Encoder, table: pd.DataFrame, contract: Contract) -> None:
    names = [column.name for column in contract.columns]
    first = table.head(1)
    other = table[(table[names] != first[names].iloc[0]).all(axis=1)].head(1)
    assert not np.array_equal(encoder.encode(first), encoder.encode(other), equal_nan=True)


def test_a_new_feature_takes_one_function(project: Project, table: pd.DataFrame, contract: Contract) -> None:
    for name in [column.name for column in contract.columns if not column.text][-1:]:  # texts are learnt from by word
        encoder = build_encoder(contract, project.features.derive(derived(columns=(name,))(is_missing)))
        np.testing.assert_array_equal(encoder.derive(table)["is_missing"], table[name].isna())
