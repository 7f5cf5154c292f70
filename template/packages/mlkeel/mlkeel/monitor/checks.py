"""The checks of a run of the monitor, a function each, which return the violations in a window.

Each limit has a tolerance that depends on the number of rows, so that a small window does not raise false alarms;
`false_alarm_rate` is how often a check may be violated if nothing has changed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from mlkeel.config import Gate
from mlkeel.contract.messages import number
from mlkeel.contract.suites import Expectation, Suite
from mlkeel.contract.validate import check
from mlkeel.data.tables import with_columns
from mlkeel.drift import (
    PRESENT,
    divergence,
    labels,
    limit_of,
    parameters,
    reference_shares,
    window_shares,
    with_lengths,
)
from mlkeel.inference.predictor import Predictor
from mlkeel.monitor.window import Window
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.tasks.evaluation import evaluate
from mlkeel.tasks.metrics import Metric
from mlkeel.tasks.task import task_of

if TYPE_CHECKING:
    import pandas as pd

SKEW_SAMPLE_ROWS = 1000  # rows that are predicted again
SKEW_TOLERANCE = 1e-3  # relative difference of outputs that counts as equal
QUALITY_TOLERANCE = 0.1  # of the error of the baseline; a model may be worse than on the test split by as much
DAY_S = 86_400


Check = Literal["contract", "drift", "latency", "missing", "quality", "rejected", "skew", "staleness"]


@dataclass(frozen=True)
class Violation:
    """A check that failed, in a sentence; `value` exceeds `limit` if both are numbers."""

    check: Check
    column: str | None
    sentence: str
    value: float | None = None
    limit: float | None = None
    severity: str = "critical"


def contract(window: Window, false_alarm_rate: float) -> list[Violation]:
    """Return the expectations of `features.json` that the rows violate; those with `mostly` have a tolerance."""
    expectations = window.contract["expectations"]
    rows = len(window.table)
    mostly_count = sum("mostly" in item["kwargs"] for item in expectations)
    items = []
    for item in expectations:
        mostly = item["kwargs"].get("mostly")
        limit = {} if mostly is None else {"mostly": 1 - _max_share(1 - mostly, rows, false_alarm_rate / mostly_count)}
        items.append(item | {"kwargs": item["kwargs"] | limit})
    results = check(window.table, window.contract | {"expectations": items})
    # The sentences come from a check of the original expectations, without the tolerance.
    violated = [item for item, result in zip(expectations, results, strict=True) if not result.passed]
    return [
        Violation("contract", result.column, result.sentence, severity="critical" if result.critical else "warning")
        for result in check(window.table, window.contract | {"expectations": violated})
    ]


def drift(
    window: Window, predictor: Predictor, suite: Suite, false_alarm_rate: float, min_effect: float
) -> tuple[list[Violation], dict[str, dict[str, Any]]]:
    """Return the columns whose distribution or share of missing values differs from that of the reference rows.

    The second value holds, for each column of `suite`, its shares in the reference and in the window, their divergence
    and its limit.
    """
    table = with_lengths(window.table, predictor.contract)
    applicable = suite | {"expectations": [item for item in suite["expectations"] if _is_applicable(table, item)]}
    limits = parameters(applicable, table, false_alarm_rate, min_effect)
    columns = _column_figures(table, applicable, limits)
    violations = [
        _drift_violation(str(result.column), result.expectation["type"] == PRESENT, columns[str(result.column)])
        for result in check(table, applicable, limits)
        if not result.passed
    ]
    return violations, columns


def _is_applicable(table: "pd.DataFrame", item: Expectation) -> bool:
    """Return whether the column has values, and numbers if bins are expected; the contract checks the rest."""
    name = item["kwargs"]["column"]
    partition = item["kwargs"].get("partition_object")
    if name not in table or partition is None:
        return name in table
    return bool(table[name].notna().any()) and (table[name].dtype.kind in "fiub" or "bins" not in partition)


def _column_figures(table: "pd.DataFrame", suite: Suite, limits: dict[str, float]) -> dict[str, dict[str, Any]]:
    columns = dict[str, dict[str, Any]]()
    for item in suite["expectations"]:
        name = item["kwargs"]["column"]
        figures = columns.setdefault(name, _empty_figures())
        if item["type"] == PRESENT:
            figures["missing"] = float(table[name].isna().mean()) if len(table) else 0.0
            figures["missing_before"] = item["meta"]["missing"] / max(item["meta"]["rows"], 1)
            figures["most_missing"] = 1 - limit_of(item, limits)
        else:
            reference = reference_shares(item["kwargs"])
            current = window_shares(table[name], item["kwargs"])
            figures |= {"divergence": divergence(current, reference), "threshold": limit_of(item, limits)}
            partition = item["kwargs"]["partition_object"]
            figures |= {"labels": labels(partition), "before": reference.tolist(), "now": current.tolist()}
            figures["unseen"] = float(current[-1]) if "values" in partition else None
    return columns


def _empty_figures() -> dict[str, Any]:
    return {"divergence": None, "threshold": None, "missing": 0.0, "missing_before": 0.0, "unseen": None, "labels": []}


def _drift_violation(name: str, is_missing: bool, figures: dict[str, Any]) -> Violation:
    if is_missing:
        shares = f"{figures['missing']:.1%} of the values are missing, and {figures['missing_before']:.1%} were"
        return Violation("missing", name, f"{name}: {shares}", figures["missing"], figures["most_missing"])
    reference = np.array(figures["before"])
    current = np.array(figures["now"])
    widest = int(np.argmax(np.abs(current - reference)))  # the bin whose share changed most
    sentence = (
        f"{name}: it is spread unlike the rows that the model learnt from (divergence {figures['divergence']:.3f}, at "
        f"most {figures['threshold']:.3f}); {reference[widest]:.1%} were {figures['labels'][widest]}, and "
        f"{current[widest]:.1%} are"
    )
    return Violation("drift", name, sentence, figures["divergence"], figures["threshold"])


def rejected(window: Window, max_rejected_share: float, false_alarm_rate: float) -> list[Violation]:
    """Return the columns for which the API rejected too large a share of the rows."""
    if window.rejected is None:
        return []
    rows = len(window.table) + window.rejected.rows
    limit = _max_share(max_rejected_share, rows, false_alarm_rate)
    counts_by_column = dict[str, dict[str, int]]()
    for (column, rule), count in window.rejected.by.items():
        counts_by_column.setdefault(column, {})[rule] = count
    return [
        Violation(
            "rejected",
            column or None,
            f"{column or 'rows'}: of {rows:,} rows, {worst / rows:.1%} were refused under the rule "
            f"{max(counts, key=lambda rule: counts[rule])}; {max_rejected_share:.1%} may be, and by chance {limit:.1%}",
            worst / rows,
            limit,
        )
        for column, counts in counts_by_column.items()
        if (worst := max(counts.values())) / rows > limit
    ]


def quality(
    window: Window,
    predictor: Predictor,
    reference: MetricsFile,
    gate: Gate,
    false_alarm_rate: float,
    metrics: Sequence[Metric] = (),
) -> tuple[list[Violation], dict[str, Any] | None]:
    """Return where outputs whose target is known are worse than on the test split, and the scores of both.

    The scores of the test split come from `reference`, the metrics of the version. Those of the window are computed by
    `metrics` or, if there are none, by the default metrics of the task.
    """
    target = predictor.target
    if window.outputs is None or target not in window.table:
        return [], None
    targets, is_known = _scorable_targets(window.table[target], predictor.contract.values(target))
    rows = with_columns(window.table, {target: targets})[is_known]
    outputs = window.outputs[is_known]
    if rows.empty:
        return [], None
    y_true = predictor.output_type.encode(rows[target], predictor.contract)
    task = task_of(predictor.contract, target)
    slices = tuple(name for name in gate.slices if name in rows)
    slice_gate = gate.model_copy(update={"slices": slices})
    live = evaluate(
        task,
        metrics or task.metrics,
        rows,
        outputs,
        y_true,
        y_true,
        slice_gate,
        decision=predictor.decision,
        primary_required=False,
    )
    pairs = {"": (live.model, reference.model)}
    common_slices = [name for name in live.slices if name in reference.slices]
    pairs |= {name: (live.slices[name], reference.slices[name]) for name in common_slices}
    tolerance = QUALITY_TOLERANCE * task.error(reference.baseline)
    violations = []
    for name, (live_scores, test_scores) in pairs.items():
        error = task.error(live_scores)
        test_error = task.error(test_scores)
        chance_limit = task.error_limit(test_scores, live_scores.rows, false_alarm_rate / len(pairs))
        limit = max(test_error + tolerance, chance_limit)
        if error > limit:
            where = f" where {name}" if name else ""
            sentence = (
                f"{task.error_name}{where} is {number(error)} on {live_scores.rows:,} rows; "
                f"{number(test_error)} was promised"
            )
            violations.append(Violation("quality", name or None, sentence, error, limit))
    return violations, {
        "promised": reference.model.model_dump(),
        "live": live.model.model_dump(),
        "slices": {name: scores.model_dump() for name, scores in live.slices.items()},
    }


def _scorable_targets(
    values: "pd.Series[Any]", classes: tuple[str, ...]
) -> "tuple[pd.Series[Any], npt.NDArray[np.bool]]":
    """Return the targets, shape (n,), and which can be scored: known classes or, without classes, finite numbers."""
    import pandas as pd

    if classes:
        return values, values.isin(classes).to_numpy()
    numbers = pd.to_numeric(values, errors="coerce")
    return numbers, np.isfinite(numbers.to_numpy(dtype=np.float64, na_value=np.nan))


def skew(window: Window, predictor: Predictor, private: set[str]) -> list[Violation]:
    """Check that recorded rows get the same outputs again when they are predicted as a table, not as a request."""
    if window.milliseconds is None or window.outputs is None or private or window.table.empty:
        return []
    sample = np.linspace(0, len(window.table) - 1, min(SKEW_SAMPLE_ROWS, len(window.table)), dtype=int)
    outputs = predictor.predict(window.table.iloc[sample])
    recorded = window.outputs[sample]
    atol = SKEW_TOLERANCE * float(recorded.std() or 1)
    differs = ~np.isclose(outputs, recorded, rtol=SKEW_TOLERANCE, atol=atol).all(axis=1)
    if not differs.any():
        return []
    sentence = (
        f"{differs.sum():,} of {len(sample):,} recorded rows are answered otherwise when they are read from a table; "
        "requests and tables are encoded unlike each other"
    )
    return [Violation("skew", None, sentence, float(differs.mean()), 0)]


def staleness(created: str, max_days: float) -> list[Violation]:
    """Check that the model is at most `max_days` old."""
    days = (time.time() - datetime.fromisoformat(created).timestamp()) / DAY_S
    sentence = f"the current version is {days:.0f} days old; train it on newer rows"
    return [Violation("staleness", None, sentence, days, max_days, "warning")] if days > max_days else []


def latency(window: Window, budget_ms: float, false_alarm_rate: float) -> list[Violation]:
    """Check that at most one response in a hundred took longer than `budget_ms`, but for chance."""
    if window.milliseconds is None or not len(window.milliseconds):
        return []
    slow_share = float((window.milliseconds > budget_ms).mean())
    limit = _max_share(0.01, len(window.milliseconds), false_alarm_rate)
    sentence = f"{slow_share:.1%} of answers took longer than {budget_ms:g} ms; 1.0% may"
    return [Violation("latency", None, sentence, slow_share, limit)] if slow_share > limit else []


def _max_share(share: float, rows: int, false_alarm_rate: float) -> float:
    """Return the share of `rows` rows that is exceeded at `false_alarm_rate` if the true share is `share`."""
    from scipy.stats import binom

    return max(share, float(binom.isf(false_alarm_rate, rows, share)) / max(rows, 1))
