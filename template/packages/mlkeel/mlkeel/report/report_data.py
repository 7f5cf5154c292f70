"""Collect the data of the report: the table, the model on the test split, the versions, and the runs of the monitor.

What cannot be read is replaced by the reason, so that the report can show it; only a current version is required.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlkeel.behavior import cases as behavior
from mlkeel.behavior.kinds import case_type_of
from mlkeel.config import Settings, read_settings, read_version_settings
from mlkeel.contract.suites import Contract, Suite, read_contract, read_suite
from mlkeel.contract.validate import ExpectationResult, check
from mlkeel.drift import KL, labels, reference_shares, window_shares, with_lengths
from mlkeel.errors import InputError
from mlkeel.inference.batch import predict_table
from mlkeel.inference.frames import with_derived
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared, Project, Trained
from mlkeel.registry import artifact
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.report import history
from mlkeel.report.figures import figures_of
from mlkeel.report.importance import importance_of
from mlkeel.report.table_importance import derived_importances
from mlkeel.tasks.decision import with_expected_cost
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.metrics import Metric, losses
from mlkeel.training.reevaluate import reevaluate

if TYPE_CHECKING:
    import pandas as pd

    from mlkeel.report.plots import Chart

MAX_INVARIANCE_ROWS = 2_000  # on which cases of invariance are checked, since each predicts all of them


@dataclass(frozen=True)
class Distribution:
    """The shares of the values of a column, by label: among the training rows and among recent rows."""

    labels: list[str]
    reference: list[float]
    recent: list[float]
    edges: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Table:
    """The current table: missing share, unique values and type of each column, and the results of the contract."""

    path: str
    rows: int
    missing: dict[str, float]
    unique: dict[str, int]
    types: dict[str, str]
    results: list[ExpectationResult]


@dataclass(frozen=True)
class CaseResult:
    """The result of a behavior case; `failure` says what the model does instead, None if it passes."""

    kind: str
    name: str
    failure: str | None


@dataclass(frozen=True)
class ModelReview:
    """The current version on the test split; `data_changed` if the table is not the one that it was trained on.

    `importances` are of words or of columns, the greatest first; `derived_from` names the columns of the table that
    each derived column comes from.
    """

    evaluation: Evaluation
    weak_slices: list[str]
    charts: "list[Chart]"
    remarks: list[str]
    importances: list[tuple[str, float, float]]
    cases: list[CaseResult]
    data_changed: bool
    notes: list[str]
    derived_from: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class ReportData:
    """All that the report shows; `table` and `model_review` are the reason where there is none."""

    created_at: datetime
    version: str
    metrics_file: MetricsFile
    metrics: tuple[Metric, ...]
    settings: Settings
    contract: Contract
    table: Table | str
    model_review: ModelReview | str
    distributions: dict[str, Distribution]
    versions: list[history.Version]
    runs: list[history.Run]
    run_notes: list[str]

    @property
    def latest_run(self) -> history.Run | None:
        """The latest run of the monitor."""
        return self.runs[-1] if self.runs else None

    @property
    def latest_run_on_current(self) -> history.Run | None:
        """The latest run of the monitor on the current version; a run that failed belongs to no version."""
        return next((run for run in reversed(self.runs) if run.artifact == self.version), None)

    @property
    def age_days(self) -> float:
        """Days since the training of the current version; 0 if its time cannot be read."""
        return days_since(self.metrics_file.created, self.created_at)


def days_since(time: str, end: datetime) -> float:
    """Return the days from `time`, in ISO 8601, to `end`; 0 if `time` cannot be read."""
    try:
        start = datetime.fromisoformat(time)
    except ValueError:
        return 0.0
    return (end - (start if start.tzinfo else start.replace(tzinfo=UTC))).total_seconds() / 86400


def collect(project: Project, root: Path, store: str) -> ReportData:
    """Collect the data of the report on the `project` in `root`, with the monitor's runs from `store`.

    Raises:
        InputError: there is no current version, or it cannot be loaded.
    """
    folder = artifact.current(root / "artifacts")
    predictor = Predictor.load(folder)
    settings = read_version_settings(folder, project.settings)
    metrics_file = MetricsFile.read(folder)
    runs, run_notes = history.read_runs(root, store)
    table_summary, table = _table(project, root)
    model_review, predictions = _model_review(project, root, predictor, settings, metrics_file)
    drift_suite = read_suite(folder / "drift.json")
    latest_run = runs[-1] if runs else None
    if table is not None and predictor.encoder.derived and _satisfies(table, predictor.contract):
        table = with_derived(table, predictor.encoder)
    distributions = _distributions(drift_suite, latest_run, [table, predictions], predictor.contract, folder.name)
    versions = history.read_versions(root / "artifacts", folder.name)
    return ReportData(
        datetime.now(UTC),
        folder.name,
        metrics_file,
        with_expected_cost(project.metrics, predictor.decision),
        settings,
        predictor.contract,
        table_summary,
        model_review,
        distributions,
        versions,
        runs,
        run_notes,
    )


def _satisfies(table: "pd.DataFrame", contract: Contract) -> bool:
    return all(result.passed or not result.critical for result in check(table, contract.features))


def _table(project: Project, root: Path) -> "tuple[Table | str, pd.DataFrame | None]":
    """Return the summary of the current table, or why there is none; and the table."""
    try:
        contract = read_contract(root / "expectations")
        path = read_settings(root / "conf" / "params.yaml", project.settings).data.path
        table = project.load(root / path, contract)
        results = [*check(table, contract.features), *check(table, contract.dataset)]
    except InputError as error:
        return str(error), None
    types = {
        str(name): "numbers"
        if column.dtype.kind in "iuf"
        else "texts"
        if column.dtype.kind in "OT" or str(column.dtype) == "str"
        else str(column.dtype)
        for name, column in table.items()
    }
    missing = {str(name): float(share) for name, share in table.isna().mean().items()}
    unique = {str(name): int(count) for name, count in table.nunique().items()}
    return Table(path.as_posix(), len(table), missing, unique, types, results), table


def _model_review(
    project: Project, root: Path, predictor: Predictor, settings: Settings, metrics_file: MetricsFile
) -> "tuple[ModelReview | str, pd.DataFrame | None]":
    """Return the review of the model on the test split, or why there is none; and predictions for sampled rows."""
    try:
        prepared, trained = reevaluate(project, predictor, settings, root)
        cases = behavior.read_cases(root / "tests" / "model" / "behavior.yaml")
    except InputError as error:
        return str(error), None
    target = settings.data.target
    contract = predictor.contract
    y_true = prepared.targets["test"]
    outputs = trained.model.predict(prepared.features["test"])
    task_figures = figures_of(contract, target)
    layout = predictor.encoder.layout
    splits = list(prepared.table.frames.values())
    rows = behavior.sample_rows(splits)
    evaluation = trained.evaluation
    notes: list[str] = []
    invariance_rows = rows if len(rows) <= MAX_INVARIANCE_ROWS else rows.sample(MAX_INVARIANCE_ROWS, random_state=7)
    if len(invariance_rows) < sum(map(len, splits)):
        notes.append(f"What stays in most rows was asked of {len(invariance_rows):,} rows, drawn by chance.")
    review = ModelReview(
        evaluation,
        list(evaluation.failed_slices(settings.gate)),
        [
            *task_figures.draw_figures(outputs, y_true, prepared.output_names, target, predictor.decision),
            *(figure(outputs, y_true, prepared.output_names, target) for figure in project.figures),
        ],
        [
            *task_figures.remarks(outputs, y_true, prepared.output_names, target, predictor.decision),
            *evaluation.remarks,
        ],
        _importances(project, predictor, prepared, trained),
        [
            _case_result(kind, case, predictor, invariance_rows if kind == "invariance" else rows)
            for kind in cases
            for case in cases[kind]
        ],
        prepared.digest != metrics_file.data.sha256,
        notes,
        dict(zip(layout.derived, layout.sources, strict=True)),
    )
    return review, predict_table(predictor, rows)


def _importances(
    project: Project, predictor: Predictor, prepared: Prepared, trained: Trained
) -> list[tuple[str, float, float]]:
    """Return the importances of words or of columns, and of derived columns, on the test split, by the task's loss."""
    contract = predictor.contract
    raw = importance_of(contract).importances(
        prepared.table.test,
        contract.columns,
        lambda table: losses(
            project.task.metrics,
            predictor.predict(table),
            predictor.output_type.encode(table[predictor.target], contract),
        ),
    )
    derived = derived_importances(
        prepared.features["test"],
        prepared.encoder,
        lambda features, rows: losses(
            project.task.metrics, trained.model.predict(features), prepared.targets["test"][rows]
        ),
    )
    return sorted([*raw, *derived], key=lambda importance: -importance[1])


def _case_result(kind: str, case: behavior.Case, predictor: Predictor, rows: "pd.DataFrame") -> CaseResult:
    name = str(case.get("name", "a case without a name"))
    cases = case_type_of(predictor.contract, predictor.target)
    if kind not in cases.KEYS or set(case) - {"draft"} != cases.KEYS[kind]:
        return CaseResult(kind, name, "it cannot be asked: its keys are not those of its kind")
    try:
        return CaseResult(kind, name, cases.failure(kind, case, predictor, rows))
    except (KeyError, ValueError, TypeError, AttributeError) as error:  # a user's case may hold anything
        return CaseResult(kind, name, f"it cannot be asked: {type(error).__name__}: {error}")


def _distributions(
    drift_suite: Suite, run: history.Run | None, tables: "list[pd.DataFrame | None]", contract: Contract, version: str
) -> dict[str, Distribution]:
    """Return the distribution of each column in the window of the latest `run` or, without one, in `tables`."""
    references = {
        item["kwargs"]["column"]: item["kwargs"] for item in drift_suite["expectations"] if item["type"] == KL
    }
    edges = {name: reference["partition_object"].get("bins", []) for name, reference in references.items()}
    if run and run.columns:
        run_edges = edges if run.artifact == version else {}  # another version has bins of its own
        return {
            name: Distribution(
                column.labels,
                column.before,
                column.now,
                _edges_if_matching(run_edges.get(name, []), len(column.now)),
            )
            for name, column in run.columns.items()
            if column.labels and len(column.labels) == len(column.before) == len(column.now)
        }
    known_tables = [with_lengths(table, contract) for table in tables if table is not None]
    columns = {name: table[name] for table in known_tables for name in references if name in table}
    return {
        name: Distribution(
            labels(reference["partition_object"]),
            reference_shares(reference).tolist(),
            window_shares(columns[name], reference).tolist(),
            edges[name],
        )
        for name, reference in references.items()
        if name in columns and (columns[name].dtype.kind in "fiub" or not edges[name])
    }


def _edges_if_matching(edges: list[float], bins: int) -> list[float]:
    """Return the edges if there is one between each two bins; a document written by hand may have other bins."""
    return edges if len(edges) + 1 == bins else []
