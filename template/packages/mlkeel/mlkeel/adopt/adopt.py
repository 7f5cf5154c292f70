"""Make the project about another table: decide on its columns, draft the contract, train, and replace what was there.

Everything is written to a stage and put in place in the end, so that a failure leaves the project as it was.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlkeel.adopt import documents
from mlkeel.adopt.columns import Decision, decide
from mlkeel.adopt.transaction import at_risk, changes, finish, keep_copies, replace, stage
from mlkeel.behavior.cases import BEHAVIOR, beside, drawn, read_cases, still_askable
from mlkeel.behavior.kinds import cases_of
from mlkeel.config import Data, Gate, Role, Settings, read_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.data.kinds import as_iso, is_ambiguous, numbers
from mlkeel.data.source import Source, give_back, read
from mlkeel.data.tables import with_columns
from mlkeel.drafts.draft import digest, draft, gate_digest, types_only, with_columns_of, with_own_rules
from mlkeel.drafts.leaks import tells_the_target
from mlkeel.drafts.trial import Trial, attempt
from mlkeel.errors import DataError, Hint, InputError
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Outcome, Prepared, Project, Run, Trained
from mlkeel.tasks.evaluation import Evaluation, any_slice, draft_gate
from mlkeel.training.publish import KeepVersion, refuse_what_teaches_nothing

if TYPE_CHECKING:
    import pandas as pd

PARAMS = Path("conf/params.yaml")
README, DATA_README, IGNORED = Path("README.md"), Path("data/README.md"), Path("data/.gitignore")
SUITES = {name: Path(f"expectations/{name}.json") for name in ("features", "dataset")}
NUMBERS = ("numeric", "boolean", "time")  # roles of columns that may hold numbers
LARGE = 5120 * 1024  # bytes; the hook for large files refuses more
SLICES = 2  # features to judge by slice, those with the fewest values


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
    """What came of it: `changes` are the lines gained and lost in each file, `copies` a folder of what git had not.

    `notes` name what a person wrote and what does not fit the table any more.
    """

    plan: Plan
    outcome: Outcome
    trial: Trial
    changes: dict[Path, tuple[int, int]]
    copies: Path | None
    notes: list[str]

    @property
    def evaluation(self) -> Evaluation:
        """How its model does."""
        return self.outcome.evaluation


def adopt(
    project: Project,
    address: str,
    target: str,
    given: Mapping[str, Role],
    root: Path,
    agree: Callable[[Plan], bool],
    force: bool = False,
    dry_run: bool = False,
) -> Adopted | None:
    """Make the `project` in `root` about the table at `address`, all of it or nothing; None if `agree` says no.

    Raises:
        InputError: the table cannot be read or learnt from, or files that would be replaced have changes that git does
            not have (unless `force`).
    """
    finish(root)
    with stage(root) as staged, _plain_errors(staged):
        plan = _plan(project, address, target, given, root, staged)
        old = plan.before.data.path
        gone = [old] if old != plan.path and old.parts[0] == "data" and (root / old).is_file() else []
        replaced = [PARAMS, *SUITES.values(), BEHAVIOR, README, DATA_README, plan.path, *gone]
        edited, unknown = at_risk(root, replaced)
        taken_over = [PARAMS] if plan.again else []  # roles, gate and all the rest of the settings stay
        if (others := [path for path in edited if path not in taken_over]) and not force and not dry_run:
            raise InputError(
                f"{', '.join(map(str, others))}: changed since the last commit, and this would replace it. Commit that "
                "first.",
                Hint.OVERWRITE,
            )
        if not agree(plan):
            return None
        outcome, trial, notes = _write(plan, root, staged, project)
        found = changes(root, staged, gone)
        copies = None
        if not dry_run:
            copies = keep_copies(root, staged, [path for path in (*edited, *unknown) if path in found])
            replace(root, staged, gone)
    return Adopted(plan, outcome, trial, found, copies, notes)


@contextlib.contextmanager
def _plain_errors(staged: Path) -> Iterator[None]:
    """Name files as the user knows them, and say in one paragraph that the disk is full."""
    try:
        yield
    except InputError as error:
        raise type(error)(str(error).replace(f"{staged}/", ""), error.hint) from error
    except OSError as error:
        what = error.filename or staged.parent
        raise InputError(f"{what}: cannot be read or written ({error.strerror}). Nothing was changed.") from error


def _plan(project: Project, address: str, target: str, given: Mapping[str, Role], root: Path, staged: Path) -> Plan:
    """Decide on each column, and write the copy of the table to the stage."""
    settings, contract = read_settings(root / PARAMS, project.settings), read_contract(root / "expectations")
    source = read(address)
    for name in (target, *given):
        _refuse_unknown(name, source)
    if target in given:
        raise DataError(f"{source.origin}: {target} is the target, and cannot have another role. Give it to another.")
    table, notes = project.task.targets.labelled(source.table, target, source.origin)
    source = Source(table, source.name, source.origin, source.notes)  # lets go of the rows that were left out
    again = target == settings.data.target and 2 * len(set(contract.all_columns) & set(table)) >= len(table.columns)
    drafted = contract.dataset["meta"].get("roles", [])
    chosen = {name: role for name, role in settings.columns.items() if digest([name, role]) not in drafted}
    decisions = decide(table, target, given, chosen if again else {}, project.task.targets, project.features)
    if not any(decision.is_feature for decision in decisions.values()):
        said = "; ".join(f"{name}: {one.role}, {one.reason}" for name, one in decisions.items() if name != target)
        raise DataError(
            f"{source.origin}: no column is left to predict {target} from ({said}). Add columns, or "
            "choose another target.",
            Hint.OTHER_ROLE,
        )
    for name, decision in decisions.items():
        if decision.role == "time":
            if is_ambiguous(table[name]):
                notes.append(
                    f"{name}: the day was read before the month; if that is wrong, write dates like 2026-11-22"
                )
            table = with_columns(table, {name: as_iso(table[name])})
    path = Path("data") / f"{source.name}.csv"
    _write_text(staged / path, "")
    table.to_csv(staged / path, index=False, lineterminator="\n")
    numeric = {name for name, one in decisions.items() if one.role in NUMBERS and _is_number(table[name])}
    return Plan(source.origin, path, target, len(table), decisions, numeric, [*source.notes, *notes], settings, again)


def _is_number(values: "pd.Series[str]") -> bool:
    return numbers(values.dropna(), lenient=True) is not None


def _refuse_unknown(name: str, source: Source) -> None:
    import difflib

    if name not in source.table:
        near = difflib.get_close_matches(name, map(str, source.table), n=1)
        hint = f'Did you mean "{near[0]}"? ' if near else ""
        shown = ", ".join(map(str, source.table.columns[:30])) + (", …" if len(source.table.columns) > 30 else "")
        raise DataError(f'{source.origin}: there is no column "{name}". {hint}Columns are: {shown}.')


def _write(plan: Plan, root: Path, staged: Path, project: Project) -> tuple[Outcome, Trial, list[str]]:
    """Write the rest of the new project to the stage, a trained model included; with notes of what fits no more."""
    give_back()
    kind = project.task.kind
    typed = project.load(staged / plan.path, types_only(plan.roles, plan.numeric, project.features, kind.TYPE))
    contract = draft(typed, plan.roles, project.features)
    trial = attempt(typed, plan.roles, plan.target, project.features)
    earlier, derived = read_contract(root / "expectations"), [str(name) for name in typed if name not in plan.roles]
    if unknown := [name for name in derived if not plan.again or name not in earlier.all_columns]:
        raise DataError(
            f"{plan.origin}: load in data.py adds {', '.join(unknown)}, of which expectations/ says nothing. "
            "Nothing was changed. Adopt without it, and then add the column with its rules to both suites."
        )
    if plan.again:
        contract = with_own_rules(with_columns_of(contract, earlier, derived), earlier, {*plan.roles, *derived})
    names = [column.name for column in contract.columns]
    trusted = tuple(name for name in names if tells_the_target(project.task, typed[name], typed[plan.target]))
    del typed
    data = Data(path=plan.path, target=plan.target, trusted=trusted, split=plan.before.data.split)
    settings = plan.before.model_copy(update={"data": data, "columns": plan.roles})
    drafted = earlier.dataset["meta"].get("gate")
    kept = plan.again and gate_digest(settings.gate) != drafted
    notes = list[str]()
    if kept and (gone := [name for name in settings.gate.slices if name not in plan.roles]):
        notes.append(f"{PARAMS}: gate.slices named {', '.join(gone)}, which is no column any more, and was left out")
    own = settings.gate.model_copy(update={"slices": tuple(n for n in settings.gate.slices if n in plan.roles)})
    opened = Gate(
        margin=0,
        slices=_slices(contract),
        slice_rows=30,
        slice_limit=any_slice(project.metrics),
        champion=settings.gate.champion,
    )
    settings = settings.model_copy(update={"gate": own if kept else opened})
    publish = _Publish(plan, root, staged, project, settings, kept, trial, notes)
    try:
        return project.train(project, Run(staged, settings, contract, publish)), trial, notes
    except DataError as error:
        raise DataError(f"{plan.origin}: {error} Learnt from: {', '.join(names)}.", Hint.OTHER_ROLE) from error


@dataclass(frozen=True)
class _Publish:
    """Writes what a training found to the stage: suites, settings, the version, behaviour and READMEs."""

    plan: Plan
    root: Path
    staged: Path
    project: Project
    settings: Settings
    kept: bool  # the gate of a person
    trial: Trial
    notes: list[str]  # what a person wrote and what does not fit any more is added

    def __call__(self, prepared: Prepared, trained: Trained) -> Outcome:
        """Draft the gate from the evaluation, unless it is a person's, and write everything.

        Raises:
            InputError: the model is no better than the baseline, or than the gate of a person.
        """
        plan, staged, settings = self.plan, self.staged, self.settings
        refuse_what_teaches_nothing(trained, settings, plan.origin)
        if not self.kept:
            settings = settings.model_copy(update={"gate": draft_gate(trained.evaluation, settings.gate)})
        roles = [digest([name, one.role]) for name, one in plan.decisions.items() if not one.by_a_person]
        meta = {"roles": roles} | ({} if self.kept else {"gate": gate_digest(settings.gate)})
        prepared.contract.dataset["meta"] |= meta
        for name, path in SUITES.items():
            _write_text(staged / path, documents.suite(getattr(prepared.contract, name)))
        before = (self.root / PARAMS).read_text(encoding="utf-8")
        text = documents.params(before, settings, plan.decisions, self.project.metrics)
        _write_text(staged / PARAMS, text)
        read_settings(staged / PARAMS, self.project.settings)
        outcome = KeepVersion(staged, settings, {}, self.root if plan.again else staged)(prepared, trained)
        self.notes.extend(_write_cases(plan, self.root, staged, prepared, Predictor.load(outcome.folder)))
        _write_readmes(plan, self.root, staged, settings, prepared, self.trial)
        return outcome


def _slices(contract: Contract) -> tuple[str, ...]:
    few = [column for column in contract.columns if 2 <= len(column.categories) <= 10]
    return tuple(column.name for column in sorted(few, key=lambda column: len(column.categories))[:SLICES])


def _write_cases(plan: Plan, root: Path, staged: Path, prepared: Prepared, predictor: Predictor) -> list[str]:
    """Write the cases of behaviour; those of a person that the table cannot answer stay as comments, and are named."""
    import pandas as pd

    parts, before = list(vars(prepared.table).values()), read_cases(root / BEHAVIOR) if plan.again else {}
    cases = cases_of(prepared.contract, plan.target)
    answerable = partial(cases.expects, answers=prepared.answers)
    kept = still_askable(before, pd.concat(parts), prepared.contract, answerable) if before else {}
    both = beside(kept, cases.drafts(drawn(parts), predictor))
    gone = {
        kind: [case for case in some if not case.get("draft") and case not in both.get(kind, [])]
        for kind, some in before.items()
    }
    _write_text(staged / BEHAVIOR, documents.behavior(both, prepared.contract, plan.target, gone))
    names = [f'"{case.get("name", kind)}"' for kind, some in gone.items() for case in some]
    said = f"{BEHAVIOR}: the table cannot answer {', '.join(names)} any more, which stays there as a comment"
    return [said] if names else []


def _write_readmes(plan: Plan, root: Path, staged: Path, settings: Settings, prepared: Prepared, trial: Trial) -> None:
    said = _read_text(root / DATA_README)
    block = documents.columns_block(plan.path.name, plan.rows, plan.decisions)
    kept = plan.again and (plan.path.name in said or documents.has_block(said, "columns"))
    _write_text(staged / DATA_README, documents.with_blocks(said if kept else documents.DATA_README, block))
    if (root / README).is_file():
        example = prepared.table.test.iloc[0].to_dict()
        blocks = documents.readme_blocks(settings, prepared.contract, trial.sentence, example)
        _write_text(staged / README, documents.with_blocks(_read_text(root / README), blocks))
    if (staged / plan.path).stat().st_size > LARGE:
        listed = _read_text(root / IGNORED)
        line = f"/{plan.path.name}\n"
        _write_text(staged / IGNORED, listed if line in listed else listed + line)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else ""
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: this is not UTF-8, so nothing was changed. Save it as UTF-8.") from error


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
