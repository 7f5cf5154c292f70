"""Open an artifact so that rows can be answered with it, and see first that it works."""

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlkeel.config import read_kept_settings
from mlkeel.contract.request import Rules, example
from mlkeel.errors import ArtifactError, Hint
from mlkeel.inference.feedback import Truths
from mlkeel.inference.predictor import Predictor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """An artifact that has shown that it works, and what is derived from its contract."""

    version: str
    predictor: Predictor
    rules: Rules
    truths: Truths
    schema: dict[str, Any]  # of a row
    contract: str  # hash of its features.json
    kept: tuple[str, ...]  # columns that are recorded as they are
    hashed: tuple[str, ...]  # columns of which a hash is recorded

    @classmethod
    def open(cls, folder: Path) -> "Service":
        """Load the artifact in `folder` and let it answer one row.

        Raises:
            InputError: the artifact is damaged, or its answers are no answers.
        """
        predictor = Predictor.load(folder)
        rules = Rules(predictor.contract)
        schema = rules.schema()
        truths = Truths(predictor.contract, predictor.target)
        rules.refusals([example(schema)])  # a rule that cannot be asked is to fail now
        found = predictor.predict(rules.by_column([example(schema)] * 2))
        if not predictor.kind.sound(found) or not np.allclose(found[0], found[1], rtol=1e-3):
            raise ArtifactError(f"{folder}: it answers a row with {found.tolist()}.", Hint.TRAIN)
        if rules.unchecked:
            logger.warning("Not asked of requests, since it takes a whole table: %s.", ", ".join(rules.unchecked))
        digest = hashlib.sha256(json.dumps(predictor.contract.features, sort_keys=True).encode()).hexdigest()
        return cls(folder.name, predictor, rules, truths, schema, digest[:12], *_recorded(folder, predictor))


def _recorded(folder: Path, predictor: Predictor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns to record as they are, and those to hash; what the artifact's settings call private is not kept.

    Raises:
        ArtifactError: the settings call something private that is no column, perhaps by a misspelt name.
    """
    private = read_kept_settings(folder).monitor.private
    if unknown := set(private) - set(predictor.contract.all_columns) | set(private) & {predictor.target}:
        raise ArtifactError(
            f"{folder / 'params.yaml'}: monitor.private names {', '.join(sorted(unknown))}, and only columns of the "
            "table can be private, but for the target. Correct it in conf/params.yaml, and train again."
        )
    names = [column.name for column in predictor.contract.columns]
    hashed = tuple(name for name in names if private.get(name) == "hash")
    return tuple(name for name in names if name not in private), hashed
