"""The flow loads, checks, splits, fits, evaluates and publishes, in that order."""

import re
from dataclasses import replace

import pandas as pd
import pytest
from mlkeel.contract.suites import Contract
from mlkeel.errors import InputError
from mlkeel.project import Prepared, Project, Run, Trained, TrainingResult


def test_a_table_that_breaks_its_contract_is_not_learnt_from(
    project: Project, run: Run, table: pd.DataFrame, contract: Contract
) -> None:
    broken = table.drop(columns=contract.columns[0].name)
    with pytest.raises(InputError, match=re.escape(contract.columns[0].name)):
        project.train(replace(project, load=lambda _path, _contract: broken), run)


def test_what_is_published_is_what_was_trained(project: Project, run: Run, trained: Trained) -> None:
    published: list[tuple[Prepared, Trained]] = []

    def publish(prepared: Prepared, found: Trained) -> TrainingResult:
        published.append((prepared, found))
        return TrainingResult(run.root, found.evaluation, [])

    outcome = project.train(project, replace(run, publish=publish, model=trained.model))
    ((prepared, found),) = published
    assert outcome.evaluation is found.evaluation
    assert found.evaluation.model.rows == len(prepared.table.test)


def test_a_model_that_is_trained_already_is_only_judged(project: Project, run: Run, trained: Trained) -> None:
    outcome = project.train(project, replace(run, model=trained.model, decision=trained.evaluation.decision))
    assert outcome.evaluation.model == trained.evaluation.model
