"""What a run of the monitor asks of a window, one question a function; each names what is not as it was.

A limit leaves room for chance by the number of rows, so that a small window does not cry wolf; `chance` says how often
it may, if nothing has changed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlkeel.config import Gate
from mlkeel.contract.suites import Expectation, Suite
from mlkeel.contract.validate import check
from mlkeel.contract.wording import number
from mlkeel.data.tables import with_columns
from mlkeel.drift import PRESENT, divergence, labels, limit_of, parameters, shares_now, shares_of, with_lengths
from mlkeel.inference.predictor import Predictor
from mlkeel.monitor.window import Window
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.tasks.evaluation import evaluate
from mlkeel.tasks.metrics import Metric
from mlkeel.tasks.task import task_of

if TYPE_CHECKING:
    import pandas as pd

SAMPLE, SAME = 1000, 1e-3  # rows that are answered again; difference that is none
WORSE = 0.1  # of the error without a model, by which a model may be worse than promised
DAY = 86_400


@dataclass(frozen=True)
class Breach:
    """Something that is not as it was, in a sentence; `value` went beyond `limit` where both are numbers."""

    check: str
    column: str | None
    sentence: str
    value: float | None = None
    limit: float | None = None
    severity: str = "critical"


def contract(window: Window, chance: float) -> list[Breach]:
    """Which rules of `features.json` the rows break; a rule that lets some rows off has room for chance."""
    rows, items = len(window.table), []
    loose = [item for item in window.contract["expectations"] if "mostly" in item["kwargs"]]
    for item in window.contract["expectations"]:
        mostly = item["kwargs"].get("mostly")
        room = {} if mostly is None else {"mostly": 1 - _most(1 - mostly, rows, chance / len(loose))}
        items.append(item | {"kwargs": item["kwargs"] | room})
    found = check(window.table, window.contract | {"expectations": items})
    pairs = zip(window.contract["expectations"], found, strict=True)
    broken = [item for item, one in pairs if not one.passed]  # to be said as they stand in the suite
    return [
        Breach("contract", one.column, one.sentence, severity="critical" if one.critical else "warning")
        for one in check(window.table, window.contract | {"expectations": broken})
    ]


def drift(
    window: Window, predictor: Predictor, suite: Suite, chance: float, least: float
) -> tuple[list[Breach], dict[str, dict[str, Any]]]:
    """Which columns have other distributions, or more missing values, than the rows that the model learnt from.

    For each column that `suite` watches there are also its shares before and now, and how far they are from each other.
    """
    table = with_lengths(window.table, predictor.contract)
    asked = suite | {"expectations": [item for item in suite["expectations"] if _can_be_asked(table, item)]}
    limits = parameters(asked, table, chance, least)
    columns = _columns(table, asked, limits)
    broken = [one for one in check(table, asked, limits) if not one.passed]
    return [
        _moved(str(one.column), one.expectation["type"] == PRESENT, columns[str(one.column)]) for one in broken
    ], columns


def _can_be_asked(table: "pd.DataFrame", item: Expectation) -> bool:
    """Whether the column holds values, and numbers if those are wanted; what is not so is for other rules to say."""
    name, partition = item["kwargs"]["column"], item["kwargs"].get("partition_object")
    if name not in table or partition is None:
        return name in table
    return bool(table[name].notna().any()) and (table[name].dtype.kind in "fiub" or "bins" not in partition)


def _columns(table: "pd.DataFrame", suite: Suite, limits: dict[str, float]) -> dict[str, dict[str, Any]]:
    found = dict[str, dict[str, Any]]()
    for item in suite["expectations"]:
        name = item["kwargs"]["column"]
        told = found.setdefault(name, _nothing())
        if item["type"] == PRESENT:
            told["missing"] = float(table[name].isna().mean()) if len(table) else 0.0
            told["missing_before"] = item["meta"]["missing"] / max(item["meta"]["rows"], 1)
            told["most_missing"] = 1 - limit_of(item, limits)
        else:
            before, now = shares_of(item["kwargs"]), shares_now(table[name], item["kwargs"])
            told |= {"divergence": divergence(now, before), "threshold": limit_of(item, limits)}
            partition = item["kwargs"]["partition_object"]
            told |= {"labels": labels(partition), "before": before.tolist(), "now": now.tolist()}
            told["unseen"] = float(now[-1]) if "values" in partition else None
    return found


def _nothing() -> dict[str, Any]:
    return {"divergence": None, "threshold": None, "missing": 0.0, "missing_before": 0.0, "unseen": None, "labels": []}


def _moved(name: str, missing: bool, seen: dict[str, Any]) -> Breach:
    if missing:
        said = f"{name}: {seen['missing']:.1%} of the values are missing, and {seen['missing_before']:.1%} were"
        return Breach("missing", name, said, seen["missing"], seen["most_missing"])
    before, now = np.array(seen["before"]), np.array(seen["now"])
    most = int(np.argmax(np.abs(now - before)))
    said = (
        f"{name}: it is spread unlike the rows that the model learnt from (divergence {seen['divergence']:.3f}, at "
        f"most {seen['threshold']:.3f}); {before[most]:.1%} were {seen['labels'][most]}, and {now[most]:.1%} are"
    )
    return Breach("drift", name, said, seen["divergence"], seen["threshold"])


def refused(window: Window, most: float, chance: float) -> list[Breach]:
    """Which columns the API refused too many rows for."""
    if window.refused is None:
        return []
    rows = len(window.table) + window.refused.rows
    limit, of_column = _most(most, rows, chance), dict[str, dict[str, int]]()
    for (column, rule), count in window.refused.by.items():
        of_column.setdefault(column, {})[rule] = count
    return [
        Breach(
            "refused",
            column or None,
            f"{column or 'rows'}: of {rows:,} rows, {worst / rows:.1%} were refused under the rule "
            f"{max(rules, key=lambda rule: rules[rule])}; {most:.1%} may be, and by chance {limit:.1%}",
            worst / rows,
            limit,
        )
        for column, rules in of_column.items()
        if (worst := max(rules.values())) / rows > limit
    ]


def quality(
    window: Window,
    predictor: Predictor,
    promises: MetricsFile,
    gate: Gate,
    chance: float,
    metrics: Sequence[Metric] = (),
) -> tuple[list[Breach], dict[str, Any] | None]:
    """Where answers whose truth is known by now are worse than `promises`, the metrics of the artifact.

    The scores are those of `metrics`, or else those that are usual for the task.
    """
    target = predictor.target
    if window.answers is None or target not in window.table:
        return [], None
    truths, known = _truths(window.table[target], predictor.contract.values(target))
    rows, answers = with_columns(window.table, {target: truths})[known], window.answers[known]
    if rows.empty:
        return [], None
    truth, task = predictor.kind.encode(rows[target], predictor.contract), task_of(predictor.contract, target)
    slices = tuple(name for name in gate.slices if name in rows)
    asked = gate.model_copy(update={"slices": slices})
    live = evaluate(task, metrics or task.metrics, rows, answers, truth, truth, asked)
    pairs = {"": (live.model, promises.model)}
    pairs |= {name: (now, promises.slices[name]) for name, now in live.slices.items() if name in promises.slices}
    least, breaches = WORSE * task.error(promises.baseline), []
    for name, (now, before) in pairs.items():
        error, promised = task.error(now), task.error(before)
        limit = max(promised + least, task.most_error(before, now.rows, chance / len(pairs)))
        if error > limit:
            said = f"{task.error_words}{f' where {name}' if name else ''} is {number(error)} on {now.rows:,} rows"
            breaches.append(Breach("quality", name or None, f"{said}; {number(promised)} was promised", error, limit))
    found = {"promised": promises.model.model_dump(), "live": live.model.model_dump()}
    return breaches, found | {"slices": {name: scores.model_dump() for name, scores in live.slices.items()}}


def _truths(values: "pd.Series[Any]", classes: tuple[str, ...]) -> "tuple[pd.Series[Any], npt.NDArray[np.bool]]":
    """The truths as they can be scored, and which of them can: known classes or, without classes, finite numbers."""
    import pandas as pd

    if classes:
        return values, values.isin(classes).to_numpy()
    numbers = pd.to_numeric(values, errors="coerce")
    return numbers, np.isfinite(numbers.to_numpy(dtype=np.float64, na_value=np.nan))


def skew(window: Window, predictor: Predictor, private: set[str]) -> list[Breach]:
    """Whether rows are answered as they were when they are answered again, from a table and not in a request."""
    if window.milliseconds is None or window.answers is None or private or window.table.empty:
        return []
    some = np.linspace(0, len(window.table) - 1, min(SAMPLE, len(window.table)), dtype=int)
    again, then = predictor.predict(window.table.iloc[some]), window.answers[some]
    off = ~np.isclose(again, then, rtol=SAME, atol=SAME * float(then.std() or 1)).all(axis=1)
    if not off.any():
        return []
    said = f"{off.sum():,} of {len(some):,} recorded rows are answered otherwise when they are read from a table"
    return [Breach("skew", None, f"{said}; requests and tables are encoded unlike each other", float(off.mean()), 0)]


def staleness(created: str, days: float) -> list[Breach]:
    """Whether the model is older than it should be."""
    age = (time.time() - datetime.fromisoformat(created).timestamp()) / DAY
    said = f"the model in use is {age:.0f} days old; train it on newer rows"
    return [Breach("staleness", None, said, age, days, "warning")] if age > days else []


def latency(window: Window, budget: float, chance: float) -> list[Breach]:
    """Whether more than one answer in a hundred took longer than `budget`, in milliseconds."""
    if window.milliseconds is None or not len(window.milliseconds):
        return []
    slow, limit = float((window.milliseconds > budget).mean()), _most(0.01, len(window.milliseconds), chance)
    said = f"{slow:.1%} of answers took longer than {budget:g} ms; 1.0% may"
    return [Breach("latency", None, said, slow, limit)] if slow > limit else []


def _most(share: float, rows: int, chance: float) -> float:
    """The share of `rows` rows that chance exceeds with the probability `chance` where `share` is true."""
    from scipy.stats import binom

    return max(share, float(binom.isf(chance, rows, share)) / max(rows, 1))
