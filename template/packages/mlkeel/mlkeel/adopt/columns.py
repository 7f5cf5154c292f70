"""Decide what each column of a new table is, and say why.

The table holds texts, as `source.py` reads it. A decision is a role and a reason; a person's own role goes before ours.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from mlkeel.config import Role
from mlkeel.data.kinds import NAMES_OF_IDENTIFIERS, codes_of, listed, not_numbers, numbers, personal, short, times
from mlkeel.errors import DataError
from mlkeel.features.encoder import Features
from mlkeel.tasks.task import Targets

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES = 100  # more of them are too many to list in a contract
FEWEST = 20  # present values, and as a share of the rows:
LEAST = 0.05
LARGEST = 1e37  # that single precision holds with room
WITHOUT_SPACES = (
    "[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U0001f300-\U0001faff]"  # signs, about two a word
)
TRUTHS = ({"0", "1"}, {"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"on", "off"})


@dataclass(frozen=True)
class Decision:
    """What a column is, and why, and whether a model learns from it."""

    role: Role
    reason: str
    by_a_person: bool = False
    is_feature: bool = False


def roles(words: list[str]) -> dict[str, Role]:
    """From `column=role` for each of `words` to the role of each column.

    Raises:
        DataError: there is no such role.
    """
    found: dict[str, Role] = {}
    for word in words:
        name, _, role = word.rpartition("=")
        known: tuple[Role, ...] = get_args(Role)
        if not name or role not in known:
            raise DataError(f"--role {word}: write column=role, with one of {', '.join(known)}.")
        found[name] = next(one for one in known if one == role)
    return found


def decide(
    table: "pd.DataFrame",
    target: str,
    given: Mapping[str, Role],
    overrules: Mapping[str, Role],
    targets: Targets,
    features: Features,
) -> dict[str, Decision]:
    """Decide on each column of `table`, shape (n, columns), in which `target` is to be predicted.

    `given` are roles named for this run; `overrules` are those of an earlier one, which hold wherever they differ.

    Raises:
        DataError: a role that a person chose does not fit the column.
    """
    decisions = {target: Decision("target", targets.seen(table[target]))}
    judge = _Judge(targets, targets.coded(table[target]), features)
    for name in table.columns:
        if name == target:
            continue
        values = table[name]
        fresh = judge.decide(values, name)
        if role := given.get(name):
            fresh = Decision(_fitting(role, values), f"given, {_seen(values, role)}", True)
        elif (role := overrules.get(name)) and role != fresh.role:
            fresh = Decision(_fitting(role, values), f"yours; adopt would say {fresh.role}: {fresh.reason}", True)
        learnt = fresh.role in features.roles
        decisions[name] = Decision(fresh.role, fresh.reason + _missing(values), fresh.by_a_person, learnt)
    return {name: decisions[name] for name in table.columns}


@dataclass
class _Judge:
    """Decides on columns one after the other; `seen` are those so far, by a hash of what they say."""

    targets: Targets
    truth: npt.NDArray[Any]
    features: Features
    seen: dict[bytes, str] = field(default_factory=dict)

    def decide(self, values: "pd.Series[str]", name: str) -> Decision:
        """Decide on one column, after those before it."""
        present = values.dropna()
        if len(present) < max(FEWEST, LEAST * len(values)):
            return Decision("ignored", f"a value in {len(present):,} of {len(values):,} rows only")
        codes = codes_of(values)
        different = int(codes.max()) + 1
        if different == 1 and len(present) == len(values):
            return Decision("constant", f"always {short(present.iloc[0])}")
        number = numbers(present)
        if number is not None and number.abs().max() > LARGEST:
            return Decision("ignored", "numbers too large for single precision")
        if number is not None and number.nunique() == 1:
            if different > 1:
                return Decision("constant", f"always {number.iloc[0]:g}")
            number = None  # there or not there: a category
        if number is not None and _counts(number, name):
            return Decision("row_number", "counts the rows")
        if self.targets.same(codes, self.truth):
            return Decision("leak", "says the same as the target in other words")
        same = codes.tobytes() if different <= len(present) / 2 else values.to_csv(index=False, header=False).encode()
        if (first := self.seen.setdefault(hashlib.sha256(same).digest(), name)) != name:
            return Decision("duplicate", f"says the same as {first}")
        if what := personal(present, name):
            return Decision("personal", f"holds {what}")
        decision = _number(number, name, different) if number is not None else _words(present, different, self.features)
        values_or_codes = codes if number is None else number.reindex(values.index)
        if decision.role in self.features.roles and self.targets.gives_away(values_or_codes, self.truth):
            return Decision("leak", "gives the target away in every row")
        return decision


def _counts(number: "pd.Series[float]", name: str) -> bool:
    """Whether whole numbers run from 0 or 1 without a gap, in order or, under a name that says so, in any order."""
    if number.min() not in (0, 1) or number.max() - number.min() != len(number) - 1 or not number.is_unique:
        return False
    named = re.fullmatch(r"unnamed.*|x|index|row.*|column_1|#|no|nr|id", name, re.IGNORECASE)
    return bool(named) or bool(number.is_monotonic_increasing)


def _number(number: "pd.Series[float]", name: str, different: int) -> Decision:
    whole = bool((number % 1 == 0).all())
    if number.astype(np.float32).nunique() < different / 2:
        return Decision("ignored", "numbers that differ too little for single precision; subtract what they share")
    if whole and different == len(number) and (NAMES_OF_IDENTIFIERS.search(name) or _counts_on(number)):
        return Decision("identifier", f"{different:,} different whole numbers, each once")
    if set(number.unique()) == {0.0, 1.0}:
        return Decision("boolean", _seen(number, "boolean"))
    return Decision("numeric", _seen(number, "numeric"))


def _counts_on(number: "pd.Series[float]") -> bool:
    """Whether numbers rise in even steps, or with few gaps, as identifiers do and sorted amounts do not."""
    steps = number.diff().iloc[1:]
    return bool((steps > 0).all()) and (steps.nunique() == 1 or number.max() - number.min() < 2 * len(number))


def _words(present: "pd.Series[str]", different: int, features: Features) -> Decision:
    import pandas as pd

    if set(present.str.lower().unique()) in TRUTHS:
        return Decision("boolean", listed(present))
    if (moments := times(present)) is not None:
        return Decision("time", f"from {moments.min():%Y-%m-%d} to {moments.max():%Y-%m-%d}")
    words = (
        float(present.head(1000).str.count(WITHOUT_SPACES).mean() / 2 + present.head(1000).str.count(r"\s+").mean()) + 1
    )
    if different <= max(10, min(CATEGORIES, len(present) / 5)):
        return Decision("categorical", listed(present))
    odd = present[pd.to_numeric(present, errors="coerce").isna()]
    if 0 < len(odd) < len(present) / 10:
        shown = ", ".join(map(short, odd.unique()[:2]))
        return Decision(
            "ignored", f"numbers but for {len(odd):,} values, such as {shown}; empty those to learn from it"
        )
    if words >= 3 or present.str.len().mean() > 50:
        return Decision("text", f"{words:.0f} words on average, {different:,} different texts")
    if different == len(present):
        return Decision("identifier", f"{different:,} different values, each once")
    if "text" in features.roles:
        return Decision("text", f"{words:.0f} words on average, {different:,} different texts")
    return Decision("ignored", f"{different:,} different texts in {len(present):,} rows are too many for categories")


def _fitting(role: Role, values: "pd.Series[str]") -> Role:
    """The role that a person chose, if the column can have it."""
    present = values.dropna()
    if role == "target":
        return "ignored"  # of an earlier run
    number = numbers(present, lenient=True)
    if role in ("numeric", "time", "categorical", "boolean") and present.empty:
        raise DataError(f"{values.name} cannot be {role}: it holds no value. Choose another role for the column.")
    if role == "numeric" and number is None:
        odd = short(not_numbers(present).iloc[0])
        raise DataError(f"{values.name} cannot be numeric: it holds {odd}. Correct it, or the role of the column.")
    if role == "time" and number is None and times(present) is None:
        raise DataError(
            f"{values.name} cannot be a time: its values have no common form, for example {short(present.iloc[0])}. "
            "Write them like 2026-11-22 or 2026-11-22 14:30, or choose another column."
        )
    return role


def _missing(values: "pd.Series[str]") -> str:
    share = float(values.isna().mean())
    return f", {share:.1%} missing" if 0 < share < 1 - LEAST else ""


def _seen(values: "pd.Series[Any]", role: Role) -> str:
    if role in ("numeric", "boolean") and (number := numbers(values.dropna())) is not None and len(number):
        return f"numbers from {number.min():.6g} to {number.max():.6g}"
    return f"{values.nunique():,} different values"
