"""Check settings, contract and table before a training."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from mlkeel.config import Gate, Settings
from mlkeel.contract.request import RowValidator
from mlkeel.contract.suites import Contract
from mlkeel.contract.validate import enforce
from mlkeel.errors import ContractError, DataError, Hint, InputError
from mlkeel.features.encoder import Encoder
from mlkeel.features.graph import Matrix
from mlkeel.project import Project, Run
from mlkeel.tasks.decision import EXPECTED_COST
from mlkeel.tasks.fairness import CLASS_METRICS, NUMBER_METRICS
from mlkeel.tasks.metrics import Metric
from mlkeel.tasks.output_types import output_type_of
from mlkeel.training.decision import check_costs

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

logger = logging.getLogger(__name__)


def check_contract(project: Project, settings: Settings, contract: Contract) -> None:
    """Check that the contract describes features and target as the project needs them.

    Raises:
        InputError: the target is a feature, or a slice is no column.
        ContractError: it lists no classes for a classifier, the target has another type than the task needs, or a
            feature has a type that the project does not learn from.
    """
    check_settings(settings, contract)
    target = settings.data.target
    output_type = project.task.output_type
    if target in contract.all_columns:
        output_type.output_names(contract, target)  # raises if the task needs classes and there are none
        has_type = contract.types.get(target, output_type.TYPE) == output_type.TYPE
        if output_type_of(contract, target) is not output_type or not has_type:
            raise ContractError(
                f"conf/params.yaml: data.target is {target}, which is no {output_type.TYPE} column in expectations/, "
                f"as this project ({project.task.name}) needs. Correct data.target, or what the contract says of that "
                "column."
            )
    if contract.derived is not None:
        RowValidator(Contract(contract.derived, contract.derived))  # raises if a request could not be held against it
    texts = [column.name for column in contract.columns if column.text]
    non_texts = [column.name for column in contract.columns if not column.text]
    if texts and "text" not in project.features.roles:
        raise ContractError(
            f"expectations/features.json: {', '.join(texts)} has the type str and no set of values. Add an "
            "expect_column_values_to_be_in_set with a value_set, or take the column out of the features."
        )
    if non_texts and set(project.features.roles) == {"text"}:
        raise ContractError(
            f"expectations/features.json: {', '.join(non_texts)} holds no texts, and this model learns from nothing "
            "else. Take the column out of the features."
        )


def check_slice_limit(gate: Gate, metric: Metric) -> None:
    """Check that slices have a limit, and the one that fits `metric`, which judges them.

    Raises:
        InputError: they have none, or the other one.
    """
    unsuitable = "max_slice_error" if metric.greater_is_better else "min_slice_score"
    suitable = "min_slice_score" if metric.greater_is_better else "max_slice_error"
    if getattr(gate, unsuitable) is not None:
        better = "greater" if metric.greater_is_better else "smaller"
        raise InputError(
            f"conf/params.yaml: gate.{unsuitable} does not fit {metric.name}, the first of METRICS, which is better "
            f"the {better} it is. Use gate.{suitable}."
        )
    if gate.slices and getattr(gate, suitable) is None:
        raise InputError(
            f"conf/params.yaml: gate.slices has no limit, so nothing would judge them. Set gate.{suitable}, for "
            f"{metric.name}."
        )


def check_gate_scores(settings: Settings, metrics: tuple[Metric, ...]) -> None:
    """Check that `gate.min_scores` and `gate.max_scores` name `metrics`, and limit each on its worse side.

    Raises:
        InputError: a metric is unknown, or has the other limit.
    """
    greater_is_better = {metric.name: metric.greater_is_better for metric in metrics}
    if settings.decision and settings.decision.costs is not None:
        greater_is_better[EXPECTED_COST] = False
    for key, fits in {"min_scores": True, "max_scores": False}.items():
        for name in getattr(settings.gate, key) or {}:
            if name not in greater_is_better:
                raise InputError(
                    f"conf/params.yaml: gate.{key} names {name}, which is no metric of this project. Add it to METRICS "
                    f"in metrics.py, or correct it; metrics are: {', '.join(greater_is_better)}."
                )
            if greater_is_better[name] is not fits:
                better, other = ("greater", "min_scores") if greater_is_better[name] else ("smaller", "max_scores")
                raise InputError(
                    f"conf/params.yaml: gate.{key} does not fit {name}, which is better the {better} it is. Move it to "
                    f"gate.{other}."
                )


def check_group_gap(settings: Settings, contract: Contract) -> None:
    """Check that `gate.max_group_gap` limits metrics of the task, and that there are groups to compare.

    Raises:
        InputError: it does not, or no column is protected.
    """
    limits = settings.gate.max_group_gap
    if limits is None:
        return
    if not settings.protected:
        raise InputError(
            "conf/params.yaml: gate.max_group_gap has limits, and no column is protected, so no groups are compared. "
            "Give a column the role protected and adopt the table again, or take the limits out."
        )
    fitting = CLASS_METRICS if contract.values(settings.data.target) else NUMBER_METRICS
    if unfit := [name for name in limits if name not in fitting]:
        raise InputError(
            f"conf/params.yaml: gate.max_group_gap names {', '.join(unfit)}, which does not fit "
            f"{settings.data.target}. Choose from: {', '.join(fitting)}."
        )


def check_protected(table: "pd.DataFrame", run: Run) -> None:
    """Check that `table` has the protected columns, by which groups are compared.

    Raises:
        DataError: one is absent, or has no value.
    """
    for name in run.settings.protected:
        if name not in table or table[name].isna().all():
            lack = "is not there" if name not in table else "has no value"
            raise DataError(
                f'{run.path}: the protected column "{name}" {lack}, so its groups cannot be compared. It is needed in '
                "the training table, though not in rows to predict. Add it, or take it out of columns in "
                "conf/params.yaml."
            )


def check_classes(settings: Settings, contract: Contract) -> None:
    """Check that the classes which `decision`, `class_weight` and `gate.min_recall` name are classes of the target.

    Raises:
        InputError: they are not, the target has none, or a threshold is asked for with more than two.
    """
    target = settings.data.target
    classes = contract.values(target)
    named: dict[str, tuple[str, ...]] = {}
    decision = settings.decision
    if decision is not None:
        named["decision"] = decision.classes
    if settings.class_weight is not None:
        named["class_weight"] = () if settings.class_weight == "balanced" else tuple(settings.class_weight)
    if settings.gate.min_recall is not None:
        named["gate.min_recall"] = tuple(settings.gate.min_recall)
    for key, names in named.items():
        if not classes:
            raise InputError(
                f"conf/params.yaml: {key} is about classes, and {target} is a number, which is estimated and has "
                "none. Take it out there."
            )
        if unknown := [name for name in names if name not in classes]:
            raise InputError(
                f"conf/params.yaml: {key} names {', '.join(unknown)}, which is no class of {target}. "
                f"Classes are: {', '.join(classes)}."
            )
    if decision is not None and decision.costs is None and len(classes) != 2:
        kind = "threshold" if decision.threshold is not None else "target"
        raise InputError(
            f"conf/params.yaml: decision.{kind} is for two classes, and {target} has {len(classes)}. Set "
            "decision.costs there, which takes any number of classes."
        )
    check_costs(decision, classes)


def check(table: "pd.DataFrame", run: Run) -> None:
    """Check `table`, shape (n, columns), against the settings and the contract, and that its target can be learnt.

    A fold of a cross-validation, and splits that are given, are of a table that was checked.

    Raises:
        InputError: the target is a feature, or a slice is no column.
        DataError: the target is absent, has missing values or is the same in all rows, a feature has no value, a
            column has the name of a prediction, or a weight is none.
        ContractError: the table violates the contract.
    """
    if run.fold or run.splits is not None:
        return
    contract = run.contract
    target = run.target
    source = run.path
    check_settings(run.settings, contract)
    check_target_values(table, target, source)
    if run.settings.weight is not None:
        check_weights(table, run.settings.weight, source)
    check_protected(table, run)
    output_type = output_type_of(contract, target)
    output_type.check_target(table, target, source)
    enforce(table, contract.features, source)
    enforce(table, contract.dataset, source)
    prediction_columns = output_type.output_columns(output_type.output_names(contract, target), target)
    if clashes := set(prediction_columns) & set(contract.all_columns):
        raise DataError(
            f"{source}: {', '.join(sorted(clashes))} is what a prediction is called. Give the column another name."
        )
    features = [column.name for column in contract.columns]
    check_features(table, features, source)
    if run.settings.data.split.group in features:
        logger.warning(
            "conf/params.yaml: data.split is by the groups in %s, which is also learnt from. What is learnt of a group "
            "is of no use for others: take it out of expectations/features.json, unless the same groups come again.",
            run.settings.data.split.group,
        )
    if run.settings.data.split.given in features:
        logger.warning(
            "conf/params.yaml: data.split is as given by %s, which is also learnt from, and rows to predict would need "
            "it: take it out of expectations/features.json.",
            run.settings.data.split.given,
        )


def check_names(encoder: Encoder, run: Run) -> None:
    """Check that no derived column has the name of a prediction.

    Raises:
        InputError: one has.
    """
    output_type = output_type_of(run.contract, run.target)
    predictions = output_type.output_columns(output_type.output_names(run.contract, run.target), run.target)
    if clashes := set(predictions) & set(encoder.derived):
        raise InputError(
            f"features.py: {', '.join(sorted(clashes))} is what a prediction is called. Rename the column."
        )


def check_derived(encoder: Encoder, features: Iterable[Matrix], run: Run) -> None:
    """Check the derived columns of encoded rows, matrices of shape (n, width), against `derived.json`.

    Raises:
        ContractError: they violate it, or it has rules of columns that are not derived.
    """
    if run.contract.derived is None:
        return
    columns = dict.fromkeys(item["kwargs"].get("column") for item in run.contract.derived["expectations"])
    if unknown := [str(name) for name in columns if name is not None and name not in encoder.derived]:
        raise ContractError(
            f"expectations/derived.json has rules of {', '.join(unknown)}, which features.py does not derive.",
            Hint.CONTRACT,
        )
    import pandas as pd

    derived = encoder.derived_columns(np.concatenate(list(features)))
    enforce(pd.DataFrame(derived), run.contract.derived, run.path)


def check_settings(settings: Settings, contract: Contract) -> None:
    """Check `conf/params.yaml` against the contract.

    Raises:
        InputError: the target is a feature, a slice is no column, a class is none of the target's, several columns or a
            feature have the role weight, or a protected column is a feature.
    """
    features = [column.name for column in contract.columns]
    if settings.data.target in features:
        raise InputError(
            f"conf/params.yaml: data.target is {settings.data.target}, which is also a feature, so the model would "
            "read its own answer. Take it out of expectations/features.json, or choose another target."
        )
    weights = [name for name, role in settings.columns.items() if role == "weight"]
    if len(weights) > 1 or set(weights) & set(features):
        problem = "also a feature" if len(weights) == 1 else "more than one column"
        raise InputError(
            f"conf/params.yaml: {', '.join(weights)} has the role weight, and is {problem}. Give one column this role, "
            "and adopt the table again, which takes it out of the features."
        )
    if unknown := [name for name in settings.gate.slices if name not in contract.all_columns]:
        raise InputError(
            f"conf/params.yaml: gate.slices names {', '.join(unknown)}, which is not a column of the table. "
            f"Columns are: {', '.join(contract.all_columns)}."
        )
    if learnt := [name for name in features if settings.columns.get(name) == "protected"]:
        raise InputError(
            f"conf/params.yaml: {', '.join(learnt)} is protected, and also a feature in expectations/features.json. "
            "Adopt the table again, which takes it out there; or, to learn from it all the same, give it the role "
            "protected_feature."
        )
    if settings.data.target in contract.all_columns:
        check_classes(settings, contract)
        check_group_gap(settings, contract)


def check_features(rows: "pd.DataFrame", names: list[str], source: "Path") -> None:
    """Check that each feature has a value in some of `rows`, the whole table or the training split.

    Raises:
        DataError: a feature has none.
    """
    if empty := [name for name in names if rows[name].isna().all()]:
        raise DataError(
            f"{source}: no row to learn from has a value of {', '.join(empty)}. Fill the column, or take it out of "
            "expectations/features.json."
        )


def check_weights(table: "pd.DataFrame", name: str, source: "Path") -> None:
    """Check that a column of weights holds a number from 0 up in each row.

    Raises:
        DataError: it does not, or all are 0.
    """
    import pandas as pd

    if name not in table:
        raise DataError(
            f"{source}: {name}, the column of weights, is not there. Add it, or give it another role under columns in "
            "conf/params.yaml."
        )
    values = table[name]
    remedy = "Correct it, or give the column another role under columns in conf/params.yaml."
    if not pd.api.types.is_numeric_dtype(values.dtype):
        raise DataError(f"{source}: {name} has the role weight, and not only numbers. {remedy}")
    missing = values.isna().to_numpy()
    if missing.any():
        rows = f"{int(missing.sum()):,} of {len(values):,} rows, the first in row {int(missing.argmax()) + 1:,}"
        raise DataError(f"{source}: {name} has the role weight, and no value in {rows}. {remedy}")
    weights = values.to_numpy(dtype=np.float64)
    invalid = (weights < 0) | ~np.isfinite(weights)
    if invalid.any():
        first = int(invalid.argmax())
        raise DataError(
            f"{source}: {name} has the role weight, and is {weights[first]:g} in row {first + 1:,}, and a weight must "
            f"be 0 or more. {remedy}"
        )
    if not weights.any():
        raise DataError(f"{source}: {name} has the role weight, and is 0 in each row, so no row counts. {remedy}")


def check_target_values(table: "pd.DataFrame", target: str, source: "Path") -> None:
    """Check that the target column of `table` exists and has a value in each row.

    Raises:
        DataError: it is absent, or has missing values.
    """
    if target not in table:
        raise DataError(
            f'{source}: the target column "{target}" is not there. Add it, or correct data.target in conf/params.yaml; '
            f"columns are: {', '.join(map(str, table.columns))}."
        )
    if missing := int(table[target].isna().sum()):
        raise DataError(
            f'{source}: the target column "{target}" has no value in {missing:,} of {len(table):,} rows, '
            f"the first in row {table[target].isna().to_numpy().argmax() + 1:,}. Label those rows, or take them out."
        )
