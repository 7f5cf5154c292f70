"""Make a version of a trained model, and put it in use if it is good enough."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mlkeel.behavior.cases import Case
from mlkeel.config import Settings
from mlkeel.data.tables import with_columns
from mlkeel.drift import drift_suite
from mlkeel.errors import ArtifactError, Hint, InputError
from mlkeel.inference.frames import told
from mlkeel.inference.graph import Graph
from mlkeel.inference.predictor import Predictor
from mlkeel.project import Outcome, Prepared, Trained
from mlkeel.registry import artifact
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.registry.revision import revision
from mlkeel.registry.versions import use
from mlkeel.tasks.kinds import kind_of
from mlkeel.training import gate
from mlkeel.training.model_card import model_card

ONNX_TOLERANCE = 1e-4


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
            "or rows.",
            Hint.OTHER_TARGET,
        )
    if shortcomings := evaluation.shortcomings(settings.gate):
        raise InputError(
            f"{origin}: a model of this table does not pass the gate in conf/params.yaml: {'; '.join(shortcomings)}. "
            "Nothing was changed. If the table is right, lower the gate there and run this again."
        )


def export(prepared: Prepared, trained: Trained, target: str) -> bytes:
    """Export the model and hold the graph against it on every row of the table.

    Raises:
        ArtifactError: they differ by more than 1e-4, for numbers of their standard deviation.
    """
    graph = trained.model.to_onnx()
    run, predict = Graph(graph, "the new graph").run, trained.model.predict
    size = kind_of(prepared.contract, target).size(prepared.truth["train"])
    gaps = [np.abs(run(part) - predict(part)).max() for part in prepared.features.values()]
    gap = float(np.max(gaps)) / size  # NaN if any is
    if not gap <= ONNX_TOLERANCE:
        raise ArtifactError(
            f"The exported graph differs from the model by {gap:.2g}, more than {ONNX_TOLERANCE:g} is not accepted, so "
            "nothing was written. Report this with your conf/params.yaml."
        )
    return graph


@dataclass(frozen=True)
class KeepVersion:
    """Publishes a model as a version under `root`, in use if it is good enough and behaves as `cases` say.

    It must not be worse than the version in use under `beside`, which is `root` unless it is said.
    """

    root: Path
    settings: Settings
    cases: Mapping[str, list[Case]]
    beside: Path | None = None

    def __call__(self, prepared: Prepared, trained: Trained) -> Outcome:
        """Write the artifact, and put it in use if nothing speaks against it.

        Raises:
            ArtifactError: the graph differs from the model, or the artifact cannot be written.
        """
        settings, evaluation, target = self.settings, trained.evaluation, self.settings.data.target
        graph = export(prepared, trained, target)
        predictor = Predictor(Graph(graph, "the new graph"), prepared.contract, target)
        duel = gate.duel(predictor, evaluation, prepared, settings, self.beside or self.root)
        created = datetime.now(UTC)
        version = f"{created:%Y%m%dT%H%M%S%f}-{hashlib.sha256(graph).hexdigest()[:8]}"
        shortcomings = [
            *evaluation.shortcomings(settings.gate),
            *(duel.shortcomings(settings.gate) if duel else ()),
            *gate.misbehaviour(dict(self.cases), predictor, prepared),
        ]
        metrics = MetricsFile.model_validate(
            {
                "version": version,
                "created": f"{created:%Y-%m-%dT%H:%M:%SZ}",
                "data": {"path": settings.data.path.as_posix(), "sha256": prepared.digest},
                "rows": {name: len(part) for name, part in vars(prepared.table).items()},
                "losses": trained.losses,
                **evaluation.document(),
                "commit": revision(self.root),
                "champion": duel and duel.document(),
                "shortcomings": shortcomings,
            }
        )
        card = model_card(metrics, settings, prepared.contract, evaluation)
        folder = artifact.write(
            self.root / "artifacts",
            version,
            {
                "model.onnx": graph,
                "features.json": as_json(prepared.contract.features),
                "dataset.json": as_json(prepared.contract.dataset),
                "drift.json": as_json(_drift(prepared, trained, predictor)),
                "metrics.json": as_json(metrics.model_dump()),
                "params.yaml": yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False).encode(),
                "MODEL_CARD.md": card.encode(),
            },
        )
        if not shortcomings:
            use(self.root / "artifacts", version, "train")
        return Outcome(folder, evaluation, shortcomings, duel.sentence if duel else None)


def _drift(prepared: Prepared, trained: Trained, predictor: Predictor) -> dict[str, Any]:
    """The suite over what was learnt from, and what the model says of it."""
    seen = prepared.table.train
    answers = trained.model.predict(prepared.features["train"])
    found = told(predictor.kind, answers, prepared.answers, predictor.target, seen.index)
    table = with_columns(seen, {str(name): found[name] for name in found})
    return drift_suite(table, prepared.contract, predictor.target)


def as_json(value: object) -> bytes:
    """Text that a person can read and git can compare."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
