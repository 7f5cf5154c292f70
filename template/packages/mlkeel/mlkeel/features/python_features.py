"""Python features: columns that a project's own functions compute row by row, outside the graph.

They are for what no graph can hold, such as a regular expression. Their values enter the graph as further numbers. An
artifact holds their source as text, to compare with and never to run: what runs is the project's file, or its copy in
the image, and a version that was made with another one is refused.
"""

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from mlkeel.errors import ArtifactError, Hint, InputError
from mlkeel.features.derived import fault_of_signature, function_name, location, parameter_names
from mlkeel.features.layout import Layout, Packed

STEM = "python_features"  # begins the name of each file of the source
MODULE = f"{STEM}.py"
LIBRARIES = {"mlkeel", "numpy"}  # what every image has beside Python's own


class PythonFeatureError(InputError):
    """A Python feature that fails on a row, or gives no number for it.

    Attributes:
        feature: its name.
        row: the position of the row among those that were computed, from 0.
        place: file, line and kind of the failure, without any value of the row.
    """

    def __init__(self, feature: str, row: int, place: str, message: str) -> None:
        super().__init__(f"{place}{message}")
        self.feature = feature
        self.row = row
        self.place = place


@dataclass(frozen=True)
class PythonFeature:
    """A function of one row that gives a number, for the column of its name.

    Attributes:
        function: takes the values of `columns` in one row.
        columns: names of the raw columns that it reads.
    """

    function: Callable[..., Any]
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the function, and of its column."""
        return function_name(self.function)

    def __call__(self, *values: object) -> Any:  # noqa: ANN401 - what the function returns
        """Compute the value of one row, such as in a test."""
        return self.function(*values)

    def evaluate(self, columns: Sequence[Sequence[object]]) -> npt.NDArray[np.float64]:
        """Compute the column of n rows, shape (n,), from n values of each of `columns`; None is missing.

        Raises:
            PythonFeatureError: the function fails, or returns no number. The message begins with the file and line.
        """
        numbers = [self._number(row, values) for row, values in enumerate(zip(*columns, strict=True))]
        return np.array(numbers, dtype=np.float64)

    def _number(self, row: int, values: tuple[object, ...]) -> float:
        try:
            result = self.function(*values)
        except Exception as error:
            of_row = ", ".join(f"{name} is {value!r}" for name, value in zip(self.columns, values, strict=True))
            place = f"{location(self.function, error)}: {type(error).__name__}"
            raise PythonFeatureError(self.name, row, place, f": {error}; {of_row}") from error
        if result is None:
            return np.nan
        if not isinstance(result, bool | int | float | np.bool_ | np.integer | np.floating):
            place = f"{location(self.function)}: returns an object of type {type(result).__name__}"
            remedy = "; a column holds numbers, so return a number, True, False, or None for a missing one"
            raise PythonFeatureError(self.name, row, place, remedy)
        try:
            return float(result)
        except OverflowError:
            place = f"{location(self.function)}: returns a number that is too large"
            raise PythonFeatureError(self.name, row, place, "") from None

    def without(self, absent: Container[str]) -> "PythonFeature":
        """Return it, or one that gives no value if it reads a column that is `absent`."""
        if not any(name in absent for name in self.columns):
            return self
        return PythonFeature(lambda *_values: None, self.columns)

    def check(self, layout: Layout) -> None:
        """Check that the function can stand beside a graph whose inputs are those of `layout`.

        Raises:
            InputError: it reads something else than raw columns, or stands where no image has it.
        """
        if not inspect.isfunction(self.function) or inspect.iscoroutinefunction(self.function):
            raise InputError(f"{location(self.function)}: @python_feature takes a plain function")
        if fault := fault_of_signature(self.function, self.columns):
            raise InputError(f"{location(self.function)}: {fault}")
        known = [*layout.raw_numbers, *layout.texts]
        if unknown := [name for name in self.columns if name not in known]:
            raise InputError(
                f"{location(self.function)}: {unknown[0]!r} is no feature of the contract, and a Python feature reads "
                f"nothing else; there are: {', '.join(known) or 'none'}. Correct the name"
            )
        path = self.path
        if path.name != MODULE:
            raise InputError(
                f"{location(self.function)}: a Python feature stands in {MODULE} beside features.py, which every image "
                "carries. Move it there, and import it"
            )
        _check_imports(path)

    @property
    def path(self) -> Path:
        """The file that the function is from."""
        return Path(inspect.unwrap(self.function).__code__.co_filename)


@overload
def python_feature(function: Callable[..., Any], /) -> PythonFeature: ...


@overload
def python_feature(*, columns: tuple[str, ...] | None = None) -> Callable[[Callable[..., Any]], PythonFeature]: ...


def python_feature(
    function: Callable[..., Any] | None = None, /, *, columns: tuple[str, ...] | None = None
) -> PythonFeature | Callable[[Callable[..., Any]], PythonFeature]:
    """Make a function of one row a Python feature.

    Args:
        function: takes numbers (float), texts (str) and dates (datetime, UTC), each None where it is missing, and
            returns a number, or None.
        columns: the columns that its parameters stand for, in order; the names of the parameters if left out.
    """

    def wrap(function: Callable[..., Any]) -> PythonFeature:
        return PythonFeature(function, tuple(columns) if columns is not None else parameter_names(function))

    return wrap if function is None else wrap(function)


def with_python_columns(packed: Packed, layout: Layout, features: Sequence[PythonFeature]) -> Packed:
    """Return packed inputs of n rows with the columns of `features` behind their raw numbers."""
    if not features:
        return packed
    further = [feature.evaluate([_values(name, packed, layout) for name in feature.columns]) for feature in features]
    numbers = [packed["numbers"]] if "numbers" in packed else []
    return packed | {"numbers": np.column_stack([*numbers, *further])}


def _values(name: str, packed: Packed, layout: Layout) -> list[Any]:
    """Return the n values of a raw column as a function gets them, in a file as in a request."""
    if name in layout.texts:
        return [text or None for text in packed["texts"][:, layout.texts.index(name)].tolist()]
    numbers = packed["numbers"][:, layout.numbers.index(name)].tolist()
    if name in layout.times:
        return [None if number != number else datetime.fromtimestamp(number, UTC) for number in numbers]
    return [None if number != number else number for number in numbers]


def read_source(folder: Path) -> dict[str, bytes]:
    """Read the module of the Python features in `folder`, and the files beside it whose names begin as its name does.

    They are its look-up tables; line ends are normalized.
    """
    paths = sorted(path for path in folder.glob(f"{STEM}*") if path.is_file())
    return {path.name: path.read_bytes().replace(b"\r\n", b"\n") for path in paths}


def digest_of(source: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of a source."""
    digest = hashlib.sha256()
    for name, content in sorted(source.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def load_python_features(layout: Layout, digest: str, folder: Path, package: str) -> tuple[PythonFeature, ...]:
    """Load the Python features of the version in `folder`, from the project or the image that it is in.

    Args:
        layout: names their columns.
        digest: of the source that the version was made with.
        folder: such as `artifacts/<version>`.
        package: the name of the project's package.

    Raises:
        ArtifactError: there is no such source, it is another one, or it does not work here.
    """
    if not layout.python:
        return ()
    columns = ", ".join(layout.python)
    roots = (folder.resolve().parent.parent, Path.cwd())
    places = [place for root in roots for place in (root / "src" / package, root)]
    place = next((place for place in places if (place / MODULE).is_file()), None)
    if place is None:
        raise ArtifactError(
            f"{folder}: {columns} come from Python code, and there is no src/{package}/{MODULE} to compute them with. "
            f"{folder / MODULE} is what the version was made with; put a copy there."
        )
    source = read_source(place)
    if digest_of(source) != digest:
        raise ArtifactError(
            f"{folder}: {columns} come from Python code, and {place / MODULE}, or a file beside it that belongs to it, "
            f"is another than the version was made with. Copy {folder / STEM}* there, or make a version with what is "
            "there now.",
            Hint.TRAIN,
        )
    module = _executed(place / MODULE, source[MODULE])
    by_name = {value.name: value for value in vars(module).values() if isinstance(value, PythonFeature)}
    if absent := [name for name in layout.python if name not in by_name]:
        raise ArtifactError(f"{place / MODULE}: there is no Python feature {', '.join(absent)}.", Hint.TRAIN)
    return tuple(by_name[name] for name in layout.python)


def _executed(path: Path, content: bytes) -> ModuleType:
    """Run the source that was compared, so that no other can come between."""
    module = ModuleType(f"{STEM}_{hashlib.sha256(content).hexdigest()[:12]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # as a class of its own expects
    try:
        exec(compile(content, str(path), "exec"), vars(module))  # noqa: S102 - the project's own file, not the artifact's
    except Exception as error:
        raise ArtifactError(
            f"{path}: this cannot be used here ({type(error).__name__}: {error}). It may need nothing but Python's own "
            f"library, {' and '.join(sorted(LIBRARIES))}. Correct it, and make a version.",
            Hint.TRAIN,
        ) from error
    return module


def _check_imports(path: Path) -> None:
    """Check that the module imports nothing that an image lacks.

    Raises:
        InputError: it does.
    """
    allowed = LIBRARIES | sys.stdlib_module_names
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "."] if not node.level else ["."]
        if foreign := [name for name in names if name.partition(".")[0] not in allowed]:
            where = "another file of the project" if foreign == ["."] else foreign[0]
            raise InputError(
                f"{path.name}:{node.lineno}: imports {where}, which the image of the API does not have. Use Python's "  # type: ignore[attr-defined]
                "own library and numpy, and put look-up tables into files whose names begin with python_features"
            )
