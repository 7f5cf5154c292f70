"""Hold a new model against what it must do, and against the model that it would replace.

An evaluation judges it alone: baseline and slices. Here it is asked the cases of `tests/model/behavior.yaml`, and it
meets the champion, which is the model in use, on the same rows of the test part.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkeel.behavior.cases import Case, drawn
from mlkeel.behavior.kinds import cases_of
from mlkeel.config import Gate, Settings, read_kept_settings
from mlkeel.contract.wording import number
from mlkeel.errors import InputError
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared
from mlkeel.registry.artifact import current
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Metric, Scores, losses, score

if TYPE_CHECKING:
    import pandas as pd

CHANCE = 2.0  # standard errors by which a new model must be worse; less can be chance
LEAST = 0.01  # of the baseline's loss: what a champion is taken to lose at least, as a share of nothing says nothing
ALIKE = 0.0005  # a share that is shown as 0.0%


@dataclass(frozen=True)
class Duel:
    """How a new model did beside the champion, or why the two were not compared.

    `worse` is by how much more it loses, as a share of the champion's loss, and `error` the standard error of that,
    from the differences row by row. `fair` is False if the champion may have learnt from some of these rows.
    """

    version: str | None
    metric: Metric
    scores: Scores | None = None
    worse: float = 0.0
    error: float = 0.0
    fair: bool = True
    left_out: str | None = None

    def document(self) -> dict[str, Any]:
        """What `metrics.json` keeps of it."""
        values = {name: value for name, value in vars(self).items() if name not in ("metric", "scores")}
        return values | {"scores": self.scores and self.scores.model_dump(), "sentence": self.sentence}

    @property
    def sentence(self) -> str:
        """What came of it, for the log and the model card."""
        if self.scores is None:
            return f"{self.version or 'the model in use'} was not compared: {self.left_out}"
        how = f"{abs(self.worse):.1%} {'more' if self.worse > 0 else 'less'} than"
        unfair = "" if self.fair else ", which may have learnt from some of these rows, as it dealt them otherwise"
        same = "the same as" if abs(self.worse) < ALIKE else how
        loss = number(self.scores[self.metric.name])
        return f"on the same rows its {self.metric.said} is {same} the {loss} of {self.version}{unfair}"

    def shortcomings(self, gate: Gate) -> list[str]:
        """Say it if the new model is worse than `gate` accepts and than chance explains."""
        if self.worse <= gate.champion or self.worse <= CHANCE * self.error:
            return []
        return [
            f"{self.sentence}, and {gate.champion:.1%} more is accepted (chance explains {CHANCE * self.error:.1%})"
        ]


def duel(
    challenger: Predictor, evaluation: Evaluation, prepared: Prepared, settings: Settings, root: Path
) -> Duel | None:
    """Let the model in use answer the test rows that the `challenger` was judged by; None if no model is in use."""
    artifacts, test, truth = root / "artifacts", prepared.table.test, prepared.truth["test"]
    if not (artifacts / "current").exists():
        return None
    metric = evaluation.primary
    version = None
    try:
        folder = current(artifacts)
        version, champion, before = folder.name, Predictor.load(folder), read_kept_settings(folder)
        if reason := _not_comparable(champion, challenger, test):
            return Duel(version, metric, left_out=reason)
        answers = champion.predict(test)
    except InputError as error:
        return Duel(version, metric, left_out=str(error))
    except Exception as error:  # whatever is wrong with the old one, the new one may still be good
        return Duel(version, metric, left_out=f"it does not answer these rows ({error})")
    if not challenger.kind.sound(answers):
        return Duel(version, metric, left_out="its answers to these rows are no answers")
    scores = score(evaluation.metrics, answers, truth)
    found = challenger.graph.run(prepared.features["test"])
    more = losses(evaluation.metrics, found, truth) - losses(evaluation.metrics, answers, truth)
    loss = max(scores[metric.name], LEAST * evaluation.baseline_loss)
    if not loss:
        return Duel(version, metric, left_out="neither it nor the baseline errs, so there is nothing to compare")
    by_chance = float(more.std(ddof=1) / np.sqrt(len(more)) / loss)
    names = [[column.name for column in one.contract.columns] for one in (champion, challenger)]
    fair = names[0] == names[1] and before.data.split == settings.data.split
    return Duel(version, metric, scores, float(more.mean() / loss), by_chance, fair)


def _not_comparable(champion: Predictor, challenger: Predictor, test: "pd.DataFrame") -> str | None:
    """Why a champion cannot be judged on the rows of `test`, shape (n, columns)."""
    import pandas as pd

    if champion.target != challenger.target:
        return f"it predicts {champion.target}"
    if champion.answers != challenger.answers:
        return f"it answers other classes ({', '.join(champion.answers)})"
    columns = champion.contract.columns
    if absent := [column.name for column in columns if column.name not in test]:
        return f"it learnt from {', '.join(absent)}, which the table does not have any more"
    if other := [
        column.name for column in columns if pd.api.types.is_numeric_dtype(test[column.name]) != column.numeric
    ]:
        return f"it learnt from {', '.join(other)} as another type"
    return "one row is too few to compare by" if len(test) < 2 else None


def misbehaviour(cases: dict[str, list[Case]], predictor: Predictor, prepared: Prepared) -> list[str]:
    """Say of each case that the model fails what it does instead."""
    if not any(cases.values()):
        return []
    table, said = drawn(list(vars(prepared.table).values())), []
    for kind, some in cases.items():
        for case in some:
            if wrong := _wrong(kind, case, predictor, table):
                said.append(f'behaviour "{case.get("name", kind)}": {wrong}')
    return said


def _wrong(kind: str, case: Case, predictor: Predictor, table: "pd.DataFrame") -> str | None:
    cases = cases_of(predictor.contract, predictor.target)
    try:
        fits = kind in cases.KEYS and set(case) - {"draft"} == cases.KEYS[kind]
        if not fits or not cases.expects(case, predictor.answers):
            return "it asks what cannot be judged; the tests of its behaviour say why"
        return cases.shortcoming(kind, case, predictor, table)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return f"it cannot be asked of this table ({error})"
