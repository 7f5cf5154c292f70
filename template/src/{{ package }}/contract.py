"""The contract of the data: two Great Expectations suites in `expectations/`, read here and checked in `validate.py`.

`features.json` holds for any row, in training, in a request and in production; `dataset.json` says what a training
table must satisfy besides. Nothing else describes a column.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .settings import InputError

Suite = dict[str, Any]
Expectation = dict[str, Any]

COLUMNS = "expect_table_columns_to_match_set"
TYPE = "expect_column_type_to_be"


class ContractError(InputError):
    """A suite that cannot be used, or a table that breaks one."""


@dataclass(frozen=True)
class Column:
    """What the contract says of one feature: numeric, or categorical with its known categories."""

    name: str
    categories: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return not self.categories


@dataclass(frozen=True)
class Contract:
    """Both suites, and what the rest of the code asks of them."""

    features: Suite
    dataset: Suite

    @property
    def columns(self) -> tuple[Column, ...]:
        """The features, in the order in which a model takes them."""
        return tuple(
            Column(name, self.categories(name) if name in self.text_columns else ())
            for name in _kwargs(self.features, COLUMNS)["column_set"]
        )

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Every column of the training table: the features, the target and what else stands there."""
        return tuple(_kwargs(self.dataset, COLUMNS)["column_set"])

    @property
    def types(self) -> dict[str, str]:
        """The pandas type of each column that has one in either suite."""
        return {
            item["kwargs"]["column"]: item["kwargs"]["type_"]
            for item in self.features["expectations"] + self.dataset["expectations"]
            if item["type"] == TYPE
        }

    @property
    def text_columns(self) -> list[str]:
        """The columns that hold text, categories among them."""
        return [name for name, kind in self.types.items() if kind == "str"]

    def categories(self, column: str) -> tuple[str, ...]:
        """The set of values that `column` may take; for the target, the classes in the order of the model's output."""
        for suite in (self.features, self.dataset):
            if found := _kwargs(suite, "expect_column_values_to_be_in_set", column):
                return tuple(found["value_set"])
        raise ContractError(
            f'The contract in expectations/ names no set of values for the column "{column}". '
            "Add an expect_column_values_to_be_in_set for it, or correct the name in conf/params.yaml."
        )


def name_of(expectation: Expectation) -> str:
    """Name an expectation by its column and its rule, as tests and messages show it."""
    rule = expectation["type"].removeprefix("expect_").removeprefix("column_").removeprefix("table_")
    return f"{expectation['kwargs'].get('column', 'table')}-{rule}"


def read_suite(path: Path) -> Suite:
    """Read one suite.

    Raises:
        ContractError: the file is missing, is not JSON or holds no expectations.
    """
    try:
        suite: Suite = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ContractError(f"{path}: there is no such file. Restore it with: git checkout -- {path.name}") from error
    except ValueError as error:
        raise ContractError(f"{path}: this is not JSON ({error}). Correct it, or restore the last version.") from error
    if not isinstance(suite, dict) or not suite.get("expectations"):
        raise ContractError(f"{path}: the suite holds no expectations, so it would accept anything. Add some.")
    return suite


def read_contract(folder: Path) -> Contract:
    """Read both suites from `folder`: `expectations/`, or an artifact, which keeps those it was trained under."""
    return Contract(features=read_suite(folder / "features.json"), dataset=read_suite(folder / "dataset.json"))


def _kwargs(suite: Suite, kind: str, column: str | None = None) -> dict[str, Any]:
    for item in suite["expectations"]:
        if item["type"] == kind and item["kwargs"].get("column") == column:
            return dict(item["kwargs"])
    return {}
