"""This checkout beside another one, at 6, 30 and 150 columns: requests a second, and the seconds of a million rows.

    python bench/wide_rows.py ../another-checkout

Both APIs stand side by side and are loaded in turns, so that a slow minute slows both. It needs `wrk`.
"""

import csv
import random
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from common import ROOT, generated_project
from load import free_port, load, served

WIDTHS = (6, 30, 150)  # two thirds of the columns are numbers
ROUNDS = 7
SECONDS = 3
MILLION = """
import sys, time
from pathlib import Path
import pandas as pd
from mlkeel.data.tables import load
from mlkeel.inference.predictor import Predictor
from mlkeel.registry.artifact import current

predictor = Predictor.load(current(Path("artifacts")))
table = load(Path(sys.argv[1]), predictor.contract)
rows = pd.concat([table] * (1_000_000 // len(table) + 1), ignore_index=True).head(1_000_000)
durations = []
for _ in range(3):
    start = time.process_time()
    predictor.predict(rows)
    durations.append(time.process_time() - start)
print(sorted(durations)[1])
"""


def write_table(path: Path, width: int) -> dict[str, float | str]:
    """Write 600 rows of so many columns, of which the first number and the first color decide; return a request."""
    rng = random.Random(width)
    numbers = [f"n{place}" for place in range(width * 2 // 3)]
    colors = [f"c{place}" for place in range(width - len(numbers))]
    rows = []
    for number in range(600):
        values: dict[str, float | str] = {
            name: round(rng.gauss(10 + place, 3), 2) for place, name in enumerate(numbers)
        }
        values |= {name: rng.choice(["red", "green", "blue"]) for name in colors}
        score = float(values["n0"]) - 10 + 3 * (values["c0"] == "red") + rng.gauss(0, 1)
        rows.append({"id": f"r{number:04}"} | values | {"label": "yes" if score > 1 else "no"})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return {name: value for name, value in rows[0].items() if name not in ("id", "label")}


def main() -> None:
    checkouts = [Path(sys.argv[1]).resolve(), ROOT]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        projects = [stack.enter_context(generated_project(checkout)) for checkout in checkouts]
        for width in WIDTHS:
            table = folder / f"wide{width}.csv"
            row = write_table(table, width)
            with ExitStack() as servers:
                urls = []
                for project in projects:
                    adopt = ["make", "adopt", f"DATA={table}", "TARGET=label", "OPTIONS=--force --yes"]
                    subprocess.run(adopt, cwd=project, check=True, capture_output=True)
                    port = free_port()
                    python = project / ".venv" / "bin" / "python"
                    servers.enter_context(served([python, "-m", "myproj", "serve"], project, port, "/readyz"))
                    urls.append(f"http://127.0.0.1:{port}/predict")
                rounds = [[load(url, row, folder, SECONDS) for url in urls] for _ in range(ROUNDS)]
            rate = statistics.median(new.rate / old.rate for old, new in rounds)
            p99 = statistics.median(new.p99 / old.p99 for old, new in rounds)
            print(f"{width} columns: {rate:.2f} times the requests a second, {p99:.2f} times the 99th percentile")
            if width == WIDTHS[0]:
                old, new = (cpu_seconds(project, table) for project in projects)
                print(f"a million rows: {new:.2f} s of CPU, {new / old:.2f} times those of the other checkout")


def cpu_seconds(project: Path, table: Path) -> float:
    """Return the seconds of CPU in which a million rows are predicted."""
    command = [project / ".venv" / "bin" / "python", "-c", MILLION, table]
    return float(subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
