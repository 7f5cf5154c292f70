"""Faults of the kit's own code, one of which a run of the tests has if the variable MUTANT names it."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from mlkeel.contract import validate
from mlkeel.data import split as splitting
from mlkeel.data.split import Split
from mlkeel.features import export
from mlkeel.features.graph import Graph
from mlkeel.features.layout import Layout
from mlkeel.inference.predictor import Predictor
from mlkeel.registry import artifact
from mlkeel.tasks.evaluation import Evaluation


@dataclass(frozen=True)
class Mutant:
    """`change` stands for `name` of `owner`, and gets the original first; some test of `file` should notice."""

    owner: type | ModuleType
    name: str
    file: str
    change: Callable[..., Any]


def plant(patch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    """Replace a method of a class, or a function in every module that imported it."""
    original = getattr(mutant.owner, mutant.name)

    def changed(*args: Any, **kwargs: Any) -> Any:
        return mutant.change(original, *args, **kwargs)

    if isinstance(mutant.owner, type):
        patch.setattr(mutant.owner, mutant.name, changed)
        return
    for module in list(sys.modules.values()):
        if vars(module).get(mutant.name) is original:
            patch.setattr(module, mutant.name, changed)


def active_mutant() -> Mutant | None:
    """The mutant that this run has, if any."""
    return MUTANTS[os.environ["MUTANT"]] if "MUTANT" in os.environ else None


def _batches_with(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """Change the numbers that enter the graph."""
    return lambda batches, *args: [packed | {"numbers": change(packed["numbers"])} for packed in batches(*args)]


def _in_serving(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """Change the numbers that enter the graph in serving, and not in training."""
    return lambda _, self, rows: self.graph.run_batches(
        _batches_with(change)(self.encoder.layout.batches, rows), "answers"
    )


def _swapped(pack_rows: Callable[..., Any], *args: Any) -> Any:
    """Give each row of a request the values of another."""
    return {name: values[::-1] for name, values in pack_rows(*args).items()}


def _reverse_columns(features: Callable[..., Any], *args: Any) -> Any:
    import spox.opset.ai.onnx.v21 as op

    return op.gather(features(*args), op.const(np.array([1, 0])), axis=1)


def _one_more(positions: Callable[..., Any], *args: Any) -> Any:
    import spox.opset.ai.onnx.v21 as op

    return op.add(positions(*args), op.const(1.0))


def _answers_times(factor: float) -> Callable[..., Any]:
    return lambda run, graph, inputs, output: run(graph, inputs, output) * (factor if output == "answers" else 1)


def _split_in_order(_: Callable[..., Any], table: Any, settings: Any, *_args: Any) -> Split:
    train_share, validation_share, _ = settings.shares
    first = int(len(table) * train_share)
    second = int(len(table) * (train_share + validation_share))
    return Split(table.iloc[:first], table.iloc[first:second], table.iloc[second:])


def _off_by_one(split: Callable[..., Split], *args: Any, **kwargs: Any) -> Split:
    splits = split(*args, **kwargs)
    return replace(splits, test=splits.test.iloc[1:])


def _train_rows_in_test(split: Callable[..., Split], *args: Any, **kwargs: Any) -> Split:
    splits = split(*args, **kwargs)
    return replace(splits, test=splits.train)


def _reverse_names(load: Callable[..., Predictor], *args: Any) -> Predictor:
    predictor = load(*args)
    predictor.output_names = predictor.output_names[::-1]
    return predictor


def _another_name(_: Callable[..., None], artifacts: Any, version: str) -> None:
    shutil.copytree(artifacts / version, artifacts / "older")
    (artifacts / "current").write_text("older\n", encoding="utf-8")


MUTANTS = {
    "scaling in training only": Mutant(Predictor, "predict", "version", _in_serving(lambda numbers: numbers * 0.01)),
    "rows of a request mixed up": Mutant(Layout, "pack_rows", "graph", _swapped),
    "column order changed": Mutant(export, "_features", "table_features", _reverse_columns),
    "imputation skipped": Mutant(Layout, "batches", "table_features", _batches_with(np.nan_to_num)),
    "codes off by one": Mutant(export, "_positions", "table_features", _one_more),
    "off-by-one split": Mutant(splitting, "split", "split", _off_by_one),
    "split by place": Mutant(splitting, "split", "split", _split_in_order),
    "train rows in the test set": Mutant(splitting, "split", "split", _train_rows_in_test),
    "contract not enforced": Mutant(validate, "enforce", "validate", lambda *_: []),
    "gate always open": Mutant(Evaluation, "failures", "class_evaluation", lambda *_: []),
    "answers under other names": Mutant(Predictor, "load", "version", _reverse_names),
    "NaN output": Mutant(Graph, "run", "version", _answers_times(np.nan)),
    "ONNX differs from the framework": Mutant(Graph, "run", "version", _answers_times(0.999)),
    "wrong artifact version": Mutant(artifact, "set_current", "version", _another_name),
}
