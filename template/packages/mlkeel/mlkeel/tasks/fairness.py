"""Gaps between the groups of a protected column: how often each class is decided on, and how often or far that is off.

Few rows differ by chance, so each value and each gap has an interval: of Wilson for a share (1927, "Probable Inference,
the Law of Succession, and Statistical Inference"), of Newcombe for the difference of two shares (1998, "Interval
Estimation for the Difference between Independent Proportions", method 10), and of Welch for the difference of two means
(1947, "The Generalization of 'Student's' Problem"). The intervals of all gaps of one column hold together, at 95 %
(Bonferroni). Rows of one unit, such as a patient, say less than as many rows of several: counts are divided by the
design effect (Rao and Scott 1992, "A Simple Method for the Analysis of Clustered Binary Data").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from mlkeel.config import GroupMetric
from mlkeel.contract.messages import number
from mlkeel.tasks.outputs import Outputs, Targets
from mlkeel.tasks.standard_errors import Units, standard_error

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
MAX_VALUES = 10  # of a protected column of numbers; with more, its rows are cut at the quartiles
QUARTILES = (0.25, 0.5, 0.75)
NO_VALUE = "missing"  # the group of the rows without a value
MAX_NAMED_PROXIES = 5  # in a sentence
CLASS_METRICS: tuple[GroupMetric, ...] = ("selection_rate", "recall", "error_rate")
NUMBER_METRICS: tuple[GroupMetric, ...] = ("mae", "bias")
TITLES: dict[GroupMetric, str] = {
    "selection_rate": "share decided as",
    "recall": "recall of",
    "error_rate": "error rate",
    "mae": "mean absolute error",
    "bias": "bias",
}

Values = npt.NDArray[np.float64]


class GroupScore(BaseModel):
    """A metric on the rows of one group, with its interval.

    Attributes:
        rows: on which the metric is defined.
        value: of the metric.
        low: the lower end of its interval at 95 %.
        high: the upper end.
        actual: the share of the rows whose target is the class, for a selection rate.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    rows: int
    value: float
    low: float
    high: float
    actual: float | None = None


class GroupGap(BaseModel):
    """A metric by group, and the gap between two of them: the widest that exceeds chance, or else the widest.

    Attributes:
        metric: its name.
        of: the class that it is about, if any.
        groups: the metric of each group that is judged.
        higher: the group with the greater value.
        lower: the group with the lower value.
        gap: the difference of the two.
        low: the lower end of its interval; above 0 if the gap exceeds chance.
        high: the upper end.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    metric: GroupMetric
    of: str | None = None
    groups: dict[str, GroupScore]
    higher: str
    lower: str
    gap: float
    low: float
    high: float

    @property
    def exceeds_chance(self) -> bool:
        """Whether the groups differ by more than chance explains."""
        return self.low > 0

    @property
    def title(self) -> str:
        """The metric and its class, in words."""
        return TITLES[self.metric] if self.of is None else f"{TITLES[self.metric]} {self.of}"

    def format(self, value: float) -> str:
        """Format a value of the metric."""
        return number(value) if self.metric in NUMBER_METRICS else f"{value:.1%}"

    def format_interval(self, low: float, high: float) -> str:
        """Format the ends of an interval."""
        return f"{self.format(low)} to {self.format(high)}"

    def describe_group(self, name: str) -> str:
        """Return the value of a group with its interval, for a table."""
        score = self.groups[name]
        actual = "" if score.actual is None else f", in truth {self.format(score.actual)}"
        return f"{name}: {self.format(score.value)} ({self.format_interval(score.low, score.high)}){actual}"

    def sentence(self, column: str) -> str:
        """The gap in words."""
        higher = self.groups[self.higher]
        lower = self.groups[self.lower]
        actual = ""
        if higher.actual is not None and lower.actual is not None:
            actual = f"; in truth it is {self.format(higher.actual)} and {self.format(lower.actual)}"
        return (
            f"the {self.title} is {self.format(higher.value)} where {column} is {self.higher} ({higher.rows:,} rows) "
            f"and {self.format(lower.value)} where it is {self.lower} ({lower.rows:,} rows){actual}: a gap of "
            f"{self.format(self.gap)} ({self.format_interval(self.low, self.high)})"
        )


class GroupFairness(BaseModel):
    """How a model treats the groups of a protected column.

    Attributes:
        column: its name.
        learnt_from: whether it is a feature all the same.
        rows: by group, among the rows that were judged.
        too_small: groups with too few rows to judge.
        gaps: of each metric.
        proxies: the skill with which a feature alone tells the column, for those that do by more than chance.
        all_features: the skill with which all features together tell it; None if by no more than chance.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    column: str
    learnt_from: bool = False
    rows: dict[str, int] = {}
    too_small: tuple[str, ...] = ()
    gaps: tuple[GroupGap, ...] = ()
    proxies: dict[str, float] = {}
    all_features: float | None = None

    @property
    def gaps_beyond_chance(self) -> list[GroupGap]:
        """The gaps that exceed chance, the widest first."""
        return sorted((gap for gap in self.gaps if gap.exceeds_chance), key=lambda gap: -gap.gap)

    @property
    def remark(self) -> str:
        """The widest gap that exceeds chance, in a sentence; empty if none does."""
        gaps = self.gaps_beyond_chance
        if not gaps:
            return ""
        further = f" {len(gaps) - 1} more of its gaps exceed chance." if len(gaps) > 1 else ""
        return f"Groups are not treated alike: {gaps[0].sentence(self.column)}, more than chance explains.{further}"

    @property
    def proxy_sentence(self) -> str:
        """What tells the column, in a sentence."""
        if not self.proxies and self.all_features is None:
            return f"No feature tells {self.column} better than chance."
        named = [f"{name} ({skill:.2f})" for name, skill in list(self.proxies.items())[:MAX_NAMED_PROXIES]]
        further = f" and {len(self.proxies) - len(named)} more" if len(self.proxies) > len(named) else ""
        alone = f"{', '.join(named)}{further}" if named else "no feature alone"
        best = max(self.proxies.values(), default=0.0)
        is_better = self.all_features is not None and self.all_features > best
        together = f"; all features together ({self.all_features:.2f})" if is_better else ""
        return f"What tells {self.column}, with its skill (0 is chance, 1 is certain): {alone}{together}."

    @property
    def small_groups_sentence(self) -> str:
        """Which groups have too few rows to judge; empty if none."""
        listed = ", ".join(f"{name} ({self.rows[name]:,})" for name in self.too_small)
        return f"Too few rows to judge: {listed}." if listed else ""

    def failures(self, limits: Mapping[GroupMetric, float]) -> list[str]:
        """Return a sentence for each gap that is wider than its limit, and than chance explains."""
        return [
            f"{gap.sentence(self.column)}, over {gap.format(limits[gap.metric])}"
            for gap in self.gaps
            if gap.metric in limits and gap.gap > limits[gap.metric] and gap.exceeds_chance
        ]


FAIRNESS_HEADINGS = ("metric", "highest", "lowest", "gap", "interval", "beyond chance")


def fairness_rows(fairness: GroupFairness) -> list[tuple[str, ...]]:
    """Return a row of texts for each gap, under `FAIRNESS_HEADINGS`."""
    return [
        (
            gap.title,
            *(gap.describe_group(name) for name in (gap.higher, gap.lower)),
            gap.format(gap.gap),
            gap.format_interval(gap.low, gap.high),
            "yes" if gap.exceeds_chance else "no",
        )
        for gap in fairness.gaps
    ]


@dataclass(frozen=True)
class RowMetric:
    """A metric that is the mean of a value of each row, shape (n,), over the rows where it is defined.

    `actual` is 1 where the target is the class that it is about.
    """

    metric: GroupMetric
    values: Values
    of: str | None = None
    is_defined: npt.NDArray[np.bool_] | None = None
    actual: Values | None = None

    @property
    def is_share(self) -> bool:
        """Whether the values are 0 and 1."""
        return self.metric in CLASS_METRICS


def class_metrics(decided: Targets, y_true: Targets, classes: Sequence[str], positive: str) -> list[RowMetric]:
    """Return the metrics of n positions of classes that were decided on: selection rate, recall, error rate.

    Of two classes, the selection rate is that of the `positive` one: that of the other says the same.
    """
    selected = (positive,) if len(classes) == 2 else classes
    metrics = [RowMetric("error_rate", (decided != y_true).astype(np.float64))]
    for position, name in enumerate(classes):
        is_decided = (decided == position).astype(np.float64)
        is_actual = y_true == position
        if name in selected:
            metrics.append(RowMetric("selection_rate", is_decided, name, actual=is_actual.astype(np.float64)))
        metrics.append(RowMetric("recall", is_decided, name, is_defined=is_actual))
    return metrics


def number_metrics(outputs: Outputs, y_true: Targets) -> list[RowMetric]:
    """Return the metrics of n estimates: mean absolute error, and bias, the mean of the estimate minus the target."""
    errors = outputs[:, 0].astype(np.float64) - y_true
    return [RowMetric("mae", np.abs(errors)), RowMetric("bias", errors)]


def group_names(values: "pd.Series[Any]") -> npt.NDArray[np.str_]:
    """Return the group of each of n values, shape (n,): the value or, of many numbers, the quarter that it is in."""
    import pandas as pd

    names = np.full(len(values), NO_VALUE, dtype=object)
    is_present = values.notna().to_numpy()
    present = values[is_present]
    if not pd.api.types.is_numeric_dtype(values):
        names[is_present] = present.astype("str")
    elif present.nunique() <= MAX_VALUES:
        names[is_present] = [number(value) for value in present]
    else:
        numeric = present.to_numpy(dtype=np.float64)
        quarters = np.searchsorted(np.unique(np.quantile(numeric, QUARTILES)), numeric, side="left")
        labels = {quarter: _range(numeric[quarters == quarter]) for quarter in np.unique(quarters)}
        names[is_present] = [labels[quarter] for quarter in quarters]
    return names.astype(np.str_)


def _range(values: Values) -> str:
    low = number(float(values.min()))
    high = number(float(values.max()))
    return low if low == high else f"{low} to {high}"


def group_fairness(
    column: str,
    values: "pd.Series[Any]",
    metrics: Sequence[RowMetric],
    min_rows: int,
    units: Units | None = None,
) -> GroupFairness:
    """Compare the groups of a protected column by each of the metrics.

    Args:
        column: its name.
        values: of the column, shape (n,).
        metrics: of the same rows.
        min_rows: groups with fewer rows are not judged.
        units: of the rows; None if each is one.
    """
    import pandas as pd

    groups = group_names(values)
    units = np.arange(len(groups)) if units is None else units
    names, first_rows, counts = np.unique(groups, return_index=True, return_counts=True)
    if pd.api.types.is_numeric_dtype(values):  # in the order of their numbers, and the missing last
        order = np.argsort(values.to_numpy(dtype=np.float64)[first_rows], kind="stable")
        names = names[order]
        counts = counts[order]
    rows = {str(name): int(count) for name, count in zip(names, counts, strict=True)}
    too_small = tuple(name for name, count in rows.items() if count < min_rows)
    means: list[tuple[RowMetric, dict[str, _Mean]]] = []
    for metric in metrics:
        by_group = {name: _mean(metric, groups == name, units) for name in rows if name not in too_small}
        defined = {name: mean for name, mean in by_group.items() if mean is not None}
        if len(defined) > 1:
            means.append((metric, defined))
    n_gaps = sum(len(by_group) * (len(by_group) - 1) // 2 for _, by_group in means)
    tail = (1 - CONFIDENCE) / (2 * max(n_gaps, 1))
    gaps = tuple(_widest_gap(metric, by_group, tail) for metric, by_group in means)
    return GroupFairness(column=column, rows=rows, too_small=too_small, gaps=gaps)


@dataclass(frozen=True)
class _Mean:
    """The mean of a metric over the rows of a group.

    Attributes:
        rows: on which the metric is defined.
        value: the mean.
        variance: of the mean.
        units: the number of units that the rows are of.
        effective_rows: the number of independent rows that say as much.
        actual: the mean of `actual`.
    """

    rows: int
    value: float
    variance: float
    units: int
    effective_rows: float
    actual: float | None

    def wilson(self, tail: float) -> tuple[float, float]:
        """Return the interval of a share that holds it but for a share of `tail` on each side."""
        z = NormalDist().inv_cdf(1 - tail)
        n = self.effective_rows
        center = (self.value + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(self.value * (1 - self.value) / n + z**2 / (4 * n**2))
        return max(float(center - half), 0.0), min(float(center + half), 1.0)

    def student(self, tail: float) -> tuple[float, float]:
        """Return the interval of a mean of numbers."""
        from scipy.stats import t

        half = float(t.isf(tail, self.units - 1) * np.sqrt(self.variance))
        return self.value - half, self.value + half


def _mean(metric: RowMetric, in_group: npt.NDArray[np.bool_], units: Units) -> _Mean | None:
    """Return the mean of a metric over a group; None if too few rows define it."""
    chosen = in_group if metric.is_defined is None else in_group & metric.is_defined
    values = metric.values[chosen]
    rows = len(values)
    n_units = len(np.unique(units[chosen]))
    if n_units < (1 if metric.is_share else 2):
        return None
    value = float(values.mean())
    variance = standard_error(values, units[chosen]) ** 2
    independent = value * (1 - value) / (rows - 1) if rows > 1 else 0.0  # the variance if each row were a unit
    effective_rows = rows / max(variance / independent, 1.0) if variance and independent else float(n_units)
    actual = None if metric.actual is None else float(metric.actual[chosen].mean())
    return _Mean(rows, value, variance, n_units, effective_rows, actual)


def _widest_gap(metric: RowMetric, means: Mapping[str, _Mean], tail: float) -> GroupGap:
    """Return the widest gap between two groups that exceeds chance or, if none does, the widest."""
    best: tuple[tuple[bool, float], dict[str, Any]] | None = None
    for one, other in combinations(means, 2):
        higher, lower = sorted((one, other), key=lambda name: -means[name].value)
        low, high = _interval_of_difference(means[higher], means[lower], tail, is_share=metric.is_share)
        gap = means[higher].value - means[lower].value
        if best is None or (low > 0, gap) > best[0]:
            best = (low > 0, gap), {"higher": higher, "lower": lower, "gap": gap, "low": low, "high": high}
    scores = {}
    for name, mean in means.items():
        single_tail = (1 - CONFIDENCE) / 2
        low, high = mean.wilson(single_tail) if metric.is_share else mean.student(single_tail)
        scores[name] = GroupScore(rows=mean.rows, value=mean.value, low=low, high=high, actual=mean.actual)
    return GroupGap.model_validate(
        {"metric": metric.metric, "of": metric.of, "groups": scores} | (best[1] if best else {})
    )


def _interval_of_difference(higher: _Mean, lower: _Mean, tail: float, *, is_share: bool) -> tuple[float, float]:
    """Return the interval of the difference of two groups: of Newcombe for shares, of Welch for means of numbers."""
    gap = higher.value - lower.value
    if is_share:
        low_of_higher, high_of_higher = higher.wilson(tail)
        low_of_lower, high_of_lower = lower.wilson(tail)
        return (
            gap - float(np.hypot(higher.value - low_of_higher, high_of_lower - lower.value)),
            gap + float(np.hypot(high_of_higher - higher.value, lower.value - low_of_lower)),
        )
    from scipy.stats import t

    variance = higher.variance + lower.variance
    if not variance:
        return gap, gap
    freedom = variance**2 / (higher.variance**2 / (higher.units - 1) + lower.variance**2 / (lower.units - 1))
    half = float(t.isf(tail, freedom) * np.sqrt(variance))
    return gap - half, gap + half
