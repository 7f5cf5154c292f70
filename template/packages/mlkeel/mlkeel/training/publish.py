"""Publish a trained model as a version, and make it current if it passes the gate."""

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
from mlkeel.features.export import add_model
from mlkeel.features.graph import Graph
from mlkeel.inference.frames import to_frame
from mlkeel.inference.predictor import Predictor
from mlkeel.models.bag import fitted_model
from mlkeel.project import Prepared, Project, Trained, TrainingResult
from mlkeel.registry import artifact
from mlkeel.registry.metrics_file import MetricsFile
from mlkeel.registry.revision import revision
from mlkeel.registry.versions import make_current
from mlkeel.tasks.calibration import CALIBRATION_KEY
from mlkeel.tasks.comparison import RivalComparison
from mlkeel.tasks.decision import DECISION_KEY
from mlkeel.tasks.evaluation import Evaluation
from mlkeel.tasks.output_types import output_type_of
from mlkeel.training import gate
from mlkeel.training.fairness import with_proxies
from mlkeel.training.model_card import model_card
from mlkeel.training.rival import compare_with_rival

ONNX_TOLERANCE = 1e-4
CLASS_WEIGHT_REMARK = (
    "class_weight in conf/params.yaml moves the probabilities on purpose, and with them the {}; to find more of a rare "
    "class, take it out and set decision there, which leaves the probabilities as they are"
)


def require_skill(trained: Trained, settings: Settings, origin: str) -> None:
    """Check that a model is better than the baseline and passes the gate that a person set.

    Raises:
        InputError: it is not; the message says by how much.
    """
    evaluation = trained.judged
    if evaluation.could_be_chance:
        split = f" ({evaluation.split.sentence})" if evaluation.split else ""
        remark = f" But {_class_weight_remark(settings, evaluation)}." if settings.class_weight else ""
        raise InputError(
            f"{origin}: the other columns say too little of {settings.data.target} to tell it from chance: on "
            f"{evaluation.model.rows:,} unseen rows{split} {evaluation.baseline_comparison}. Nothing was changed. Add "
            f"columns or rows.{remark}",
            Hint.OTHER_TARGET,
        )
    if failures := _explained(evaluation.failures(settings.gate), settings, evaluation):
        raise InputError(
            f"{origin}: a model of this table does not pass the gate in conf/params.yaml: {'; '.join(failures)}. "
            "Nothing was changed. If the table is right, lower the gate there and run this again."
        )


def _class_weight_remark(settings: Settings, evaluation: Evaluation) -> str:
    return CLASS_WEIGHT_REMARK.format(evaluation.primary.phrase) if settings.class_weight else ""


def _explained(failures: list[str], settings: Settings, evaluation: Evaluation) -> list[str]:
    """Return failures of the gate, with a remark at the first for which weights of classes may be the reason."""
    remark = _class_weight_remark(settings, evaluation)
    position = next((place for place, failure in enumerate(failures) if evaluation.primary.phrase in failure), None)
    if not remark or position is None:
        return failures
    return [*failures[:position], f"{failures[position]} ({remark})", *failures[position + 1 :]]


def export(prepared: Prepared, trained: Trained, target: str) -> bytes:
    """Export encoder and model as one ONNX graph, and compare it with the model on every row of the table.

    Raises:
        ArtifactError: their outputs differ by more than 1e-4, for a regressor in standard deviations of the target.
    """
    decision = trained.evaluation.decision
    calibration = trained.evaluation.calibration
    metadata = {DECISION_KEY: decision.to_json()} if decision else {}
    metadata |= {CALIBRATION_KEY: calibration.model_dump_json()} if calibration else {}
    graph = add_model(prepared.encoder, trained.model.to_onnx(), decision.costs if decision else None, metadata)
    answers = _predictor(graph, prepared, target).predict
    outputs = {name: trained.model.predict(features) for name, features in prepared.features.items()}
    scale = output_type_of(prepared.contract, target).target_scale(prepared.targets["train"])
    differences = [np.abs(answers(rows) - outputs[name]).max() for name, rows in prepared.table.frames.items()]
    difference = float(np.max(differences)) / scale  # NaN if any is
    if not difference <= ONNX_TOLERANCE:
        raise ArtifactError(
            f"The exported graph differs from the model by {difference:.2g}, more than {ONNX_TOLERANCE:g} is not "
            "accepted, so nothing was written. Report this with your conf/params.yaml."
        )
    return graph


def _predictor(graph: bytes, prepared: Prepared, target: str) -> Predictor:
    return Predictor(Graph(graph, "the new graph"), prepared.contract, target, prepared.encoder.python)


@dataclass(frozen=True)
class PublishVersion:
    """Publishes a model as a version under `root`, and makes it current if it passes the gate and all `cases`.

    The champion is the current version under `champion_root`, by default under `root`. With the `project`, its recipe
    can be fitted again if it may have learnt from rows of the test split.
    """

    root: Path
    settings: Settings
    cases: Mapping[str, list[Case]]
    champion_root: Path | None = None
    project: Project | None = None

    def __call__(self, prepared: Prepared, trained: Trained) -> TrainingResult:
        """Write the artifact, and make it current if there are no failures.

        Raises:
            ArtifactError: the graph differs from the model, or the artifact cannot be written.
        """
        settings = self.settings
        evaluation = trained.evaluation
        target = settings.data.target
        fitted = fitted_model(trained.model)
        graph = export(prepared, trained, target)
        predictor = _predictor(graph, prepared, target)
        champion_root = self.champion_root or self.root
        comparison = gate.compare_with_champion(predictor, evaluation, prepared, settings, champion_root, self.project)
        rival = _rival_comparison(prepared, trained)
        created = datetime.now(UTC)
        version = f"{created:%Y%m%dT%H%M%S%f}-{hashlib.sha256(graph).hexdigest()[:8]}"
        scores = [
            *trained.judged.failures(settings.gate),
            *(comparison.failures(settings.gate) if comparison else ()),
        ]
        failures = [
            *_explained(scores, settings, trained.judged),
            *gate.behavior_failures(dict(self.cases), predictor, prepared),
        ]
        metrics = MetricsFile.model_validate(
            {
                "version": version,
                "created": f"{created:%Y-%m-%dT%H:%M:%SZ}",
                "data": {"path": settings.data.path.as_posix(), "sha256": prepared.digest},
                "rows": {name: len(rows) for name, rows in prepared.table.frames.items()},
                "losses": trained.losses,
                **evaluation.to_dict(),
                "fairness": with_proxies(trained.judged.fairness, prepared, settings),
                "cross_validation": trained.cross_validation and trained.cross_validation.scores.model_dump(),
                "commit": revision(self.root),
                "champion": comparison and comparison.to_dict(),
                "rival": rival.to_dict(),
                "build": self.project and gate.build_digest(self.project),
                "failures": failures,
                "derived_rules": prepared.contract.derived is not None,
                "fit": getattr(fitted, "fit_on", "train"),
                "n_models": getattr(fitted, "n_models", 1),
            }
        )
        card = model_card(metrics, settings, prepared.contract, trained, prepared.encoder.layout)
        folder = artifact.write(
            self.root / "artifacts",
            version,
            {
                "model.onnx": graph,
                "features.json": as_json(prepared.contract.features),
                "dataset.json": as_json(prepared.contract.dataset),
                **({"derived.json": as_json(prepared.contract.derived)} if prepared.contract.derived else {}),
                "drift.json": as_json(_drift_suite(prepared, trained, predictor)),
                "metrics.json": as_json(metrics.model_dump()),
                "params.yaml": yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False).encode(),
                "MODEL_CARD.md": card.encode(),
                **prepared.encoder.source,
            },
        )
        if not failures:
            make_current(self.root / "artifacts", version, "train")
        sentence = comparison.sentence if comparison else None
        return TrainingResult(folder, evaluation, failures, sentence, trained.cross_validation, rival)


def _rival_comparison(prepared: Prepared, trained: Trained) -> RivalComparison:
    """Compare the model with a simpler one on the rows that the gate judges by."""
    if trained.cross_validation and trained.cross_validation.rival:
        return trained.cross_validation.rival
    outputs = trained.model.predict(prepared.features["test"])
    return compare_with_rival(trained.evaluation, outputs, [(prepared, trained.model)])


def _drift_suite(prepared: Prepared, trained: Trained, predictor: Predictor) -> dict[str, Any]:
    """Return the drift suite of the training split and the predictions for it."""
    rows = prepared.table.train
    outputs = trained.model.predict(prepared.features["train"])
    decided = predictor.decided(outputs)
    predictions = to_frame(predictor.output_type, outputs, prepared.output_names, predictor.target, rows.index, decided)
    table = with_columns(rows, {str(name): predictions[name] for name in predictions})
    table = with_columns(table, prepared.encoder.derived_columns(prepared.features["train"]))
    return drift_suite(table, prepared.contract, predictor.target, prepared.encoder.derived)


def as_json(value: object) -> bytes:
    """Return indented JSON, which a person can read and git can compare."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
