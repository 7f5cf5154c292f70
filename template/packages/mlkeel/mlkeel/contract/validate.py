"""Check a table against a suite of the contract with Great Expectations.

Great Expectations takes a second to import, so that happens at the first check.
"""

import functools
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlkeel.contract.dates import ISO_DATE, is_date
from mlkeel.contract.sentences import describe
from mlkeel.contract.suites import COLUMNS, REGEX, TYPE, Expectation, Suite, expectation_name
from mlkeel.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExpectationResult:
    """The result of one expectation on a table."""

    expectation: Expectation
    passed: bool
    sentence: str

    @property
    def column(self) -> str | None:
        """The column that the expectation is about, or None if it is about the table."""
        column: str | None = self.expectation["kwargs"].get("column")
        return column

    @property
    def critical(self) -> bool:
        """Whether a violation is an error, and not only a warning."""
        return bool(self.expectation.get("severity", "critical") == "critical")


def check(table: "pd.DataFrame", suite: Suite, parameters: dict[str, float] | None = None) -> list[ExpectationResult]:
    """Check `table`, shape (n, columns), against `suite`: one result for each expectation, in the order of the suite.

    Great Expectations copies all columns of a table for every rule about one of them, so each column is checked
    as a table of its own; and it is slow to collect examples, so only failed expectations are run again for them.
    """
    results: dict[int, ExpectationResult] = {}
    for column, items in _by_column(suite):
        if column is not None and column not in table:
            missing = {
                index: ExpectationResult(item, False, f"{column}: the column is missing")
                for index, item in items.items()
            }
            results |= missing
            continue
        subset = table if column is None else table[[column]]
        outcomes = _validate(subset, items, "BOOLEAN_ONLY", parameters)
        failed = {index: item for index, item in items.items() if not outcomes[index]["success"]}
        details = _validate(subset, failed, "SUMMARY", parameters) if failed else {}
        for index, item in items.items():
            sentence = describe(_with_parameters(item, parameters or {}), details.get(index), subset)
            results[index] = _not_in_calendar(item, subset) or ExpectationResult(item, index not in failed, sentence)
    return [results[index] for index in sorted(results)]


def _not_in_calendar(item: Expectation, table: "pd.DataFrame") -> ExpectationResult | None:
    """Return a violation if values of a column of dates look like some and are none, such as 2026-02-30."""
    kwargs = item["kwargs"]
    if item["type"] != REGEX or kwargs.get("regex") != ISO_DATE or "row_condition" in kwargs:
        return None
    column = kwargs["column"]
    values = table[column].dropna()
    texts = [value for value in values if isinstance(value, str) and re.search(ISO_DATE, value)]
    impossible = [value for value in texts if not is_date(value)]
    if len(impossible) <= (1 - kwargs.get("mostly", 1)) * len(values):
        return None
    return ExpectationResult(item, False, f"{column}: {len(impossible):,} values are no dates, such as {impossible[0]}")


def _with_parameters(item: Expectation, parameters: dict[str, float]) -> Expectation:
    """Return the expectation with values instead of `$PARAMETER` references."""
    kwargs = {
        name: parameters[value["$PARAMETER"]] if isinstance(value, dict) and "$PARAMETER" in value else value
        for name, value in item["kwargs"].items()
    }
    return item | {"kwargs": kwargs}


def enforce(table: "pd.DataFrame", suite: Suite, source: Path) -> list[ExpectationResult]:
    """Check `table`, which was read from `source`; log violations that are warnings, and return them.

    Raises:
        ContractError: an expectation of critical severity failed; names each column and the values observed.
    """
    failed = _root_causes([result for result in check(table, suite) if not result.passed], table)
    for result in failed:
        if not result.critical:
            logger.warning("%s: %s", source, result.sentence)
    if critical := list(dict.fromkeys(result.sentence for result in failed if result.critical)):
        others = f"; and {len(critical) - 8} more" if len(critical) > 8 else ""
        raise ContractError(
            f"{source} breaks the contract: {'; '.join(critical[:8])}{others}. "
            f"Correct the file or, if it is right, change expectations/{suite['name']}.json and train again."
        )
    return failed


def _root_causes(failed: list[ExpectationResult], table: "pd.DataFrame") -> list[ExpectationResult]:
    """Leave out consequences: other rules about a column that is missing or of the wrong type."""
    of_wrong_type = {result.column for result in failed if result.expectation["type"] == TYPE}
    missing_is_reported = any(result.expectation["type"] == COLUMNS for result in failed)
    return [
        result
        for result in failed
        if result.column is None
        or (result.column not in table and not missing_is_reported)
        or (result.column in table and (result.expectation["type"] == TYPE or result.column not in of_wrong_type))
    ]


def _by_column(suite: Suite) -> Iterator[tuple[str | None, dict[int, Expectation]]]:
    groups: dict[str | None, dict[int, Expectation]] = {}
    for index, item in enumerate(suite["expectations"]):
        is_conditional = "row_condition" in item["kwargs"]  # a condition may name other columns
        groups.setdefault(None if is_conditional else item["kwargs"].get("column"), {})[index] = item
    yield from groups.items()


@functools.cache
def _batch_definition() -> Any:  # noqa: ANN401 - the public type of Great Expectations is generic over its sources
    import great_expectations
    from great_expectations.execution_engine import pandas_execution_engine

    # Smaller tables, in bytes, are hashed on every check, three times slower, and nothing here reads the hash.
    pandas_execution_engine.HASH_THRESHOLD = 0
    # On import it logs what does not matter here, such as a folder for documents that are never built.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    tables = context.data_sources.add_pandas("memory").add_dataframe_asset("table")
    return tables.add_batch_definition_whole_dataframe("all")


def _validate(
    table: "pd.DataFrame", items: dict[int, Expectation], result_format: str, parameters: dict[str, float] | None
) -> dict[int, dict[str, Any]]:
    import great_expectations

    suite = great_expectations.ExpectationSuite(
        name="suite", expectations=[_to_gx(item, index) for index, item in items.items()]
    )
    batch = _batch_definition().get_batch(batch_parameters={"dataframe": table})
    try:
        results = batch.validate(suite, result_format=result_format, expectation_parameters=parameters)
    except Exception as error:  # an invalid argument, such as a broken partition, can raise any exception
        names = ", ".join(map(expectation_name, items.values()))
        raise ContractError(f"expectations/: one of {names} cannot be used: {error}. Correct its kwargs.") from error
    batch.data.execution_engine._metric_cache.clear()  # noqa: SLF001 - no public way; it would keep the whole table
    return {result.expectation_config.meta["index"]: result.to_json_dict() for result in results.results}


def _to_gx(item: Expectation, index: int) -> Any:  # noqa: ANN401 - each type of expectation is a class of its own
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    try:
        return ExpectationConfiguration(**item | {"meta": {"index": index}}).to_domain_obj()
    except Exception as error:  # its errors have no common base but Exception
        reason = " ".join(str(error).split())
        name = expectation_name(item)
        raise ContractError(
            f"expectations/: {name} ({item['type']}) cannot be used: {reason}. Correct its type or its kwargs."
        ) from error


def violates(table: "pd.DataFrame", suite: Suite, column: str | None = None) -> bool:
    """Return whether `table` violates an expectation of `suite` about `column`, or about the whole table if None."""
    expectations = [item for item in suite["expectations"] if item["kwargs"].get("column") == column]
    return bool(expectations) and not all(
        result.passed for result in check(table, suite | {"expectations": expectations})
    )
