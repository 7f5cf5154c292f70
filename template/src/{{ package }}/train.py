"""From a prepared table to an artifact: fit, evaluate, export, write."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml

from . import artifact, gate, tracking
from .behavior import BEHAVIOR, Case, read_cases
from .contract import read_contract
from .data import with_columns
from .drift import drift_suite
from .evaluate import Evaluation, evaluate
from .model import Model
from .predict import Graph, Predictor
from .prepare import Prepared, prepare
from .progress import Watch, progress
from .report import model_card
from .settings import InputError, Settings
from .target import size as measured
from .target import told
from .versions import revision, use

ONNX_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Trained:
    """A model, the validation loss of each step, and its evaluation on the test part."""

    model: Model
    losses: list[float]
    evaluation: Evaluation


@dataclass(frozen=True)
class Outcome:
    """The artifact's folder, its evaluation, why it was not put in use, if it was not, and how the champion did."""

    folder: Path
    evaluation: Evaluation
    shortcomings: list[str]
    duel: gate.Duel | None = None


def new_model(prepared: Prepared, settings: Settings) -> Model:
    """An untrained model that takes the features of `prepared` and gives its answers."""
    return Model(settings.model, prepared.contract.columns, len(prepared.answers), settings.seed)


def fit(prepared: Prepared, settings: Settings, checkpoint: Path | None = None) -> Trained:
    """Fit the model to the training part, stop by the validation part, evaluate on the test part."""
    model = new_model(prepared, settings)
    with progress("Training", model.longest) as advance:
        losses = model.fit(
            (prepared.features["train"], prepared.truth["train"]),
            (prepared.features["validation"], prepared.truth["validation"]),
            Watch(advance, checkpoint),
        )
    found = model.predict(prepared.features["test"])
    evaluation = evaluate(prepared.table.test, found, prepared.truth["test"], prepared.truth["train"], settings.gate)
    return Trained(model, losses, evaluation)


def refuse_what_teaches_nothing(trained: Trained, settings: Settings, origin: str) -> None:
    """Refuse a model that is no better than the baseline, or than the gate that a person set.

    Raises:
        InputError: says by how much it falls short.
    """
    evaluation = trained.evaluation
    if evaluation.could_be_chance:
        raise InputError(
            f"{origin}: the other columns say too little of {settings.data.target} to tell it from chance: on "
            f"{evaluation.model.rows:,} unseen rows {evaluation.beside_the_baseline}. Nothing was changed. Add columns "
            "or rows, or choose another target with TARGET=."
        )
    if shortcomings := evaluation.shortcomings(settings.gate):
        raise InputError(
            f"{origin}: a model of this table does not pass the gate in conf/params.yaml: {'; '.join(shortcomings)}. "
            "Nothing was changed. If the table is right, lower the gate there and run this again."
        )


def export(prepared: Prepared, trained: Trained) -> bytes:
    """Export the model and hold the graph against it on every row of the table.

    Raises:
        ArtifactError: they differ by more than 1e-4, for numbers of their standard deviation.
    """
    graph = trained.model.to_onnx()
    run, predict, size = Graph(graph, "the new graph").run, trained.model.predict, measured(prepared.truth["train"])
    gap = max(float(np.abs(run(part) - predict(part)).max()) / size for part in prepared.features.values())
    if not gap <= ONNX_TOLERANCE:
        raise artifact.ArtifactError(
            f"The exported graph differs from the model by {gap:.2g}, more than {ONNX_TOLERANCE:g} is not accepted, so "
            "nothing was written. Report this with your conf/params.yaml."
        )
    return graph


def keep(
    prepared: Prepared, trained: Trained, settings: Settings, root: Path, cases: dict[str, list[Case]] | None = None
) -> Outcome:
    """Write the artifact under `root`, and put it in use if it is good enough and behaves as `cases` say."""
    graph = export(prepared, trained)
    predictor = Predictor(Graph(graph, "the new graph"), prepared.contract, settings.data.target)
    duel = gate.duel(predictor, trained.evaluation, prepared, settings, root)
    created = datetime.now(UTC)
    version = f"{created:%Y%m%dT%H%M%S%f}-{hashlib.sha256(graph).hexdigest()[:8]}"
    shortcomings = [
        *trained.evaluation.shortcomings(settings.gate),
        *(duel.shortcomings(settings.gate) if duel else ()),
        *gate.misbehaviour(cases or {}, predictor, prepared),
    ]
    metrics = {
        "version": version,
        "created": f"{created:%Y-%m-%dT%H:%M:%SZ}",
        "data": {"path": settings.data.path.as_posix(), "sha256": prepared.digest},
        "rows": {name: len(part) for name, part in vars(prepared.table).items()},
        "losses": trained.losses,
        **asdict(trained.evaluation),
        "commit": revision(root),
        "champion": duel and asdict(duel) | {"sentence": duel.sentence},
        "shortcomings": shortcomings,
    }
    seen = prepared.table.train
    found = told(trained.model.predict(prepared.features["train"]), prepared.answers, settings.data.target, seen.index)
    drift = drift_suite(
        with_columns(seen, {str(name): found[name] for name in found}), prepared.contract, settings.data.target
    )
    folder = artifact.write(
        root / "artifacts",
        version,
        {
            "model.onnx": graph,
            "features.json": as_json(prepared.contract.features),
            "dataset.json": as_json(prepared.contract.dataset),
            "drift.json": as_json(drift),
            "metrics.json": as_json(metrics),
            "params.yaml": yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False).encode(),
            "MODEL_CARD.md": model_card(metrics, settings, prepared.contract).encode(),
        },
    )
    if not shortcomings:
        use(root / "artifacts", version, "train")
    return Outcome(folder, trained.evaluation, shortcomings, duel)


def train(settings: Settings, root: Path) -> Outcome:
    """Train on the table of the project in `root`, keep what comes of it, and note it where `tracking` says."""
    cases, tracked = read_cases(root / BEHAVIOR), tracking.is_ready(settings.tracking)
    prepared = prepare(settings, read_contract(root / "expectations"), root)
    checkpoint = root / "artifacts" / f"{artifact.LITTER}checkpoint-{_fingerprint(prepared, settings)}"
    outcome = keep(prepared, fit(prepared, settings, checkpoint), settings, root, cases)
    checkpoint.unlink(missing_ok=True)
    if tracked:
        tracking.note(outcome.folder, settings, root)
    return outcome


def _fingerprint(prepared: Prepared, settings: Settings) -> str:
    """The same for a training with the same settings, table, contract and code, which may go on where another died."""
    found = hashlib.sha256(
        (settings.model_dump_json() + prepared.digest).encode() + as_json(prepared.contract.features)
    )
    for module in sorted(Path(__file__).parent.glob("*.py")):
        found.update(module.read_bytes())
    return found.hexdigest()[:16]


def as_json(value: object) -> bytes:
    """Text that a person can read and git can compare."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
