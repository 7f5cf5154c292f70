"""Programs that stand in for jx, kubectl and kaniko, and write down how they were called."""

import json
import os
import sys
from pathlib import Path

RECORDER = """#!{python}
import json, os, sys
with open({calls!r}, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + chr(10))
if sys.argv[1:3] == ["gitops", "variables"]:
    os.makedirs(".jx", exist_ok=True)
    with open(".jx/variables.sh", "w") as file:
        file.write("export APP_NAME=repo DOCKER_REGISTRY=ghcr.io DOCKER_REGISTRY_ORG=ada VERSION=9.9.9" + chr(10))
if sys.argv[1:3] == ["gitops", "yset"]:
    import yaml
    *_, path, _, value, _, name = sys.argv
    whole = here = yaml.safe_load(open(name))
    *above, last = path.split(".")
    for word in above:
        here = here[word]
    here[last] = value
    yaml.safe_dump(whole, open(name, "w"))
"""


class Tools:
    """Programs that write down how they were called, first on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def add(self, name: str) -> Path:
        program = self.folder / name
        program.write_text(RECORDER.format(python=sys.executable, calls=str(self.folder / f"{name}.calls")), "utf-8")
        program.chmod(0o755)
        return program

    def calls(self, name: str) -> list[list[str]]:
        file = self.folder / f"{name}.calls"
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.folder}{os.pathsep}{os.defpath}", "HOME": str(self.folder)}
