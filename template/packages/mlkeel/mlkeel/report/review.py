"""Look at all that a project has: its table, its model on the test part, its versions, and how it was watched.

Whatever cannot be had is left out and its reason kept, so that a report can say so; only a model must be in use.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlkeel.behavior import cases as behavior
from mlkeel.behavior.kinds import cases_of
from mlkeel.config import Settings, read_kept_settings, read_settings
from mlkeel.contract.suites import Contract, Suite, read_contract, read_suite
from mlkeel.contract.validate import Finding, check
from mlkeel.drift import KL, labels, shares_now, shares_of, with_lengths
from mlkeel.errors import InputError
from mlkeel.inference.batch import predict_table
from mlkeel.inference.importance import importance_of
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Project
from mlkeel.registry import artifact
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.report import history
from mlkeel.report.figures import figures_of
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Metric, losses
from mlkeel.training.again import judge_again

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.report.charts import Chart

FEW = 2_000  # rows, to ask what stays in most of them


@dataclass(frozen=True)
class Shares:
    """How the values of a column were spread where the model learnt, and how they are now."""

    labels: list[str]
    before: list[float]
    now: list[float]
    edges: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Table:
    """The table in use: how much of each column is missing, how many values differ, and what the contract says."""

    path: str
    rows: int
    missing: dict[str, float]
    different: dict[str, int]
    kinds: dict[str, str]
    findings: list[Finding]


@dataclass(frozen=True)
class Asked:
    """A case of behaviour, and what the model does instead, if it does not do as it should."""

    kind: str
    name: str
    shortcoming: str | None


@dataclass(frozen=True)
class Judged:
    """The model in use on the test part, and its `weak` slices; `changed` says that the table is not as in training."""

    evaluation: Evaluation
    weak: list[str]
    charts: "list[Chart]"
    remarks: list[str]
    importances: list[tuple[str, float, float]]
    asked: list[Asked]
    changed: bool
    notes: list[str]


@dataclass(frozen=True)
class Review:
    """All that a report shows; of `table` and `judged`, the reason where there is none."""

    when: datetime
    version: str
    metrics: MetricsFile
    shown: tuple[Metric, ...]
    settings: Settings
    contract: Contract
    table: Table | str
    judged: Judged | str
    shares: dict[str, Shares]
    versions: list[history.Version]
    runs: list[history.Run]
    notes: list[str]

    @property
    def latest(self) -> history.Run | None:
        """The latest run of the monitor."""
        return self.runs[-1] if self.runs else None

    @property
    def watched(self) -> history.Run | None:
        """The latest run of the monitor that was about the model in use; one that could not run is about none."""
        return next((run for run in reversed(self.runs) if run.artifact == self.version), None)

    @property
    def age(self) -> float:
        """Days since the training of the model in use; 0 if it does not say."""
        return days_since(self.metrics.created, self.when)


def days_since(time: str, when: datetime) -> float:
    """Days from `time`, as ISO 8601 has it, to `when`; 0 if it cannot be read."""
    try:
        then = datetime.fromisoformat(time)
    except ValueError:
        return 0.0
    return (when - (then if then.tzinfo else then.replace(tzinfo=UTC))).total_seconds() / 86400


def review(project: Project, root: Path, store: str) -> Review:
    """Look at the `project` in `root`, whose `store` has the runs of the monitor.

    Raises:
        InputError: no model is in use, or it cannot be used.
    """
    folder = artifact.current(root / "artifacts")
    predictor, settings = Predictor.load(folder), read_kept_settings(folder, project.settings)
    metrics = MetricsFile.read(folder)
    runs, notes = history.runs(root, store)
    table, values = _table(project, root)
    judged, predicted = _judged(project, root, predictor, settings, metrics)
    drift, latest = read_suite(folder / "drift.json"), runs[-1] if runs else None
    shares = _shares(drift, latest, [values, predicted], predictor.contract, folder.name)
    known = history.versions(root / "artifacts", folder.name)
    return Review(
        datetime.now(UTC),
        folder.name,
        metrics,
        project.metrics,
        settings,
        predictor.contract,
        table,
        judged,
        shares,
        known,
        runs,
        notes,
    )


def _table(project: Project, root: Path) -> "tuple[Table | str, pd.DataFrame | None]":
    try:
        contract = read_contract(root / "expectations")
        path = read_settings(root / "conf" / "params.yaml", project.settings).data.path
        table = project.load(root / path, contract)
        findings = [*check(table, contract.features), *check(table, contract.dataset)]
    except InputError as error:
        return str(error), None
    kinds = {
        str(name): "numbers"
        if column.dtype.kind in "iuf"
        else "texts"
        if column.dtype.kind in "OT" or str(column.dtype) == "str"
        else str(column.dtype)
        for name, column in table.items()
    }
    missing = {str(name): float(share) for name, share in table.isna().mean().items()}
    different = {str(name): int(count) for name, count in table.nunique().items()}
    return Table(path.as_posix(), len(table), missing, different, kinds, findings), table


def _judged(
    project: Project, root: Path, predictor: Predictor, settings: Settings, metrics: MetricsFile
) -> "tuple[Judged | str, pd.DataFrame | None]":
    """The model on the test part, and what it answers for rows of the whole table."""
    try:
        prepared, trained = judge_again(project, predictor, settings, root)
        kept = behavior.read_cases(root / "tests" / "model" / "behavior.yaml")
    except InputError as error:
        return str(error), None
    test, truth, target = prepared.table.test, prepared.truth["test"], settings.data.target
    found = trained.model.predict(prepared.features["test"])
    drawn, importance = figures_of(predictor.contract, target), importance_of(predictor.contract)
    rows = behavior.drawn(list(vars(prepared.table).values()))
    evaluation, notes = trained.evaluation, list[str]()
    few = rows if len(rows) <= FEW else rows.sample(FEW, random_state=7)
    if len(few) < sum(map(len, vars(prepared.table).values())):
        notes.append(f"What stays in most rows was asked of {len(few):,} rows, drawn by chance.")
    judged = Judged(
        evaluation,
        list(evaluation.weak_slices(settings.gate)),
        [
            *drawn.figures(found, truth, prepared.answers, target),
            *(figure(found, truth, prepared.answers, target) for figure in project.figures),
        ],
        drawn.remarks(found, truth, prepared.answers, target),
        importance.importances(
            test,
            predictor.contract.columns,
            lambda some: losses(
                project.metrics, predictor.predict(some), predictor.kind.encode(some[target], predictor.contract)
            ),
        ),
        [_asked(kind, case, predictor, few if kind == "invariance" else rows) for kind in kept for case in kept[kind]],
        prepared.digest != metrics.data.sha256,
        notes,
    )
    return judged, predict_table(predictor, rows)


def _asked(kind: str, case: behavior.Case, predictor: Predictor, rows: "pd.DataFrame") -> Asked:
    name = str(case.get("name", "a case without a name"))
    cases = cases_of(predictor.contract, predictor.target)
    if kind not in cases.KEYS or set(case) - {"draft"} != cases.KEYS[kind]:
        return Asked(kind, name, "it cannot be asked: its keys are not those of its kind")
    try:
        return Asked(kind, name, cases.shortcoming(kind, case, predictor, rows))
    except (KeyError, ValueError, TypeError, AttributeError) as error:  # a person's case may hold anything
        return Asked(kind, name, f"it cannot be asked: {type(error).__name__}: {error}")


def _shares(
    drift: Suite, run: history.Run | None, tables: "list[pd.DataFrame | None]", contract: Contract, version: str
) -> dict[str, Shares]:
    """Of each column: as the latest run saw it, or as the table in use has it if there was none."""
    parts = {item["kwargs"]["column"]: item["kwargs"] for item in drift["expectations"] if item["type"] == KL}
    edges = {name: part["partition_object"].get("bins", []) for name, part in parts.items()}
    if run and run.columns:
        fits = {name: some for name, some in edges.items() if run.artifact == version}
        return {
            name: Shares(one.labels, one.before, one.now, _if_even(fits.get(name, []), len(one.now)))
            for name, one in run.columns.items()
            if one.labels and len(one.labels) == len(one.before) == len(one.now)
        }
    known = [with_lengths(table, contract) for table in tables if table is not None]
    columns = {name: table[name] for table in known for name in parts if name in table}
    return {
        name: Shares(
            labels(part["partition_object"]),
            shares_of(part).tolist(),
            shares_now(columns[name], part).tolist(),
            edges[name],
        )
        for name, part in parts.items()
        if name in columns and (columns[name].dtype.kind in "fiub" or not edges[name])
    }


def _if_even(edges: list[float], bins: int) -> list[float]:
    """The edges if they are those of so many bins, which documents written by hand may not have."""
    return edges if len(edges) + 1 == bins else []
