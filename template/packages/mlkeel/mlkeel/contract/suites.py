"""The contract of the data: Great Expectations suites in `expectations/`, read here and checked in `validate.py`.

`features.json` holds for any row, in training, in a request and in production; `dataset.json` adds what a training
table must satisfy, and `derived.json`, if it is there, what derived columns must. Nothing else describes a column.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlkeel.contract.dates import ISO_DATE
from mlkeel.errors import ContractError

Suite = dict[str, Any]
Expectation = dict[str, Any]

COLUMNS = "expect_table_columns_to_match_set"
TYPE = "expect_column_type_to_be"
REGEX = "expect_column_values_to_match_regex"


@dataclass(frozen=True)
class Column:
    """A feature of the contract: its values are numbers, texts, dates, or one of the `categories`."""

    name: str
    categories: tuple[str, ...] = ()
    text: bool = False
    time: bool = False

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return not self.categories and not self.text and not self.time


@dataclass(frozen=True)
class Contract:
    """The suites of the contract, and the columns, types and categories that they define.

    Attributes:
        features: holds for any row.
        dataset: what a training table must satisfy besides.
        derived: holds for the columns that are derived from those of any row; None if there are no such rules.
    """

    features: Suite
    dataset: Suite
    derived: Suite | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The features, in the order in which a model takes them.

        Raises:
            ContractError: a feature has no type.
        """
        names = _column_names(self.features)
        types = self.types
        if untyped := [name for name in names if name not in types]:
            raise ContractError(
                f"expectations/{self.features['name']}.json: {', '.join(untyped)} has no {TYPE}, so nobody knows how "
                "to read it. Add one, with type_ float64 for numbers or str for texts and categories."
            )
        return tuple(Column(name) if types[name] != "str" else self._text_column(name) for name in names)

    def _text_column(self, name: str) -> Column:
        categories = self.values(name)
        is_time = not categories and _kwargs(self.features, REGEX, name).get("regex") == ISO_DATE
        return Column(name, categories, text=not categories and not is_time, time=is_time)

    @property
    def of_any_row(self) -> Suite:
        """The rules for the columns of any row and for what is derived from them, as one suite."""
        derived = self.derived["expectations"] if self.derived else []
        further = [item for item in derived if item["type"] != COLUMNS]
        return self.features | {"expectations": [*self.features["expectations"], *further]}

    @property
    def all_columns(self) -> tuple[str, ...]:
        """All columns of the training table: the features, the target and any others."""
        return _column_names(self.dataset)

    @property
    def types(self) -> dict[str, str]:
        """The pandas type of each column that has one in either suite."""
        return {
            item["kwargs"]["column"]: item["kwargs"]["type_"]
            for item in self.features["expectations"] + self.dataset["expectations"]
            if item["type"] == TYPE and "column" in item["kwargs"] and "type_" in item["kwargs"]
        }

    @property
    def text_columns(self) -> list[str]:
        """The columns that hold text, categories among them."""
        return [name for name, dtype in self.types.items() if dtype == "str"]

    def values(self, column: str) -> tuple[str, ...]:
        """Return the texts that `column` may hold, if the contract lists them; else none."""
        for suite in (self.features, self.dataset):
            values = _kwargs(suite, "expect_column_values_to_be_in_set", column).get("value_set")
            if isinstance(values, list) and all(isinstance(value, str) for value in values):
                return tuple(values)
        return ()

    def categories(self, column: str) -> tuple[str, ...]:
        """Return the values that `column` may take; for the target, the classes in the order of the model's outputs.

        Raises:
            ContractError: the contract does not list them.
        """
        if values := self.values(column):
            return values
        raise ContractError(
            f'The contract gives no set of texts for the column "{column}". Add an expect_column_values_to_be_in_set '
            "with a value_set in expectations/, or correct data.target in conf/params.yaml."
        )


def expectation_name(expectation: Expectation) -> str:
    """Name an expectation by its column and its rule, as tests and messages show it."""
    rule = expectation["type"].removeprefix("expect_").removeprefix("column_").removeprefix("table_")
    severity = expectation.get("severity", "critical")
    return f"{expectation['kwargs'].get('column', 'table')}-{rule}{'' if severity == 'critical' else f'-{severity}'}"


def read_suite(path: Path) -> Suite:
    """Read one suite.

    Raises:
        ContractError: the file is missing, is not JSON or holds no expectations.
    """
    try:
        suite: Suite = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ContractError(f"{path}: there is no such file. Restore it with: git checkout -- {path}") from error
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({error.strerror}). Put the file back in its place.") from error
    except ValueError as error:
        raise ContractError(f"{path}: this is not JSON ({error}). Correct it, or restore the last version.") from error
    expectations = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(expectations, list) or not expectations:
        raise ContractError(f"{path}: the suite holds no expectations, so it would accept anything. Add some.")
    for position, item in enumerate(expectations, start=1):
        if not _well_formed(item):
            raise ContractError(
                f"{path}: expectation {position} needs a type, kwargs and, if it is about a column, its name. "
                "Complete it, or remove it."
            )
    return {"meta": {}} | suite | {"name": path.stem}


def read_contract(folder: Path) -> Contract:
    """Read the suites from `folder`: `expectations/`, or a version, which keeps those that it was trained under.

    Raises:
        ContractError: a suite is missing or cannot be used.
    """
    derived = folder / "derived.json"
    return Contract(
        features=read_suite(folder / "features.json"),
        dataset=read_suite(folder / "dataset.json"),
        derived=read_suite(derived) if derived.is_file() else None,
    )


def _well_formed(item: object) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("type"), str)
        and isinstance(item.get("kwargs"), dict)
        and isinstance(item["kwargs"].get("column", ""), str)
    )


def _column_names(suite: Suite) -> tuple[str, ...]:
    names = _kwargs(suite, COLUMNS).get("column_set")
    if not isinstance(names, list) or not names:
        raise ContractError(f"expectations/{suite['name']}.json: no {COLUMNS} has a column_set. Add one.")
    return tuple(names)


def _kwargs(suite: Suite, kind: str, column: str | None = None) -> dict[str, Any]:
    for item in suite["expectations"]:
        if item["type"] == kind and item["kwargs"].get("column") == column:
            return dict(item["kwargs"])
    return {}
