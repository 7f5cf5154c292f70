"""Adopt a table: infer the roles of its columns, draft the contract, train, and replace the files of the project.

Everything is written to a stage and moved into place in the end, so that a failure leaves the project as it was.
"""

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlkeel.adopt import datasheet, writers
from mlkeel.adopt.column_names import may_be_protected
from mlkeel.adopt.infer_roles import RoleDecision, infer_roles
from mlkeel.adopt.infer_split import SplitProposal, decide_split, infer_split, require_splittable, was_drafted
from mlkeel.adopt.transaction import at_risk, changes, finish, keep_copies, replace, stage
from mlkeel.behavior.cases import BEHAVIOR, applicable_cases, merge_cases, read_cases, sample_rows
from mlkeel.behavior.kinds import case_type_of
from mlkeel.config import PROTECTED_ROLES, DataConfig, Gate, Role, Settings, read_settings
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.data.column_types import as_iso, is_ambiguous, numbers
from mlkeel.data.reader import Source, read, release_memory
from mlkeel.data.tables import with_columns
from mlkeel.drafts.draft import (
    add_derived_columns,
    digest,
    draft,
    draft_derived,
    draft_types,
    gate_digest,
    merge_own_expectations,
)
from mlkeel.drafts.draft_check import DraftCheck, check_draft
from mlkeel.drafts.leaks import leaks_target
from mlkeel.errors import DataError, Hint, InputError
from mlkeel.features.export import build_encoder
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Prepared, Project, Run, Trained, TrainingResult
from mlkeel.tasks.evaluation import Evaluation, draft_gate
from mlkeel.tasks.scorers import check_metrics
from mlkeel.training.checks import check_slice_limit
from mlkeel.training.cross_validation import CrossValidate
from mlkeel.training.publish import PublishVersion, require_skill

if TYPE_CHECKING:
    import pandas as pd

PARAMS = Path("conf/params.yaml")
README = Path("README.md")
DATA_README = Path("data/README.md")
DATA_GITIGNORE = Path("data/.gitignore")
SUITES = {name: Path(f"expectations/{name}.json") for name in ("features", "dataset", "derived")}
NUMERIC_ROLES = ("numeric", "boolean", "time", "weight", *PROTECTED_ROLES)  # roles of columns that may hold numbers
GROUP_ROLES = ("numeric", "categorical", "boolean")  # roles of columns with groups
MAX_FILE_BYTES = 5120 * 1024  # the hook for large files rejects larger ones
MAX_SLICE_FEATURES = 2  # those with the fewest categories


@dataclass(frozen=True)
class Plan:
    """What `adopt` decides about a table, before any file of the project is replaced.

    Attributes:
        origin: where the table is from, as messages name it.
        path: where the project will keep the table, relative to its root.
        target: the column to predict.
        rows: how many of the table have a target.
        decisions: the role of each column, with its reason.
        numeric: the columns that hold numbers.
        notes: remarks on how the table was read.
        old_settings: the settings of the project so far.
        split: how the rows are split, with its reason.
        proposal: how `adopt` would split them.
        readopted: whether the project is about this table already, so that the edits of a person are kept.
    """

    origin: str
    path: Path
    target: str
    rows: int
    decisions: dict[str, RoleDecision]
    numeric: set[str]
    notes: list[str]
    old_settings: Settings
    split: SplitProposal
    proposal: SplitProposal
    readopted: bool

    @property
    def roles(self) -> dict[str, Role]:
        """The role of each column."""
        return {name: decision.role for name, decision in self.decisions.items()}

    @property
    def may_be_protected(self) -> list[str]:
        """The columns that tell a protected attribute by their names, of which a person has not decided."""
        return [
            name
            for name, decision in self.decisions.items()
            if decision.role in GROUP_ROLES and not decision.overridden and may_be_protected(name)
        ]


@dataclass(frozen=True)
class AdoptResult:
    """The result of `adopt`.

    Attributes:
        plan: what was decided about the table.
        outcome: the trained version.
        draft_check: how well the drafted contract works.
        changes: the number of lines added and removed, by file.
        copies: a folder with copies of replaced files that git does not have, if there are any.
        notes: what a person wrote that does not fit the table any more.
        open_questions: how many questions of the datasheet nobody has answered.
    """

    plan: Plan
    outcome: TrainingResult
    draft_check: DraftCheck
    changes: dict[Path, tuple[int, int]]
    copies: Path | None
    notes: list[str]
    open_questions: int = 0

    @property
    def evaluation(self) -> Evaluation:
        """The evaluation of the model on the test split."""
        return self.outcome.evaluation


def adopt(
    project: Project,
    address: str,
    target: str,
    overrides: Mapping[str, Role],
    root: Path,
    confirm: Callable[[Plan], bool],
    force: bool = False,
    dry_run: bool = False,
    split: SplitProposal | None = None,
) -> AdoptResult | None:
    """Adopt the table at `address` for the `project` in `root`, completely or not at all.

    Args:
        project: the project, with the task to train for.
        address: a file, or a table of a database.
        target: the column to predict.
        overrides: roles that a person chose for this run.
        root: the folder of the project.
        confirm: whether to go on with a plan.
        force: replace files with uncommitted changes as well.
        dry_run: do everything but replace files.
        split: the split that a person chose for this run.

    Returns:
        What was changed; None if `confirm` returned False.

    Raises:
        InputError: the table cannot be read or learned from, or files that would be replaced have uncommitted changes
            (unless `force`).
    """
    finish(root)
    check_metrics(project.metrics)
    with stage(root) as staged, _translate_errors(staged):
        plan = _plan(project, address, target, overrides, split, root, staged)
        old = plan.old_settings.data.path
        removed = [old] if old != plan.path and old.parts[0] == "data" and (root / old).is_file() else []
        if not project.features.derives and (root / SUITES["derived"]).is_file():
            removed.append(SUITES["derived"])
        replaced = [PARAMS, *SUITES.values(), BEHAVIOR, README, DATA_README, plan.path, *removed]
        edited, untracked = at_risk(root, replaced)
        merged = [PARAMS] if plan.readopted else []  # its roles, gate and other settings are kept
        if (conflicts := [path for path in edited if path not in merged]) and not force and not dry_run:
            raise InputError(
                f"{', '.join(map(str, conflicts))}: changed since the last commit, and this would replace it. Commit "
                "that first.",
                Hint.OVERWRITE,
            )
        if not confirm(plan):
            return None
        outcome, draft_check, notes = _write(plan, root, staged, project)
        line_changes = changes(root, staged, removed)
        open_questions = len(datasheet.open_questions(_read_text(staged / DATA_README)))
        copies = None
        if not dry_run:
            copies = keep_copies(root, staged, [path for path in (*edited, *untracked) if path in line_changes])
            replace(root, staged, removed)
    return AdoptResult(plan, outcome, draft_check, line_changes, copies, notes, open_questions)


@contextlib.contextmanager
def _translate_errors(staged: Path) -> Iterator[None]:
    """Name files as the user knows them, and turn errors of the file system into an `InputError`."""
    try:
        yield
    except InputError as error:
        raise type(error)(str(error).replace(f"{staged}/", ""), error.hint) from error
    except OSError as error:
        path = error.filename or staged.parent
        raise InputError(f"{path}: cannot be read or written ({error.strerror}). Nothing was changed.") from error


def _plan(
    project: Project,
    address: str,
    target: str,
    overrides: Mapping[str, Role],
    chosen_split: SplitProposal | None,
    root: Path,
    staged: Path,
) -> Plan:
    """Read the table, infer the role of each column and the split, and write the table to the stage."""
    settings = read_settings(root / PARAMS, project.settings)
    contract = read_contract(root / "expectations")
    source = read(address)
    for name in (target, *overrides, *(chosen_split.columns.values() if chosen_split else ())):
        _require_column(name, source)
    if target in overrides:
        raise DataError(f"{source.origin}: {target} is the target, and cannot have another role. Give it to another.")
    table, notes = project.task.target_checks.drop_unlabeled(source.table, target, source.origin)
    source = Source(table, source.name, source.origin, source.notes)  # frees the rows without a target
    known_columns = set(contract.all_columns) & set(table)
    readopted = target == settings.data.target and 2 * len(known_columns) >= len(table.columns)
    drafted_digests = contract.dataset["meta"].get("roles", [])
    edited_roles = {
        name: role for name, role in settings.columns.items() if digest([name, role]) not in drafted_digests
    }
    earlier_overrides = edited_roles if readopted else {}
    decisions = infer_roles(table, target, overrides, earlier_overrides, project.task.target_checks, project.features)
    classification = project.task.output_type.TYPE == "str"
    proposal = infer_split(table, decisions, target, classification=classification)
    times = [name for name, decision in decisions.items() if decision.role == "time"]
    notes += [
        f"{name}: the day was read before the month; if that is wrong, write dates like 2026-11-22"
        for name in times
        if is_ambiguous(table[name])
    ]
    for name in times:
        table = with_columns(table, {name: as_iso(table[name])})
    proposal = require_splittable(proposal, table, target, settings.data.split, classification=classification)
    own_split = readopted and not was_drafted(settings.data.split, contract.dataset["meta"].get("split"))
    split = decide_split(proposal, chosen_split, settings.data.split if own_split else None)
    if split.group and _is_inferred_feature(decisions[split.group]):
        count = f"{table[split.group].nunique():,} different values"
        decisions[split.group] = RoleDecision("identifier", f"{count}, by which the rows are split")
    if split.given and _is_inferred_feature(decisions[split.given]):
        decisions[split.given] = RoleDecision("ignored", "names the split of each row")
    if not any(decision.is_feature for decision in decisions.values()):
        reasons = "; ".join(
            f"{name}: {decision.role}, {decision.reason}" for name, decision in decisions.items() if name != target
        )
        raise DataError(
            f"{source.origin}: no column is left to predict {target} from ({reasons}). Add columns, or "
            "choose another target.",
            Hint.OTHER_ROLE,
        )
    path = Path("data") / f"{source.name}.csv"
    _write_text(staged / path, "")
    table.to_csv(staged / path, index=False, lineterminator="\n")
    numeric = {
        name for name, decision in decisions.items() if decision.role in NUMERIC_ROLES and _is_numeric(table[name])
    }
    notes = [*source.notes, *notes]
    return Plan(
        source.origin, path, target, len(table), decisions, numeric, notes, settings, split, proposal, readopted
    )


def _is_inferred_feature(decision: RoleDecision) -> bool:
    return decision.is_feature and not decision.overridden


def _is_numeric(values: "pd.Series[str]") -> bool:
    return numbers(values.dropna(), lenient=True) is not None


def _require_column(name: str, source: Source) -> None:
    import difflib

    if name not in source.table:
        matches = difflib.get_close_matches(name, map(str, source.table), n=1)
        hint = f'Did you mean "{matches[0]}"? ' if matches else ""
        columns = ", ".join(map(str, source.table.columns[:30])) + (", …" if len(source.table.columns) > 30 else "")
        raise DataError(f'{source.origin}: there is no column "{name}". {hint}Columns are: {columns}.')


def _write(plan: Plan, root: Path, staged: Path, project: Project) -> tuple[TrainingResult, DraftCheck, list[str]]:
    """Draft the contract, train, and write everything but the table to the stage.

    Returns:
        The trained version, the check of the drafted contract, and notes of what a person wrote that does not fit.
    """
    import pandas as pd

    release_memory()
    output_type = project.task.output_type
    table = project.load(staged / plan.path, draft_types(plan.roles, plan.numeric, project.features, output_type.TYPE))
    contract = draft(table, plan.roles, project.features)
    draft_check = check_draft(table, plan.roles, plan.target, project.features)
    old_contract = read_contract(root / "expectations")
    derived = [str(name) for name in table if name not in plan.roles]
    if undeclared := [name for name in derived if not plan.readopted or name not in old_contract.all_columns]:
        raise DataError(
            f"{plan.origin}: load in data.py adds {', '.join(undeclared)}, of which expectations/ says nothing. "
            "Nothing was changed. Adopt without it, and then add the column with its rules to both suites."
        )
    if plan.readopted:
        contract = add_derived_columns(contract, old_contract, derived)
        contract = merge_own_expectations(contract, old_contract, {*plan.roles, *derived})
    if project.features.derives:
        derived_table = pd.DataFrame(build_encoder(contract, project.features).derive(table))
        earlier = old_contract.derived if plan.readopted else None
        contract = dataclasses.replace(contract, derived=draft_derived(derived_table, earlier))
    features = [column.name for column in contract.columns]
    allow_leaky = tuple(name for name in features if leaks_target(project.task, table[name], table[plan.target]))
    del table
    split = plan.split.to_settings(plan.old_settings.data.split, keep_options=plan.readopted)
    data = DataConfig(path=plan.path, target=plan.target, allow_leaky=allow_leaky, split=split)
    settings = plan.old_settings.model_copy(update={"data": data, "columns": plan.roles})
    drafted_gate_digest = old_contract.dataset["meta"].get("gate")
    keep_gate = plan.readopted and gate_digest(settings.gate) != drafted_gate_digest
    notes = list[str]()
    if settings.decision and not plan.readopted:
        settings = settings.model_copy(update={"decision": None})
        notes.append(f"{PARAMS}: decision was about the classes of the earlier target, and was left out")
    if settings.class_weight and not plan.readopted:
        settings = settings.model_copy(update={"class_weight": None})
        notes.append(f"{PARAMS}: class_weight was about the classes of the earlier target, and was left out")
    if keep_gate and (lost_slices := [name for name in settings.gate.slices if name not in plan.roles]):
        lost = ", ".join(lost_slices)
        notes.append(f"{PARAMS}: gate.slices named {lost}, which is no column any more, and was left out")
    own_gate = settings.gate.model_copy(
        update={"slices": tuple(name for name in settings.gate.slices if name in plan.roles)}
    )
    open_gate = Gate(
        min_skill=0,
        slices=_slice_features(contract),
        min_slice_rows=30,
        max_regression=settings.gate.max_regression,
    )
    if keep_gate:
        check_slice_limit(own_gate, project.metrics[0])
    settings = settings.model_copy(update={"gate": own_gate if keep_gate else open_gate})
    run = Run(staged, settings, contract)
    publish = CrossValidate(
        project, run, _Publish(plan, root, staged, project, settings, keep_gate, draft_check, notes)
    )
    try:
        return project.train(project, dataclasses.replace(run, publish=publish)), draft_check, notes
    except DataError as error:
        raise DataError(f"{plan.origin}: {error} Learnt from: {', '.join(features)}.", Hint.OTHER_ROLE) from error


@dataclass(frozen=True)
class _Publish:
    """Writes the results of a training to the stage: suites, settings, the version, behaviour cases and READMEs.

    Attributes:
        keep_gate: whether a person set the gate.
        notes: what a person wrote that does not fit any more; calls append to it.
    """

    plan: Plan
    root: Path
    staged: Path
    project: Project
    settings: Settings
    keep_gate: bool
    draft_check: DraftCheck
    notes: list[str]

    def __call__(self, prepared: Prepared, trained: Trained) -> TrainingResult:
        """Draft the gate from the evaluation, unless a person set it, and write everything.

        Raises:
            InputError: the model is no better than the baseline, or does not pass the gate that a person set.
        """
        plan = self.plan
        staged = self.staged
        settings = self.settings
        require_skill(trained, settings, plan.origin)
        if not self.keep_gate:
            settings = settings.model_copy(update={"gate": draft_gate(trained.judged, settings.gate)})
        drafted_digests = [
            digest([name, decision.role]) for name, decision in plan.decisions.items() if not decision.overridden
        ]
        meta = {"roles": drafted_digests, "split": plan.proposal.to_dict()} | (
            {} if self.keep_gate else {"gate": gate_digest(settings.gate)}
        )
        prepared.contract.dataset["meta"] |= meta
        for name, path in SUITES.items():
            if suite := getattr(prepared.contract, name):
                _write_text(staged / path, writers.render_suite(suite))
        old_params = (self.root / PARAMS).read_text(encoding="utf-8")
        _write_text(
            staged / PARAMS,
            writers.render_params(old_params, settings, plan.decisions, self.project.metrics, plan.split.reason),
        )
        read_settings(staged / PARAMS, self.project.settings)
        outcome = PublishVersion(staged, settings, {}, self.root if plan.readopted else staged, self.project)(
            prepared, trained
        )
        self.notes.extend(_write_cases(plan, self.root, staged, prepared, Predictor.load(outcome.folder)))
        _write_readmes(plan, self.root, staged, settings, prepared, self.draft_check)
        return outcome


def _slice_features(contract: Contract) -> tuple[str, ...]:
    candidates = [column for column in contract.columns if 2 <= len(column.categories) <= 10]
    candidates.sort(key=lambda column: len(column.categories))
    return tuple(column.name for column in candidates[:MAX_SLICE_FEATURES])


def _write_cases(plan: Plan, root: Path, staged: Path, prepared: Prepared, predictor: Predictor) -> list[str]:
    """Write the behaviour cases; cases of a person that do not fit the table any more become comments.

    Returns:
        A note that names those cases, if there are any.
    """
    import pandas as pd

    splits = list(prepared.table.frames.values())
    old_cases = read_cases(root / BEHAVIOR) if plan.readopted else {}
    case_type = case_type_of(prepared.contract, plan.target)
    is_answerable = partial(case_type.is_answerable, output_names=prepared.output_names)
    kept = applicable_cases(old_cases, pd.concat(splits), prepared.contract, is_answerable) if old_cases else {}
    merged = merge_cases(kept, case_type.draft_cases(sample_rows(splits), predictor))
    unanswerable = {
        kind: [case for case in cases if not case.get("draft") and case not in merged.get(kind, [])]
        for kind, cases in old_cases.items()
    }
    _write_text(staged / BEHAVIOR, writers.render_behavior(merged, prepared.contract, plan.target, unanswerable))
    names = [f'"{case.get("name", kind)}"' for kind, cases in unanswerable.items() for case in cases]
    note = f"{BEHAVIOR}: the table cannot answer {', '.join(names)} any more, which stays there as a comment"
    return [note] if names else []


def _write_readmes(
    plan: Plan, root: Path, staged: Path, settings: Settings, prepared: Prepared, draft_check: DraftCheck
) -> None:
    import pandas as pd

    data_readme = _read_text(root / DATA_README)
    facts = datasheet.Facts(
        plan.path.name,
        hashlib.sha256((staged / plan.path).read_bytes()).hexdigest(),
        f"{datetime.now(UTC):%Y-%m-%d}",
        plan.target,
        f"{plan.split.phrase}, as {plan.split.reason}",
        plan.decisions,
        plan.may_be_protected,
    )
    table = pd.concat(list(prepared.table.all_frames.values()))
    block = {datasheet.BLOCK_NAME: datasheet.render(facts, table, data_readme)}
    has_block = writers.has_block(data_readme, datasheet.BLOCK_NAME)
    keep_readme = plan.readopted and (plan.path.name in data_readme or has_block)
    marks = (f"{writers.BLOCK_BEGIN}{datasheet.BLOCK_NAME} -->", writers.BLOCK_END)
    _write_text(
        staged / DATA_README, writers.replace_blocks(data_readme if keep_readme else datasheet.blank(*marks), block)
    )
    if (root / README).is_file():
        example_row = prepared.table.test.iloc[0].to_dict()
        blocks = writers.readme_blocks(settings, prepared.contract, draft_check.sentence, example_row)
        _write_text(staged / README, writers.replace_blocks(_read_text(root / README), blocks))
    if (staged / plan.path).stat().st_size > MAX_FILE_BYTES:
        gitignore = _read_text(root / DATA_GITIGNORE)
        line = f"/{plan.path.name}\n"
        _write_text(staged / DATA_GITIGNORE, gitignore if line in gitignore else gitignore + line)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else ""
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: this is not UTF-8, so nothing was changed. Save it as UTF-8.") from error


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
