"""Evaluate predictions: overall, against a trivial baseline, and slice by slice."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkeel.config import Gate
from mlkeel.contract.messages import number
from mlkeel.data.split_description import SplitDescription
from mlkeel.errors import InputError
from mlkeel.tasks.calibration import Calibration, CalibrationError, calibration_error
from mlkeel.tasks.comparison import loss_difference, share_with_interval
from mlkeel.tasks.decision import EXPECTED_COST, Decision, class_scores, decided_positions, with_expected_cost
from mlkeel.tasks.fairness import GroupFairness
from mlkeel.tasks.metrics import INTERVAL_STANDARD_ERRORS, Metric, Scores, primary, score, skill_score
from mlkeel.tasks.outputs import Outputs, Targets
from mlkeel.tasks.standard_errors import units_of
from mlkeel.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

LOW_RECALL = 0.5  # of a class that the most likely class misses more often than not
MAX_NAMED_CLASSES = 5  # in a sentence


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model and of the baseline on rows that were not trained on.

    Attributes:
        task: for which the model was trained.
        metrics: the primary one is for all rows, the first for each slice.
        model: its scores on all rows.
        baseline: its scores on the same rows.
        slices: scores of the model by "column = value".
        skill_se: the standard error of `skill`, from the variance between rows or, if the split is by group, groups.
        classes: recall and precision of each class, none for numbers.
        decision: how classes are decided on; None for the most likely one.
        split: how the rows were split from those that were trained on; None if they were not, as in the monitor.
        calibration: how the outputs were corrected on validation rows; None if they were not.
        calibration_error: of the probabilities; None for numbers, and on few rows.
        fairness: how the groups of each protected column are treated.
    """

    task: Task
    metrics: tuple[Metric, ...]
    model: Scores
    baseline: Scores
    slices: dict[str, Scores]
    skill_se: float = 0.0
    classes: dict[str, Scores] = field(default_factory=dict)
    decision: Decision | None = None
    split: SplitDescription | None = None
    calibration: Calibration | None = None
    calibration_error: CalibrationError | None = None
    fairness: tuple[GroupFairness, ...] = ()

    @property
    def primary(self) -> Metric:
        """The metric that models are compared and gated by."""
        return primary(self.metrics)

    @property
    def loss(self) -> float:
        """The loss of the model, by the primary metric."""
        return self.primary.loss(self.model[self.primary.name])

    @property
    def baseline_loss(self) -> float:
        """The loss of the baseline, by the primary metric."""
        return self.primary.loss(self.baseline[self.primary.name])

    @property
    def skill(self) -> float:
        """The share of the baseline's loss that the model saves."""
        return skill_score(self.primary, self.model[self.primary.name], self.baseline[self.primary.name])

    @property
    def skill_sentence(self) -> str:
        """The skill with its interval of about 95 %, in words, for every place that shows scores."""
        chance = ", which chance explains" if self.is_within_noise else ""
        return (
            f"On {self.model.rows:,} unseen rows it saves {share_with_interval(self.skill, self.skill_se)} of the "
            f"baseline's {self.primary.loss_phrase}{chance}"
        )

    def failures(self, gate: Gate) -> list[str]:
        """Return why the model does not pass the gate, one sentence each; an empty list if it passes."""
        return self.overall_failures(gate) + list(self.failed_slices(gate).values())

    def overall_failures(self, gate: Gate) -> list[str]:
        """Return why the model does not pass the gate on all rows, one sentence each."""
        failures = []
        if self.skill < gate.min_skill:
            failures.append(
                f"of the baseline's {self.primary.loss_phrase}, {self._format_loss(self.baseline_loss)}, the model "
                f"saves {share_with_interval(self.skill, self.skill_se)}, and {gate.min_skill:.1%} is needed"
            )
        gaps = [failure for each in self.fairness for failure in each.failures(gate.max_group_gap or {})]
        return [*failures, *self._missed_scores(gate), *self._missed_recalls(gate), *self._excess_cost(), *gaps]

    def _missed_scores(self, gate: Gate) -> list[str]:
        failures = []
        for name, limit in ((gate.min_scores or {}) | (gate.max_scores or {})).items():
            metric = next(
                (metric for metric in (*self.metrics, *self.task.metrics) if metric.name == name),
                Metric(name, lambda *_: None, greater_is_better=name in (gate.min_scores or {})),
            )
            value = self.model.get(name)
            if value is None:
                failures.append(f"the {metric.phrase} is not defined on these rows, and {number(limit)} is needed")
            elif misses_limit(metric, value, limit):
                relation = "under" if metric.greater_is_better else "over"
                failures.append(f"the {metric.phrase} is {metric.format(value)}, {relation} {number(limit)}")
        return failures

    def _missed_recalls(self, gate: Gate) -> list[str]:
        failures = []
        for name, limit in (gate.min_recall or {}).items():
            scores = self.classes.get(name)
            recall = scores.get("recall") if scores else None
            if scores is None or recall is None:
                failures.append(f"no test row is {name}, so its recall is not known, and {limit:.1%} is needed")
            elif recall < limit:
                failures.append(
                    f"the recall of {name} is {recall:.1%} ({round(recall * scores.rows):,} of {scores.rows:,} rows), "
                    f"under {limit:.1%}"
                )
        return failures

    def _excess_cost(self) -> list[str]:
        """Return a failure if the model costs more than the class that is cheapest without any feature."""
        cost = self.model.get(EXPECTED_COST)
        constant_cost = self.baseline.get(EXPECTED_COST)
        if cost is None or constant_cost is None or cost <= constant_cost:
            return []
        return [f"a row costs {number(cost)} on average, and {number(constant_cost)} if all get the cheapest class"]

    @property
    def remarks(self) -> list[str]:
        """What a person should know of classes that the most likely class misses more often than not."""
        missed = [
            f"{round(recall * scores.rows):,} of {scores.rows:,} rows of {name}"
            for name, scores in self.classes.items()
            if (recall := scores.get("recall")) is not None and recall < LOW_RECALL
        ]
        if self.decision is not None or not missed:
            return []
        more = f" and so on, in {len(missed)} classes" if len(missed) > MAX_NAMED_CLASSES else ""
        listed = ", ".join(missed[:MAX_NAMED_CLASSES])
        return [f"It finds only {listed}{more}. With decision in conf/params.yaml it finds more, at more false alarms."]

    def failed_slices(self, gate: Gate) -> dict[str, str]:
        """Return why slices do not pass the gate, one sentence each, by their names."""
        metric = self.metrics[0]
        limit = gate.min_slice_score if metric.greater_is_better else gate.max_slice_error
        failures = {}
        for name, scores in self.slices.items():
            value = scores.get(metric.name)
            if value is not None and limit is not None and misses_limit(metric, value, limit):
                relation = "under" if metric.greater_is_better else "over"
                failures[name] = (
                    f"the {metric.phrase} where {name} is {metric.format(value)}, {relation} {number(limit)}"
                )
        return failures

    def calibration_sentences(self, folds: CalibrationError | None = None) -> list[str]:
        """Return how far probabilities are from how often they are right, and how outputs were corrected, in words.

        `folds` is the calibration error on the rows of all folds.
        """
        sentences = []
        if self.calibration_error:
            sentences.append(f"The calibration error of probabilities is {self.calibration_error.phrase}")
        if folds:
            sentences.append(f"On the rows of all folds the calibration error is {folds.phrase}")
        if self.calibration:
            sentences.append(self.calibration.sentence)
        return sentences

    @property
    def could_be_chance(self) -> bool:
        """Whether the gain over the baseline, on so few rows, may be chance."""
        return self.task.could_be_chance(self)

    @property
    def is_within_noise(self) -> bool:
        """Whether the skill is no more than its standard error explains."""
        return self.skill <= 0 or self.skill < INTERVAL_STANDARD_ERRORS * self.skill_se

    def _format_loss(self, loss: float) -> str:
        return number(loss) if self.primary.in_target_unit else f"{loss:.3f}"

    @property
    def baseline_comparison(self) -> str:
        """The loss of the model beside that of the baseline, in words."""
        model, baseline = (self.primary.format(scores[self.primary.name]) for scores in (self.model, self.baseline))
        return f"the {self.primary.phrase} is {model}, and {baseline} without any feature"

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `metrics.json`."""
        return {
            "primary": self.primary.name,
            "model": self.model.model_dump(),
            "baseline": self.baseline.model_dump(),
            "slices": {name: scores.model_dump() for name, scores in self.slices.items()},
            "skill": self.skill,
            "skill_se": self.skill_se,
            "split": self.split and self.split.model_dump(),
            "classes": {name: scores.model_dump() for name, scores in self.classes.items()},
            "decision": self.decision and self.decision.sentence,
            "calibration": self.calibration and self.calibration.model_dump(),
            "calibration_error": self.calibration_error and self.calibration_error.model_dump(),
            "fairness": [each.model_dump() for each in self.fairness],
        }


def misses_limit(metric: Metric, value: float, limit: float) -> bool:
    """Return whether a value of `metric` is worse than `limit`."""
    return value < limit if metric.greater_is_better else value > limit


def draft_gate(evaluation: Evaluation, gate: Gate) -> Gate:
    """Return a gate that `evaluation` passes with a tolerance, for its skill and for its weakest slice."""
    skill = evaluation.skill
    metric = evaluation.metrics[0]
    # Half of the skill or, if lower, three standard errors below it, since few rows vary; at least a tenth.
    min_skill = max(min(skill / 2, skill - 3 * evaluation.skill_se), skill / 10)
    values = [value for scores in evaluation.slices.values() if (value := scores.get(metric.name)) is not None]
    if metric.greater_is_better:
        lowest = min(values, default=0.5)
        limit = {"min_slice_score": round(float(max(np.floor((lowest - 0.1) * 20) / 20, 0.0)), 2)}
    else:
        highest = max(values, default=evaluation.model[metric.name])
        limit = {"max_slice_error": max(float(f"{1.5 * highest:.2g}"), highest)}
    return gate.model_copy(update={"min_skill": min(float(f"{min_skill:.1g}"), skill, 0.9)} | limit)


def evaluate(
    task: Task,
    metrics: Sequence[Metric],
    table: "pd.DataFrame",
    outputs: Outputs,
    y_true: Targets,
    y_train: Targets,
    gate: Gate,
    classes: tuple[str, ...] = (),
    decision: Decision | None = None,
    split: SplitDescription | None = None,
    calibration: Calibration | None = None,
    primary_required: bool = True,
    baseline_outputs: Outputs | None = None,
) -> Evaluation:
    """Evaluate outputs on `table`, shape (n, columns); `y_train` is the target of the training rows.

    `classes` are the names of the classes, none for numbers, and `decision` is how one is decided on. `split` says how
    the rows were split from the training rows, and `calibration` how the outputs were corrected. `baseline_outputs`,
    shape (n, outputs), are by default of `y_train`.

    Slices with fewer than `gate.min_slice_rows` rows are left out: their scores are mostly chance. The standard error
    of the skill is that of the model's loss less the baseline's, as a share of the latter; rows of one group count as
    one if the split is by group.

    Raises:
        InputError: the primary metric is undefined on these rows, and `primary_required`, as everywhere but in the
            monitor, whose rows may be few.
    """
    metrics = with_expected_cost(tuple(metrics), decision)
    names = {metric.name for metric in metrics}
    decided = decided_positions(outputs, decision)
    all_metrics = (*metrics, *(metric for metric in task.metrics if metric.name not in names))  # the monitor needs both
    slices = {}
    for column in gate.slices:
        for value, rows in table.groupby(column, dropna=False, sort=True).indices.items():
            if len(rows) >= gate.min_slice_rows:
                name = f"{column} is missing" if value != value else f"{column} = {value}"
                slices[name] = score(all_metrics, outputs[rows], y_true[rows], decided[rows])
    if baseline_outputs is None:
        baseline_outputs = task.baseline(y_train, len(y_true), outputs.shape[1])
    model = score(all_metrics, outputs, y_true, decided)
    baseline_decided = decided_positions(baseline_outputs, decision)
    baseline = score(all_metrics, baseline_outputs, y_true, baseline_decided)
    skill_se = 0.0
    if primary_required:
        metric = primary(metrics)
        pair = (outputs, decided), (baseline_outputs, baseline_decided)
        _, difference_se = loss_difference(metric, *pair, y_true, units_of(table, split.group if split else None))
        _required(model, metric)
        baseline_loss = metric.loss(_required(baseline, metric))
        skill_se = difference_se / baseline_loss if baseline_loss else 0.0
    return Evaluation(
        task,
        metrics,
        model,
        baseline,
        slices,
        skill_se,
        class_scores(decided, y_true, classes),
        decision,
        split,
        calibration,
        calibration_error(outputs, y_true) if classes else None,
    )


def _required(scores: Scores, metric: Metric) -> float:
    """Return the value of the primary metric.

    Raises:
        InputError: it is undefined.
    """
    value = scores.get(metric.name)
    if value is None:
        raise InputError(f"metrics.py: {metric.name}, the primary metric, is undefined on {scores.rows:,} rows.")
    return value
