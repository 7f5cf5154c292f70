"""Check a table against a suite of the contract with Great Expectations.

Great Expectations takes a second to import, so that happens at the first check.
"""

import functools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlkeel.contract.sentences import sentence
from mlkeel.contract.suites import COLUMNS, TYPE, Expectation, Suite, name_of
from mlkeel.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """What one expectation said of a table."""

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
        """Whether a breach must stop the work, and not only warn."""
        return bool(self.expectation.get("severity", "critical") == "critical")


def check(table: "pd.DataFrame", suite: Suite, parameters: dict[str, float] | None = None) -> list[Finding]:
    """Check `table`, shape (n, columns), against `suite`: one finding an expectation, in the order of the suite.

    Great Expectations copies all columns of a table for every rule about one of them, so each column is checked
    as a table of its own; and it collects examples at length, so only broken expectations are asked for them.
    """
    findings: dict[int, Finding] = {}
    for column, items in _by_column(suite):
        if column is not None and column not in table:
            absent = {index: Finding(item, False, f"{column}: the column is missing") for index, item in items.items()}
            findings |= absent
            continue
        part = table if column is None else table[[column]]
        passed = _validate(part, items, "BOOLEAN_ONLY", parameters)
        broken = {index: item for index, item in items.items() if not passed[index]["success"]}
        results = _validate(part, broken, "SUMMARY", parameters) if broken else {}
        for index, item in items.items():
            said = sentence(_filled(item, parameters or {}), results.get(index), part)
            findings[index] = Finding(item, index not in broken, said)
    return [findings[index] for index in sorted(findings)]


def _filled(item: Expectation, parameters: dict[str, float]) -> Expectation:
    """The expectation with the parameters in their places."""
    kwargs = {
        name: parameters[value["$PARAMETER"]] if isinstance(value, dict) and "$PARAMETER" in value else value
        for name, value in item["kwargs"].items()
    }
    return item | {"kwargs": kwargs}


def enforce(table: "pd.DataFrame", suite: Suite, source: Path) -> list[Finding]:
    """Check `table`, which was read from `source`; log what should only warn.

    Raises:
        ContractError: an expectation of critical severity is broken; names each column and what was seen.
    """
    broken = _causes([finding for finding in check(table, suite) if not finding.passed], table)
    for finding in broken:
        if not finding.critical:
            logger.warning("%s: %s", source, finding.sentence)
    if critical := list(dict.fromkeys(finding.sentence for finding in broken if finding.critical)):
        more = f"; and {len(critical) - 8} more" if len(critical) > 8 else ""
        raise ContractError(
            f"{source} breaks the contract: {'; '.join(critical[:8])}{more}. "
            f"Correct the file or, if it is right, change expectations/{suite['name']}.json and train again."
        )
    return broken


def _causes(broken: list[Finding], table: "pd.DataFrame") -> list[Finding]:
    """Leave out what only follows: other rules about a column that is absent or of the wrong type."""
    of_wrong_type = {finding.column for finding in broken if finding.expectation["type"] == TYPE}
    absence_is_said = any(finding.expectation["type"] == COLUMNS for finding in broken)
    return [
        finding
        for finding in broken
        if finding.column is None
        or (finding.column not in table and not absence_is_said)
        or (finding.column in table and (finding.expectation["type"] == TYPE or finding.column not in of_wrong_type))
    ]


def _by_column(suite: Suite) -> Iterator[tuple[str | None, dict[int, Expectation]]]:
    groups: dict[str | None, dict[int, Expectation]] = {}
    for index, item in enumerate(suite["expectations"]):
        of_several = "row_condition" in item["kwargs"]  # which may speak of other columns
        groups.setdefault(None if of_several else item["kwargs"].get("column"), {})[index] = item
    yield from groups.items()


@functools.cache
def _whole_table() -> Any:  # noqa: ANN401 - the public type of Great Expectations is generic over its sources
    import great_expectations
    from great_expectations.execution_engine import pandas_execution_engine

    # Below this many bytes a table is fingerprinted on every check, which nothing here reads: three times slower.
    pandas_execution_engine.HASH_THRESHOLD = 0
    # On import it lets its own news through, such as the folder it would use for documents that are not built here.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    tables = context.data_sources.add_pandas("memory").add_dataframe_asset("table")
    return tables.add_batch_definition_whole_dataframe("all")


def _validate(
    table: "pd.DataFrame", items: dict[int, Expectation], detail: str, parameters: dict[str, float] | None
) -> dict[int, dict[str, Any]]:
    import great_expectations

    suite = great_expectations.ExpectationSuite(
        name="suite", expectations=[_built(item, index) for index, item in items.items()]
    )
    batch = _whole_table().get_batch(batch_parameters={"dataframe": table})
    try:
        results = batch.validate(suite, result_format=detail, expectation_parameters=parameters)
    except Exception as error:  # what a rule cannot use, such as a broken partition, comes out as any exception
        names = ", ".join(map(name_of, items.values()))
        raise ContractError(f"expectations/: one of {names} cannot be used: {error}. Correct its kwargs.") from error
    batch.data.execution_engine._metric_cache.clear()  # noqa: SLF001 - no public way; it would keep the whole table
    return {result.expectation_config.meta["index"]: result.to_json_dict() for result in results.results}


def _built(item: Expectation, index: int) -> Any:  # noqa: ANN401 - each type of expectation is a class of its own
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    try:
        return ExpectationConfiguration(**item | {"meta": {"index": index}}).to_domain_obj()
    except Exception as error:  # its errors share no base but Exception
        reason = " ".join(str(error).split())
        raise ContractError(
            f"expectations/: {name_of(item)} ({item['type']}) cannot be used: {reason}. Correct its type or its kwargs."
        ) from error


def breaks(table: "pd.DataFrame", suite: Suite, column: str | None = None) -> bool:
    """Whether `table` breaks an expectation of `suite` about `column`, or about the whole table if None."""
    about = [item for item in suite["expectations"] if item["kwargs"].get("column") == column]
    return bool(about) and not all(finding.passed for finding in check(table, suite | {"expectations": about}))
