"""Derived features: functions of raw columns, run by numpy on a table and traced into the model's ONNX graph."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb
from typing import Any, overload

import numpy as np

from mlkeel.errors import InputError
from mlkeel.features.numpy_operations import from_sequence
from mlkeel.features.values import Kind, Values

Array = np.ndarray[Any, Any]
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class DerivedFeature:
    """A function of raw columns that gives one column, named like it, or several in a dict of names to columns.

    Attributes:
        function: takes the values of each of `columns` in turn.
        columns: names of the raw columns, or earlier derived ones, that it reads.
    """

    function: Callable[..., Any]
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the function, and of its column if it gives one."""
        return function_name(self.function)

    def evaluate(self, columns: Mapping[str, Values]) -> dict[str, Values]:
        """Compute the derived columns, on a table or as a graph.

        Args:
            columns: values of n rows by column, all in numpy or all of one graph; more than it reads do not matter.

        Returns:
            Numbers of n rows by the name of the derived column; a mask becomes 0 and 1.

        Raises:
            InputError: the function fails, cannot become part of a graph, reads a column that there is not, or returns
                something else. The message begins with the file and line.
        """
        fault = self._fault()
        if fault:
            raise InputError(f"{self.location()}: {fault}")
        for column in self.columns:
            if column not in columns:
                known = ", ".join(columns) or "none"
                raise InputError(
                    f"{self.location()}: there is no column {column!r}; there are: {known}. Correct the name, or take "
                    "the feature out of FEATURES"
                )
        arguments = [columns[column] for column in self.columns]
        try:
            result = self.function(*arguments)
        except InputError as error:
            raise InputError(f"{self.location(error)}: {error}", error.hint) from error
        except Exception as error:
            raise InputError(f"{self.location(error)}: {type(error).__name__}: {error}") from error
        return self._named(result)

    def __call__(self, *arrays: object) -> Array | dict[str, Array]:
        """Compute the derived columns of a table, such as in a test.

        Args:
            arrays: an array or sequence of n numbers, times (datetime64) or texts for each of `columns`; None and NaN
                are missing.

        Returns:
            Numbers, float64 of shape (n,): of the one column named like the function, or of each column by name.

        Raises:
            InputError: as `evaluate` does, or if the arrays do not fit the columns or each other.
        """
        if len(arrays) != len(self.columns):
            raise InputError(f"{self.location()}: takes {len(self.columns)} columns, and {len(arrays)} were given")
        columns = dict(zip(self.columns, (from_sequence(array) for array in arrays), strict=True))
        lengths = {len(values.data) for values in columns.values()}
        if len(lengths) > 1:
            raise InputError(
                f"{self.location()}: columns of one table are equally long, and these have {sorted(lengths)}"
            )
        derived = {name: values.data for name, values in self.evaluate(columns).items()}
        return derived[self.name] if list(derived) == [self.name] else derived

    def _named(self, result: object) -> dict[str, Values]:
        if isinstance(result, Values):
            result = {self.name: result}
        if not isinstance(result, dict):
            raise InputError(f"{self.location()}: {_refusal_of_result(result)}")
        if not result:
            raise InputError(f"{self.location()}: returns an empty dict; name at least one column")
        named: dict[str, Values] = {}
        for name, values in result.items():
            if not isinstance(name, str) or not name.strip():
                raise InputError(
                    f"{self.location()}: names a column {name!r}; the keys of its dict are names of columns"
                )
            if not isinstance(values, Values) or values.kind is Kind.TEXT:
                raise InputError(f"{self.location()}: {_refusal_of_result(values, f' as {name!r}')}")
            named[name] = values.numbers()
        return named

    def _fault(self) -> str | None:
        """What is wrong with the function as it is written; raised by `evaluate`, since nothing fails at import."""
        if not inspect.isfunction(self.function):
            return f"@derived takes a function, and this is an object of type {type(self.function).__name__}"
        if inspect.iscoroutinefunction(self.function) or inspect.isgeneratorfunction(self.function):
            return "a derived feature is a plain function: it returns once, and is not async"
        if not isinstance(self.columns, tuple) or not all(isinstance(column, str) for column in self.columns):
            return 'names its columns wrongly; write @derived(columns=("unit price", "quantity"))'
        return fault_of_signature(self.function, self.columns)

    def location(self, error: Exception | None = None) -> str:
        """Return file, line and function, as far as the error's way leads through the user's file."""
        return location(self.function, error)


@overload
def derived(function: Callable[..., Any], /) -> DerivedFeature: ...


@overload
def derived(*, columns: tuple[str, ...] | None = None) -> Callable[[Callable[..., Any]], DerivedFeature]: ...


def derived(
    function: Callable[..., Any] | None = None, /, *, columns: tuple[str, ...] | None = None
) -> DerivedFeature | Callable[[Callable[..., Any]], DerivedFeature]:
    """Make a function of columns a derived feature.

    Args:
        function: gives one column, named like it, or a dict of names to columns.
        columns: the columns that its parameters stand for, in order; the names of the parameters if left out.
    """

    def wrap(function: Callable[..., Any]) -> DerivedFeature:
        names = parameter_names(function) if columns is None else columns
        return DerivedFeature(function, tuple(names) if isinstance(names, list) else names)

    return wrap if function is None else wrap(function)


def function_name(function: Callable[..., Any]) -> str:
    """The name of a function, or of the type of what is none."""
    return str(getattr(function, "__name__", type(function).__name__))


def location(function: Callable[..., Any], error: Exception | None = None) -> str:
    """Return file, line and name of a function, as far as the error's way leads through its file."""
    name = function_name(function)
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return name
    line = code.co_firstlineno
    for frame, number in walk_tb(error.__traceback__ if error else None):
        if frame.f_code.co_filename == code.co_filename:
            line = number
    path = Path(code.co_filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown}:{line}, in {name}"


def parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters, which name columns; none of what is no function."""
    if not inspect.isfunction(function):
        return ()
    return tuple(inspect.signature(function).parameters)


def fault_of_signature(function: Callable[..., Any], columns: tuple[str, ...]) -> str | None:
    """Say why the parameters of a function cannot stand for `columns`, one each; None if they can."""
    parameters = inspect.signature(function).parameters.values()
    for parameter in parameters:
        if parameter.kind not in POSITIONAL:
            return f"the parameter {parameter.name} stands for no one column; name each column that it reads"
        if parameter.default is not parameter.empty:
            return f"the parameter {parameter.name} has a default; write that value into the function"
    if not parameters:
        return "reads no column; name the columns that it reads as parameters"
    if len(parameters) != len(columns):
        return f"has {len(parameters)} parameters, and its columns= names {len(columns)} columns"
    return None


def _refusal_of_result(result: object, where: str = "") -> str:
    if result is None:
        return f"returns None{where}; write return before the expression"
    if isinstance(result, bool | int | float | str | np.generic):
        return f"returns {result!r}{where} for all rows; a derived column is computed from the columns of each row"
    if isinstance(result, Values):
        return f"returns texts{where}; a derived column holds numbers: use ==, isin or map_values"
    if isinstance(result, list | tuple):
        return f"returns a {type(result).__name__}{where}; name its columns: return dict(name=values, other=values)"
    return f"returns an object of type {type(result).__name__}{where}; return the column, or a dict of names to columns"
