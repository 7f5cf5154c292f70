"""Make a table ready to learn from: load it, hold it against the contract, deal it into parts, encode them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .contract import Contract
from .data import DataError, load
from .features import Encoder, Matrix
from .model import Classes
from .settings import InputError, Settings
from .split import Split, split
from .validate import enforce

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Prepared:
    """A table that meets the contract, dealt into parts and encoded; features (n, width), truth (n,) per part.

    `digest` is the SHA-256 of the file that it was read from.
    """

    table: Split
    features: dict[str, Matrix]
    truth: dict[str, Classes]
    contract: Contract
    classes: tuple[str, ...]
    digest: str


def prepare(settings: Settings, contract: Contract, root: Path) -> Prepared:
    """Load the table of the project in `root`, hold it against `contract`, split and encode it.

    Raises:
        DataError: the table cannot be read or split, or the training part lacks a class or all values of a feature.
        ContractError: the table breaks the contract.
    """
    source = root / settings.data.path
    names = [column.name for column in contract.columns]
    refuse_settings_that_do_not_fit(settings, names)
    table = load(source, contract)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    refuse_target_that_cannot_be_learnt(table, settings.data.target, source)
    enforce(table, contract.features, source)
    enforce(table, contract.dataset, source)
    classes = contract.categories(settings.data.target)
    parts = split(table, settings.data.split, names)
    encoder, codes = Encoder(contract), {name: code for code, name in enumerate(classes)}
    features = {name: encoder.encode(part) for name, part in vars(parts).items()}
    truth = {name: part[settings.data.target].map(codes).to_numpy(np.int64) for name, part in vars(parts).items()}
    if unseen := [name for name, code in codes.items() if code not in truth["train"]]:
        raise DataError(
            f"{source}: the training part has no row of the class {', '.join(unseen)}. Such a rare class cannot be "
            "learnt: add rows of it, or take it out of the table and of expectations/dataset.json."
        )
    absence = np.isnan(features["train"]).all(axis=0)
    if empty := [name for name, absent in zip(names, absence, strict=True) if absent]:
        raise DataError(
            f"{source}: the training part has no value of {', '.join(empty)}, so it teaches nothing. Fill the column, "
            "or take it out of expectations/features.json."
        )
    return Prepared(parts, features, truth, contract, classes, digest)


def refuse_settings_that_do_not_fit(settings: Settings, features: list[str]) -> None:
    """Hold `conf/params.yaml` against the features of the contract.

    Raises:
        InputError: the target is a feature, or a slice is not one.
    """
    if settings.data.target in features:
        raise InputError(
            f"conf/params.yaml: data.target is {settings.data.target}, which is also a feature, so the model would "
            "read its own answer. Take it out of expectations/features.json, or choose another target."
        )
    if unknown := [name for name in settings.gate.slices if name not in features]:
        raise InputError(
            f"conf/params.yaml: gate.slices names {', '.join(unknown)}, which is not a feature. "
            f"Features are: {', '.join(features)}."
        )


def refuse_target_that_cannot_be_learnt(table: "pd.DataFrame", target: str, source: Path) -> None:
    """Look at the target column of `table` before the contract does, since its faults have remedies of their own.

    Raises:
        DataError: it is absent, has missing values, or one class only.
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
    if table[target].nunique() == 1:
        only = table[target].iloc[0]
        raise DataError(
            f'{source}: the target column "{target}" has one class only ("{only}", {len(table):,} rows). '
            "A classifier needs at least two. Check the filter that made this file, or choose another column as "
            "data.target in conf/params.yaml."
        )
