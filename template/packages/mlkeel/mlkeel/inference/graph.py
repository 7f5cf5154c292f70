"""Run an ONNX graph with onnxruntime."""

import numpy as np

from mlkeel.errors import ArtifactError, Hint
from mlkeel.features.encoder import Matrix

BATCH_ROWS = 1024  # limits the memory that a large table needs


class Graph:
    """A loaded ONNX graph; several threads may run it at once."""

    def __init__(self, content: bytes, source: str) -> None:
        """Load `content`, which was read from `source`.

        Raises:
            ArtifactError: the graph is damaged.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the errors of onnxruntime share no other base class
            reason = str(error).splitlines()[0]
            raise ArtifactError(f"{source} cannot be loaded ({reason}).", Hint.TRAIN) from error

    @property
    def width(self) -> int:
        """The number of encoded features that it takes."""
        return int(self._session.get_inputs()[0].shape[1])

    def run(self, features: Matrix) -> Matrix:
        """Return the outputs, shape (n, outputs), for encoded features, shape (n, width)."""
        batches = [features[start : start + BATCH_ROWS] for start in range(0, len(features), BATCH_ROWS)] or [features]
        outputs: list[Matrix] = [self._session.run(["answers"], {"features": batch})[0] for batch in batches]
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)
