"""Make the graph of a version: its front encodes packed rows, the model's own graph answers them.

Both are one ONNX graph, so a version answers as on the day it was made, whatever the project's code has become, and any
ONNX runtime can answer with it.
"""

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mlkeel.contract.suites import Column, Contract
from mlkeel.errors import InputError
from mlkeel.features.derived import DerivedFeature, location
from mlkeel.features.encoder import (
    FORMAT,
    FORMAT_KEY,
    LAYOUT_KEY,
    PROJECT_KEY,
    PYTHON_KEY,
    TOKENIZER_KEY,
    Encoder,
    Features,
)
from mlkeel.features.graph import Graph
from mlkeel.features.layout import Layout
from mlkeel.features.python_features import PythonFeature, digest_of, read_source
from mlkeel.features.texts import LONGEST, TOKENIZER
from mlkeel.features.values import clean_text

if TYPE_CHECKING:
    import numpy.typing as npt
    import onnx
    from spox import Var

SEPARATOR = "\x1f"  # between the place of a column and a value of it


def build_encoder(contract: Contract, features: Features, project: str = "") -> Encoder:
    """Build the front of a graph, which encodes rows of the columns of `contract`, for the project of this name.

    Raises:
        ContractError: no model takes all features.
        InputError: a derived feature cannot become part of a graph, or has the name of another column.
    """
    import spox

    layout = _with_python(Layout.of(contract), contract, features.python)
    inputs = _inputs(layout)
    derived, sources = _derived(features.derived, layout, contract, inputs)
    if layout.times and not layout.raw.features and not derived:
        raise InputError("features.py: all columns are dates; nothing is derived from them to learn from. Add that.")
    columns = (*layout.raw.features, *map(Column, derived))
    layout = replace(layout, features=columns, derived=tuple(derived), sources=tuple(sources.values()))
    graph = spox.build(inputs, {"features": _features(layout, inputs, derived)})
    metadata = _metadata(layout, contract, project)
    source = read_source(features.python[0].path.parent) if features.python else {}
    if source:
        metadata[PYTHON_KEY] = digest_of(source)
    return Encoder(Graph(_with_metadata(graph, metadata), "the encoder"), features.python, source)


def add_model(
    encoder: Encoder,
    model: bytes,
    costs: "npt.NDArray[np.float64] | None" = None,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Return the graph of a version: from the inputs of `encoder` to its `features` and the `answers` of `model`.

    `model` is an ONNX graph from `features` (n, width) to `answers` (n, outputs). With `costs`, of each actual class
    (row) as each class is decided on (column), a third output is `decision`, the position of the class that costs
    least.
    """
    import onnx
    import spox
    import spox.opset.ai.onnx.v21 as op

    inputs = _inputs(encoder.layout)
    features = spox.inline(onnx.load_from_string(encoder.graph.content))(**inputs)["features"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # spox warns that it converts the model to its own opset
        answers = spox.inline(onnx.load_from_string(model))(features)["answers"]
        outputs = {"answers": answers, "features": features}
        if costs is not None:
            expected = op.matmul(op.cast(answers, to=np.float64), op.const(costs))
            outputs["decision"] = op.arg_min(expected, axis=1, keepdims=0)
        graph = spox.build(inputs, outputs)
    return _with_metadata(graph, encoder.graph.metadata | dict(metadata or {}))


def mean_model(models: Sequence[bytes]) -> bytes:
    """Return the ONNX graph of the mean of several models, from `features` (n, width) to `answers` (n, outputs)."""
    import onnx
    import spox
    import spox.opset.ai.onnx.v21 as op

    graphs = [onnx.load_from_string(model) for model in models]
    width = graphs[0].graph.input[0].type.tensor_type.shape.dim[1].dim_value
    features = spox.argument(spox.Tensor(np.float32, ("N", width)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # spox warns that it converts the models to its own opset
        answers = op.mean([spox.inline(graph)(features)["answers"] for graph in graphs])
        return bytes(spox.build({"features": features}, {"answers": answers}).SerializeToString())


def model_part(content: bytes) -> bytes:
    """Return the part of a version's graph from `features` (n, width) to `answers`, as an ONNX graph of its own."""
    import onnx

    model = onnx.load_from_string(content)
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    (encoded,) = producers["features"].input  # an Identity gives it its name
    needed = {"answers"}
    nodes = []
    for node in reversed(graph.node):
        if needed & set(node.output) - {encoded}:
            nodes.append(node)
            needed |= set(node.input)
    outputs = {output.name: output for output in graph.output}
    del graph.input[:], graph.output[:], graph.node[:]
    graph.input.append(outputs["features"])
    graph.output.append(outputs["answers"])
    graph.node.append(onnx.helper.make_node("Identity", ["features"], [encoded]))
    graph.node.extend(reversed(nodes))
    return bytes(model.SerializeToString())


def with_named_inputs(encoder: Encoder) -> bytes:
    """Return the graph of a version with one input a column, of its name and of shape (n,), for other runtimes.

    So is each derived column an output, beside those of the version; but one that Python computes is an input. One row
    takes longer than with packed inputs. Tokens stay one input.

    Raises:
        InputError: a column has the name of an output.
    """
    import onnx
    import spox
    import spox.opset.ai.onnx.v21 as op

    layout = encoder.layout
    computed = layout.derived[len(layout.python) :]
    content = onnx.load_from_string(encoder.graph.content)
    own = [output.name for output in content.graph.output]
    if taken := set(own) & {*layout.numbers, *layout.texts, *computed}:
        raise InputError(f"A column is called {', '.join(taken)}, as an output of the graph is. Rename it, and train.")
    types = {"numbers": (np.float64, layout.numbers), "texts": (np.str_, layout.texts)}
    arguments = _inputs(replace(layout, numbers=(), texts=()))
    packed = dict(arguments)
    for kind, (dtype, names) in types.items():
        columns = {name: spox.argument(spox.Tensor(dtype, ("N",))) for name in names}
        arguments |= columns
        if columns:
            axis = op.const(np.array([1]))
            packed[kind] = op.concat([op.unsqueeze(column, axis) for column in columns.values()], axis=1)
    outputs = spox.inline(content)(**packed)
    named = {name: outputs[name] for name in own}
    first = len(layout.features) - len(computed)
    for place, name in enumerate(computed, start=first):
        named[name] = op.gather(named["features"], op.const(place), axis=1)
    return _with_metadata(spox.build(arguments, named), encoder.graph.metadata)


def _inputs(layout: Layout) -> "dict[str, Var]":
    from spox import Tensor, argument

    shapes = {
        "numbers": (np.float64, len(layout.numbers)),
        "texts": (np.str_, len(layout.texts)),
        "tokens": (np.int64, LONGEST if layout.tokens else 0),
    }
    return {name: argument(Tensor(dtype, ("N", width))) for name, (dtype, width) in shapes.items() if width}


def _with_python(layout: Layout, contract: Contract, features: Sequence[PythonFeature]) -> Layout:
    """Return `layout` with the columns of Python features behind its numbers.

    Raises:
        InputError: one cannot be computed, or has the name of another column.
    """
    names: list[str] = []
    for feature in features:
        _check_table(feature, layout)
        feature.check(layout)
        if feature.name in (*contract.all_columns, *names):
            raise _taken(feature, feature.name)
        names.append(feature.name)
    return replace(
        layout,
        numbers=(*layout.numbers, *names),
        features=(*layout.features, *map(Column, names)),
        derived=tuple(names),
        sources=tuple(feature.columns for feature in features),
        python=tuple(names),
    )


def _check_table(feature: DerivedFeature | PythonFeature, layout: Layout) -> None:
    if layout.tokens:
        raise InputError(
            f"features.py: {feature.name} derives a column, and this model reads the words of "
            f"{', '.join(layout.tokens)} and nothing else. Take it out of FEATURES."
        )


def _taken(feature: DerivedFeature | PythonFeature, name: str) -> InputError:
    return InputError(f"{location(feature.function)}: this gives a column {name}, which there is already. Rename it.")


def _derived(
    features: Sequence[DerivedFeature], layout: Layout, contract: Contract, inputs: "dict[str, Var]"
) -> "tuple[dict[str, Var], dict[str, tuple[str, ...]]]":
    """Return derived columns by their names, each float64 of shape (n,), and the raw columns that they come from."""
    import spox.opset.ai.onnx.v21 as op

    from mlkeel.features.onnx_operations import from_variable

    if not features and not layout.python:
        return {}, {}
    packed = {"numbers": layout.numbers, "texts": layout.texts}
    columns = {
        name: from_variable(op.gather(inputs[kind], op.const(place), axis=1))
        for kind, names in packed.items()
        for place, name in enumerate(names)
    }
    derived: dict[str, Var] = {name: columns[name].data for name in layout.python}
    sources = dict(zip(layout.python, layout.sources, strict=True))
    for feature in features:
        _check_table(feature, layout)
        _check_readable(feature, columns, contract)
        for name, values in feature.evaluate(columns).items():
            if name in contract.all_columns or name in columns:
                raise _taken(feature, name)
            derived[name] = values.data
            columns[name] = values
            read = (raw for column in feature.columns for raw in sources.get(column, (column,)))
            sources[name] = tuple(dict.fromkeys(read))
    return derived, sources


def _check_readable(feature: DerivedFeature, columns: Mapping[str, object], contract: Contract) -> None:
    unreadable = [name for name in feature.columns if name not in columns and name in contract.all_columns]
    if unreadable:
        raise InputError(
            f"{feature.location()}: {unreadable[0]} is a column of the table and no feature, so rows to predict need "
            "not have it. If it holds dates, write FEATURES = TABLES.with_times() and adopt the table again; if it is "
            "the target or an identifier, derive from other columns."
        )


def _features(layout: Layout, inputs: "dict[str, Var]", derived: "dict[str, Var]") -> "Var":
    """Return the encoded features, float32 of shape (n, width).

    What is derived is rounded once, here, and is missing where it is not finite, as after a division by zero.
    """
    import spox.opset.ai.onnx.v21 as op

    if tokens := inputs.get("tokens"):
        absent = op.less(tokens, op.const(0))
        return op.where(absent, op.const(np.float32(np.nan)), op.cast(tokens, to=np.float32))
    parts = []
    if numbers := inputs.get("numbers"):
        parts.append(numbers)
    if texts := inputs.get("texts"):
        categories = {column.name: column.categories for column in layout.features}
        parts.append(_positions(texts, [categories[name] for name in layout.texts]))
    matrix = parts[0] if len(parts) == 1 else op.concat(parts, axis=1)
    packed = [*layout.numbers, *layout.texts]
    order = [packed.index(column.name) for column in layout.raw.features]
    if order != list(range(len(packed))):
        matrix = op.gather(matrix, op.const(np.array(order, dtype=np.int64)), axis=1)
    encoded = op.cast(matrix, to=np.float32)
    if not derived:
        return encoded
    columns = [op.unsqueeze(column, op.const(np.array([1]))) for column in derived.values()]
    further = op.cast(op.concat(columns, axis=1), to=np.float32)
    finite = op.where(op.isinf(further), op.const(np.float32(np.nan)), further)
    return op.concat([encoded, finite], axis=1)


def _positions(texts: "Var", categories: list[tuple[str, ...]]) -> "Var":
    """Return the position of each text among the categories of its column, float64 of shape (n, columns).

    One look-up serves all columns: its keys are the place of a column and a value.
    """
    import spox.opset.ai.onnx.ml.v4 as ml
    import spox.opset.ai.onnx.v21 as op

    positions: dict[str, float] = {}
    for place, known in enumerate(categories):
        positions[f"{place}{SEPARATOR}"] = np.nan  # a missing value
        positions |= {f"{place}{SEPARATOR}{clean_text(value)}": float(code) for code, value in enumerate(known)}
    places = op.const(np.array([f"{place}{SEPARATOR}" for place in range(len(categories))]))
    codes = ml.label_encoder(
        op.string_concat(places, texts),
        keys_tensor=np.array(list(positions), dtype=object),  # which keep a NUL at the end
        values_tensor=np.array(list(positions.values()), dtype=np.float64),
        default_tensor=np.array([-1.0]),
    )
    unknown = op.const(np.array([float(len(known)) for known in categories]))
    return op.where(op.less(codes, op.const(0.0)), unknown, codes)


def _metadata(layout: Layout, contract: Contract, project: str) -> dict[str, str]:
    digest = hashlib.sha256(json.dumps(contract.features, sort_keys=True).encode()).hexdigest()
    tokenizer = {TOKENIZER_KEY: str(TOKENIZER)} if layout.tokens else {}
    about = {PROJECT_KEY: project, "mlkeel.contract": digest}
    return {FORMAT_KEY: FORMAT, LAYOUT_KEY: layout.to_json()} | about | tokenizer


def _with_metadata(graph: "onnx.ModelProto", metadata: dict[str, str]) -> bytes:
    import onnx

    onnx.helper.set_model_props(graph, metadata)
    return bytes(graph.SerializeToString())
