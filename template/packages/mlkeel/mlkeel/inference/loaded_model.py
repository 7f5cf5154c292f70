"""Load a version to serve, and check first that it works."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlkeel.config import read_version_settings
from mlkeel.contract.request import RowValidator, Violation, example
from mlkeel.contract.suites import Contract
from mlkeel.data.split_description import SplitDescription
from mlkeel.errors import ArtifactError, Hint
from mlkeel.features.graph import Matrix
from mlkeel.features.python_features import PythonFeatureError
from mlkeel.inference.feedback import FeedbackValidator
from mlkeel.inference.predictor import Predictor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedModel:
    """A loaded version that has predicted a row, and what serving derives from its contract."""

    version: str
    predictor: Predictor
    validator: RowValidator
    feedback: FeedbackValidator
    schema: dict[str, Any]  # of a row
    contract: str  # hash of its features.json
    recorded_columns: tuple[str, ...]  # columns that are recorded as they are
    hashed_columns: tuple[str, ...]  # columns of which a hash is recorded
    derived_validator: RowValidator | None = None  # of derived columns, if there are rules for them
    split: SplitDescription | None = None  # what the rows were split by on which it was evaluated

    @classmethod
    def open(cls, folder: Path) -> "LoadedModel":
        """Load the artifact in `folder` and check it by predicting an example row.

        Raises:
            InputError: the artifact is damaged, or its outputs are invalid.
        """
        predictor = Predictor.load(folder)
        validator = RowValidator(predictor.contract)
        schema = validator.schema()
        feedback = FeedbackValidator(predictor.contract, predictor.target)
        validator.violations([example(schema)])  # so that a rule that cannot be applied fails here
        derived_validator = _derived_validator(predictor.contract)
        outputs, derived = _answer_example(predictor, example(schema))
        if derived_validator:
            derived_validator.violations(_with_rules(derived, derived_validator))
        if not predictor.output_type.is_valid(outputs) or not np.allclose(outputs[0], outputs[1], rtol=1e-3):
            raise ArtifactError(f"{folder}: it answers a row with {outputs.tolist()}.", Hint.TRAIN)
        unchecked = [*validator.unchecked, *(derived_validator.unchecked if derived_validator else ())]
        if unchecked:
            logger.warning("Not asked of requests, since it takes a whole table: %s.", ", ".join(unchecked))
        digest = hashlib.sha256(json.dumps(predictor.contract.features, sort_keys=True).encode()).hexdigest()
        return cls(
            folder.name,
            predictor,
            validator,
            feedback,
            schema,
            digest[:12],
            *_recorded_columns(folder, predictor),
            derived_validator,
            SplitDescription.read(folder),
        )

    def predict(self, rows: list[dict[str, Any]]) -> tuple[Matrix, list[Violation]]:
        """Return outputs of shape (n, outputs) for n valid rows, and violations by what is derived from them.

        There are no outputs if a Python feature fails on a row: the contract permits what its function does not.
        """
        try:
            if self.derived_validator is None:
                return self.predictor.predict_rows(rows), []
            outputs, derived = self.predictor.predict_and_derive(rows)
        except PythonFeatureError as error:
            logger.error("%s. %s cannot be computed for a row that satisfies the contract.", error.place, error.feature)
            message = f"{error.feature}: it cannot be computed for this row"
            violation = Violation(error.row + 1, error.feature, "python_feature", None, message)
            return np.empty((0, len(self.predictor.output_names)), np.float32), [self._with_sources(violation)]
        violations = self.derived_validator.violations(_with_rules(derived, self.derived_validator))
        return outputs, [self._with_sources(violation) for violation in violations]

    def _with_sources(self, violation: Violation) -> Violation:
        layout = self.predictor.encoder.layout
        sources = dict(zip(layout.derived, layout.sources, strict=True)).get(str(violation.column), ())
        return replace(violation, message=f"{violation.message} (derived from {', '.join(sources)})")


def _answer_example(predictor: Predictor, row: dict[str, Any]) -> tuple[Matrix, list[dict[str, float | None]]]:
    """Return outputs and derived columns of a row, twice; without a Python feature that fails on this made-up row."""
    try:
        return predictor.predict_and_derive([row] * 2)
    except PythonFeatureError as error:
        logger.warning("%s, for a row that the contract permits. Requests with such rows will be refused.", error)
        return predictor.without_python().predict_and_derive([row] * 2)


def _derived_validator(contract: Contract) -> RowValidator | None:
    if contract.derived is None:
        return None
    return RowValidator(Contract(contract.derived, contract.derived))


def _with_rules(derived: Sequence[Mapping[str, Any]], validator: RowValidator) -> list[dict[str, Any]]:
    """Return those of the derived columns of n rows that have rules."""
    return [{name: row.get(name) for name in validator.columns} for row in derived]


def _recorded_columns(folder: Path, predictor: Predictor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns to record as they are, and those to hash; other private columns are not recorded.

    Raises:
        ArtifactError: `monitor.private` names something that is no column, or the target.
    """
    private = read_version_settings(folder).monitor.private
    if unknown := set(private) - set(predictor.contract.all_columns) | set(private) & {predictor.target}:
        raise ArtifactError(
            f"{folder / 'params.yaml'}: monitor.private names {', '.join(sorted(unknown))}, and only columns of the "
            "table can be private, but for the target. Correct it in conf/params.yaml, and train again."
        )
    names = [column.name for column in predictor.contract.columns]
    hashed = tuple(name for name in names if private.get(name) == "hash")
    return tuple(name for name in names if name not in private), hashed
