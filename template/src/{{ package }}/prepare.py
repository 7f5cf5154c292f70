"""Make a table ready to learn from: load it, hold it against the contract, deal it into parts, encode them."""

import hashlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import target as aim
from .contract import Contract
from .data import DataError, load
from .features import Encoder, Matrix
from .settings import InputError, Settings
from .split import Split, split
from .target import Truth
from .validate import enforce

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Prepared:
    """A table that meets the contract, dealt into parts and encoded; features (n, width), truth (n,) per part.

    `answers` are the names of what a model answers, and `digest` is the SHA-256 of the file that the table is from.
    """

    table: Split
    features: dict[str, Matrix]
    truth: dict[str, Truth]
    contract: Contract
    answers: tuple[str, ...]
    digest: str


def prepare(settings: Settings, contract: Contract, root: Path) -> Prepared:
    """Load the table of the project in `root`, hold it against `contract`, split and encode it.

    Raises:
        DataError: the table cannot be read or split, a column has the name of a prediction, or the training part lacks
            what cannot be learnt without.
        ContractError: the table breaks the contract.
    """
    source, target = root / settings.data.path, settings.data.target
    names = [column.name for column in contract.columns]
    refuse_settings_that_do_not_fit(settings, contract)
    table = load(source, contract)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    refuse_gaps_in_the_target(table, target, source)
    aim.refuse_what_cannot_be_learnt(table, target, source)
    enforce(table, contract.features, source)
    enforce(table, contract.dataset, source)
    if taken := set(aim.titles(aim.answers(contract, target), target)) & set(contract.all_columns):
        raise DataError(
            f"{source}: {', '.join(sorted(taken))} is what a prediction is called. Give the column another name."
        )
    refuse_empty_features(table, names, source)
    parts, encoder = split(table, settings.data.split, names), Encoder(contract)
    del table  # the parts are copies
    refuse_empty_features(parts.train, names, source)
    features = {name: encoder.encode(part) for name, part in vars(parts).items()}
    truth = {name: aim.encode(part[target], contract) for name, part in vars(parts).items()}
    aim.refuse_what_was_not_dealt(truth["train"], contract, target, source)
    return Prepared(parts, features, truth, contract, aim.answers(contract, target), digest)


def batch_to_overfit(features: Matrix, truth: Truth, rows: int) -> tuple[Matrix, Truth]:
    """At most so many `rows` that a model can learn by heart: no two have equal features, and targets differ.

    Targets take turns, first those with the fewest different rows, so that few distinct rows give several classes, too.
    """
    group = np.unique(features, axis=0, return_inverse=True)[1].tolist()
    targets, of_row = np.unique(truth, return_inverse=True)
    distinct = np.unique(np.column_stack([of_row, group]), axis=0)[:, 0]
    choice = np.bincount(distinct, minlength=len(targets))  # between so many different rows
    spread = np.linspace(0, len(targets) - 1, min(rows, len(targets))).astype(int)
    rarest_first = targets[spread[np.argsort(choice[spread], kind="stable")]]
    waiting = deque(iter(np.flatnonzero(truth == value).tolist()) for value in rarest_first)
    taken: dict[int, int] = {}
    while waiting and len(taken) < rows:
        candidates = waiting.popleft()
        if (row := next((row for row in candidates if group[row] not in taken), None)) is not None:
            taken[group[row]] = row
            waiting.append(candidates)
    chosen = sorted(taken.values())
    return features[chosen], truth[chosen]


def refuse_settings_that_do_not_fit(settings: Settings, contract: Contract) -> None:
    """Hold `conf/params.yaml` against the contract.

    Raises:
        InputError: the target is a feature, or a slice is no column.
    """
    features = [column.name for column in contract.columns]
    if settings.data.target in features:
        raise InputError(
            f"conf/params.yaml: data.target is {settings.data.target}, which is also a feature, so the model would "
            "read its own answer. Take it out of expectations/features.json, or choose another target."
        )
    if unknown := [name for name in settings.gate.slices if name not in contract.all_columns]:
        raise InputError(
            f"conf/params.yaml: gate.slices names {', '.join(unknown)}, which is not a column of the table. "
            f"Columns are: {', '.join(contract.all_columns)}."
        )


def refuse_empty_features(part: "pd.DataFrame", names: list[str], source: Path) -> None:
    """See that each feature has a value in some row of `part`, all of the table or what is learnt from.

    Raises:
        DataError: names those that have none.
    """
    if empty := [name for name in names if part[name].isna().all()]:
        raise DataError(
            f"{source}: the training part has no value of {', '.join(empty)}, so it teaches nothing. Fill the column, "
            "or take it out of expectations/features.json."
        )


def refuse_gaps_in_the_target(table: "pd.DataFrame", target: str, source: Path) -> None:
    """See that the target column of `table` is there, and has a value in each row.

    Raises:
        DataError: it is absent, or has missing values.
    """
    if target not in table:
        raise DataError(
            f'{source}: the target column "{target}" is not there. Add it, or correct data.target in conf/params.yaml; '
            f"columns are: {', '.join(map(str, table.columns))}."
        )
    if missing := int(table[target].isna().sum()):
        raise DataError(
            f'{source}: the target column "{target}" has no value in {missing:,} of {len(table):,} rows, '
            f"the first in row {table[target].isna().to_numpy().argmax() + 1:,}. Label those rows, or take them out."
        )
