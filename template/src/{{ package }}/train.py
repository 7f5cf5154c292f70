"""From the table to an artifact: check, split, encode, fit, evaluate, export, write."""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from . import artifact
from .contract import Contract, read_contract
from .data import DataError, load
from .evaluate import Evaluation, evaluate
from .features import Encoder, Matrix
from .model import Classes, Model
from .monitor import drift_suite
from .predict import Graph
from .progress import progress
from .report import model_card
from .settings import Settings
from .split import Split, split
from .validate import enforce

ONNX_TOLERANCE = 1e-4
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A table that meets the contract, dealt into parts and encoded; features (n, width), truth (n,) per part."""

    table: Split
    features: dict[str, Matrix]
    truth: dict[str, Classes]
    contract: Contract
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Trained:
    """A model, the validation loss of each step, and its evaluation on the test part."""

    model: Model
    losses: list[float]
    evaluation: Evaluation


@dataclass(frozen=True)
class Outcome:
    """The artifact's folder, its evaluation, and why it was not put in use, if it was not."""

    folder: Path
    evaluation: Evaluation
    shortcomings: list[str]


def prepare(settings: Settings, root: Path) -> Prepared:
    """Load the table, hold it against the contract, split and encode it.

    Raises:
        DataError: the table cannot be read or split, or the training part lacks a class.
        ContractError: the table breaks the contract.
    """
    contract = read_contract(root / "expectations")
    source = root / settings.data.path
    table = load(source, contract)
    if settings.data.target in table and table[settings.data.target].nunique() == 1:
        only = table[settings.data.target].dropna().iloc[0]
        raise DataError(
            f'{source}: the target column "{settings.data.target}" has one class only ("{only}", {len(table):,} rows). '
            "A classifier needs at least two. Check the filter that made this file, or choose another column as "
            "data.target in conf/params.yaml."
        )
    enforce(table, contract.features, source)
    enforce(table, contract.dataset, source)
    classes = contract.categories(settings.data.target)
    parts = split(table, settings.data.split, [column.name for column in contract.columns])
    encoder, codes = Encoder(contract), {name: code for code, name in enumerate(classes)}
    features = {name: encoder.encode(part) for name, part in vars(parts).items()}
    truth = {name: part[settings.data.target].map(codes).to_numpy(np.int64) for name, part in vars(parts).items()}
    if absent := [name for name, code in codes.items() if code not in truth["train"]]:
        raise DataError(
            f"{source}: the training part has no row of the class {', '.join(absent)}. Such a rare class cannot be "
            "learnt: add rows of it, or take it out of the table and of expectations/dataset.json."
        )
    return Prepared(parts, features, truth, contract, classes)


def fit(prepared: Prepared, settings: Settings) -> Trained:
    """Fit the model to the training part, stop by the validation part, evaluate on the test part."""
    model = Model(settings.model, len(prepared.classes), settings.seed)
    with progress("Training", model.parameters.rounds) as advance:
        losses = model.fit(
            (prepared.features["train"], prepared.truth["train"]),
            (prepared.features["validation"], prepared.truth["validation"]),
            advance,
        )
    probabilities = model.predict(prepared.features["test"])
    evaluation = evaluate(
        prepared.table.test, probabilities, prepared.truth["test"], prepared.truth["train"], settings.gate
    )
    return Trained(model, losses, evaluation)


def export(prepared: Prepared, trained: Trained) -> bytes:
    """Export the model and hold the graph against it on every row of the table.

    Raises:
        ArtifactError: they differ by more than 1e-4.
    """
    graph = trained.model.to_onnx()
    features = np.concatenate(list(prepared.features.values()))
    gap = float(np.abs(Graph(graph, "the new graph").run(features) - trained.model.predict(features)).max())
    if not gap <= ONNX_TOLERANCE:
        raise artifact.ArtifactError(
            f"The exported graph differs from the model by {gap:.2g}, more than {ONNX_TOLERANCE:g} is not accepted, so "
            "nothing was written. Report this with your conf/params.yaml."
        )
    return graph


def keep(prepared: Prepared, trained: Trained, settings: Settings, root: Path) -> Outcome:
    """Write the artifact under `root`, and put it in use if it is good enough."""
    graph = export(prepared, trained)
    created = datetime.now(UTC)
    version = f"{created:%Y%m%dT%H%M%S}-{hashlib.sha256(graph).hexdigest()[:8]}"
    shortcomings = trained.evaluation.shortcomings(settings.gate)
    source = root / settings.data.path
    metrics = {
        "version": version,
        "created": f"{created:%Y-%m-%dT%H:%M:%SZ}",
        "data": {"path": settings.data.path.as_posix(), "sha256": hashlib.sha256(source.read_bytes()).hexdigest()},
        "rows": {name: len(part) for name, part in vars(prepared.table).items()},
        "losses": trained.losses,
        **asdict(trained.evaluation),
        "shortcomings": shortcomings,
    }
    predicted = [prepared.classes[place] for place in trained.model.predict(prepared.features["train"]).argmax(axis=1)]
    drift = drift_suite(prepared.table.train, prepared.contract, settings.data.target, predicted)
    folder = artifact.write(
        root / "artifacts",
        version,
        {
            "model.onnx": graph,
            "features.json": as_json(prepared.contract.features),
            "dataset.json": as_json(prepared.contract.dataset),
            "drift.json": as_json(drift),
            "metrics.json": as_json(metrics),
            "params.yaml": (root / "conf" / "params.yaml").read_bytes(),
            "MODEL_CARD.md": model_card(metrics, settings, prepared.contract).encode(),
        },
    )
    if not shortcomings:
        artifact.put_in_use(root / "artifacts", version)
    return Outcome(folder, trained.evaluation, shortcomings)


def train(settings: Settings, root: Path) -> Outcome:
    """Train on the table of the project in `root` and keep what comes of it."""
    prepared = prepare(settings, root)
    return keep(prepared, fit(prepared, settings), settings, root)


def as_json(value: object) -> bytes:
    """Text that a person can read and git can compare."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
