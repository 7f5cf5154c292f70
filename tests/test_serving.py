"""The API under load and under fire."""

import sys
from pathlib import Path

import pytest
from load import free_port, served
from roll_over import roll_over

from .conftest import command, succeed
from .engine import NEEDS_DEBIAN, install

pytestmark = [pytest.mark.xdist_group("newborn"), NEEDS_DEBIAN]
# 413 answers more rows than the schema allows, which Schemathesis does not expect of itself.
REFUSALS = "[checks.negative_data_rejection]\nexpected-statuses = [400, 413, 415, 422]\n"


@pytest.fixture
def trained(twin: Path, offline: dict[str, str]) -> Path:
    succeed("make", "train", cwd=twin, env=offline)
    return twin


def test_no_request_is_lost_when_the_model_changes_and_each_api_is_started_again(trained: Path) -> None:
    install("nginx-light", "wrk")
    rolled = roll_over(trained, 24)
    print(rolled)
    assert rolled.load.failed == 0
    assert rolled.load.requests > 1000
    assert rolled.taken_over == 2
    assert rolled.exits == [0, 0]


def test_whatever_its_schema_allows_or_forbids_is_answered_as_the_schema_says(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(REFUSALS, encoding="utf-8")
    port = free_port()
    with served([trained / ".venv" / "bin" / "python", "-m", "myproj", "serve"], trained, port, "/readyz"):
        said = command(
            *(Path(sys.executable).parent / "schemathesis", "run", f"http://127.0.0.1:{port}/openapi.json"),
            *("--max-examples", "1000", "--seed", "7", "--no-color"),
            cwd=tmp_path,
        )
    assert said.returncode == 0, said.stdout[-3000:]
    assert "No issues found" in said.stdout


def test_without_a_model_one_line_says_how_to_make_one(twin: Path, offline: dict[str, str]) -> None:
    said = command("make", "serve", cwd=twin, env=offline)
    assert "no model is in use yet. Make one with: make train" in said.stderr
    assert "Traceback" not in said.stderr
