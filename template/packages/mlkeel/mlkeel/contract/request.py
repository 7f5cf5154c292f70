"""Validate each row of a request against `features.json`, as Great Expectations would a table of that one row.

Great Expectations needs milliseconds and pandas for one row, and a request has microseconds, so the rules about single
values are read from the suite once, into a pydantic type of a row. Each row is validated by itself, so a rule that
allows exceptions (`mostly`) allows none here; those, and rules about a whole table, are checked in training and by
`monitor.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, ConfigDict, FailFast, Field, TypeAdapter, ValidationError, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError
from typing_extensions import TypedDict

from mlkeel.contract.dates import ISO_DATE
from mlkeel.contract.messages import describe_rule
from mlkeel.contract.suites import COLUMNS, TYPE, Contract, Expectation, expectation_name
from mlkeel.contract.values import Predicate, between, value_predicate

Row = dict[str, Any]
ValueRule = tuple[Expectation, Predicate]
INT64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
VALUE_TYPES: dict[str, Any] = {"str": str, "bool": bool, "int64": INT64}  # all others are floats
JSON_TYPES: dict[str, dict[str, Any]] = {"str": {"type": "string"}, "bool": {"type": "boolean", "enum": [False, True]}}
TYPE_MESSAGES = {"str": "it must be a string", "bool": "it must be true or false", "int64": "it must be a whole number"}
TIGHTER_BOUND = dict.fromkeys(("minimum", "exclusiveMinimum", "minLength"), max)
TIGHTER_BOUND |= dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength"), min)
MAX_VIOLATIONS = 100  # of a response
MAX_VALUE_CHARS = 200  # of a value in a response
NOT_NULL = "expect_column_values_to_not_be_null"
EXAMPLE_DATE = "2000-01-01"
ROW_COUNT = "expect_table_row_count_to_be_between"
VIOLATED = "violated"  # type of an error of pydantic: a rule of the contract


@dataclass(frozen=True)
class Violation:
    """A value that violates a rule; rows are counted from 1, and `row` is None if the rule is about all of them."""

    row: int | None
    column: str | None  # of the contract, else None
    rule: str
    value: object
    message: str


class _WithoutTitles(GenerateJsonSchema):
    """Writes the JSON schema of a row, in which the name of a column is its title."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - of any field
        return False


class RowValidator:
    """Validates rows by the rules of `features.json` about single values."""

    def __init__(self, contract: Contract) -> None:
        """Read the rules of `contract`.

        Raises:
            ContractError: one of them cannot be applied.
        """
        self.columns = tuple(column.name for column in contract.columns)
        self._value_rules: dict[str, list[ValueRule]] = {name: [] for name in self.columns}
        self._type_rules = {name: _type_rule(name, kind) for name, kind in contract.types.items()}
        self._text_columns = frozenset(contract.text_columns)
        self._required: dict[str, list[Expectation]] = {}
        self._row_count_rule: Expectation = {"type": ROW_COUNT, "kwargs": {"min_value": 1}}
        self.unchecked: list[str] = []  # critical rules that need a whole table
        for item in contract.features["expectations"]:
            if item.get("severity", "critical") == "critical":
                self._add_rule(item)
        self._is_row_count_valid = between({"min_value": 1} | self._row_count_rule["kwargs"])
        self._known_columns = frozenset(contract.all_columns)
        row_type: Any = self._row_type()
        self._row = TypeAdapter(row_type)
        self._rows: TypeAdapter[list[Row]] = TypeAdapter(Annotated[list[row_type], FailFast()])

    def _add_rule(self, item: Expectation) -> None:
        kind = item["type"]
        column = item["kwargs"].get("column")
        if kind == ROW_COUNT:
            self._row_count_rule = item
        elif kind in (COLUMNS, TYPE):
            return  # checked in every row, whatever its severity
        elif column not in self._value_rules or "row_condition" in item["kwargs"]:
            self.unchecked.append(expectation_name(item))
        elif kind == NOT_NULL:
            self._required.setdefault(column, []).append(item)
        elif predicate := value_predicate(item, column in self._text_columns):
            self._value_rules[column].append((item, predicate))
        else:
            self.unchecked.append(expectation_name(item))

    def _row_type(self) -> object:
        """Return the type of a row; columns of the training table that are no features may be in it.

        It ignores unknown columns, since pydantic would describe each of thousands; `violations` finds them.
        """
        ignored = NotRequired[Annotated[Any, WithJsonSchema({"description": "Not looked at."})]]
        other_columns = sorted(self._known_columns - set(self.columns))
        columns = {name: self._value_type(name) for name in self.columns} | dict.fromkeys(other_columns, ignored)
        new_type: Any = TypedDict  # of columns that are known at run time alone
        row_type = new_type("Row", columns)
        row_type.__pydantic_config__ = ConfigDict(strict=True, allow_inf_nan=False)
        return row_type

    def _value_type(self, name: str) -> object:
        rules = self._value_rules[name]
        value_type: Any = VALUE_TYPES.get(self._type_rules[name]["kwargs"]["type_"], float)
        if rules:
            value_type = Annotated[value_type, AfterValidator(_rules_validator(rules))]
        if name not in self._required:
            value_type = value_type | None
        return Annotated[value_type, WithJsonSchema(self._property_schema(name))]

    def violations(self, rows: Sequence[object]) -> list[Violation]:
        """Return the violations in `rows`, n mappings of columns to values; none if a model can take them."""
        if self._is_row_count_valid(len(rows)) and self._rows.validator.isinstance_python(rows):
            has_known_columns: Callable[[Any], bool] = self._known_columns.issuperset
            if all(map(has_known_columns, rows)):
                return []
        return list(islice(self._violations(rows), MAX_VIOLATIONS))

    def _violations(self, rows: Sequence[object]) -> Iterator[Violation]:
        if not self._is_row_count_valid(len(rows)):
            message = f"{describe_rule(self._row_count_rule)}; there are {len(rows)}"
            yield Violation(None, None, _rule_name(self._row_count_rule), len(rows), message)
        for number, row in enumerate(rows, start=1):
            if not isinstance(row, dict):
                yield Violation(number, None, "row", _printable(row), "a row is an object of columns and their values")
            elif violations := list(islice(self._column_violations(number, row), MAX_VIOLATIONS)):
                yield from violations
            else:
                try:
                    self._row.validator.validate_python(row)
                except ValidationError as error:
                    for value_error in error.errors(include_url=False):
                        yield from self._value_violations(number, str(value_error["loc"][0]), value_error)

    def _column_violations(self, number: int, row: Row) -> Iterator[Violation]:
        """Check that a row has the columns of the contract and no others."""
        for name in self.columns:
            if name not in row:
                message = f"{name}: the column is missing; where its value is not known, send null"
                yield Violation(number, name, "columns_to_match_set", None, message)
        for name in (name for name in row if name not in self._known_columns):
            message = f"{_printable(name)}: the contract knows no such column; known are {', '.join(self.columns)}"
            yield Violation(number, None, "columns_to_match_set", _printable(name), message)

    def _value_violations(self, number: int, name: str, error: ErrorDetails) -> Iterator[Violation]:
        value = error["input"]
        if error["type"] == VIOLATED:
            violated = [self._value_rules[name][place][0] for place in error["ctx"]["rules"]]
        elif value is None:
            violated = self._required[name]
        else:
            violated = [self._type_rules[name]]
        for item in violated:
            yield Violation(number, name, _rule_name(item), _printable(value), f"{name}: {_value_message(item)}")

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a row (JSON Schema 2020-12), for the API documentation and for the page."""
        return self._row.json_schema(schema_generator=_WithoutTitles) | {"additionalProperties": False}

    def _property_schema(self, name: str) -> dict[str, Any]:
        schema = dict(JSON_TYPES.get(self._type_rules[name]["kwargs"]["type_"], {"type": "number"}))
        for item, _ in self._value_rules[name]:
            for key, value in _rule_schema(item).items():
                if key in schema and key in TIGHTER_BOUND:
                    schema[key] = TIGHTER_BOUND[key](schema[key], value)
                elif key in schema and key == "enum":
                    schema[key] = [member for member in schema[key] if member in value]
                elif key in schema:
                    schema.setdefault("allOf", []).append({key: value})
                else:
                    schema[key] = value
        if name not in self._required:
            schema["type"] = [schema["type"], "null"]
            if "enum" in schema:
                schema["enum"] = [*schema["enum"], None]
        return schema


def example(schema: dict[str, Any]) -> Row:
    """Return a row that is valid under the `schema` of a row, with numbers from the middle of their range."""
    return {name: _example(name, schema["properties"][name]) for name in schema["required"]}


def _example(name: str, schema: dict[str, Any]) -> object:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("pattern") == ISO_DATE:
        return EXAMPLE_DATE
    if "string" in schema["type"]:
        text = f"an example of {name}".ljust(schema.get("minLength", 0), ".")
        return text[: schema.get("maxLength")]
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None:
        low = 0 if high is None else min(0, high - 1)
    return low / 2 + (low + 1 if high is None else high) / 2


def _rules_validator(rules: Sequence[ValueRule]) -> Callable[[object], object]:
    """Return a validator of pydantic that refuses a value which violates one of `rules`."""
    predicates = [predicate for _, predicate in rules]

    def validate(value: object) -> object:
        for predicate in predicates:
            if not predicate(value):
                violated = [place for place, (_, is_kept) in enumerate(rules) if not is_kept(value)]
                raise PydanticCustomError(VIOLATED, "a rule is violated", {"rules": violated})
        return value

    return validate


def _rule_schema(item: Expectation) -> dict[str, Any]:
    """Express a rule in JSON Schema, in words where no keyword does."""
    kwargs = item["kwargs"]
    match item["type"]:
        case "expect_column_values_to_be_in_set":
            return {"enum": list(kwargs["value_set"])}
        case "expect_column_values_to_be_between":
            keywords = {
                "min_value": "exclusiveMinimum" if kwargs.get("strict_min") else "minimum",
                "max_value": "exclusiveMaximum" if kwargs.get("strict_max") else "maximum",
            }
        case "expect_column_value_lengths_to_be_between":
            keywords = {"min_value": "minLength", "max_value": "maxLength"}
        case "expect_column_values_to_match_regex":
            return {"pattern": kwargs["regex"]}
        case "expect_column_values_to_not_match_regex":
            return {"not": {"type": "string", "pattern": kwargs["regex"]}}
        case _:
            return {"description": describe_rule(item)}
    return {keywords[name]: kwargs[name] for name in keywords if kwargs.get(name) is not None}


def _value_message(item: Expectation) -> str:
    if item["type"] == TYPE:
        return TYPE_MESSAGES.get(item["kwargs"]["type_"], "it must be a number")
    kwargs = {key: value for key, value in item["kwargs"].items() if key != "mostly"}  # which is a share of rows
    return describe_rule(item | {"kwargs": kwargs})


def _rule_name(item: Expectation) -> str:
    return expectation_name(item).removeprefix(f"{item['kwargs'].get('column', 'table')}-")


def _type_rule(column: str, kind: str) -> Expectation:
    return {"type": TYPE, "kwargs": {"column": column, "type_": kind}}


def _printable(value: object) -> object:
    """Shorten a value for a response, and replace characters that UTF-8 cannot encode."""
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 2**53):
        return value
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}…"
