"""Another language answers with the graph as Python does. Needs node and npm."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlkeel.features.derived import derived
from mlkeel.features.encoder import TABLES
from mlkeel.features.functions import is_missing, log
from mlkeel.features.values import Values
from mlkeel.inference.predictor import Predictor
from mlkeel.training.training import train

from .kinds import KIND

ROWS = 1_000
PROGRAM = """
const ort = require("onnxruntime-node")
const rows = JSON.parse(require("fs").readFileSync("rows.json"))
const numbers = rows.numbers.map(value => value === null ? NaN : value)
ort.InferenceSession.create(process.argv[2]).then(async session => {
  const found = await session.run({
    numbers: new ort.Tensor("float64", Float64Array.from(numbers), [rows.texts.length, 1]),
    texts: new ort.Tensor("string", rows.texts, [rows.texts.length, 1]),
  })
  console.log(JSON.stringify({answers: Array.from(found.answers.data), features: Array.from(found.features.data)}))
})
"""


@derived
def log_weight(weight_g: Values) -> Values:
    return log(weight_g)


@derived
def no_colour(colour: Values) -> Values:
    return is_missing(colour)


@pytest.mark.slow
@pytest.mark.skipif(KIND.text, reason="a text enters by the kit's tokenizer")
def test_javascript_answers_a_thousand_rows_as_python_does(project: Path, tmp_path: Path) -> None:
    folder = train(replace(KIND.project, features=TABLES.derive(log_weight, no_colour)), project).folder
    rng = np.random.default_rng(0)
    numbers = [None if rng.random() < 0.1 else float(value) for value in rng.uniform(-10, 400, ROWS)]
    texts = rng.choice(["red", "green", "", "mauve", "Grün"], ROWS).tolist()
    (tmp_path / "rows.json").write_text(json.dumps({"numbers": numbers, "texts": texts}), encoding="utf-8")
    (tmp_path / "answer.js").write_text(PROGRAM, encoding="utf-8")
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "onnxruntime-node"]
    variables = os.environ | {"ONNXRUNTIME_NODE_INSTALL": "skip"}
    subprocess.run(install, cwd=tmp_path, env=variables, check=True, capture_output=True)
    command = ["node", "answer.js", str(folder / "model.onnx")]
    output = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    found = json.loads(output.splitlines()[-1])
    predictor = Predictor.load(folder)
    rows = {"weight_g": numbers, "colour": texts}
    features = [np.nan if value is None else value for value in found["features"]]  # JSON has no NaN
    np.testing.assert_array_equal(np.float32(features), predictor.encoder.encode(rows).ravel())
    np.testing.assert_allclose(np.float32(found["answers"]), predictor.predict(rows).ravel(), rtol=1e-5, atol=1e-6)
