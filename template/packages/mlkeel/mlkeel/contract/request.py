"""Hold each row of a request against `features.json`, with the verdict of Great Expectations on a table of that row.

Great Expectations needs milliseconds and pandas for one row, and a request has microseconds, so the rules about single
values are read from the suite once and applied here. Each row is judged by itself, so a rule that lets some rows off
(`mostly`) lets none off here; that, and rules about a whole table, are for training and for `monitor.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mlkeel.contract.suites import COLUMNS, TYPE, Contract, Expectation, name_of
from mlkeel.contract.values import Fits, between, fits, of_type
from mlkeel.contract.wording import rule

Row = dict[str, Any]
JSON_TYPES: dict[str, dict[str, Any]] = {"str": {"type": "string"}, "bool": {"type": "boolean", "enum": [False, True]}}
TYPES = {"str": "it must be a string", "bool": "it must be true or false", "int64": "it must be a whole number"}
TIGHTER = dict.fromkeys(("minimum", "exclusiveMinimum", "minLength"), max)
TIGHTER |= dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength"), min)
MOST_REFUSALS, LONGEST_VALUE = 100, 200  # of an answer; characters
NOT_NULL, ROWS = "expect_column_values_to_not_be_null", "expect_table_row_count_to_be_between"


@dataclass(frozen=True)
class Refusal:
    """A value that breaks a rule; rows are counted from 1, and `row` is None if the rule is about all of them."""

    row: int | None
    column: str | None  # of the contract, else None
    rule: str
    value: object
    message: str


class Rules:
    """What `features.json` asks of single values, ready to be asked of many requests."""

    def __init__(self, contract: Contract) -> None:
        """Read the rules of `contract`.

        Raises:
            ContractError: one of them cannot be asked.
        """
        self.columns = contract.columns
        self._known = frozenset(contract.all_columns)
        self._names = tuple(column.name for column in self.columns)
        self._wanted: dict[str, list[tuple[Expectation, Fits]]] = {name: [] for name in self._names}
        self._type_rules = {name: _type_rule(name, kind) for name, kind in contract.types.items()}
        self._is_of_type = {name: of_type(kind) for name, kind in contract.types.items()}
        self._texts = frozenset(contract.text_columns)
        self._required: dict[str, list[Expectation]] = {}
        self._rows: Expectation = {"type": ROWS, "kwargs": {"min_value": 1}}
        self.unchecked: list[str] = []  # critical rules that only a whole table can be asked
        for item in contract.features["expectations"]:
            if item.get("severity", "critical") == "critical":
                self._read(item)
        self._enough = between({"min_value": 1} | self._rows["kwargs"])

    def _read(self, item: Expectation) -> None:
        kind, column = item["type"], item["kwargs"].get("column")
        if kind == ROWS:
            self._rows = item
        elif kind in (COLUMNS, TYPE):
            return  # asked of every request
        elif column not in self._wanted or "row_condition" in item["kwargs"]:
            self.unchecked.append(name_of(item))
        elif kind == NOT_NULL:
            self._required.setdefault(column, []).append(item)
        elif asked := fits(item, column in self._texts):
            self._wanted[column].append((item, asked))
        else:
            self.unchecked.append(name_of(item))

    def refusals(self, rows: Sequence[object]) -> list[Refusal]:
        """What is wrong with `rows`, n mappings of columns to values: nothing, if a model can take them."""
        if self._enough(len(rows)) and all(map(self._fine, rows)):
            return []
        return list(islice(self._refusals(rows), MOST_REFUSALS))

    def by_column(self, rows: Sequence[Row]) -> dict[str, list[Any]]:
        """Rows without refusals, as `Encoder.encode` takes them."""
        return {name: [row[name] for row in rows] for name in self._names}

    def _fine(self, row: object) -> bool:
        """Whether `_refusals` would find nothing in this row, in a third of the time; most rows are such."""
        if type(row) is not dict or len(row) != len(self._names):
            return False
        for column in self.columns:
            value = row.get(column.name)
            if value is None:
                if column.name not in row or column.name in self._required:
                    return False
                continue
            if not self._is_of_type[column.name](value):
                return False
            for _, asked in self._wanted[column.name]:
                if not asked(value):
                    return False
        return True

    def _refusals(self, rows: Sequence[object]) -> Iterator[Refusal]:
        if not self._enough(len(rows)):
            yield Refusal(None, None, _rule(self._rows), len(rows), f"{rule(self._rows)}; there are {len(rows)}")
        for number, row in enumerate(rows, start=1):
            if not isinstance(row, dict):
                yield Refusal(number, None, "row", _shown(row), "a row is an object of columns and their values")
            elif misshapen := list(islice(self._shape(number, row), MOST_REFUSALS)):
                yield from misshapen
            else:
                for column in self.columns:
                    yield from self._value(number, column.name, row[column.name])

    def _shape(self, number: int, row: Row) -> Iterator[Refusal]:
        """Whether a row has the columns of the contract and no others."""
        for name in self._names:
            if name not in row:
                said = f"{name}: the column is missing; where its value is not known, send null"
                yield Refusal(number, name, "columns_to_match_set", None, said)
        for name in (name for name in row if name not in self._known):
            said = f"{_shown(name)}: the contract knows no such column; known are {', '.join(self._names)}"
            yield Refusal(number, None, "columns_to_match_set", _shown(name), said)

    def _value(self, number: int, name: str, value: object) -> Iterator[Refusal]:
        if value is None:
            broken = self._required.get(name, [])
        elif not self._is_of_type[name](value):
            broken = [self._type_rules[name]]
        else:
            broken = [item for item, asked in self._wanted[name] if not asked(value)]
        for item in broken:
            yield Refusal(number, name, _rule(item), _shown(value), f"{name}: {_asked_of_a_value(item)}")

    def schema(self) -> dict[str, Any]:
        """The JSON schema of a row (JSON Schema 2020-12), for the documentation and for the page."""
        properties = {column.name: self._property(column.name) for column in self.columns}
        ignored = {name: {"description": "Not looked at."} for name in sorted(self._known - set(self._names))}
        return {
            "title": "Row",
            "type": "object",
            "properties": properties | ignored,
            "required": list(self._names),
            "additionalProperties": False,
        }

    def _property(self, name: str) -> dict[str, Any]:
        described = dict(JSON_TYPES.get(self._type_rules[name]["kwargs"]["type_"], {"type": "number"}))
        for item, _ in self._wanted[name]:
            for key, value in _described(item).items():
                described[key] = TIGHTER[key](described[key], value) if key in described and key in TIGHTER else value
        if name not in self._required:
            described["type"] = [described["type"], "null"]
            if "enum" in described:
                described["enum"] = [*described["enum"], None]
        return described


def example(schema: dict[str, Any]) -> Row:
    """A row that fits the `schema` of a row: something from the middle of what is allowed."""
    return {name: _example(name, schema["properties"][name]) for name in schema["required"]}


def _example(name: str, described: dict[str, Any]) -> object:
    if "enum" in described:
        return described["enum"][0]
    if "string" in described["type"]:
        text = f"an example of {name}".ljust(described.get("minLength", 0), ".")
        return text[: described.get("maxLength")]
    low = described.get("minimum", described.get("exclusiveMinimum"))
    high = described.get("maximum", described.get("exclusiveMaximum"))
    if low is None:
        low = 0 if high is None else min(0, high - 1)
    return low / 2 + (low + 1 if high is None else high) / 2


def _described(item: Expectation) -> dict[str, Any]:
    """What JSON Schema can say of a rule."""
    kwargs = item["kwargs"]
    match item["type"]:
        case "expect_column_values_to_be_in_set":
            return {"enum": list(kwargs["value_set"])}
        case "expect_column_values_to_be_between":
            names = {
                "min_value": "exclusiveMinimum" if kwargs.get("strict_min") else "minimum",
                "max_value": "exclusiveMaximum" if kwargs.get("strict_max") else "maximum",
            }
        case "expect_column_value_lengths_to_be_between":
            names = {"min_value": "minLength", "max_value": "maxLength"}
        case "expect_column_values_to_match_regex":
            return {"pattern": kwargs["regex"]}
        case "expect_column_values_to_not_match_regex":
            return {"not": {"type": "string", "pattern": kwargs["regex"]}}
        case _:
            return {"description": rule(item)}
    return {names[name]: kwargs[name] for name in names if kwargs.get(name) is not None}


def _asked_of_a_value(item: Expectation) -> str:
    if item["type"] == TYPE:
        return TYPES.get(item["kwargs"]["type_"], "it must be a number")
    kwargs = {key: value for key, value in item["kwargs"].items() if key != "mostly"}  # a value is no share of rows
    return rule(item | {"kwargs": kwargs})


def _rule(item: Expectation) -> str:
    return name_of(item).removeprefix(f"{item['kwargs'].get('column', 'table')}-")


def _type_rule(column: str, kind: str) -> Expectation:
    return {"type": TYPE, "kwargs": {"column": column, "type_": kind}}


def _shown(value: object) -> object:
    """A value as an answer repeats it: short, and in signs that UTF-8 can write."""
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 2**53):
        return value
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
