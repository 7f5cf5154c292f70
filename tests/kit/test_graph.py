"""The graph of a version holds all the way from packed rows to the answer, and says what it takes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from mlkeel.contract.suites import Contract, read_contract
from mlkeel.errors import ArtifactError, ContractError
from mlkeel.features.encoder import LAYOUT_KEY, Encoder
from mlkeel.features.export import model_part, with_named_inputs
from mlkeel.features.graph import Graph
from mlkeel.features.layout import Layout
from mlkeel.inference.predictor import Predictor
from mlkeel.registry.artifact import current

from .kinds import KIND

COLUMN = "note" if KIND.text else "colour"


@pytest.fixture(scope="module")
def folder(trained_project: Path) -> Path:
    return current(trained_project / "artifacts")


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Predictor:
    return Predictor.load(folder)


@pytest.fixture(scope="module")
def rows(trained_project: Path) -> Any:
    contract = read_contract(trained_project / "expectations")
    return KIND.project.load(trained_project / "data" / "fruit.csv", contract)


def records(rows: Any, predictor: Predictor) -> list[dict[str, Any]]:
    """The rows as a request has them: null where a value is missing."""
    names = [column.name for column in predictor.contract.columns]
    return [
        {name: None if row[name] != row[name] else row[name] for name in names}
        for row in rows.to_dict(orient="records")
    ]


def test_onnxruntime_alone_answers_with_it(folder: Path, predictor: Predictor, rows: Any) -> None:
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    layout = json.loads(session.get_modelmeta().custom_metadata_map[LAYOUT_KEY])
    inputs: dict[str, Any] = {}
    if KIND.text:
        inputs["tokens"] = next(Encoder(predictor.graph).layout.batches(rows))["tokens"]
    else:
        inputs["numbers"] = rows[layout["numbers"]].to_numpy(np.float64)
        inputs["texts"] = rows[layout["texts"]].fillna("").to_numpy(object)
    assert {each.name for each in session.get_inputs()} == set(inputs)
    answers, features = session.run(["answers", "features"], inputs)
    np.testing.assert_array_equal(features, Encoder(predictor.graph).encode(rows))
    np.testing.assert_allclose(answers, predictor.predict(rows), rtol=1e-5)  # its threads sum trees in another order


def test_it_names_its_project_its_contract_and_its_format(predictor: Predictor) -> None:
    metadata = predictor.graph.metadata
    assert metadata["mlkeel.project"] == KIND.project.package
    assert len(metadata["mlkeel.contract"]) == 64
    assert ("mlkeel.tokenizer" in metadata) == KIND.text


def test_a_request_is_answered_as_its_row_in_a_table_to_the_bit(predictor: Predictor, rows: Any) -> None:
    requests = records(rows, predictor)
    features = Encoder(predictor.graph)
    encoded = features.encode(rows)
    for number, request in enumerate(requests):
        packed = features.layout.pack_rows([request])
        np.testing.assert_array_equal(predictor.graph.run(packed, "features")[0], encoded[number])
    assert np.allclose(predictor.predict_rows(requests), predictor.predict(rows), rtol=1e-5, atol=1e-5)


def test_a_table_of_many_batches_is_answered_as_its_parts(predictor: Predictor, rows: Any) -> None:
    several = {name: [*rows[name]] * 20 for name in rows}
    np.testing.assert_array_equal(predictor.predict(several)[-len(rows) :], predictor.predict(rows))


def test_no_rows_have_no_answers(predictor: Predictor, rows: Any) -> None:
    assert predictor.predict(rows.head(0)).shape == (0, len(predictor.output_names))


def test_the_part_behind_the_encoder_answers_encoded_rows(predictor: Predictor, rows: Any) -> None:
    features = Encoder(predictor.graph).encode(rows)
    part = Graph(model_part(predictor.graph.content), "the part")
    np.testing.assert_array_equal(part.run({"features": features}, "answers"), predictor.predict(rows))


def test_a_copy_for_others_takes_each_column_by_its_name(predictor: Predictor, rows: Any) -> None:
    encoder = predictor.encoder
    session = onnxruntime.InferenceSession(with_named_inputs(encoder))
    if KIND.text:
        inputs = next(encoder.layout.batches(rows))
    else:
        inputs = {"weight_g": rows["weight_g"].to_numpy(), "colour": rows["colour"].fillna("").to_numpy(object)}
    assert {each.name for each in session.get_inputs()} == set(inputs)
    answers, features = session.run(["answers", "features"], inputs)
    np.testing.assert_array_equal(features, encoder.encode(rows))
    np.testing.assert_allclose(answers, predictor.predict(rows), rtol=1e-5)


@pytest.mark.parametrize("text", ["\ud800", "\x00", "x" * 100_000, "green\x00", " green"])
def test_a_text_that_was_never_seen_is_answered(predictor: Predictor, rows: Any, text: str) -> None:
    row = records(rows.head(1), predictor)[0]
    answers = predictor.predict_rows([row | {COLUMN: "not seen before"}, row | {COLUMN: text}])
    assert np.isfinite(answers).all()
    if not KIND.text:
        np.testing.assert_array_equal(answers[1], answers[0])


@pytest.mark.skipif(KIND.text, reason="a model of texts has no categories")
def test_an_empty_text_is_no_category(fruit_contract: Contract) -> None:
    items = [
        item | {"kwargs": item["kwargs"] | {"value_set": ["red", ""]}} if "value_set" in item["kwargs"] else item
        for item in fruit_contract.features["expectations"]
    ]
    with pytest.raises(ContractError, match="colour holds an empty text"):
        Layout.of(Contract(fruit_contract.features | {"expectations": items}, fruit_contract.dataset))


UNREADABLE = [
    ("mlkeel.format", None, "has the artifact format 1"),
    ("mlkeel.format", "3", "has the artifact format 3"),
    ("mlkeel.layout", "{}", "does not say which columns"),
]
OTHER_TOKENIZER = ("mlkeel.tokenizer", "9", "needs version 9 of the tokenizer")


@pytest.mark.parametrize(("key", "value", "reason"), UNREADABLE + ([OTHER_TOKENIZER] if KIND.text else []))
def test_a_graph_that_this_release_cannot_read_is_refused(
    folder: Path, key: str, value: str | None, reason: str
) -> None:
    model = onnx.load(folder / "model.onnx")
    props = {entry.key: entry.value for entry in model.metadata_props if entry.key != key}
    onnx.helper.set_model_props(model, props | ({key: value} if value else {}))
    with pytest.raises(ArtifactError, match=reason):
        Encoder(Graph(model.SerializeToString(), "model.onnx"))
