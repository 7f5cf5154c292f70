"""Check a drafted contract: how many held-out samples it rejects, and how many planted faults it detects.

Both are measured on the table itself. Suites are drafted from two thirds of its rows and checked on the other third,
ten times; and each fault of `faults/tables.py` is planted once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlkeel.config import Role
from mlkeel.contract.suites import Contract, expectation_name
from mlkeel.contract.validate import ExpectationResult, check
from mlkeel.drafts.draft import draft
from mlkeel.faults.tables import FaultContext
from mlkeel.faults.targets import faults_of
from mlkeel.features.encoder import Features

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = 10
MAX_ROWS = 20_000  # so that a check takes seconds
MAX_FEATURES = 40


@dataclass(frozen=True)
class DraftCheck:
    """How many held-out samples a drafted contract rejects, and how many planted faults it misses.

    Attributes:
        samples: the number of held-out samples.
        rejected: for each rejected sample, the name of the first critical expectation that failed.
        planted: the number of planted faults.
        missed: the names of the faults that no expectation detected.
    """

    samples: int
    rejected: list[str]
    planted: int
    missed: list[str]

    @property
    def sentence(self) -> str:
        """Both rates, in words."""
        reasons = f" ({', '.join(dict.fromkeys(self.rejected))})" if self.rejected else ""
        missed = f" (not: {', '.join(self.missed)})" if self.missed else ""
        return (
            f"The drafted suites rejected {len(self.rejected)} of {self.samples} held-out samples{reasons} and noticed "
            f"{self.planted - len(self.missed)} of {self.planted} planted faults{missed}."
        )


def check_draft(
    table: "pd.DataFrame", roles: Mapping[str, Role], target: str, features: Features, times: int = SAMPLES
) -> DraftCheck:
    """Check drafts on `table`, shape (n, columns), or on a sample of its rows and its first features if it is large.

    Args:
        table: the table, with the types of `draft_types`.
        roles: the role of each column.
        target: the column to predict.
        features: the roles that a model learns from.
        times: the number of held-out samples.
    """
    rng = np.random.default_rng(7)
    roles = _limit_features(roles, features)
    rows = table[list(roles)]
    rows = rows if len(rows) <= MAX_ROWS else rows.iloc[np.sort(rng.choice(len(rows), MAX_ROWS, replace=False))]
    rows = rows.reset_index(drop=True)
    rejected = []
    for _ in range(times):
        order = rng.permutation(len(rows))
        held_out = rows.iloc[order[: len(rows) // 3]].reset_index(drop=True)
        contract = draft(rows.iloc[order[len(rows) // 3 :]].reset_index(drop=True), roles, features)
        if violations := [result for result in failed_expectations(held_out, contract) if result.critical]:
            rejected.append(expectation_name(violations[0].expectation))
    context = FaultContext(draft(rows, roles, features), target)
    faults = faults_of(context.contract, target).CAUGHT_BY_CONTRACT
    tables_or_none = {fault.__name__: fault(rows, context) for fault in faults}
    faulty_tables = {name: faulty for name, faulty in tables_or_none.items() if faulty is not None}
    missed = [
        name.replace("_", " ")
        for name, faulty in faulty_tables.items()
        if not failed_expectations(faulty, context.contract)
    ]
    return DraftCheck(times, rejected, len(faulty_tables), missed)


def failed_expectations(table: "pd.DataFrame", contract: Contract) -> list[ExpectationResult]:
    """Return the expectations of both suites of `contract` that `table` does not satisfy."""
    results = [*check(table, contract.features), *check(table, contract.dataset)]
    return [result for result in results if not result.passed]


def _limit_features(roles: Mapping[str, Role], features: Features) -> dict[str, Role]:
    excluded = set([name for name, role in roles.items() if role in features.roles][MAX_FEATURES:])
    return {name: role for name, role in roles.items() if name not in excluded}
