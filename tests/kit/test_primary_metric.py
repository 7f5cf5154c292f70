"""Any metric can be the primary one: of the gate, of the comparison with the current version, of card and report."""

import csv
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mlkeel.errors import InputError
from mlkeel.project import Project
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.report.html_report import write
from mlkeel.tasks.classification import ACCURACY, LOG_LOSS
from mlkeel.tasks.comparison import loss_difference
from mlkeel.tasks.metrics import Metric, primary, skill_score
from mlkeel.tasks.regression import MAE
from mlkeel.tasks.scorers import OF_DECISIONS, check_metrics, sklearn_metric
from mlkeel.training.training import train
from sklearn.metrics import get_scorer, get_scorer_names, roc_auc_score

from .kinds import KIND

ROC_AUC = sklearn_metric("roc_auc", primary=True)
R2 = sklearn_metric("r2", primary=True)
METRICS = (ACCURACY, ROC_AUC) if KIND.classification else (replace(MAE, primary=False), R2)
PROJECT: Project = replace(KIND.project, metrics=METRICS)


def probabilities(y_true: np.ndarray, signal: float, seed: int = 0) -> np.ndarray:
    """Probabilities of two classes that know the true one by so much."""
    scores = signal * (2 * y_true - 1) + np.random.default_rng(seed).normal(size=len(y_true))
    positive = 1 / (1 + np.exp(-scores))
    return np.column_stack([1 - positive, positive])


Y_TRUE = np.random.default_rng(1).integers(0, 2, 400)


def test_skill_is_the_way_from_the_baseline_to_the_best_value() -> None:
    assert skill_score(ROC_AUC, 0.8, 0.5) == pytest.approx(0.6)
    assert skill_score(LOG_LOSS, 0.3, 0.6) == pytest.approx(0.5)
    assert skill_score(ROC_AUC, 0.4, 0.5) < 0
    assert skill_score(replace(ROC_AUC, best=2), 0.8, 0.5) == pytest.approx(0.2)


def test_a_scorer_says_what_scikit_learn_says() -> None:
    outputs = probabilities(Y_TRUE, 1)
    assert ROC_AUC.function(outputs, Y_TRUE) == pytest.approx(roc_auc_score(Y_TRUE, outputs[:, 1]))
    loss = sklearn_metric("neg_log_loss")
    assert (loss.name, loss.greater_is_better) == ("log_loss", False)
    assert loss.function(outputs, Y_TRUE) == pytest.approx(LOG_LOSS.function(outputs, Y_TRUE))
    numbers = np.column_stack([Y_TRUE * 0.5, Y_TRUE - 1, Y_TRUE + 1])
    error = sklearn_metric("neg_mean_absolute_error")
    assert error.value(numbers, Y_TRUE.astype(float)) == pytest.approx(MAE.function(numbers, Y_TRUE.astype(float)))


def test_a_scorer_of_classes_judges_what_was_decided_on() -> None:
    outputs = probabilities(Y_TRUE, 1)
    recall = sklearn_metric("recall")
    assert recall.value(outputs, Y_TRUE, np.ones(400, dtype=int)) == 1
    assert ROC_AUC.value(outputs, Y_TRUE, np.ones(400, dtype=int)) < 1


def test_scorers_that_ask_for_classes_are_known_by_their_names() -> None:
    of_probabilities = ("roc_auc", "average_precision", "neg_log_loss", "neg_brier", "top_k", "d2_log_loss", "d2_brier")
    for name in get_scorer_names():
        if name.startswith(of_probabilities):
            assert not sklearn_metric(name).of_decisions, name
        elif any(word in name for word in ("accuracy", "f1", "precision", "recall", "jaccard", "matthews")):
            assert sklearn_metric(name).of_decisions, name
            assert name.startswith(OF_DECISIONS)
    assert get_scorer("roc_auc") is not None


def test_the_bootstrap_of_a_mean_has_the_standard_error_of_a_mean() -> None:
    model = probabilities(Y_TRUE, 1)
    other = probabilities(Y_TRUE, 0.5, seed=2)
    by_rows = loss_difference(LOG_LOSS, (model, None), (other, None), Y_TRUE)
    resampled = loss_difference(replace(LOG_LOSS, per_row=None), (model, None), (other, None), Y_TRUE)
    assert resampled[0] == pytest.approx(by_rows[0])
    assert resampled[1] == pytest.approx(by_rows[1], rel=0.25)
    many = np.tile(Y_TRUE, 40)
    of_many = loss_difference(
        replace(LOG_LOSS, per_row=None), (np.tile(model, (40, 1)), None), (np.tile(other, (40, 1)), None), many
    )
    assert of_many[1] == pytest.approx(by_rows[1] / np.sqrt(40), rel=0.25)


def test_a_name_that_scikit_learn_does_not_have_is_one_clear_error_before_training() -> None:
    with pytest.raises(InputError, match=r'sklearn_metric\("roc_acu"\) .* roc_auc'):
        check_metrics((LOG_LOSS, sklearn_metric("roc_acu")))


def test_a_scorer_that_does_not_fit_the_target_says_so() -> None:
    three = np.random.default_rng(0).dirichlet(np.ones(3), 30)
    with pytest.raises(InputError, match="cannot score this target"):
        ROC_AUC.function(three, np.arange(30) % 3)
    assert ROC_AUC.function(three[:, :2], np.zeros(30, dtype=int)) is None


def test_the_example_of_the_docs_works() -> None:
    page = (Path(__file__).parents[2] / "template" / "docs" / "models.md").read_text(encoding="utf-8")
    (example,) = (
        code for code in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "sklearn_metric" in code
    )
    names: dict[str, Any] = {}
    exec(example, names)
    check_metrics(names["METRICS"])
    assert primary(names["METRICS"]).name == "roc_auc"


@pytest.mark.parametrize(
    "metrics", [(ACCURACY,), (LOG_LOSS, ROC_AUC), (Metric("x", lambda *_: 1.0, True, primary=True, best=np.inf),)]
)
def test_exactly_one_metric_with_a_best_value_is_primary(metrics: tuple[Metric, ...]) -> None:
    with pytest.raises(InputError, match="exactly one metric must be primary"):
        primary(metrics)


def blur(project: Path, share: float) -> None:
    """Give some rows another target, so that no score is perfect."""
    path = project / "data" / "fruit.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rng = random.Random(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            if rng.random() < share:
                row |= {KIND.target: rng.choice(rows)[KIND.target]}
            writer.writerow(row)


def test_gate_comparison_card_and_report_are_by_the_primary_metric(project: Path) -> None:
    blur(project, 0.3)
    path = project / "conf" / "params.yaml"
    params: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["gate"] = {"min_skill": 0.01, "min_slice_rows": 5, "slices": ["fruit"]}
    params["gate"] |= {"min_slice_score": 0.0} if KIND.classification else {"max_slice_error": 500}
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    first = train(PROJECT, project)
    assert first.failures == []
    name = PROJECT.metrics[1].name
    metrics = MetricsFile.read(first.folder)
    assert metrics.primary == name
    assert metrics.skill == pytest.approx(skill_score(PROJECT.metrics[1], metrics.model[name], metrics.baseline[name]))
    assert 0 < metrics.skill_se < 1

    params["gate"]["min_skill"] = 0.99
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    second = train(PROJECT, project)
    gap = f"gap between {PROJECT.metrics[1].phrase} and 1"
    (failure,) = second.failures
    assert gap in failure
    assert "99.0% is needed" in failure
    assert f"its {gap} is the same as" in str(second.champion_comparison)
    card = (second.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    skill = f"{second.evaluation.skill:.1%} ± {2 * second.evaluation.skill_se:.1%}"
    assert re.search(rf"saves {re.escape(skill)} of the baseline's {gap}", card.replace("\\", ""))
    assert skill in write(PROJECT, project, "off").read_text(encoding="utf-8")
