"""How rows are packed into the inputs of a graph, without pandas.

Two packed inputs, `numbers` and `texts`, are several times faster than one input a column. A text that a model reads
word by word enters as a third, `tokens`. An input without columns is no input of the graph.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from mlkeel.contract.dates import seconds
from mlkeel.contract.suites import Column, Contract
from mlkeel.errors import ContractError
from mlkeel.features.texts import token_numbers

Packed = dict[str, npt.NDArray[Any]]

BATCH_ROWS = 1024  # limits the memory that a large table needs


class Rows(Protocol):
    """Columns by their names: a data frame, or a mapping of names to lists of values."""

    def __getitem__(self, name: str, /) -> Any: ...  # noqa: ANN401 - a list, an array or a series


@dataclass(frozen=True)
class Layout:
    """The columns that each input of a graph holds, and those of the matrix that a model takes.

    Attributes:
        numbers: columns of the input `numbers`, float64 of shape (n, columns); a missing number is NaN.
        texts: columns of the input `texts`, strings of shape (n, columns); a missing text is empty.
        tokens: columns of text of which the input `tokens`, int64 of shape (n, 512), holds the hashed tokens.
        times: those of `numbers` that are dates or times, which enter as seconds since 1970-01-01 (UTC).
        features: columns of the matrix; none for tokens.
        derived: those of `features`, the last ones, that are derived from others.
        sources: the raw columns that each of `derived` comes from.
        python: the first of `derived`, which Python computes before the graph runs; also the last of `numbers`.
    """

    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    tokens: tuple[str, ...]
    times: tuple[str, ...]
    features: tuple[Column, ...]
    derived: tuple[str, ...] = ()
    sources: tuple[tuple[str, ...], ...] = ()
    python: tuple[str, ...] = ()

    @classmethod
    def of(cls, contract: Contract) -> Self:
        """Return the layout for the columns of `contract`.

        Raises:
            ContractError: some of the features hold texts and others do not, so that no model takes all of them; or an
                empty text is a category.
        """
        columns = contract.columns
        tokens = tuple(column.name for column in columns if column.text)
        times = tuple(column.name for column in columns if column.time)
        others = [column.name for column in columns if not column.text]
        if tokens and others:
            raise ContractError(
                f"expectations/features.json: {', '.join(tokens)} has the type str and no set of values, so it holds "
                f"texts, and {', '.join(others)} holds none; a model learns from the one or the other. Add an "
                "expect_column_values_to_be_in_set with a value_set, or take columns out of the features."
            )
        if with_empty := [column.name for column in columns if "" in column.categories]:
            raise ContractError(
                f"expectations/features.json: the value_set of {', '.join(with_empty)} holds an empty text, which "
                "stands for a missing value. Take it out."
            )
        numbers = tuple(column.name for column in columns if column.numeric or column.time)
        texts = tuple(column.name for column in columns if column.categories)
        features = tuple(column for column in columns if not column.text and not column.time)
        return cls(numbers, texts, tokens, times, features)

    @classmethod
    def from_json(cls, content: str) -> Self:
        """Read what `to_json` wrote."""
        values = json.loads(content)
        features = tuple(Column(name, tuple(categories)) for name, categories in values.pop("features"))
        sources = tuple(tuple(columns) for columns in values.pop("sources"))
        return cls(**{name: tuple(columns) for name, columns in values.items()}, features=features, sources=sources)

    def to_json(self) -> str:
        """Write the layout for the metadata of a graph."""
        features = [(column.name, column.categories) for column in self.features]
        return json.dumps(asdict(self) | {"features": features})

    @property
    def raw(self) -> Self:
        """The layout without derived features."""
        n_raw = len(self.features) - len(self.derived)
        return replace(
            self, numbers=self.raw_numbers, features=self.features[:n_raw], derived=(), sources=(), python=()
        )

    @cached_property
    def raw_numbers(self) -> tuple[str, ...]:
        """Those of `numbers` that rows hold."""
        return self.numbers[: len(self.numbers) - len(self.python)]

    @cached_property
    def _time_places(self) -> tuple[int, ...]:
        return tuple(self.numbers.index(name) for name in self.times)

    def pack_rows(self, rows: Sequence[Mapping[str, Any]]) -> Packed:
        """Pack n rows, each a mapping of raw columns to values, into the inputs of the graph."""
        packed: Packed = {}
        if self.raw_numbers:
            numbers = [[row[name] for name in self.raw_numbers] for row in rows]
            for place in self._time_places:
                for values in numbers:
                    values[place] = seconds(values[place])
            packed["numbers"] = np.array(numbers, dtype=np.float64).reshape(len(rows), len(self.raw_numbers))
        if self.texts:
            texts = [[row[name] or "" for name in self.texts] for row in rows]
            packed["texts"] = np.array(texts, dtype=object).reshape(len(rows), len(self.texts))
        if self.tokens:
            packed["tokens"] = token_numbers([[row[name] for row in rows] for name in self.tokens])
        return packed

    def batches(self, rows: Rows) -> Iterator[Packed]:
        """Pack n rows, given by their raw columns, in batches; at least one, which may be empty."""
        numbers = [
            np.array([seconds(value) for value in rows[name]])
            if name in self.times
            else np.asarray(rows[name], dtype=np.float64)
            for name in self.raw_numbers
        ]
        texts = [np.asarray(rows[name], dtype=object) for name in self.texts]
        tokens = [np.asarray(rows[name], dtype=object) for name in self.tokens]
        n_rows = len(next(iter([*numbers, *texts, *tokens])))
        for start in range(0, max(n_rows, 1), BATCH_ROWS):
            batch = slice(start, start + BATCH_ROWS)
            packed: Packed = {}
            if numbers:
                packed["numbers"] = np.column_stack([values[batch] for values in numbers])
            if texts:
                packed["texts"] = _text_matrix([values[batch] for values in texts])
            if tokens:
                packed["tokens"] = token_numbers([values[batch] for values in tokens])
            yield packed


def _text_matrix(columns: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return columns of n values as strings of shape (n, columns); what is no text, such as NaN, is missing."""
    matrix = np.empty((len(columns[0]), len(columns)), dtype=object)
    for index, values in enumerate(columns):
        matrix[:, index] = [value if isinstance(value, str) else "" for value in values]
    return matrix
