"""Infer the role of each column of a new table, with a reason.

The table holds texts, as `reader.py` reads it. A role that a person chose takes precedence over the inferred one.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from mlkeel.config import PROTECTED_ROLES, Role
from mlkeel.data.column_types import (
    IDENTIFIER_NAME,
    codes_of,
    describe_values,
    invalid_numbers,
    numbers,
    personal_data_type,
    shorten,
    times,
)
from mlkeel.errors import DataError
from mlkeel.features.encoder import Features
from mlkeel.tasks.task import TargetChecks

if TYPE_CHECKING:
    import pandas as pd

MAX_CATEGORIES = 100  # more are too many to list in a contract
MIN_PRESENT_ROWS = 20
MIN_PRESENT_SHARE = 0.05
MAX_ABS_VALUE = 1e37  # single precision holds up to 3.4e38
UNSPACED_SCRIPTS = (
    "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U0001f300-\U0001faff]"  # about two characters a word
)
BOOLEAN_WORDS = ({"0", "1"}, {"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"on", "off"})


@dataclass(frozen=True)
class RoleDecision:
    """The role of a column, with its reason, and whether a model learns from it."""

    role: Role
    reason: str
    overridden: bool = False
    is_feature: bool = False


def parse_roles(assignments: list[str]) -> dict[str, Role]:
    """Parse `assignments`, each of the form `column=role`, to the role of each column.

    Raises:
        DataError: there is no such role.
    """
    role_by_column: dict[str, Role] = {}
    for assignment in assignments:
        name, _, role = assignment.rpartition("=")
        known: tuple[Role, ...] = get_args(Role)
        if not name or role not in known:
            raise DataError(f"--role {assignment}: write column=role, with one of {', '.join(known)}.")
        role_by_column[name] = next(known_role for known_role in known if known_role == role)
    return role_by_column


def infer_roles(
    table: "pd.DataFrame",
    target: str,
    overrides: Mapping[str, Role],
    earlier_overrides: Mapping[str, Role],
    target_checks: TargetChecks,
    features: Features,
) -> dict[str, RoleDecision]:
    """Infer the role of each column.

    Args:
        table: texts, shape (n, columns).
        target: the column to predict.
        overrides: roles that a person chose for this run.
        earlier_overrides: roles that a person chose before; they apply where they differ from the inferred role.
        target_checks: checks of the target, by task.
        features: the roles that a model learns from.

    Raises:
        DataError: a role that a person chose does not fit the column.
    """
    decisions = {target: RoleDecision("target", target_checks.describe(table[target]))}
    inferrer = _RoleInferrer(target_checks, target_checks.encode(table[target]), features)
    for name in table.columns:
        if name == target:
            continue
        values = table[name]
        decision = inferrer.infer(values, name)
        if role := overrides.get(name):
            decision = RoleDecision(_checked_role(role, values), f"given, {_summary(values, role)}", True)
        elif (role := earlier_overrides.get(name)) and role != decision.role:
            reason = f"yours; adopt would say {decision.role}: {decision.reason}"
            decision = RoleDecision(_checked_role(role, values), reason, True)
        reason = decision.reason + _missing_share(values)
        is_feature = decision.role in features.roles
        decisions[name] = RoleDecision(decision.role, reason, decision.overridden, is_feature)
    weights = [str(name) for name, decision in decisions.items() if decision.role == "weight"]
    if len(weights) > 1:
        raise DataError(f"{' and '.join(weights)} have the role weight; one column holds the weights. Change a role.")
    return {name: decisions[name] for name in table.columns}


@dataclass
class _RoleInferrer:
    """Infers roles column by column; `columns_by_digest` finds duplicates of earlier columns."""

    target_checks: TargetChecks
    y_true: npt.NDArray[Any]
    features: Features
    columns_by_digest: dict[bytes, str] = field(default_factory=dict)

    def infer(self, values: "pd.Series[str]", name: str) -> RoleDecision:
        """Infer the role of one column from its values and its name."""
        present = values.dropna()
        if len(present) < max(MIN_PRESENT_ROWS, MIN_PRESENT_SHARE * len(values)):
            return RoleDecision("ignored", f"a value in {len(present):,} of {len(values):,} rows only")
        codes = codes_of(values)
        n_distinct = int(codes.max()) + 1
        numeric = numbers(present)
        if decision := _without_information(present, numeric, n_distinct, has_missing=len(present) < len(values)):
            return decision
        if n_distinct == 1:
            numeric = None  # one value or none: a category
        if numeric is not None and _is_row_number(numeric, name):
            return RoleDecision("row_number", "counts the rows")
        if self.target_checks.is_copy(codes, self.y_true):
            return RoleDecision("leak", "says the same as the target in other words")
        if original := self._original(values, codes, name):
            return RoleDecision("duplicate", f"says the same as {original}")
        if kind := personal_data_type(present, name):
            return RoleDecision("personal", f"holds {kind}")
        if numeric is None:
            return self._unless_leak(_text_decision(present, n_distinct, self.features), codes)
        return self._unless_leak(_numeric_decision(numeric, name, n_distinct), numeric.reindex(values.index))

    def _unless_leak(
        self, decision: RoleDecision, values_or_codes: "npt.NDArray[np.int64] | pd.Series[float]"
    ) -> RoleDecision:
        """Return `decision`, or that the column is a leak if it would be a feature and gives the target away."""
        if decision.role in self.features.roles and self.target_checks.leaks_target(values_or_codes, self.y_true):
            return RoleDecision("leak", "gives the target away in every row")
        return decision

    def _original(self, values: "pd.Series[str]", codes: npt.NDArray[np.int64], name: str) -> str | None:
        """Return the earlier column that this one repeats, None if it is the first of its kind."""
        # Codes are equal if categories were renamed; with mostly distinct values they would be equal by chance.
        by_codes = int(codes.max()) + 1 <= values.count() / 2
        content = codes.tobytes() if by_codes else values.to_csv(index=False, header=False).encode()
        original = self.columns_by_digest.setdefault(hashlib.sha256(content).digest(), name)
        return None if original == name else original


def _without_information(
    present: "pd.Series[str]", numeric: "pd.Series[float] | None", n_distinct: int, *, has_missing: bool
) -> RoleDecision | None:
    """Return the decision for a column with one value, perhaps in several spellings, or with too large numbers."""
    if n_distinct == 1 and not has_missing:
        return RoleDecision("constant", f"always {shorten(present.iloc[0])}")
    if numeric is not None and numeric.abs().max() > MAX_ABS_VALUE:
        return RoleDecision("ignored", "numbers too large for single precision")
    if n_distinct > 1 and numeric is not None and numeric.nunique() == 1:
        return RoleDecision("constant", f"always {numeric.iloc[0]:g}")
    return None


def _is_row_number(numeric: "pd.Series[float]", name: str) -> bool:
    """Whether integers run from 0 or 1 without a gap, in order or, if the name says so, in any order."""
    if numeric.min() not in (0, 1) or numeric.max() - numeric.min() != len(numeric) - 1 or not numeric.is_unique:
        return False
    name_says_so = re.fullmatch(r"unnamed.*|x|index|row.*|column_1|#|no|nr|id", name, re.IGNORECASE)
    return bool(name_says_so) or bool(numeric.is_monotonic_increasing)


def _numeric_decision(numeric: "pd.Series[float]", name: str, n_distinct: int) -> RoleDecision:
    all_integers = bool((numeric % 1 == 0).all())
    if numeric.astype(np.float32).nunique() < n_distinct / 2:
        return RoleDecision("ignored", "numbers that differ too little for single precision; subtract what they share")
    if all_integers and n_distinct == len(numeric) and (IDENTIFIER_NAME.search(name) or _is_serial(numeric)):
        return RoleDecision("identifier", f"{n_distinct:,} different whole numbers, each once")
    if set(numeric.unique()) == {0.0, 1.0}:
        return RoleDecision("boolean", _summary(numeric, "boolean"))
    return RoleDecision("numeric", _summary(numeric, "numeric"))


def _is_serial(numeric: "pd.Series[float]") -> bool:
    """Whether numbers rise in even steps, or with few gaps, as identifiers do and sorted amounts do not."""
    steps = numeric.diff().iloc[1:]
    return bool((steps > 0).all()) and (steps.nunique() == 1 or numeric.max() - numeric.min() < 2 * len(numeric))


def _text_decision(present: "pd.Series[str]", n_distinct: int, features: Features) -> RoleDecision:
    import pandas as pd

    if set(present.str.lower().unique()) in BOOLEAN_WORDS:
        return RoleDecision("boolean", describe_values(present))
    if (timestamps := times(present)) is not None:
        return RoleDecision("time", f"from {timestamps.min():%Y-%m-%d} to {timestamps.max():%Y-%m-%d}")
    head = present.head(1000)
    mean_words = float(head.str.count(UNSPACED_SCRIPTS).mean() / 2 + head.str.count(r"\s+").mean()) + 1
    if n_distinct <= max(10, min(MAX_CATEGORIES, len(present) / 5)):
        return RoleDecision("categorical", describe_values(present))
    non_numeric = present[pd.to_numeric(present, errors="coerce").isna()]
    if 0 < len(non_numeric) < len(present) / 10:
        examples = ", ".join(map(shorten, non_numeric.unique()[:2]))
        return RoleDecision(
            "ignored", f"numbers but for {len(non_numeric):,} values, such as {examples}; empty those to learn from it"
        )
    if mean_words >= 3 or present.str.len().mean() > 50:
        return RoleDecision("text", f"{mean_words:.0f} words on average, {n_distinct:,} different texts")
    if n_distinct == len(present):
        return RoleDecision("identifier", f"{n_distinct:,} different values, each once")
    if "text" in features.roles:
        return RoleDecision("text", f"{mean_words:.0f} words on average, {n_distinct:,} different texts")
    return RoleDecision(
        "ignored", f"{n_distinct:,} different texts in {len(present):,} rows are too many for categories"
    )


def _checked_role(role: Role, values: "pd.Series[str]") -> Role:
    """Return the role that a person chose, if the column can have it.

    Raises:
        DataError: it cannot.
    """
    present = values.dropna()
    if role == "target":
        return "ignored"  # the target of an earlier run
    numeric = numbers(present, lenient=True)
    if role in ("numeric", "time", "categorical", "boolean", *PROTECTED_ROLES) and present.empty:
        raise DataError(f"{values.name} cannot be {role}: it holds no value. Choose another role for the column.")
    if role == "numeric" and numeric is None:
        example = shorten(invalid_numbers(present).iloc[0])
        raise DataError(f"{values.name} cannot be numeric: it holds {example}. Correct it, or the role of the column.")
    if role == "weight":
        _check_weights(values, numeric)
    if role == "time" and numeric is None and times(present) is None:
        raise DataError(
            f"{values.name} cannot be a time: its values have no common form, for example {shorten(present.iloc[0])}. "
            "Write them like 2026-11-22 or 2026-11-22 14:30, or choose another column."
        )
    if role in PROTECTED_ROLES and numeric is None and present.nunique() > MAX_CATEGORIES:
        raise DataError(
            f"{values.name} cannot be {role}: {present.nunique():,} different texts are no groups to compare. Add a "
            "column with fewer, such as regions or decades, or numbers, which are cut into quarters."
        )
    return role


def _check_weights(values: "pd.Series[str]", numeric: "pd.Series[float] | None") -> None:
    """Check that a column can hold the weights of rows.

    Raises:
        DataError: it holds something else than numbers from 0 up, or nothing in some rows.
    """
    remedy = "Correct it, or choose another role for the column."
    if missing := int(values.isna().sum()):
        raise DataError(f"{values.name} cannot be weight: it has no value in {missing:,} rows. {remedy}")
    if numeric is None:
        example = shorten(invalid_numbers(values).iloc[0])
        raise DataError(f"{values.name} cannot be weight: it holds {example}. {remedy}")
    if numeric.min() < 0 or not numeric.any():
        problem = f"it holds {numeric.min():g}" if numeric.min() < 0 else "it is 0 in each row"
        raise DataError(f"{values.name} cannot be weight: {problem}. {remedy}")


def _missing_share(values: "pd.Series[str]") -> str:
    share = float(values.isna().mean())
    return f", {share:.1%} missing" if 0 < share < 1 - MIN_PRESENT_SHARE else ""


def _summary(values: "pd.Series[Any]", role: Role) -> str:
    may_be_numeric = role in ("numeric", "boolean", "weight", *PROTECTED_ROLES)
    if may_be_numeric and (numeric := numbers(values.dropna())) is not None and len(numeric):
        return f"numbers from {numeric.min():.6g} to {numeric.max():.6g}"
    return f"{values.nunique():,} different values"
