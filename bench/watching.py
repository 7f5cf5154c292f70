"""Thirty days of traffic with a change on the eleventh: when the monitor alarms, and which column it names.

The rows are sampled from the example's, with a tenth of a standard deviation of noise on each number, so that days
differ. One table of them is adopted; each day is a window that the monitor checks like recorded traffic, with the true
label of each row. evidently (its presets for data drift and classification, with their own tests)
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

BENCH_FOLDER = Path(__file__).parent
EVIDENTLY = "evidently==0.7.23"


def days_of(project: Path, days: int, rows: int, windows: Path) -> dict[str, dict[str, list[list[str]]]]:
    """Return what the monitor named on each day of a story, in alarms and in single windows; keep windows as CSV."""
    for name in ("traffic.py", "stories.py"):
        shutil.copy(BENCH_FOLDER / name, project / name)
    python = project / ".venv" / "bin" / "python"
    command = [python, "stories.py", str(days), str(rows), windows]
    output = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(output.splitlines()[-1]))


def days_of_evidently(windows: Path) -> dict[str, dict[str, list[list[str]]]]:
    """Return what evidently named on each day of each story."""
    environment = windows / "environment"
    subprocess.run([TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, environment], check=True)
    install = [TOOLS / "uv", "pip", "install", "--quiet", "--python", environment, EVIDENTLY, "pandas<3"]
    subprocess.run(install, check=True)
    command = [environment / "bin" / "python", BENCH_FOLDER / "with_evidently.py", windows]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(output.splitlines()[-1]))


def line(story: str, change: int | None, named: list[list[str]]) -> str:
    """Describe the first alarm after the change, and count the alarms before it."""
    quiet_days = named if change is None else named[:change]
    false_alarms = f"{sum(map(bool, quiet_days))} of {len(quiet_days)} quiet days alarmed"
    if change is None:
        return f"  {story:28} {false_alarms}"
    first_alarm = next((day for day in range(change, len(named)) if named[day]), None)
    alarm = "never found" if first_alarm is None else f"day {first_alarm + 1:2} ({', '.join(named[first_alarm][:4])})"
    return f"  {story:28} changed on day {change + 1:2}, alarm on {alarm}; {false_alarms}"


def main() -> None:
    is_small = "--small" in sys.argv
    days = 16 if is_small else 30
    rows = 300 if is_small else 500
    windows = Path(tempfile.mkdtemp())
    try:
        with generated_project() as project:
            monitor = days_of(project, days, rows, windows)
        if "--json" in sys.argv:
            print(json.dumps(monitor))
            return
        results = {"the monitor (an alarm: in 2 of 3 windows)": monitor["alarms"], "at first sight": monitor["seen"]}
        if not is_small:
            evidently = days_of_evidently(windows)
            results |= {"evidently, any test": evidently["any"], "evidently, half of the columns": evidently["dataset"]}
        for label, stories in results.items():
            print(f"{label}, {rows} rows a day:")
            for story, named in stories.items():
                print(line(story, monitor["changes"][story], named))
    finally:
        shutil.rmtree(windows)


if __name__ == "__main__":
    main()
