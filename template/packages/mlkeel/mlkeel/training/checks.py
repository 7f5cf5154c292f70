"""Hold a table against its contract before anything is learnt from it."""

from typing import TYPE_CHECKING

from mlkeel.config import Settings
from mlkeel.contract.suites import Contract
from mlkeel.contract.validate import enforce
from mlkeel.errors import ContractError, DataError, InputError
from mlkeel.project import Project, Run
from mlkeel.tasks.kinds import kind_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def refuse_a_contract_of_another_project(project: Project, settings: Settings, contract: Contract) -> None:
    """See that the contract describes features and target as the project needs them.

    Raises:
        InputError: the target is a feature, or a slice is no column.
        ContractError: it lists no classes for a classifier, texts where numbers are to be estimated, or features that
            the project does not learn from.
    """
    refuse_settings_that_do_not_fit(settings, contract)
    target, kind = settings.data.target, project.task.kind
    if target in contract.all_columns:
        kind.answers(contract, target)  # refuses a target without classes, if the task needs them
        if kind_of(contract, target) is not kind or contract.types.get(target, kind.TYPE) != kind.TYPE:
            raise ContractError(
                f"conf/params.yaml: data.target is {target}, which is no {kind.TYPE} column in expectations/, as this "
                f"project ({project.task.name}) needs. Correct data.target, or what the contract says of that column."
            )
    texts = [column.name for column in contract.columns if column.text]
    others = [column.name for column in contract.columns if not column.text]
    if texts and "text" not in project.features.roles:
        raise ContractError(
            f"expectations/features.json: {', '.join(texts)} has the type str and no set of values. Add an "
            "expect_column_values_to_be_in_set with a value_set, or take the column out of the features."
        )
    if others and set(project.features.roles) == {"text"}:
        raise ContractError(
            f"expectations/features.json: {', '.join(others)} holds no texts, and this model learns from nothing else. "
            "Take the column out of the features."
        )


def check(table: "pd.DataFrame", run: Run) -> None:
    """Hold `table`, shape (n, columns), against the contract, and its target against what can be learnt.

    Raises:
        DataError: the target is not there, has gaps or is the same in all rows, a feature has no value, or a column has
            the name of a prediction.
        ContractError: the table breaks the contract.
    """
    contract, target, source = run.contract, run.target, run.path
    refuse_settings_that_do_not_fit(run.settings, contract)
    refuse_gaps_in_the_target(table, target, source)
    kind = kind_of(contract, target)
    kind.refuse_what_cannot_be_learnt(table, target, source)
    enforce(table, contract.features, source)
    enforce(table, contract.dataset, source)
    if taken := set(kind.titles(kind.answers(contract, target), target)) & set(contract.all_columns):
        raise DataError(
            f"{source}: {', '.join(sorted(taken))} is what a prediction is called. Give the column another name."
        )
    refuse_empty_features(table, [column.name for column in contract.columns], source)


def refuse_settings_that_do_not_fit(settings: Settings, contract: Contract) -> None:
    """Hold `conf/params.yaml` against the contract.

    Raises:
        InputError: the target is a feature, or a slice is no column.
    """
    features = [column.name for column in contract.columns]
    if settings.data.target in features:
        raise InputError(
            f"conf/params.yaml: data.target is {settings.data.target}, which is also a feature, so the model would "
            "read its own answer. Take it out of expectations/features.json, or choose another target."
        )
    if unknown := [name for name in settings.gate.slices if name not in contract.all_columns]:
        raise InputError(
            f"conf/params.yaml: gate.slices names {', '.join(unknown)}, which is not a column of the table. "
            f"Columns are: {', '.join(contract.all_columns)}."
        )


def refuse_empty_features(part: "pd.DataFrame", names: list[str], source: "Path") -> None:
    """See that each feature has a value in some row of `part`, all of the table or what is learnt from.

    Raises:
        DataError: names those that have none.
    """
    if empty := [name for name in names if part[name].isna().all()]:
        raise DataError(
            f"{source}: no row to learn from has a value of {', '.join(empty)}. Fill the column, or take it out of "
            "expectations/features.json."
        )


def refuse_gaps_in_the_target(table: "pd.DataFrame", target: str, source: "Path") -> None:
    """See that the target column of `table` is there, and has a value in each row.

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
