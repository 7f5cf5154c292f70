"""Let `adopt` draft the six examples anew, and bring what it wrote back into `examples/`; `make examples` calls it."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from ..conftest import ROOT, succeed
from .variants import VARIANTS, Variant, generate

BLOCK = re.compile(r"<!-- make adopt writes (\w+) -->\n\n(.*?)\n<!-- to here -->", re.DOTALL)
FILES = ("conf/params.yaml", "expectations/features.json", "expectations/dataset.json", "tests/model/behavior.yaml")


def redraft(variant: Variant, folder: Path, environment: dict[str, str]) -> None:
    """Adopt the example of `variant` in a generated project in `folder`, and copy the drafts from there."""
    project = generate(variant, ROOT, folder, environment)
    adopt = ("adopt", "--yes", "--force", "--", variant.table, variant.target)
    print(succeed(".venv/bin/python", "-m", "myproj", *adopt, cwd=project, env=environment))
    destination = ROOT / "examples" / variant.task / variant.framework
    for name in FILES:
        shutil.copy(project / name, destination)
    for page in ("README.md", "data/README.md"):
        for name, text in BLOCK.findall((project / page).read_text(encoding="utf-8")):
            (destination / f"{name}.md").write_text(text, encoding="utf-8")


def main() -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for variant in VARIANTS:
        with tempfile.TemporaryDirectory() as folder:
            redraft(variant, Path(folder), environment)


if __name__ == "__main__":
    main()
