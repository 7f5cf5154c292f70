"""How long it takes to generate the default project, against a template of one file."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from common import ROOT, TOOLS, medians


def template(folder: Path, files: list[str]) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, folder / name)
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for words in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "bench"],
        ["tag", "v1.0.0"],
    ):
        subprocess.run([*git, *words], cwd=folder, check=True)
    return folder


def main() -> None:
    work = Path(tempfile.mkdtemp())
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    (work / "one").mkdir()
    (work / "one" / "README.md").write_text("# One file\n", encoding="utf-8")
    ours = template(work / "ours", listed.strip("\0").split("\0"))
    one = template(work / "one", [])

    def generate(source: Path) -> None:
        goal = work / "goal"
        shutil.rmtree(goal, ignore_errors=True)
        command = [TOOLS / "copier", "copy", "--quiet", "--defaults", source, goal]
        subprocess.run(command, check=True, capture_output=True)

    of_ours, of_one = medians(lambda: generate(ours), lambda: generate(one))
    print(f"generation: {of_ours:.2f} s, one file {of_one:.2f} s, ratio {of_ours / of_one:.2f} (at most 3.0)")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
