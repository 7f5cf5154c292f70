"""The part of the gate that runs models: behavior cases, and the comparison with the champion.

An `Evaluation` compares the new model with the baseline, overall and by slice. Here it is checked by the cases of
`tests/model/behavior.yaml`, and compared with the champion, the current version, on the same rows of the test split.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkeel.behavior.cases import Case, sample_rows
from mlkeel.behavior.kinds import case_type_of
from mlkeel.config import Gate, Settings, read_version_settings
from mlkeel.contract.messages import number
from mlkeel.errors import InputError
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared
from mlkeel.registry.artifact import current
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Metric, Scores, losses, score

if TYPE_CHECKING:
    import pandas as pd

MIN_STANDARD_ERRORS = 2.0  # by which a new model must be worse; less can be chance
MIN_CHAMPION_LOSS_SHARE = 0.01  # of the baseline's loss; the least loss to divide by
MAX_EQUAL_SHARE = 0.0005  # a share that is shown as 0.0%


@dataclass(frozen=True)
class ChampionComparison:
    """A new model compared with the champion on the same test rows, or why the two were not compared.

    Attributes:
        loss_increase: the loss of the new model less that of the champion, as a share of the champion's.
        loss_increase_se: its standard error, from the differences row by row.
        unseen_rows: False if the champion may have learnt from some of the rows.
    """

    version: str | None
    metric: Metric
    scores: Scores | None = None
    loss_increase: float = 0.0
    loss_increase_se: float = 0.0
    unseen_rows: bool = True
    skipped_because: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what `metrics.json` holds of it."""
        values = {name: value for name, value in vars(self).items() if name not in ("metric", "scores")}
        return values | {"scores": self.scores and self.scores.model_dump(), "sentence": self.sentence}

    @property
    def sentence(self) -> str:
        """The comparison in words, for the log and the model card."""
        if self.scores is None:
            return f"{self.version or 'the current version'} was not compared: {self.skipped_because}"
        difference = f"{abs(self.loss_increase):.1%} {'more' if self.loss_increase > 0 else 'less'} than"
        caveat = "" if self.unseen_rows else ", which may have learnt from some of these rows, as its split was another"
        relation = "the same as" if abs(self.loss_increase) < MAX_EQUAL_SHARE else difference
        loss = number(self.scores[self.metric.name])
        return f"on the same rows its {self.metric.phrase} is {relation} the {loss} of {self.version}{caveat}"

    def failures(self, gate: Gate) -> list[str]:
        """Return a failure if the new model is worse than `gate` accepts and than chance explains."""
        by_chance = MIN_STANDARD_ERRORS * self.loss_increase_se
        if self.loss_increase <= max(gate.max_regression, by_chance):
            return []
        accepted = f"{gate.max_regression:.1%} more is accepted (chance explains {by_chance:.1%})"
        return [f"{self.sentence}, and {accepted}"]


def compare_with_champion(
    challenger: Predictor, evaluation: Evaluation, prepared: Prepared, settings: Settings, root: Path
) -> ChampionComparison | None:
    """Compare the `challenger` with the current version on the test split; None if there is no current version."""
    artifacts = root / "artifacts"
    test = prepared.table.test
    y_true = prepared.targets["test"]
    if not (artifacts / "current").exists():
        return None
    metric = evaluation.primary
    version = None
    try:
        folder = current(artifacts)
        champion = Predictor.load(folder)
        champion_settings = read_version_settings(folder)
        champion_metrics = MetricsFile.read(folder)
        version = folder.name
        if reason := _not_comparable(champion, challenger, test):
            return ChampionComparison(version, metric, skipped_because=reason)
        champion_outputs = champion.predict(test)
    except InputError as error:
        return ChampionComparison(version, metric, skipped_because=str(error))
    except Exception as error:  # a broken champion must not stop a new version
        return ChampionComparison(version, metric, skipped_because=f"it does not answer these rows ({error})")
    if not challenger.output_type.is_valid(champion_outputs):
        return ChampionComparison(version, metric, skipped_because="its answers to these rows are no answers")
    scores = score(evaluation.metrics, champion_outputs, y_true, champion.decided(champion_outputs))
    outputs = challenger.predict(test)
    differences = losses(evaluation.metrics, outputs, y_true) - losses(evaluation.metrics, champion_outputs, y_true)
    loss = max(scores[metric.name], MIN_CHAMPION_LOSS_SHARE * evaluation.baseline_loss)
    if not loss:
        reason = "neither it nor the baseline errs, so there is nothing to compare"
        return ChampionComparison(version, metric, skipped_because=reason)
    standard_error = float(differences.std(ddof=1) / np.sqrt(len(differences)) / loss)
    names = [[column.name for column in predictor.contract.columns] for predictor in (champion, challenger)]
    unseen_rows = (
        names[0] == names[1]
        and champion_settings.data.split == settings.data.split
        and prepared.table.description.keeps_sides_of(
            champion_metrics.split, same_table=champion_metrics.data.sha256 == prepared.digest
        )
    )
    return ChampionComparison(version, metric, scores, float(differences.mean() / loss), standard_error, unseen_rows)


def _not_comparable(champion: Predictor, challenger: Predictor, test: "pd.DataFrame") -> str | None:
    """Return why a champion cannot be evaluated on the rows of `test`, shape (n, columns), or None."""
    import pandas as pd

    if champion.target != challenger.target:
        return f"it predicts {champion.target}"
    if champion.output_names != challenger.output_names:
        return f"it answers other classes ({', '.join(champion.output_names)})"
    columns = champion.contract.columns
    if absent := [column.name for column in columns if column.name not in test]:
        return f"it learnt from {', '.join(absent)}, which the table does not have any more"
    if mistyped := [
        column.name for column in columns if pd.api.types.is_numeric_dtype(test[column.name]) != column.numeric
    ]:
        return f"it learnt from {', '.join(mistyped)} as another type"
    return "one row is too few to compare by" if len(test) < 2 else None


def behavior_failures(cases: dict[str, list[Case]], predictor: Predictor, prepared: Prepared) -> list[str]:
    """Return a failure for each case that the model fails."""
    if not any(cases.values()):
        return []
    table = sample_rows(list(prepared.table.frames.values()))
    failures = []
    for kind, cases_of_kind in cases.items():
        for case in cases_of_kind:
            if failure := _case_failure(kind, case, predictor, table):
                failures.append(f'behaviour "{case.get("name", kind)}": {failure}')
    return failures


def _case_failure(kind: str, case: Case, predictor: Predictor, table: "pd.DataFrame") -> str | None:
    cases = case_type_of(predictor.contract, predictor.target)
    try:
        well_formed = kind in cases.KEYS and set(case) - {"draft"} == cases.KEYS[kind]
        if not well_formed or not cases.is_answerable(case, predictor.output_names):
            return "it asks what cannot be judged; the tests of its behaviour say why"
        return cases.failure(kind, case, predictor, table)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return f"it cannot be asked of this table ({error})"
