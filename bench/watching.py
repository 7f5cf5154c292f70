"""Thirty days of traffic in which something changes on the eleventh: when does the monitor say so, and what it names.

The rows are drawn from the example's, with a tenth of a standard deviation of noise on each number, so that days differ
as days do. One table of them is adopted; each day is a window that the monitor looks at as it looks at what was
recorded, with the truth of each row. evidently (its presets for data drift and classification, with their own tests)
sees the same tables, in an environment of its own, since it needs pandas 2; `--small` leaves it out and halves the
days.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from common import TOOLS, generated_project

HERE = Path(__file__).parent
EVIDENTLY = "evidently==0.7.23"


def days_of(project: Path, days: int, rows: int, windows: Path) -> dict[str, dict[str, list[list[str]]]]:
    """What the monitor named on each day of each story, as alarms and at first sight; the windows are kept as CSV."""
    for name in ("traffic.py", "stories.py"):
        shutil.copy(HERE / name, project / name)
    python = project / ".venv" / "bin" / "python"
    command = [python, "stories.py", str(days), str(rows), windows]
    said = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(said.splitlines()[-1]))


def days_of_evidently(windows: Path) -> dict[str, dict[str, list[list[str]]]]:
    """The same, as evidently sees it."""
    environment = windows / "environment"
    subprocess.run([TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, environment], check=True)
    install = [TOOLS / "uv", "pip", "install", "--quiet", "--python", environment, EVIDENTLY, "pandas<3"]
    subprocess.run(install, check=True)
    command = [environment / "bin" / "python", HERE / "with_evidently.py", windows]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(said.splitlines()[-1]))


def line(story: str, change: int | None, named: list[list[str]]) -> str:
    """When the first alarm came after the change, what it named, and how many days before it were alarmed."""
    quiet = named if change is None else named[:change]
    false = f"{sum(map(bool, quiet))} of {len(quiet)} quiet days alarmed"
    if change is None:
        return f"  {story:28} {false}"
    first = next((day for day in range(change, len(named)) if named[day]), None)
    found = "never found" if first is None else f"day {first + 1:2} ({', '.join(named[first][:4])})"
    return f"  {story:28} changed on day {change + 1:2}, alarm on {found}; {false}"


def main() -> None:
    small = "--small" in sys.argv
    days, rows = (16, 300) if small else (30, 500)
    windows = Path(tempfile.mkdtemp())
    try:
        with generated_project() as project:
            ours = days_of(project, days, rows, windows)
        if "--json" in sys.argv:
            print(json.dumps(ours))
            return
        results = {"the monitor (an alarm: in 2 of 3 windows)": ours["alarms"], "at first sight": ours["seen"]}
        if not small:
            theirs = days_of_evidently(windows)
            results |= {"evidently, any test": theirs["any"], "evidently, half of the columns": theirs["dataset"]}
        for who, stories in results.items():
            print(f"{who}, {rows} rows a day:")
            for story, named in stories.items():
                print(line(story, ours["changes"][story], named))
    finally:
        shutil.rmtree(windows)


if __name__ == "__main__":
    main()
