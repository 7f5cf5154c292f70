"""Each command of a project's README works as it stands there."""

import re
from pathlib import Path

import pytest
from load import free_port, served

from ..conftest import succeed

ELSEWHERE = {"make test", "make prove"}  # test_variants.py runs them


def blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", readme, flags=re.DOTALL)


def commands(readme: str) -> list[str]:
    lines = [line for block in blocks(readme, "sh") for line in block.splitlines()]
    return [line.split("  #")[0].rstrip() for line in lines if line]


@pytest.fixture
def my_table(twin: Path) -> None:
    """The table that the README adopts."""
    table = (twin / "data" / "penguins.csv").read_text(encoding="utf-8")
    (twin / "my.csv").write_text(table.replace("species", "label", 1), encoding="utf-8")


@pytest.mark.usefixtures("my_table")
def test_the_commands_of_the_readme(twin: Path, offline: dict[str, str]) -> None:
    readme = (twin / "README.md").read_text(encoding="utf-8")
    readme_commands = commands(readme)
    assert set(readme_commands) >= {"make train", "make serve", "make clean", *ELSEWHERE}
    variables = [f"{name}={value}" for name, value in offline.items()]  # not for this process, which asks the server
    for line in sorted(
        readme_commands, key=lambda line: line.startswith("make adopt")
    ):  # it changes what the others are about
        if line in ELSEWHERE:
            continue
        if line == "make serve":
            port = free_port()
            with served(["env", *variables, "bash", "-c", line], twin, port, "/readyz"):
                continue
        succeed("bash", "-c", line, cwd=twin, env=offline)
        if line == "make train":
            for code in blocks(readme, "python"):
                succeed(twin / ".venv" / "bin" / "python", "-c", code, cwd=twin, env=offline)
    assert "label" in (twin / "README.md").read_text(encoding="utf-8")
