"""A project goes from its table to answers by its own commands, also where make, file locks and uvloop are missing."""

import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from load import free_port, served

from ..conftest import succeed

ROW = {
    "island": "Biscoe",
    "bill_length_mm": 46.1,
    "bill_depth_mm": 13.2,
    "flipper_length_mm": 211,
    "body_mass_g": 4500,
    "sex": "female",
}


@pytest.fixture
def bare(offline: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The variables of a system that has neither."""
    folder = tmp_path / "missing"
    folder.mkdir()
    blocked = "import sys\nsys.modules['fcntl'] = None\nsys.modules['uvloop'] = None\n"
    (folder / "sitecustomize.py").write_text(blocked, encoding="utf-8")
    return offline | {"PYTHONPATH": str(folder), "PATH": "/nowhere"}


def test_a_model_is_trained_chosen_asked_and_served(
    trained: Path, bare: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = (trained / ".venv" / "bin" / "python", "-m", "myproj")
    assert "is current" in succeed(*cli, "train", cwd=trained, env=bare)
    succeed(*cli, "rollback", cwd=trained, env=bare)
    assert "rows were predicted" in succeed(*cli, "predict", "data/penguins.csv", "out.csv", cwd=trained, env=bare)
    monkeypatch.setenv("PYTHONPATH", bare["PYTHONPATH"])
    port = free_port()
    with served([*cli, "serve"], trained, port, "/readyz"):
        headers = {"content-type": "application/json"}
        request = Request(f"http://127.0.0.1:{port}/predict", json.dumps(ROW).encode(), headers)
        with urlopen(request, timeout=10) as response:
            assert json.load(response)["predicted"] == "Gentoo"
