"""Compare how a model treats the groups of protected columns, on the rows that the gate judges by."""

from dataclasses import replace
from typing import TYPE_CHECKING

from mlkeel.config import Settings
from mlkeel.project import Prepared, Run
from mlkeel.tasks.decision import decided_positions
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.fairness import (
    GroupFairness,
    class_metrics,
    group_fairness,
    group_names,
    number_metrics,
)
from mlkeel.tasks.outputs import Outputs, Targets
from mlkeel.tasks.standard_errors import units_of
from mlkeel.training.proxies import proxies

if TYPE_CHECKING:
    import pandas as pd


def with_fairness(
    evaluation: Evaluation, table: "pd.DataFrame", outputs: Outputs, y_true: Targets, run: Run
) -> Evaluation:
    """Return the evaluation of outputs on `table`, shape (n, columns), with the fairness by each protected column."""
    settings = run.settings
    if not settings.protected:
        return evaluation
    classes = run.contract.values(run.target)
    if classes:
        decision = settings.decision
        positive = decision.classes[0] if decision else classes[-1]
        metrics = class_metrics(decided_positions(outputs, evaluation.decision), y_true, classes, positive)
    else:
        metrics = number_metrics(outputs, y_true)
    units = units_of(table, settings.data.split.group)
    features = [column.name for column in run.contract.columns]
    fairness = (
        group_fairness(name, table[name], metrics, settings.gate.min_slice_rows, units) for name in settings.protected
    )
    return replace(
        evaluation,
        fairness=tuple(each.model_copy(update={"learnt_from": each.column in features}) for each in fairness),
    )


def with_proxies(fairness: tuple[GroupFairness, ...], prepared: Prepared, settings: Settings) -> list[GroupFairness]:
    """Return the fairness by each protected column with the features that tell it, on a sample of all rows."""
    if not fairness:
        return []
    import pandas as pd

    rows = pd.concat(list(prepared.table.frames.values()), ignore_index=True)
    units = units_of(rows, settings.data.split.group)
    named = []
    for each in fairness:
        features = [column for column in prepared.contract.columns if column.name not in settings.protected]
        skills, together = proxies(rows, features, group_names(rows[each.column]), units) if features else ({}, None)
        named.append(each.model_copy(update={"proxies": skills, "all_features": together}))
    return named
