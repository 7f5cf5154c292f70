import shutil
from pathlib import Path

import pandas as pd
import pytest
from mlkeel.errors import ArtifactError, ContractError, DataError
from mlkeel.inference.batch import predict_file
from mlkeel.inference.predictor import Predictor
from mlkeel.registry.artifact import current

from .kinds import KIND

HEADER = "note" if KIND.text else "weight_g,colour"
BROKEN = "long " * 99 if KIND.text else "9000,red"
ROW = "a sour apple" if KIND.text else "160,red"
VIOLATION = "note: the number of characters" if KIND.text else "weight_g: values must be at least 1"


def test_known_columns_that_are_no_features_are_kept(fruit_predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(f"id,fruit,{HEADER}\na,cherry,{ROW}\n", encoding="utf-8")
    predictions = predict_file(fruit_predictor, tmp_path / "in.csv", tmp_path / "out.csv")
    assert predictions[["id", "fruit"]].to_numpy().tolist() == [["a", "cherry"]]
    assert f"predicted_{fruit_predictor.target}" in pd.read_csv(tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (f"{HEADER},color\n{ROW},red\n", DataError, 'the column "color" is not in the contract'),
        ("id\n1\n", ContractError, "missing: "),
        (f"{HEADER}\n{BROKEN}\n", ContractError, VIOLATION),
    ],
)
def test_a_table_that_breaks_the_contract_is_refused_and_nothing_is_overwritten(
    fruit_predictor: Predictor, tmp_path: Path, content: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "in.csv").write_text(content, encoding="utf-8")
    (tmp_path / "out.csv").write_text("before", encoding="utf-8")
    with pytest.raises(error, match=message):
        predict_file(fruit_predictor, tmp_path / "in.csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "before"


def test_columns_are_kept_as_they_were_written(fruit_predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(f"id,{HEADER}\nNA,{ROW}\n007,{ROW}\n", encoding="utf-8")
    predict_file(fruit_predictor, tmp_path / "in.csv", tmp_path / "further" / "out.csv")
    lines = (tmp_path / "further" / "out.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"id,{HEADER},")
    assert lines[1].startswith(f"NA,{ROW},")
    assert lines[2].startswith(f"007,{ROW},")


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("in.csv", "would overwrite"),
        ("link.csv", "would overwrite"),
        ("params.yaml", "end in .csv"),
        ("file/x.csv", "cannot be written"),
    ],
)
def test_a_place_that_must_not_or_cannot_be_written_is_said(
    fruit_predictor: Predictor, tmp_path: Path, destination: str, message: str
) -> None:
    (tmp_path / "in.csv").write_text(f"{HEADER}\n{ROW}\n", encoding="utf-8")
    (tmp_path / "link.csv").symlink_to(tmp_path / "in.csv")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=message):
        predict_file(fruit_predictor, tmp_path / "in.csv", tmp_path / destination)
    assert (tmp_path / "in.csv").read_text(encoding="utf-8") == f"{HEADER}\n{ROW}\n"


def test_a_damaged_graph_is_refused(trained_project: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(current(trained_project / "artifacts"), tmp_path / "v1"))
    (folder / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(ArtifactError, match=r"model\.onnx cannot be loaded"):
        Predictor.load(folder)
