"""The part of the gate that runs models: behavior cases, and the comparison with the champion.

An `Evaluation` compares the new model with the baseline, overall and by slice. Here it is checked by the cases of
`tests/model/behavior.yaml`, and compared with the champion, the current version, on the same rows of the test split.
Neither may have learnt from these rows: where the champion may have, its recipe is fitted again on the new split.
"""

import hashlib
import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlkeel.behavior.cases import Case, sample_rows
from mlkeel.behavior.kinds import case_type_of
from mlkeel.config import Gate, Settings, SplitSettings, read_version_settings
from mlkeel.contract.messages import number
from mlkeel.errors import InputError
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared, Project, Run
from mlkeel.registry.artifact import current
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.tasks.comparison import loss_difference, share_with_interval
from mlkeel.tasks.decision import decided_positions
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import INTERVAL_STANDARD_ERRORS, Metric, Scores, score
from mlkeel.tasks.outputs import Outputs, Targets
from mlkeel.tasks.standard_errors import units_of
from mlkeel.training.reevaluate import run_flow

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
MIN_CHAMPION_LOSS_SHARE = 0.01  # of the baseline's loss; the least loss to divide by
MAX_EQUAL_SHARE = 0.0005  # a share that is shown as 0.0%
PLACED_BY_COLUMNS = ("time", "group_time", "given")  # kinds of split in which other features move no row


@dataclass(frozen=True)
class ChampionComparison:
    """A new model compared with the champion on the same test rows, or why the two were not compared.

    Attributes:
        loss_increase: the loss of the new model less that of the champion, as a share of the champion's.
        loss_increase_se: its standard error, from the differences row by row.
        refitted: whether the champion's recipe was fitted again, as the champion may have learnt from these rows.
    """

    version: str | None
    metric: Metric
    scores: Scores | None = None
    loss_increase: float = 0.0
    loss_increase_se: float = 0.0
    refitted: bool = False
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
        share = share_with_interval(abs(self.loss_increase), self.loss_increase_se)
        is_equal = abs(self.loss_increase) < MAX_EQUAL_SHARE
        relation = "the same as" if is_equal else f"{share} {'more' if self.loss_increase > 0 else 'less'} than"
        is_chance = not is_equal and abs(self.loss_increase) <= INTERVAL_STANDARD_ERRORS * self.loss_increase_se
        loss = number(self.metric.loss(self.scores[self.metric.name]))
        recipe = " with its recipe, fitted again on this split, as it may have learnt from rows that are tested on now"
        compared = f"{self.version} was compared{recipe}: " if self.refitted else ""
        other = "that" if self.refitted else self.version
        chance = ", which chance explains" if is_chance else ""
        return (
            f"{compared}on the same {self.scores.rows:,} rows its {self.metric.loss_phrase} is {relation} the {loss} "
            f"of {other}{chance}"
        )

    def failures(self, gate: Gate) -> list[str]:
        """Return a failure if the new model is worse than `gate` accepts and than chance explains."""
        by_chance = INTERVAL_STANDARD_ERRORS * self.loss_increase_se
        if self.loss_increase <= max(gate.max_regression, by_chance):
            return []
        accepted = f"{gate.max_regression:.1%} more is accepted (chance explains {by_chance:.1%})"
        return [f"{self.sentence}, and {accepted}"]


def compare_with_champion(
    challenger: Predictor,
    evaluation: Evaluation,
    prepared: Prepared,
    settings: Settings,
    root: Path,
    project: Project | None = None,
) -> ChampionComparison | None:
    """Compare the `challenger` with the current version on the test split; None if there is no current version.

    If the current version may have learnt from some of these rows, its recipe is fitted again, as `project` does it:
    its settings, its features and its contract, on the new split. Without a project, and where that cannot be done,
    there is no comparison, and so no failure.
    """
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
        champion_settings = read_version_settings(folder, project.settings if project else Settings)
        champion_metrics = MetricsFile.read(folder)
        version = folder.name
        if reason := _not_comparable(champion, challenger, test):
            return ChampionComparison(version, metric, skipped_because=reason)
        refitted = not _has_not_learnt(champion, challenger, champion_settings, champion_metrics, settings, prepared)
        if refitted:
            outputs, decided = _refit(project, champion, champion_settings, champion_metrics, settings, prepared, root)
        else:
            outputs = champion.predict(test)
            decided = champion.decided(outputs)
    except InputError as error:
        return ChampionComparison(version, metric, skipped_because=str(error).rstrip("."))
    except Exception as error:  # a broken champion must not stop a new version
        return ChampionComparison(version, metric, skipped_because=f"it does not answer these rows ({error})")
    if not challenger.output_type.is_valid(outputs):
        return ChampionComparison(version, metric, skipped_because="its answers to these rows are no answers")
    new_outputs = challenger.predict(test)
    new = (new_outputs, challenger.decided(new_outputs))
    scores = score(evaluation.metrics, outputs, y_true, decided)
    if scores.get(metric.name) is None:
        reason = f"its {metric.phrase} is undefined on these rows"
        return ChampionComparison(version, metric, skipped_because=reason)
    loss = max(metric.loss(scores[metric.name]), MIN_CHAMPION_LOSS_SHARE * evaluation.baseline_loss)
    if not loss:
        reason = "neither it nor the baseline errs, so there is nothing to compare"
        return ChampionComparison(version, metric, skipped_because=reason)
    units = units_of(test, prepared.table.description.group)
    difference, standard_error = loss_difference(metric, new, (outputs, decided), y_true, units)
    return ChampionComparison(version, metric, scores, difference / loss, standard_error / loss, refitted)


def _has_not_learnt(
    champion: Predictor,
    challenger: Predictor,
    champion_settings: Settings,
    champion_metrics: MetricsFile,
    settings: Settings,
    prepared: Prepared,
) -> bool:
    """Return whether the champion has learnt from no row of the test split: the same rule has kept it from them."""
    split = settings.data.split
    if _without_folds(champion_settings.data.split) != _without_folds(split):
        return False
    names = [[column.name for column in predictor.contract.columns] for predictor in (champion, challenger)]
    by_other_columns = split.by in PLACED_BY_COLUMNS
    if columns := [*split.key, *([split.group] if split.by == "group" else [])]:  # rows without them go by the others
        frames = prepared.table.all_frames.values()
        by_other_columns = not any(rows[columns].isna().all(axis=1).any() for rows in frames)
    if names[0] != names[1] and not by_other_columns:
        return False
    same_table = champion_metrics.data.sha256 == prepared.digest
    return prepared.table.description.keeps_sides_of(champion_metrics.split, same_table=same_table)


def _without_folds(split: SplitSettings) -> SplitSettings:
    return split.model_copy(update={"folds": None})


def _refit(
    project: Project | None,
    champion: Predictor,
    champion_settings: Settings,
    champion_metrics: MetricsFile,
    settings: Settings,
    prepared: Prepared,
    root: Path,
) -> tuple[Outputs, Targets]:
    """Fit the recipe of the champion on the new split; return its outputs for the test rows, and what they decide.

    Raises:
        InputError: it cannot be fitted; says why there is no fair comparison.
    """
    import pandas as pd

    unfair = "it may have learnt from rows that are tested on now, and its recipe cannot be fitted again"
    if project is None:
        raise InputError(f"{unfair} here, so there is no fair comparison")
    if champion_metrics.build not in (None, build_digest(project)):
        raise InputError(f"{unfair}, as the code of its model has changed since, so there is no fair comparison")
    table = pd.concat(prepared.table.all_frames.values()).sort_index()
    recipe = champion_settings.model_copy(update={"data": settings.data})
    run = Run(root, recipe, champion.contract, encoder=champion.encoder, splits=prepared.table)
    logger.info("The recipe of the current version is fitted again on this split, for a fair comparison.")
    try:
        refitted, trained = run_flow(replace(project, load=lambda _path, _contract: table), run)
    except Exception as error:  # its settings, its contract or the table may be of another day
        reason = str(error).strip().rstrip(".")
        raise InputError(f"{unfair} ({reason}), so there is no fair comparison") from error
    if not refitted.table.test.index.equals(prepared.table.test.index):
        raise InputError(f"{unfair}, as train.py splits otherwise by its settings, so there is no fair comparison")
    outputs = trained.model.predict(refitted.features["test"])
    return outputs, decided_positions(outputs, trained.evaluation.decision)


def build_digest(project: Project) -> str:
    """Return a digest of the file that defines what learns, so that another one is not taken for the same recipe."""
    path = getattr(sys.modules.get(project.build.__module__), "__file__", None)
    return hashlib.sha256(Path(path).read_bytes() if path else b"").hexdigest()[:16]


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
