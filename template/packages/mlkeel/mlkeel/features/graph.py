"""Run an ONNX graph with onnxruntime."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlkeel.errors import ArtifactError, Hint
from mlkeel.features.layout import Packed
from mlkeel.features.values import clean_text

Matrix = npt.NDArray[np.float32]


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
        self.content = content
        self.source = source
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def run(self, inputs: Packed, output: str) -> Matrix:
        """Return an output, shape (n, columns), for inputs of n rows."""
        return self.run_several(inputs, [output])[0]

    def run_several(self, inputs: Packed, outputs: Sequence[str]) -> list[Matrix]:
        """Return several outputs for inputs of n rows."""
        try:
            results: list[Matrix] = self._session.run(outputs, inputs)
        except UnicodeEncodeError:
            results = self._session.run(outputs, inputs | {"texts": _encodable(inputs["texts"])})
        return results

    def run_batches(self, batches: Iterable[Packed], output: str) -> Matrix:
        """Return an output for several batches of inputs, at least one, as one matrix."""
        results = [self.run(inputs, output) for inputs in batches]
        return results[0] if len(results) == 1 else np.concatenate(results)


def _encodable(texts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Replace lone surrogates, which no UTF-8 can hold, so that such a text is unknown, and not a failure."""
    encodable = [clean_text(text) for text in texts.ravel()]
    return np.array(encodable, dtype=object).reshape(texts.shape)
