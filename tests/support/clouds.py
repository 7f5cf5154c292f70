"""What the tests of Cloud Run and App Runner share: facts of the API, a fake program, a project ready to use it."""

import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType

from ..conftest import ROOT
from .environments import lend

PACKAGES = ["a", "customer_churn", "a" * 30, "a2345678901234567890123456_89"]
TAG = "0.1.0-3f2a9c1b0d4e-20261122T160054182736-63de8fce"
BEFORE = "0.1.0-aaaaaaaaaaaa-20261121T160054182736-63de8fce"
BAD_TAGS = [
    "",
    "latest",
    "1",
    "main",
    "0.1.0-3f2a9c1b0d4e-dirty-20261122T160054182736-63de8fce",
    "a b",
    "0.0.0-none-yet",
]
KIT = ROOT / "template" / "packages" / "mlkeel" / "mlkeel"
PATHS = set(re.findall(r'@app\.get\("([^"]+)"', (KIT / "serve" / "app.py").read_text("utf-8")))
SETTINGS = {name.upper() for name in re.findall(r"^    (api_\w+|port):", (KIT / "config.py").read_text("utf-8"), re.M)}
DOCKERFILE = (ROOT / "template" / "deploy" / "docker" / "Dockerfile.jinja").read_text("utf-8")
PORT = int(re.search(r"\bPORT=(\d+)", DOCKERFILE)[1])


def module(path: Path) -> ModuleType:
    """A script of a project, imported."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}".replace("-", "_"), path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class Fake:
    """A program of a cloud that keeps its state in a file and writes down how it was called."""

    def __init__(self, folder: Path, name: str, behavior: str) -> None:
        folder.mkdir()
        self.folder = folder
        self._state = folder / "state.json"
        self._calls = folder / "calls.jsonl"
        program = folder / name
        program.write_text(
            f"#!{sys.executable}\n{HEAD.format(folder=str(folder))}{behavior}\nkeep()\n", encoding="utf-8"
        )
        program.chmod(0o755)

    def set(self, **state: object) -> None:
        self._state.write_text(json.dumps(self.state | state), encoding="utf-8")

    @property
    def state(self) -> dict[str, object]:
        return json.loads(self._state.read_text("utf-8")) if self._state.exists() else {}

    @property
    def calls(self) -> list[list[str]]:
        return (
            [json.loads(line) for line in self._calls.read_text("utf-8").splitlines()] if self._calls.exists() else []
        )

    def within(self, environment: dict[str, str]) -> dict[str, str]:
        """The environment of a person who has this program."""
        return environment | {"PATH": f"{self.folder}{os.pathsep}{environment['PATH']}"}


HEAD = """
import json, sys
from pathlib import Path
folder = Path({folder!r})
words = sys.argv[1:]
with (folder / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(words) + chr(10))
file = folder / "state.json"
state = json.loads(file.read_text()) if file.exists() else {{}}
after = lambda name: words[words.index(name) + 1]
keep = lambda: file.write_text(json.dumps(state))
def stop(message):
    keep()
    sys.exit(message)
"""


def ready(project: Path, generated: Path) -> Path:
    """Give `project` an environment that the generated project lends."""
    return lend(generated / ".venv", project)
