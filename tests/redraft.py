"""Let `adopt` draft the six examples anew, and bring what it wrote back into `examples/`; `make examples` calls it."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from .conftest import ROOT, succeed
from .pairs import PAIRS, Pair, born

BLOCK = re.compile(r"<!-- make adopt writes (\w+) -->\n\n(.*?)\n<!-- to here -->", re.DOTALL)
FILES = ("conf/params.yaml", "expectations/features.json", "expectations/dataset.json", "tests/model/behavior.yaml")


def redraft(pair: Pair, folder: Path, environment: dict[str, str]) -> None:
    """Adopt the example of `pair` in a newborn in `folder`, and copy the drafts from there."""
    project = born(pair, ROOT, folder, environment)
    adopt = ("adopt", "--yes", "--force", "--", pair.table, pair.target)
    print(succeed(".venv/bin/python", "-m", "myproj", *adopt, cwd=project, env=environment))
    goal = ROOT / "examples" / pair.task / pair.framework
    for name in FILES:
        shutil.copy(project / name, goal)
    for name, text in BLOCK.findall((project / "README.md").read_text(encoding="utf-8")):
        (goal / f"{name}.md").write_text(text, encoding="utf-8")


def main() -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for pair in PAIRS:
        with tempfile.TemporaryDirectory() as folder:
            redraft(pair, Path(folder), environment)


if __name__ == "__main__":
    main()
