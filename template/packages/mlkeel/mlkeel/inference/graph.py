"""Run a graph of ONNX with onnxruntime."""

import numpy as np

from mlkeel.errors import ArtifactError, Hint
from mlkeel.features.encoder import Matrix

AT_ONCE = 1024  # rows, so that a large table needs no large memory


class Graph:
    """An ONNX graph, opened; several threads may run it at once."""

    def __init__(self, content: bytes, source: str) -> None:
        """Open `content`, which came from `source`.

        Raises:
            ArtifactError: the graph is damaged.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors share no base but Exception
            reason = str(error).splitlines()[0]
            raise ArtifactError(f"{source} cannot be loaded ({reason}).", Hint.TRAIN) from error

    @property
    def width(self) -> int:
        """How many features it takes."""
        return int(self._session.get_inputs()[0].shape[1])

    def run(self, features: Matrix) -> Matrix:
        """From encoded features, shape (n, width), to answers, shape (n, answers)."""
        parts = [features[start : start + AT_ONCE] for start in range(0, len(features), AT_ONCE)] or [features]
        answers: list[Matrix] = [self._session.run(["answers"], {"features": part})[0] for part in parts]
        return answers[0] if len(answers) == 1 else np.concatenate(answers)
