"""How long it takes to generate the default project, against a template of one file."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from common import ROOT, TOOLS, medians


def make_template(folder: Path, files: list[str]) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, folder / name)
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for args in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "bench"],
        ["tag", "v1.0.0"],
    ):
        subprocess.run([*git, *args], cwd=folder, check=True)
    return folder


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    (folder / "one_file").mkdir()
    (folder / "one_file" / "README.md").write_text("# One file\n", encoding="utf-8")
    template_source = make_template(folder / "template", listed.strip("\0").split("\0"))
    one_file_source = make_template(folder / "one_file", [])

    def generate(source: Path) -> None:
        target = folder / "project"
        shutil.rmtree(target, ignore_errors=True)
        command = [TOOLS / "copier", "copy", "--quiet", "--defaults", source, target]
        subprocess.run(command, check=True, capture_output=True)

    template_seconds, one_file_seconds = medians(lambda: generate(template_source), lambda: generate(one_file_source))
    print(
        f"generation: {template_seconds:.2f} s, one file {one_file_seconds:.2f} s, "
        f"ratio {template_seconds / one_file_seconds:.2f} (at most 3.0)"
    )
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
