"""Propose how the rows of a new table are split, with a reason: at random, by group, by time, or by both.

A score is too good if rows of one unit, such as a patient, lie on both sides of the split, or if the test rows are no
later than the training rows. A column is proposed as the group if its name says that it names units, or if rows that
share a value are far more alike than rows that do not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkeel.adopt.column_names import NameKind, is_number_name, is_year_name, name_kind, words
from mlkeel.adopt.infer_roles import RoleDecision
from mlkeel.adopt.likeness import Comparison, Groups, Likeness, determines
from mlkeel.adopt.row_time import choose_time
from mlkeel.config import SPLIT_COLUMNS, SPLIT_OPTIONS, Role, SplitBy, SplitSettings
from mlkeel.data.column_types import numbers
from mlkeel.data.split import split
from mlkeel.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MIN_GROUPS = 10  # with fewer, too few whole groups are held out to judge by
MIN_UNNAMED_GROUPS = 20  # of a column whose name does not say that it names units
MAX_GROUP_SHARE = 0.4  # of the rows; the split that gets a larger group has hardly another
MIN_CLASS_GROUPS = 3  # one for each of train, validation and test
MIN_REPEATED_SHARE = 0.05  # of the rows: those whose value another row has as well
MIN_UNNAMED_REPEATED_SHARE = 0.5
MAX_UNNAMED_GROUP_ROWS = 50  # on average; larger groups are categories
MAX_MISSING_SHARE = 0.1
MIN_YEARS = 5
MAX_RANGE_RATIO = 2  # of the length of a range to the number of its values that are there
MIN_CODE_DIGITS = 4
MAX_LISTED = 3
DEFAULT_SHARES = (0.6, 0.2, 0.2)
NO_STRUCTURE = "no column tells that rows belong together or follow each other"
NO_WAY = "a split by group or time cannot be"
SAMPLE_VALUES = 1000
MAX_NAME_SPACES = 3  # on average; texts with more, or longer ones, are no names
MAX_NAME_CHARS = 60
SOMEWHAT_ALIKE = 0.2  # the part of the difference between rows of different groups that rows of one group lack
MUCH_ALIKE = 0.5
NEARLY_CONSTANT = 0.9
MANY_EXCLUDED = 0.2  # of the rows; so many in no split are worth a word

GROUP_ROLES: frozenset[Role] = frozenset(
    ("numeric", "categorical", "text", "identifier", "duplicate", "leak", "personal", "ignored")
)
YEARS = (1000, 2500)


@dataclass(frozen=True)
class SplitProposal:
    """How the rows of a table are split, and why.

    Attributes:
        by: the kind of split.
        group: the column whose values stay on one side, if it is by group.
        time: the column that orders the rows, if it is by time.
        reason: why, as a user reads it.
        remark: why another split may be right as well; empty if nothing suggests it.
        given: the column that names the split of each row, if a person named one.
    """

    by: SplitBy
    group: str | None
    time: str | None
    reason: str
    remark: str = ""
    given: str | None = None

    @property
    def columns(self) -> dict[str, str]:
        """The columns that it is by, by the names of their settings."""
        columns = {"group": self.group, "time": self.time, "given": self.given}
        return {setting: name for setting, name in columns.items() if name is not None}

    @property
    def phrase(self) -> str:
        """The kind and its columns, in words."""
        return ": ".join([self.by, *([", ".join(self.columns.values())] if self.columns else [])])

    def to_dict(self) -> dict[str, Any]:
        """Return what the suite of the dataset keeps of a proposal, for the model card and the next time."""
        remark = {"remark": self.remark} if self.remark else {}
        return {"by": self.by, **self.columns, "reason": self.reason, **remark}

    def to_settings(self, old: SplitSettings, *, keep_options: bool) -> SplitSettings:
        """Return settings with the shares of the old ones, and with their options if those are to be kept."""
        shares = zip(("train", "validation", "test"), old.shares if all(old.shares) else DEFAULT_SHARES, strict=True)
        options = {name: value for name in SPLIT_OPTIONS[self.by] if keep_options and (value := getattr(old, name))}
        return SplitSettings.model_validate({"by": self.by} | self.columns | options | dict(shares))


def parse_split(text: str) -> SplitProposal:
    """Parse a split that a person chose, such as `random`, `group:patient` or `group_time:patient,visited`.

    Raises:
        DataError: it is none.
    """
    kind, _, rest = text.partition(":")
    by = next((known for known in SPLIT_COLUMNS if known == kind), None)
    needed = SPLIT_COLUMNS[by] if by else ()
    listed = rest.split(",") if len(needed) > 1 else [rest]  # a name may hold a comma
    names = [name.strip() for name in listed] if rest else []
    if by is None or len(names) != len(needed) or not all(names):
        raise DataError(
            f"--split {text}: write random, stratified, group:column, time:column, group_time:column,column or "
            "given:column."
        )
    columns = dict(zip(needed, names, strict=True))
    return SplitProposal(by, columns.get("group"), columns.get("time"), "given", given=columns.get("given"))


def require_splittable(
    proposal: SplitProposal, table: "pd.DataFrame", target: str, old: SplitSettings, *, classification: bool
) -> SplitProposal:
    """Return the proposal, or one by chance if it would leave a split empty, or the training rows without a class.

    If it leaves many rows in no split, a remark says how many, and what uses them.

    Args:
        proposal: how to split the rows.
        table: texts, shape (n, columns), with times as dates in ISO 8601.
        target: the column to predict.
        old: settings with the shares of the splits.
        classification: whether the target holds classes.
    """
    if not proposal.columns:
        return proposal
    columns = table[[*proposal.columns.values(), target]]
    if proposal.time and (moments := numbers(columns[proposal.time].dropna(), lenient=True)) is not None:
        columns = columns.assign(**{proposal.time: moments})
    try:
        splits = split(columns, proposal.to_settings(old, keep_options=False))
    except DataError as error:
        problem = str(error).rstrip(".")
    else:
        lost_classes = set(table[target]) - set(splits.train[target]) if classification else set()
        if not lost_classes:
            remarks = [proposal.remark, _excluded_remark(proposal, splits.description.excluded_rows, len(table))]
            return replace(proposal, remark="; ".join(filter(None, remarks)))
        problem = f"the training rows would lack {', '.join(sorted(lost_classes)[:MAX_LISTED])}"
    reason = f"the score may be too good: {proposal.reason}; the split is not by {proposal.phrase}, as it cannot be"
    remark = "; ".join([f"{reason} ({problem})", *([proposal.remark] if proposal.remark else [])])
    return SplitProposal("stratified" if classification else "random", None, None, NO_WAY, remark)


def _excluded_remark(proposal: SplitProposal, excluded: int, rows: int) -> str:
    """Say how many rows are in no split, and which splits use them; empty if they are few."""
    if excluded < MANY_EXCLUDED * rows:
        return ""
    return (
        f"{excluded:,} of {rows:,} rows are in no split, since others with the same {proposal.group} are on another "
        f"side; all are used by --split time:{proposal.time}, which is right if answers are needed for values of "
        f"{proposal.group} that the table knows, and by --split group:{proposal.group}, if what is learnt does not age"
    )


def decide_split(proposal: SplitProposal, chosen: SplitProposal | None, earlier: SplitSettings | None) -> SplitProposal:
    """Return the split that applies: the one that a person chose for this run or before, or else the proposal.

    `earlier` are the settings that a person chose before, None if there are none.
    """
    if chosen is None and earlier is not None:
        chosen = SplitProposal(earlier.by, earlier.group, earlier.time, "yours", given=earlier.given)
    if chosen is None or chosen.phrase == proposal.phrase:
        return proposal
    return replace(chosen, reason=f"{chosen.reason}; adopt would split by {proposal.phrase}: {proposal.reason}")


def was_drafted(settings: SplitSettings, drafted: Mapping[str, Any] | None) -> bool:
    """Whether the settings are those that `adopt` drafted; before it drafted any, the split was random."""
    by, *columns = ((drafted or {"by": "random"}).get(name) for name in ("by", "group", "time"))
    return (settings.by, settings.group, settings.time) == (by, *columns)


def infer_split(
    table: "pd.DataFrame", decisions: Mapping[str, RoleDecision], target: str, *, classification: bool
) -> SplitProposal:
    """Propose how to split the rows.

    Args:
        table: texts, shape (n, columns), each row with a target.
        decisions: the role of each column.
        target: the column to predict.
        classification: whether the target holds classes rather than numbers.
    """
    comparison = Comparison(table, decisions, target, classification)
    units = [unit for name in decisions if name != target and (unit := _unit(name, comparison))]
    unit = _best([unit for unit in units if not unit.doubt])
    group = unit.name if unit else None
    time, time_reason, time_remarks = choose_time(comparison.table, decisions, group, unit.groups if unit else None)
    remark = "; ".join([*_group_remarks(units, unit), *time_remarks, *_year_remarks(table, decisions)])
    if unit and time:
        return SplitProposal("group_time", group, time, f"{unit.reason}; and {time_reason}", remark)
    if unit:
        return SplitProposal("group", group, None, unit.reason, remark)
    if time:
        return SplitProposal("time", None, time, time_reason, remark)
    if classification:
        return SplitProposal("stratified", None, None, f"{NO_STRUCTURE}; classes keep their shares", remark)
    return SplitProposal("random", None, None, NO_STRUCTURE, remark)


@dataclass(frozen=True)
class _Unit:
    """A column that may name units.

    Attributes:
        name: of the column.
        groups: the rows by its values.
        strength: by which one column is preferred to another; greater is stronger.
        reason: why rows of one of its values belong together.
        doubt: why it is not proposed; empty if it is.
    """

    name: str
    groups: Groups
    strength: float
    reason: str
    doubt: str


def _unit(name: str, comparison: Comparison) -> _Unit | None:
    """Return a column as a unit, perhaps with a doubt; None if nothing suggests that it is one."""
    decision = comparison.decisions[name]
    values = comparison.table[name]
    if decision.role not in GROUP_ROLES or comparison.codes(name).max() == len(values) - 1 or _is_measurement(values):
        return None
    kind: NameKind = "unit" if _identifies(decision) else name_kind(name)
    groups = Groups.of(values)
    n_groups = len(groups.sizes)
    is_named = kind in ("unit", "unit_number")
    if n_groups < 3 or groups.repeated_share < (MIN_REPEATED_SHARE if is_named else MIN_UNNAMED_REPEATED_SHARE):
        return None
    is_few = n_groups < (MIN_GROUPS if is_named else MIN_UNNAMED_GROUPS)
    if is_few and kind != "unit":
        return None
    likeness = Likeness.of(name, groups, comparison)
    if not _is_unit(kind, likeness, groups, name, comparison):
        return None
    reason = _reason(name, groups, likeness, comparison.target)
    doubt = f"its {n_groups} values are too few to hold whole ones out" if is_few else ""
    doubt = doubt or _doubt(kind, groups, name, comparison)
    return _Unit(name, groups, 2.0 * is_named + likeness.target + likeness.share(SOMEWHAT_ALIKE), reason, doubt)


def _identifies(decision: RoleDecision) -> bool:
    return decision.role == "personal" or (decision.role == "identifier" and decision.overridden)


def _is_measurement(values: "pd.Series[str]") -> bool:
    """Whether a column holds fractions, perhaps with marks such as <, or texts of many words."""
    import pandas as pd

    present = values.dropna().drop_duplicates().head(SAMPLE_VALUES)
    numeric = pd.to_numeric(present.str.lstrip("<>=~≤≥ "), errors="coerce").dropna()
    if 2 * len(numeric) > len(present) and (numeric % 1 != 0).any():
        return True
    return bool(present.str.count(r"\s+").mean() >= MAX_NAME_SPACES or present.str.len().mean() > MAX_NAME_CHARS)


def _is_unit(kind: NameKind, likeness: Likeness, groups: Groups, name: str, comparison: Comparison) -> bool:
    """Whether name and likeness together suggest that the rows of a group are of one unit."""
    is_numeric = comparison.is_numeric(name)
    decision = comparison.decisions[name]
    if kind == "unit" and ("id" in words(name) or _identifies(decision)):
        return True
    if kind == "unit" and not is_numeric and comparison.table[name].dropna().str.contains(r"\d").mean() > 0.5:
        return True  # words may name subjects at school
    if kind in ("unit", "unit_number", "identifier"):
        target = likeness.target_beyond_order if is_numeric else likeness.target
        return target >= SOMEWHAT_ALIKE or likeness.share(SOMEWHAT_ALIKE) >= 1 / 3
    if groups.sizes.mean() > MAX_UNNAMED_GROUP_ROWS:
        return False
    alike = likeness.alike(MUCH_ALIKE)
    is_often_alike = likeness.share(SOMEWHAT_ALIKE) >= 1 / 3
    if likeness.target >= SOMEWHAT_ALIKE and is_often_alike and _is_panel(groups, comparison):
        return True
    is_same_target = likeness.target >= NEARLY_CONSTANT and is_often_alike
    are_same_rows = len(alike) >= 2 and 2 * len(alike) >= len(likeness.columns) and likeness.target >= SOMEWHAT_ALIKE
    return is_same_target or are_same_rows


def _doubt(kind: NameKind, groups: Groups, name: str, comparison: Comparison) -> str:
    """Return why groups are not split by although they look like units; empty if they can be."""
    if groups.sizes.max() > MAX_GROUP_SHARE * len(groups.codes):
        return f"one of its values has {groups.sizes.max() / len(groups.codes):.0%} of the rows"
    if (missing := float((groups.codes < 0).mean())) > MAX_MISSING_SHARE:
        return f"it is missing in {missing:.0%} of the rows"
    if comparison.classification:
        pairs = np.unique(comparison.codes(comparison.target) * (len(groups.sizes) + 1) + groups.codes + 1)
        if np.bincount(pairs // (len(groups.sizes) + 1)).min() < MIN_CLASS_GROUPS:
            return f"a class is in fewer than {MIN_CLASS_GROUPS} of its values, too few for three splits"
    if kind == "category" and not _is_panel(groups, comparison):
        return "its name says that it names a category, whose values new rows are likely to have as well"
    if kind == "other" and comparison.is_numeric(name) and not _are_codes(comparison.table[name], name):
        return "its values look like amounts"
    return ""


def _are_codes(values: "pd.Series[str]", name: str) -> bool:
    """Whether whole numbers are identifiers: by their name, or nearly all of a range, or of one length."""
    if is_number_name(name):
        return True
    numeric = numbers(values.dropna())
    if numeric is None:
        return False
    lengths = numeric.abs().astype(np.int64).astype("str").str.len()
    is_range = numeric.max() - numeric.min() + 1 <= MAX_RANGE_RATIO * numeric.nunique()
    return bool(is_range or (lengths.nunique() == 1 and lengths.iloc[0] >= MIN_CODE_DIGITS))


def _is_panel(groups: Groups, comparison: Comparison) -> bool:
    """Whether each group has one row a year, as countries have, in a table without times."""
    if any(decision.role == "time" for decision in comparison.decisions.values()):
        return False
    for name, decision in comparison.decisions.items():
        if decision.role != "numeric" or not _is_year(name, comparison.table[name]):
            continue
        years = comparison.codes(name)
        n_years = int(years.max()) + 1
        pairs = np.unique(groups.codes * (n_years + 1) + years)
        n_rows = len(years)
        if len(pairs) >= 0.98 * n_rows and n_rows >= 0.3 * len(groups.sizes) * n_years:
            return True
    return False


def _is_year(name: str, values: "pd.Series[str]") -> bool:
    if not is_year_name(name):
        return False
    years = numbers(values.dropna())
    if years is None or (years % 1 != 0).any() or years.nunique() < MIN_YEARS:
        return False
    return bool(years.between(*YEARS).all())


def _reason(name: str, groups: Groups, likeness: Likeness, target: str) -> str:
    """Say why the rows of a group belong together."""
    count = f"{len(groups.sizes):,} values, {groups.sizes.mean():.3g} rows each on average"
    much_alike = likeness.alike(MUCH_ALIKE)
    alike = much_alike or likeness.alike(SOMEWHAT_ALIKE)
    if SOMEWHAT_ALIKE <= likeness.target < NEARLY_CONSTANT:
        alike = [target, *alike]
    listed = ", ".join(alike[:MAX_LISTED]) + (", …" if len(alike) > MAX_LISTED else "")
    facts = []
    if likeness.target >= NEARLY_CONSTANT:
        facts.append(f"nearly always have the same {target}")
    if alike:
        facts.append(f"are {'far ' if much_alike else ''}more alike than others in {listed}")
    if not facts:
        return f"{name} names units by its name ({count})"
    return f"rows with the same {name} ({count}) {' and '.join(facts)}"


def _best(units: list[_Unit]) -> _Unit | None:
    """Return the strongest unit, or one that holds it whole, so that neither is on both sides."""
    if not units:
        return None
    best = max(units, key=lambda unit: unit.strength)
    for unit in units:
        if len(unit.groups.sizes) < len(best.groups.sizes) and determines(best.groups.codes, unit.groups.codes):
            best = unit
    return best


def _group_remarks(units: list[_Unit], group: _Unit | None) -> list[str]:
    """Say which other columns may name units that are on both sides of the split."""
    remarks = []
    for unit in units:
        if unit is group or (group and determines(unit.groups.codes, group.groups.codes)):
            continue
        if group and unit.doubt and determines(group.groups.codes, unit.groups.codes):
            continue
        why = unit.doubt or f"it is by {group.name if group else unit.name}"
        remarks.append(f"{unit.reason}; the split is not by {unit.name}, as {why}, so the score may be too good")
    return remarks


def _year_remarks(table: "pd.DataFrame", decisions: Mapping[str, RoleDecision]) -> list[str]:
    """Say which columns of years may order the rows; a year may as well be a property, as of a car."""
    return [
        f"{name} holds {table[name].nunique():,} years; if the model is to answer for later ones, split by time"
        for name, decision in decisions.items()
        if decision.role == "numeric" and _is_year(name, table[name])
    ]
