"""Encode rows as the matrix that a model takes, by the front of the graph that answers."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mlkeel.config import Role
from mlkeel.contract.suites import Column
from mlkeel.errors import ArtifactError, Hint
from mlkeel.features.derived import DerivedFeature, derived
from mlkeel.features.graph import Graph, Matrix
from mlkeel.features.layout import Layout, Packed, Rows
from mlkeel.features.python_features import PythonFeature, with_python_columns
from mlkeel.features.texts import LONGEST, TOKENIZER

FORMAT = "2"  # of a graph and what stands beside it; 1 was a graph of encoded features
FORMAT_KEY = "mlkeel.format"
LAYOUT_KEY = "mlkeel.layout"
TOKENIZER_KEY = "mlkeel.tokenizer"
PROJECT_KEY = "mlkeel.project"
PYTHON_KEY = "mlkeel.python_features"  # digest of their source; where it is, the graph alone does not suffice


@dataclass(frozen=True)
class Features:
    """What a model learns from: columns of the contract by their roles, and columns that are derived from them.

    Attributes:
        roles: of the columns of the contract.
        derived: features that the graph computes.
        python: features that Python computes before.
    """

    roles: tuple[Role, ...]
    derived: tuple[DerivedFeature, ...] = ()
    python: tuple[PythonFeature, ...] = ()

    def derive(self, *features: DerivedFeature | PythonFeature | Callable[..., Any]) -> "Features":
        """Return these features and columns that are derived; each may read raw columns and those before it."""
        python = [each for each in features if isinstance(each, PythonFeature)]
        others = [each for each in features if not isinstance(each, PythonFeature)]
        further = (each if isinstance(each, DerivedFeature) else derived(each) for each in others)
        return replace(self, derived=(*self.derived, *further), python=(*self.python, *python))

    @property
    def derives(self) -> bool:
        """Whether any column is derived."""
        return bool(self.derived or self.python)

    def with_times(self) -> "Features":
        """Return these features where dates and times are raw columns, too.

        A model learns from what is derived of them; a time that is a number, such as a year, is a feature as it is.
        """
        return replace(self, roles=(*self.roles, "time"))


TABLES = Features(("numeric", "categorical", "boolean", "protected_feature"))
TEXTS = Features(("text",))


class Encoder:
    """Encodes rows by a graph, the same in training as in serving."""

    def __init__(
        self, graph: Graph, python: Sequence[PythonFeature] = (), source: Mapping[str, bytes] | None = None
    ) -> None:
        """Take a graph, the Python features that it names and, for a new version, the files of their source.

        Raises:
            ArtifactError: the graph has another format, or does not say which columns it takes.
        """
        self.graph = graph
        self.layout = read_layout(graph)
        self.python = tuple(python)
        self.source = dict(source or {})

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the matrix; none for texts, of which it holds tokens."""
        return self.layout.features

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return LONGEST if self.layout.tokens else len(self.columns)

    @property
    def derived(self) -> tuple[str, ...]:
        """The columns of the matrix that are derived, the last ones."""
        return self.layout.derived

    def without(self, absent: Container[str]) -> "Encoder":
        """Return an encoder that calls no Python feature of columns that are `absent`, whose values it may not take."""
        return Encoder(self.graph, [feature.without(absent) for feature in self.python], self.source)

    def pack_rows(self, rows: Sequence[Mapping[str, Any]]) -> Packed:
        """Pack n rows, each a mapping of raw columns to values, into the inputs of the graph."""
        return with_python_columns(self.layout.pack_rows(rows), self.layout, self.python)

    def batches(self, rows: Rows) -> Iterator[Packed]:
        """Pack n rows, given by their raw columns, in batches; at least one, which may be empty."""
        for packed in self.layout.batches(rows):
            yield with_python_columns(packed, self.layout, self.python)

    def derive(self, rows: Rows) -> dict[str, npt.NDArray[np.float64]]:
        """Return the derived columns of n rows by their names, each of shape (n,)."""
        return self.derived_columns(self.encode(rows))

    def derived_columns(self, features: Matrix) -> dict[str, npt.NDArray[np.float64]]:
        """Return the derived columns of encoded rows, shape (n, width), by their names, each of shape (n,)."""
        first = self.width - len(self.derived)
        return {name: features[:, first + place].astype(np.float64) for place, name in enumerate(self.derived)}

    def encode_rows(self, rows: Sequence[Mapping[str, Any]]) -> Matrix:
        """Encode n mappings of columns to values, as a request has them, as a matrix of shape (n, width)."""
        return self.graph.run(self.pack_rows(rows), "features")

    def encode(self, rows: Rows) -> Matrix:
        """Encode n rows as a matrix of shape (n, width).

        A missing value becomes NaN, a category its position in the contract, an unknown one the position after the
        last. A row of texts becomes the numbers of its tokens, then NaN.
        """
        return self.graph.run_batches(self.batches(rows), "features")


def read_layout(graph: Graph) -> Layout:
    """Read which columns `graph` takes.

    Raises:
        ArtifactError: it has another format, needs another tokenizer, or does not say it.
    """
    metadata = graph.metadata
    if (artifact_format := metadata.get(FORMAT_KEY, "1")) != FORMAT:
        raise ArtifactError(
            f"{graph.source} has the artifact format {artifact_format}, and this mlkeel reads format {FORMAT}.",
            Hint.TRAIN,
        )
    if (tokenizer := metadata.get(TOKENIZER_KEY, str(TOKENIZER))) != str(TOKENIZER):
        raise ArtifactError(
            f"{graph.source} needs version {tokenizer} of the tokenizer, and this mlkeel has version {TOKENIZER}.",
            Hint.TRAIN,
        )
    try:
        return Layout.from_json(metadata[LAYOUT_KEY])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{graph.source} does not say which columns it takes.", Hint.TRAIN) from error
