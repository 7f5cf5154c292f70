"""Make the project about another table: decide on its columns, draft the contract, train, and replace what was there.

Everything is written to a stage and put in place in the end, so that a failure leaves the project as it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from . import documents
from .behavior import draft_cases, still_askable
from .columns import Decision, decide
from .contract import Contract, read_contract
from .data import DataError, load
from .draft import draft, types_only
from .evaluate import Evaluation, draft_gate
from .kinds import as_iso, numbers
from .label import labelled
from .predict import Predictor
from .prepare import Prepared, prepare
from .settings import Data, Gate, InputError, Role, Settings, read_settings
from .source import Source, read
from .train import Trained, fit, keep
from .transaction import at_risk, changes, finish, keep_copies, replace, stage
from .trial import Trial, attempt

if TYPE_CHECKING:
    import pandas as pd

PARAMS, BEHAVIOR = Path("conf/params.yaml"), Path("tests/model/behavior.yaml")
README, DATA_README, IGNORED = Path("README.md"), Path("data/README.md"), Path("data/.gitignore")
SUITES = {name: Path(f"expectations/{name}.json") for name in ("features", "dataset")}
LARGE = 5120 * 1024  # bytes; the hook for large files refuses more
NATS = 2.0  # that a model must save on the test part in all; less can be chance
SLICES = 2  # features to judge by slice, those with the fewest values
OPEN = Gate(margin=0, slice_rows=30, slice_accuracy=0)


@dataclass(frozen=True)
class Plan:
    """What `adopt` makes of a table, before anything of the project is replaced; `numeric` columns hold numbers."""

    origin: str
    path: Path
    target: str
    rows: int
    decisions: dict[str, Decision]
    numeric: set[str]
    notes: list[str]
    before: Settings
    again: bool

    @property
    def roles(self) -> dict[str, Role]:
        """The role of each column."""
        return {name: decision.role for name, decision in self.decisions.items()}


@dataclass(frozen=True)
class Adopted:
    """What came of it: `changes` are the lines gained and lost in each file, `copies` a folder of what git had not."""

    plan: Plan
    evaluation: Evaluation
    trial: Trial
    changes: dict[Path, tuple[int, int]]
    copies: Path | None


def adopt(
    address: str,
    target: str,
    given: Mapping[str, Role],
    root: Path,
    agree: Callable[[Plan], bool],
    force: bool = False,
    dry_run: bool = False,
) -> Adopted | None:
    """Make the project in `root` about the table at `address`, all of it or nothing; None if `agree` says no.

    Raises:
        InputError: the table cannot be read or learnt from, or files that would be replaced have changes that git does
            not have (unless `force`).
    """
    finish(root)
    with stage(root) as staged:
        plan = _plan(address, target, given, root, staged)
        old = plan.before.data.path
        gone = [old] if old != plan.path and old.parts[0] == "data" and (root / old).is_file() else []
        replaced = [PARAMS, *SUITES.values(), BEHAVIOR, README, DATA_README, plan.path, *gone]
        edited, unknown = at_risk(root, replaced)
        if edited and not force and not dry_run:
            raise InputError(
                f"{', '.join(map(str, edited))}: changed since the last commit, and this would replace it. Commit that "
                "first, or go on with --force (with make: OPTIONS=--force), which keeps a copy."
            )
        if not agree(plan):
            return None
        evaluation, trial = _write(plan, root, staged)
        found = changes(root, staged, gone)
        copies = None
        if not dry_run:
            lost = [path for path in (*edited, *unknown) if found.get(path, (0, 0)) != (0, 0)]
            copies = keep_copies(root, lost) if lost else None
            replace(root, staged, gone)
    return Adopted(plan, evaluation, trial, found, copies)


def _plan(address: str, target: str, given: Mapping[str, Role], root: Path, staged: Path) -> Plan:
    """Decide on each column, and write the copy of the table to the stage."""
    settings, contract = read_settings(root / PARAMS), read_contract(root / "expectations")
    source = read(address)
    for name in (target, *given):
        _refuse_unknown(name, source)
    table, notes = labelled(source.table, target, source.origin)
    again = target == settings.data.target and 2 * len(set(contract.all_columns) & set(table)) >= len(table.columns)
    decisions = decide(table, target, given, settings.columns if again else {})
    if not any(decision.is_feature for decision in decisions.values()):
        said = "; ".join(f"{name}: {one.role}, {one.reason}" for name, one in decisions.items() if name != target)
        raise DataError(
            f"{source.origin}: no column is left to predict {target} from ({said}). Add columns to the table, or "
            "choose another target with TARGET=."
        )
    for name, decision in decisions.items():
        if decision.role == "time":
            table = table.assign(**{name: as_iso(table[name])})
    path = Path("data") / f"{source.name}.csv"
    _write_text(staged / path, "")
    table.to_csv(staged / path, index=False, lineterminator="\n")
    numeric = {name for name, one in decisions.items() if one.is_feature and _is_number(table[name], one.role)}
    return Plan(source.origin, path, target, len(table), decisions, numeric, [*source.notes, *notes], settings, again)


def _is_number(values: "pd.Series[str]", role: Role) -> bool:
    return role != "categorical" and numbers(values.dropna(), lenient=True) is not None


def _refuse_unknown(name: str, source: Source) -> None:
    import difflib

    if name not in source.table:
        near = difflib.get_close_matches(name, map(str, source.table), n=1)
        hint = f'Did you mean "{near[0]}"? ' if near else ""
        shown = ", ".join(map(str, source.table.columns[:30])) + (", …" if len(source.table.columns) > 30 else "")
        raise DataError(f'{source.origin}: there is no column "{name}". {hint}Columns are: {shown}.')


def _write(plan: Plan, root: Path, staged: Path) -> tuple[Evaluation, Trial]:
    """Write the rest of the new project to the stage, a trained model included."""
    typed = load(staged / plan.path, types_only(plan.roles, plan.numeric))
    contract, trial = draft(typed, plan.roles), attempt(typed, plan.roles, plan.target)
    del typed
    for name, path in SUITES.items():
        _write_text(staged / path, documents.suite(getattr(contract, name)))
    trusted = tuple(n for n, one in plan.decisions.items() if one.is_feature and "adopt would say leak" in one.reason)
    data = Data(path=plan.path, target=plan.target, trusted=trusted, split=plan.before.data.split)
    settings = plan.before.model_copy(update={"data": data, "columns": plan.roles})
    kept = plan.again and set(settings.gate.slices) <= {column.name for column in contract.columns}
    gate = settings.gate if kept else OPEN.model_copy(update={"slices": _slices(contract)})
    settings = settings.model_copy(update={"gate": gate})
    prepared = prepare(settings, contract, staged)
    trained = fit(prepared, settings)
    refuse_what_teaches_nothing(trained, settings, plan.origin)
    if not kept:
        settings = settings.model_copy(update={"gate": draft_gate(trained.evaluation, gate)})
    text = documents.params((root / PARAMS).read_text(encoding="utf-8"), settings, plan.decisions)
    _write_text(staged / PARAMS, text)
    read_settings(staged / PARAMS)
    _write_cases(plan, root, staged, prepared, Predictor.load(keep(prepared, trained, settings, staged).folder))
    _write_readmes(plan, root, staged, settings, prepared, trial)
    return trained.evaluation, trial


def _slices(contract: Contract) -> tuple[str, ...]:
    few = [column for column in contract.columns if 2 <= len(column.categories) <= 10]
    return tuple(column.name for column in sorted(few, key=lambda column: len(column.categories))[:SLICES])


def refuse_what_teaches_nothing(trained: Trained, settings: Settings, origin: str) -> None:
    """Refuse a model that is no better than the baseline, or than the gate that a person set.

    Raises:
        InputError: says by how much it falls short.
    """
    model, baseline = trained.evaluation.model, trained.evaluation.baseline
    if len(trained.losses) < 2 or (baseline.log_loss - model.log_loss) * model.rows < NATS:
        raise DataError(
            f"{origin}: the other columns say too little of {settings.data.target} to tell it from chance: on "
            f"{model.rows:,} unseen rows the log loss is {model.log_loss:.3f}, and {baseline.log_loss:.3f} without any "
            "feature. Nothing was changed. Add columns or rows, or choose another target with TARGET=."
        )
    if shortcomings := trained.evaluation.shortcomings(settings.gate):
        raise InputError(
            f"{origin}: a model of this table does not pass the gate in {PARAMS}: {'; '.join(shortcomings)}. Nothing "
            "was changed. If the table is right, lower the gate there and run this again."
        )


def _write_cases(plan: Plan, root: Path, staged: Path, prepared: Prepared, predictor: Predictor) -> None:
    import pandas as pd

    table = pd.concat(vars(prepared.table).values()).sort_index()
    before = yaml.safe_load((root / BEHAVIOR).read_text(encoding="utf-8")) if plan.again else {}
    kept = still_askable(before, set(table.columns), prepared.classes)
    _write_text(staged / BEHAVIOR, documents.behavior(draft_cases(table, predictor, kept)))


def _write_readmes(plan: Plan, root: Path, staged: Path, settings: Settings, prepared: Prepared, trial: Trial) -> None:
    said = (root / DATA_README).read_text(encoding="utf-8") if (root / DATA_README).is_file() else ""
    if not plan.again or plan.path.name not in said:
        _write_text(staged / DATA_README, documents.data_readme(plan.path.name, plan.origin, plan.rows, plan.decisions))
    if (root / README).is_file():
        example = prepared.table.test.iloc[0]
        row = {column.name: _python_value(example[column.name]) for column in prepared.contract.columns}
        blocks = documents.readme_blocks(settings, prepared.contract, trial.sentence, row)
        _write_text(staged / README, documents.with_blocks((root / README).read_text(encoding="utf-8"), blocks))
    if (staged / plan.path).stat().st_size > LARGE:
        listed = (root / IGNORED).read_text(encoding="utf-8") if (root / IGNORED).is_file() else ""
        line = f"/{plan.path.name}\n"
        _write_text(staged / IGNORED, listed if line in listed else listed + line)


def _python_value(value: Any) -> Any:  # noqa: ANN401 - a number or a text
    return None if value != value else float(value) if not isinstance(value, str) else value


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
