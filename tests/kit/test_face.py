"""The face of the kit: what a project's own code and tests import of it, and all that they should."""

import importlib
import re
from pathlib import Path

from mlkeel.features import functions
from mlkeel.models import families

ROOT = Path(__file__).parents[2]


FACE = (ROOT / "template" / "packages" / "mlkeel" / "README.md").read_text("utf-8").split("## The face")[1]
PROJECT_FILES = [
    path for name in ("template/src", "template/tests", "examples") for path in (ROOT / name).rglob("*.py*")
]


def imports(path: Path) -> set[tuple[str, str]]:
    """The modules of the kit, and their names, that a file imports."""
    matches = re.findall(r"^\s*from (mlkeel[\w.]*) import ([^(\n]+)$", path.read_text("utf-8"), flags=re.MULTILINE)
    return {(module, name.split(" as ")[0].strip()) for module, names in matches for name in names.split(",")}


def test_a_project_imports_only_the_face_of_the_kit() -> None:
    names = set(re.findall(r"`(\w+)`", FACE)) | set(vars(families)) | set(vars(functions))
    for path in PROJECT_FILES:
        if path.suffix in (".py", ".jinja"):
            assert {name for _, name in imports(path)} <= names, path


def test_each_name_of_the_face_exists() -> None:
    for modules, names in re.findall(r"^\| (`mlkeel[^|]*) \| (.*) \|$", FACE, flags=re.MULTILINE):
        first, *others = re.findall(r"`([\w.]+)`", modules)
        package = first.rpartition(".")[0]
        loaded = [importlib.import_module(name) for name in (first, *(package + other for other in others))]
        for name in re.findall(r"`(\w+)`", names):
            assert any(hasattr(module, name) for module in loaded), (modules, name)
