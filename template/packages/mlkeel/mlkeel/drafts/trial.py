"""Try a draft of the contract: does it let honest samples through, and does it notice faults?

Both are measured on the table itself: suites are drafted from two thirds of it and held against the other third, ten
times; and each fault of `faults/tables.py` is planted once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlkeel.config import Role
from mlkeel.contract.suites import Contract, name_of
from mlkeel.contract.validate import Finding, check
from mlkeel.drafts.draft import draft
from mlkeel.faults.tables import Scene
from mlkeel.faults.targets import faults_of
from mlkeel.features.encoder import Features

if TYPE_CHECKING:
    import pandas as pd

TIMES = 10
ROWS, FEATURES = 20_000, 40  # at most, so that a trial takes seconds


@dataclass(frozen=True)
class Trial:
    """What became of honest samples and of planted faults."""

    samples: int
    refused: list[str]
    planted: int
    missed: list[str]

    @property
    def sentence(self) -> str:
        """Both rates, in words."""
        because = f" ({', '.join(dict.fromkeys(self.refused))})" if self.refused else ""
        unseen = f" (not: {', '.join(self.missed)})" if self.missed else ""
        return (
            f"The drafted suites refused {len(self.refused)} of {self.samples} honest samples{because} and noticed "
            f"{self.planted - len(self.missed)} of {self.planted} planted faults{unseen}."
        )


def attempt(
    table: "pd.DataFrame", roles: Mapping[str, Role], target: str, features: Features, times: int = TIMES
) -> Trial:
    """Try drafts on `table`, shape (n, columns); of a large table, on rows and features drawn from it."""
    draw = np.random.default_rng(7)
    roles = _fewer(roles, features)
    some = table[list(roles)]
    some = some if len(some) <= ROWS else some.iloc[np.sort(draw.choice(len(some), ROWS, replace=False))]
    some = some.reset_index(drop=True)
    refused = []
    for _ in range(times):
        order = draw.permutation(len(some))
        held_out = some.iloc[order[: len(some) // 3]].reset_index(drop=True)
        contract = draft(some.iloc[order[len(some) // 3 :]].reset_index(drop=True), roles, features)
        if broken := [finding for finding in findings(held_out, contract) if finding.critical]:
            refused.append(name_of(broken[0].expectation))
    scene = Scene(draft(some, roles, features), target)
    planted = {fault.__name__: fault(some, scene) for fault in faults_of(scene.contract, target).FOR_THE_SUITES}
    broken_tables = {name: broken for name, broken in planted.items() if broken is not None}
    missed = [name.replace("_", " ") for name, broken in broken_tables.items() if not findings(broken, scene.contract)]
    return Trial(times, refused, len(broken_tables), missed)


def findings(table: "pd.DataFrame", contract: Contract) -> list[Finding]:
    """What both suites of `contract` find wrong with `table`."""
    both = [*check(table, contract.features), *check(table, contract.dataset)]
    return [finding for finding in both if not finding.passed]


def _fewer(roles: Mapping[str, Role], features: Features) -> dict[str, Role]:
    left_out = set([name for name, role in roles.items() if role in features.roles][FEATURES:])
    return {name: role for name, role in roles.items() if name not in left_out}
